//! The rows of a table or an array in a file, some at a time, whatever kind of file it is.

use std::path::{Path, PathBuf};

use super::error::DatasetError;
use super::npy::{ArrayPieces, Stored};
use super::table::{Kind, kind, stored, tabs};
use super::tables::outline::{Outline, TextPieces};
use super::tables::raw::RawTable;
use super::tables::text::{Text, TextEncoding};

/// Rows as the file has them.
pub(super) enum FileRows {
    /// Of a text.
    Text(RawTable),
    /// Of arrays or columns; which row of the file the first of them is.
    Stored(usize, Stored),
}

/// The rows of a file, some at a time. A text and an array come by pieces, all else comes whole.
pub(super) struct FilePieces {
    /// The file, or its place in an archive.
    pub(super) place: PathBuf,
    source: Source,
}

enum Source {
    Text(Box<TextPieces<'static>>),
    Arrays(ArrayPieces),
    /// What is read whole, and whether it is an array and no table.
    Whole(Option<Stored>, bool),
}

impl FilePieces {
    /// Opens a file; a text is looked at as a whole by `outline`.
    ///
    /// # Errors
    /// Whatever is wrong with the file, as far as that can be known before its rows are read.
    pub(super) fn open(
        path: &Path,
        encoding: Option<TextEncoding>,
        outline: impl FnOnce(&Text<'static>) -> Result<Outline, DatasetError>,
    ) -> Result<Self, DatasetError> {
        let kind = kind(path);
        if kind == Some(Kind::Text) {
            let text = Text::open(path, encoding, tabs(path))?;
            let outline = outline(&text)?;
            let source = Source::Text(Box::new(TextPieces::of(&text, outline)?));
            return Ok(Self { place: path.to_owned(), source });
        }
        let arrays = if kind == Some(Kind::Npy) { ArrayPieces::open(path)? } else { None };
        Ok(match arrays {
            Some(pieces) => Self { place: path.to_owned(), source: Source::Arrays(pieces) },
            None => {
                let (place, content) = stored(path)?;
                Self { place, source: Source::Whole(Some(content), kind != Some(Kind::Parquet)) }
            }
        })
    }

    /// Size of each dimension of an array, before its rows are asked for; none of what is no array.
    pub(super) fn sizes(&self) -> &[usize] {
        match &self.source {
            Source::Arrays(pieces) => pieces.shape(),
            Source::Whole(Some(Stored::Plain(array)), true) => &array.shape,
            _ => &[],
        }
    }

    /// The next rows, `most` at the most where they come by pieces; `None` when all have come.
    ///
    /// # Errors
    /// Whatever is wrong with the rows.
    pub(super) fn next(&mut self, most: usize) -> Result<Option<FileRows>, DatasetError> {
        Ok(match &mut self.source {
            Source::Text(pieces) => pieces.next(most)?.map(FileRows::Text),
            Source::Arrays(pieces) => pieces.next(most)?.map(|(first, content)| FileRows::Stored(first, content)),
            Source::Whole(content, _) => content.take().map(|content| FileRows::Stored(0, content)),
        })
    }
}

//! Rows of an array that lies in a file, some at a time.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::header::{Header, Kind};
use super::{DatasetError, MOST_HEADER, Stored, begun, entries};

/// The rows of an array, some at a time.
pub(in super::super) struct ArrayPieces {
    path: PathBuf,
    file: File,
    header: Header,
    /// Rows that came.
    row: usize,
}

impl ArrayPieces {
    /// The rows of a file; `None` for one that has to be read whole: what is no file that has a length, an array whose first index
    /// runs fastest, and strings, of which all together say whether they are numbers.
    ///
    /// # Errors
    /// Whatever is wrong with its header, or with its length.
    pub(in super::super) fn open(path: &Path) -> Result<Option<Self>, DatasetError> {
        let error = |source| DatasetError::Io { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(error)?;
        let metadata = file.metadata().map_err(error)?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let mut start = Vec::new();
        (&mut file).take(MOST_HEADER).read_to_end(&mut start).map_err(error)?;
        // A file that grows meanwhile has no byte too many for a header that was read before.
        let (header, begin) = begun(path, &start, metadata.len().max(start.len() as u64))?;
        let is_text = match &header.kind {
            Kind::Plain(element) => element.is_text(),
            Kind::Record { fields, .. } => fields.iter().any(|field| field.element.is_text()),
        };
        if is_text || (header.fortran && header.shape.len() > 1) {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(begin)).map_err(error)?;
        Ok(Some(Self { path: path.to_owned(), file, header, row: 0 }))
    }

    /// Size of each dimension.
    pub(in super::super) fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// The next rows, `most` at the most, and which the first of them is; `None` when all have come.
    ///
    /// # Errors
    /// `Io`; `ChangedMeanwhile` for a file that was cut; `Inexact`.
    pub(in super::super) fn next(&mut self, most: usize) -> Result<Option<(usize, Stored)>, DatasetError> {
        let (first, rows) = (self.row, most.min(self.header.shape[0] - self.row));
        if rows == 0 {
            return Ok(None);
        }
        let width = self.header.shape[1..].iter().product::<usize>() * self.header.kind.bytes();
        let mut bytes = vec![0; rows * width];
        self.file.read_exact(&mut bytes).map_err(|source| match source.kind() {
            ErrorKind::UnexpectedEof => DatasetError::ChangedMeanwhile { path: self.path.clone() },
            _ => DatasetError::Io { path: self.path.clone(), source },
        })?;
        self.row += rows;
        let all = std::mem::replace(&mut self.header.shape[0], rows);
        let stored = entries(&self.path, &self.header, &bytes, first);
        self.header.shape[0] = all;
        Ok(Some((first, stored?)))
    }
}

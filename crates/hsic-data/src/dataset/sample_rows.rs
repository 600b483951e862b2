//! Rows of a file as samples of a known size: images in arrays come channel by channel, wherever their channels are.

use std::path::{Path, PathBuf};

use super::array_fault::ArrayFault;
use super::layout::Layout;
use super::npy::{ArrayPieces, Stored};
use super::table::{Kind, Table, Values, from_stored, kind, of_numbers, stored, tabs};
use super::tables::outline::{Outline, TextPieces};
use super::tables::raw::Known;
use super::tables::text::Text;
use super::{DatasetError, Shape};

/// The rows of a file as samples of sizes `shape`, some at a time. Where those are images, an array of images has its rows channel
/// by channel (n x height x width, n x height x width x channels or n x channels x height x width); one of two dimensions is taken
/// to have them so.
pub(crate) struct SamplePieces {
    /// The file, or its place in an archive.
    place: PathBuf,
    rows: Rows,
    layout: Option<Layout>,
}

/// Rows, some at a time.
enum Rows {
    Text(Box<TextPieces<'static>>),
    Arrays(ArrayPieces),
    /// What is read whole.
    Whole(Option<Stored>),
}

impl SamplePieces {
    /// Opens a file; a text is looked at as a whole.
    ///
    /// # Errors
    /// Those of [`read_table`](super::read_table); `Array` for images of other sizes.
    pub(crate) fn open(path: &Path, shape: Shape) -> Result<Self, DatasetError> {
        let kind = kind(path);
        if kind == Some(Kind::Text) {
            let text = Text::open(path, None, tabs(path))?;
            let rows = Rows::Text(Box::new(TextPieces::of(&text, Outline::of(&text, Known::default())?)?));
            return Ok(Self { place: path.to_owned(), rows, layout: None });
        }
        let arrays = if kind == Some(Kind::Npy) { ArrayPieces::open(path)? } else { None };
        let (place, rows) = match arrays {
            Some(pieces) => (path.to_owned(), Rows::Arrays(pieces)),
            None => {
                let (place, content) = stored(path)?;
                (place, Rows::Whole(Some(content)))
            }
        };
        let sizes = match &rows {
            Rows::Arrays(pieces) => pieces.shape(),
            Rows::Whole(Some(Stored::Plain(array))) if kind != Some(Kind::Parquet) => &array.shape,
            _ => &[],
        };
        let images = shape.channels > 1 || shape.height > 1;
        let layout = if images { Layout::of(sizes) } else { None };
        if let Some(found) = layout.map(|layout| layout.shape).filter(|found| *found != shape) {
            let fault = ArrayFault::Sizes { found, expected: shape };
            return Err(DatasetError::Array { path: place, fault });
        }
        Ok(Self { place, rows, layout })
    }

    /// The next rows, `most` at the most, and how the file stores them; `None` when all have come.
    ///
    /// # Errors
    /// Those of [`read_table`](super::read_table).
    pub(crate) fn next(&mut self, most: usize) -> Result<Option<(Table, Values)>, DatasetError> {
        let (first, content) = match &mut self.rows {
            Rows::Text(pieces) => {
                let Some(table) = pieces.next(most)? else { return Ok(None) };
                return Ok(Some((of_numbers(&self.place, &table, None)?, Values::Text)));
            }
            Rows::Arrays(pieces) => match pieces.next(most)? {
                Some(piece) => piece,
                None => return Ok(None),
            },
            Rows::Whole(content) => match content.take() {
                Some(content) => (0, content),
                None => return Ok(None),
            },
        };
        let (mut table, values) = from_stored(&self.place, content).map_err(|error| match error {
            DatasetError::NotFinite { path, row, column, value } => {
                DatasetError::NotFinite { path, row: first + row, column, value }
            }
            error => error,
        })?;
        if let Some(layout) = self.layout {
            table.values = layout.planar(table.values).into_owned();
        }
        Ok(Some((table, values)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of an array of bytes as NumPy writes it.
    fn npy(shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    #[test]
    fn images_come_channel_by_channel_wherever_their_channels_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let read = |sizes: &str, data: &[u8], [channels, height, width]: [usize; 3]| {
            std::fs::write(&path, npy(sizes, data)).unwrap();
            let read = SamplePieces::open(&path, Shape { channels, height, width });
            read.map(|mut pieces| pieces.next(usize::MAX).unwrap().unwrap().0.values)
                .map_err(|error| error.to_string().split_once(": ").unwrap().1.to_owned())
        };
        // One image of 3 x 4 pixels of two colors: 10 times the color and the pixel.
        let last: Vec<u8> = (0..12).flat_map(|pixel| [pixel, 100 + pixel]).collect();
        let planar: Vec<f64> = (0..24).map(|i| f64::from(i % 12 + 100 * (i / 12))).collect();
        let first: Vec<u8> = planar.iter().map(|&value| value as u8).collect();
        assert_eq!(read("(1, 3, 4, 2)", &last, [2, 3, 4]).unwrap(), planar);
        assert_eq!(read("(1, 2, 3, 4)", &first, [2, 3, 4]).unwrap(), planar);
        assert_eq!(read("(1, 24)", &first, [2, 3, 4]).unwrap(), planar);
        // Rows of a table of as many columns stay as they lie.
        assert_eq!(read("(1, 3, 4, 2)", &first, [1, 1, 24]).unwrap(), planar);
        let expected = "images of 2 x 4 x 3 (channels x height x width), expected 2 x 3 x 4 as in training";
        assert_eq!(read("(1, 4, 3, 2)", &last, [2, 3, 4]).unwrap_err(), expected);
    }
}

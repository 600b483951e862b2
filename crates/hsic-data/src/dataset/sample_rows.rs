//! Rows of a file as samples of a known size: images in arrays come channel by channel, wherever their channels are.

use std::path::Path;

use super::array_fault::ArrayFault;
use super::file_rows::{FilePieces, FileRows};
use super::layout::Layout;
use super::table::{Table, Values, from_stored, of_numbers};
use super::tables::outline::Outline;
use super::tables::raw::Known;
use super::{DatasetError, Shape};

/// The rows of a file as samples of sizes `shape`, some at a time. Where those are images, an array of images has its rows channel
/// by channel (n x height x width, n x height x width x channels or n x channels x height x width); one of two dimensions is taken
/// to have them so.
pub(crate) struct SamplePieces {
    pieces: FilePieces,
    layout: Option<Layout>,
}

impl SamplePieces {
    /// Opens a file; a text is looked at as a whole.
    ///
    /// # Errors
    /// Those of [`read_table`](super::read_table); `Array` for images of other sizes.
    pub(crate) fn open(path: &Path, shape: Shape) -> Result<Self, DatasetError> {
        let pieces = FilePieces::open(path, None, |text| Outline::of(text, Known::default()))?;
        let images = shape.channels > 1 || shape.height > 1;
        let layout = if images { Layout::of(pieces.sizes()) } else { None };
        if let Some(found) = layout.map(|layout| layout.shape).filter(|found| *found != shape) {
            let fault = ArrayFault::Sizes { found, expected: shape };
            return Err(DatasetError::Array { path: pieces.place, fault });
        }
        Ok(Self { pieces, layout })
    }

    /// The next rows, `most` at the most, and how the file stores them; `None` when all have come.
    ///
    /// # Errors
    /// Those of [`read_table`](super::read_table).
    pub(crate) fn next(&mut self, most: usize) -> Result<Option<(Table, Values)>, DatasetError> {
        let (first, content) = match self.pieces.next(most)? {
            Some(FileRows::Text(table)) => {
                return Ok(Some((of_numbers(&self.pieces.place, &table, None)?, Values::Text)));
            }
            Some(FileRows::Stored(first, content)) => (first, content),
            None => return Ok(None),
        };
        let (mut table, values) = from_stored(&self.pieces.place, content).map_err(|error| match error {
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

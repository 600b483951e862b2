//! What every decoder of images is given and gives.

use std::error::Error;
use std::path::Path;

use super::fault::ImageFault;
use super::turn::Turn;
use crate::dataset::{DatasetError, Shape};

/// The largest file that is read and the most bytes that an image may decode to: 256 MiB.
pub(super) const MOST_BYTES: u64 = 1 << 28;

/// A file as decoders see it.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    /// Names it in errors.
    pub(super) path: &'a Path,
    pub(super) bytes: &'a [u8],
}

impl Source<'_> {
    /// Refuses sizes before memory is taken for them: no pixels, more bytes than are decoded (`bytes` a pixel), or more
    /// pixels than the file can hold.
    pub(super) fn admit(self, [width, height]: [u64; 2], bytes: u64, pixels_per_byte: u64) -> Result<(), DatasetError> {
        let path = || self.path.to_owned();
        let pixels = width.saturating_mul(height);
        let (found, possible) =
            (pixels.saturating_mul(bytes), (self.bytes.len() as u64).saturating_mul(pixels_per_byte));
        if pixels == 0 {
            return Err(DatasetError::Empty { path: path() });
        }
        if found > MOST_BYTES {
            return Err(DatasetError::TooLarge { path: path(), found, limit: MOST_BYTES });
        }
        if pixels > possible {
            return Err(DatasetError::Oversized { path: path(), claimed: pixels, possible });
        }
        Ok(())
    }

    /// The file is no image, or none that is read.
    pub(super) fn fault(self, source: ImageFault) -> DatasetError {
        DatasetError::Image { path: self.path.to_owned(), source: Box::new(source) }
    }

    /// The library that decodes a format has given up.
    pub(super) fn damaged(self, format: &'static str, source: impl Error + Send + Sync + 'static) -> DatasetError {
        self.fault(ImageFault::Decoder { format, source: Box::new(source) })
    }

    /// A value that cannot be, or that is not read.
    pub(super) fn strange(
        self,
        format: &'static str,
        what: &'static str,
        found: u64,
        expected: &'static str,
    ) -> DatasetError {
        self.fault(ImageFault::Value { format, what, found, expected })
    }

    /// An index that the palette lacks.
    pub(super) fn no_color(self, format: &'static str, index: u64) -> DatasetError {
        self.strange(format, "color", index, "one of the palette")
    }
}

/// What decoders give.
pub(super) struct Raster {
    width: usize,
    height: usize,
    /// Values of a pixel: gray, or red, green and blue, and transparency or not.
    pub(super) channels: usize,
    /// Pixel by pixel, row by row.
    pub(super) values: Vec<u8>,
    /// How the picture lies in them.
    turn: Turn,
}

impl Raster {
    /// An image that is looked at as it lies.
    pub(super) fn new(width: usize, height: usize, channels: usize, values: Vec<u8>) -> Self {
        Self { width, height, channels, values, turn: Turn::default() }
    }

    /// The same, looked at as that note says.
    pub(super) fn turned(self, turn: Turn) -> Self {
        Self { turn, ..self }
    }

    /// The picture channel by channel, turned, without transparency.
    pub(super) fn planar(self) -> (Shape, Vec<u8>) {
        let Self { width, height, channels, values, turn } = self;
        let colors = if channels < 3 { 1 } else { 3 };
        let (columns, rows) = turn.size((width, height));
        let shape = Shape { channels: colors, height: rows, width: columns };
        let planar = if !turn.is_none() {
            let channel = |c| turn.order((width, height)).map(move |pixel| (c, pixel));
            (0..colors).flat_map(channel).map(|(c, pixel)| values[pixel * channels + c]).collect()
        } else if channels == 1 {
            values
        } else {
            (0..colors).flat_map(|c| values.iter().skip(c).step_by(channels)).copied().collect()
        };
        (shape, planar)
    }
}

/// Red, green and blue of indices into a palette.
pub(super) fn colored(
    source: Source<'_>,
    format: &'static str,
    indices: &[u8],
    palette: &[[u8; 3]],
) -> Result<Vec<u8>, DatasetError> {
    let color = |&index: &u8| palette.get(usize::from(index)).ok_or_else(|| source.no_color(format, index.into()));
    let mut values = Vec::with_capacity(3 * indices.len());
    for index in indices {
        values.extend(color(index)?);
    }
    Ok(values)
}

/// The nearest of 256 values to one of 65536: 255 v / 65535, rounded.
pub(super) fn eight_bits(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_become_the_nearest_of_eight() {
        for value in 0..=u16::MAX {
            let exact = (f64::from(value) * 255.0 / 65535.0).round();
            assert_eq!(f64::from(eight_bits(value)), exact, "{value}");
        }
    }

    #[test]
    fn a_turned_picture_loses_its_transparency_and_keeps_its_colors_together() {
        // Two pixels beside each other, the left one to be below.
        let values = vec![1, 2, 3, 99, 4, 5, 6, 99];
        let raster = Raster::new(2, 1, 4, values).turned(Turn::by_number(8));
        assert_eq!(raster.planar(), (Shape { channels: 3, height: 2, width: 1 }, vec![4, 1, 5, 2, 6, 3]));
    }
}

//! What every decoder of images is given and gives.

use std::error::Error;
use std::path::Path;

use super::fault::ImageFault;
use super::levels::{Levels, Picture};
use super::turn::Turn;
use crate::dataset::{DatasetError, Shape};

/// The largest file that is read and the most bytes that an image may decode to: 256 MiB.
pub(super) const MOST_BYTES: u64 = 1 << 28;

/// So many bytes any image may decode to, and a larger file so many for each of its own: what is plainer, a scan of one color,
/// is small, and what is larger was made to take memory.
const SMALL: u64 = 64 << 20;
const MOST_RATIO: u64 = 40;

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
        let limit = self.limit();
        if found > limit {
            return Err(DatasetError::TooLarge { path: path(), found, limit });
        }
        if pixels > possible {
            return Err(DatasetError::Oversized { path: path(), claimed: pixels, possible });
        }
        Ok(())
    }

    /// Most bytes that the image may decode to.
    pub(super) fn limit(self) -> u64 {
        (self.bytes.len() as u64).saturating_mul(MOST_RATIO).saturating_add(SMALL).min(MOST_BYTES)
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
    /// Values of a pixel: gray, or red, green and blue, and opacity or not.
    pub(super) channels: usize,
    /// Pixel by pixel, row by row.
    pub(super) values: Levels,
    /// How the picture lies in them.
    turn: Turn,
}

impl Raster {
    /// An image that is looked at as it lies.
    pub(super) fn new(width: usize, height: usize, channels: usize, values: impl Into<Levels>) -> Self {
        Self { width, height, channels, values: values.into(), turn: Turn::default() }
    }

    /// The same, looked at as that note says.
    pub(super) fn turned(self, turn: Turn) -> Self {
        Self { turn, ..self }
    }

    /// The picture channel by channel, turned.
    pub(super) fn picture(self) -> Picture {
        let Self { width, height, channels, values, turn } = self;
        let colors = if channels < 3 { 1 } else { 3 };
        let (columns, rows) = turn.size((width, height));
        let shape = Shape { channels: colors, height: rows, width: columns };
        let lie = Lie { channels, size: (width, height), turn };
        let (colored, opacity) = match values {
            Levels::Eight(values) => {
                let (colored, opacity) = lie.planes(values, colors);
                (Levels::from(colored), Levels::from(opacity))
            }
            Levels::Sixteen(values) => {
                let (colored, opacity) = lie.planes(values, colors);
                (Levels::from(colored), Levels::from(opacity))
            }
        };
        Picture::new(shape, colored, opacity)
    }
}

/// How channels and pixels lie in a raster.
struct Lie {
    channels: usize,
    size: (usize, usize),
    turn: Turn,
}

impl Lie {
    /// The first `colors` channels, and the opacity behind them; that is empty if there is none.
    fn planes<V: Copy>(self, values: Vec<V>, colors: usize) -> (Vec<V>, Vec<V>) {
        if self.channels == 1 && self.turn.is_none() {
            return (values, Vec::new());
        }
        let plane = |channel: usize| -> Vec<V> {
            if self.turn.is_none() {
                values.iter().skip(channel).step_by(self.channels).copied().collect()
            } else {
                self.turn.order(self.size).map(|pixel| values[pixel * self.channels + channel]).collect()
            }
        };
        let opacity = if self.channels > colors { plane(colors) } else { Vec::new() };
        ((0..colors).flat_map(plane).collect(), opacity)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_picture_keeps_its_colors_and_its_opacity_together() {
        // Two pixels beside each other, the left one to be below.
        let shape = Shape { channels: 3, height: 2, width: 1 };
        let values: [u8; 8] = [1, 2, 3, 98, 4, 5, 6, 99];
        let raster = Raster::new(2, 1, 4, values.to_vec()).turned(Turn::by_number(8));
        let expected = Picture::new(shape, vec![4u8, 1, 5, 2, 6, 3].into(), vec![99u8, 98].into());
        assert_eq!(raster.picture(), expected);
        let deep = Raster::new(2, 1, 4, values.map(|value| 257 * u16::from(value)).to_vec()).turned(Turn::by_number(8));
        let twice = |values: &[u16]| Levels::from(values.iter().map(|value| 257 * value).collect::<Vec<_>>());
        assert_eq!(deep.picture(), Picture::new(shape, twice(&[4, 1, 5, 2, 6, 3]), twice(&[99, 98])));
    }
}

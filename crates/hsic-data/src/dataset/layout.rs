//! How images lie in an array: n x height x width, or n x height x width x channels, or n x channels x height x width.

use std::borrow::Cow;

use crate::shape::Shape;

/// Sizes of the images in an array, and where their channels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) shape: Shape,
    channels_last: bool,
}

impl Layout {
    /// The layout of an array of those sizes; `None` for a table, or for more dimensions than images have.
    ///
    /// Of three sizes after the number of samples, the smaller of the first and the last counts channels; the last if they
    /// are equal. Images are as good as always larger than the number of their colors.
    pub(super) fn of(sizes: &[usize]) -> Option<Self> {
        let (channels, height, width, channels_last) = match *sizes {
            [_, height, width] => (1, height, width, false),
            [_, channels, height, width] if channels < width => (channels, height, width, false),
            [_, height, width, channels] => (channels, height, width, true),
            _ => return None,
        };
        Some(Self { shape: Shape { channels, height, width }, channels_last })
    }

    /// Whether the values of an array lie channel by channel.
    pub(super) fn is_planar(self) -> bool {
        !self.channels_last || self.shape.channels == 1
    }

    /// Values of an array, channel by channel.
    pub(super) fn planar<'v, V: Copy>(self, values: impl Into<Cow<'v, [V]>>) -> Cow<'v, [V]>
    where
        [V]: ToOwned<Owned = Vec<V>>,
    {
        let values = values.into();
        let Shape { channels, height, width } = self.shape;
        if self.is_planar() {
            return values;
        }
        let mut planar = Vec::with_capacity(values.len());
        for image in values.chunks_exact(channels * height * width) {
            for channel in 0..channels {
                planar.extend(image[channel..].iter().step_by(channels));
            }
        }
        planar.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(sizes: &[usize]) -> Option<[usize; 3]> {
        Layout::of(sizes).map(|Layout { shape, .. }| [shape.channels, shape.height, shape.width])
    }

    #[test]
    fn channels_are_the_smaller_of_the_first_and_the_last_size() {
        assert_eq!(shape(&[9, 28, 30]), Some([1, 28, 30]));
        assert_eq!(shape(&[9, 32, 30, 3]), Some([3, 32, 30]));
        assert_eq!(shape(&[9, 3, 32, 30]), Some([3, 32, 30]));
        assert_eq!(shape(&[9, 28, 28, 1]), Some([1, 28, 28]));
        assert_eq!(shape(&[9, 1, 28, 28]), Some([1, 28, 28]));
        assert_eq!(shape(&[9, 10, 64, 64]), Some([10, 64, 64]));
        assert_eq!(shape(&[9, 4, 5, 4]), Some([4, 4, 5]));
        for table in [&[9][..], &[9, 784], &[9, 2, 3, 4, 5]] {
            assert_eq!(shape(table), None);
        }
    }

    #[test]
    fn values_come_channel_by_channel() {
        // Two images of 2 x 3 pixels: 100 times the image, 10 times the channel, and the pixel.
        let value = |image: u8, channel: u8, pixel: u8| 100 * image + 10 * channel + pixel;
        let mut last = Vec::new();
        let mut first = Vec::new();
        for image in 0..2 {
            for pixel in 0..6 {
                last.extend([value(image, 0, pixel), value(image, 1, pixel)]);
            }
            for channel in 0..2 {
                first.extend((0..6).map(|pixel| value(image, channel, pixel)));
            }
        }
        assert_eq!(Layout::of(&[2, 2, 3, 2]).unwrap().shape, Shape { channels: 2, height: 2, width: 3 });
        assert_eq!(Layout::of(&[2, 2, 3, 2]).unwrap().planar(last), first);
        let leading = Layout::of(&[2, 2, 4, 3]).unwrap();
        assert_eq!(leading.shape, Shape { channels: 2, height: 4, width: 3 });
        assert_eq!(leading.planar((0..48).collect::<Vec<u8>>()), (0..48).collect::<Vec<u8>>());
    }
}

//! How pictures of any size, depth and number of channels become samples of one shape: chosen once, from the training
//! part, and applied to every picture that comes later.

use serde::{Deserialize, Serialize};

use super::fit::ImageFit;
use super::levels::{Level, Levels, Picture};
use crate::shape::Shape;

/// How image files became samples; with the samples' shape, all that it takes to read further ones alike.
///
/// An image becomes gray or colored, its levels are stretched, what is transparent is laid over the background, and the
/// whole is brought to the samples' height and width. Each step is left out where there is nothing to do, so that the
/// bytes of an opaque image of 8 bits that has the samples' shape are those of its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// What becomes of an image whose sides are not in the samples' ratio.
    pub fit: ImageFit,
    /// The level, from 0 (black) to 255 (white), over which transparent pixels lie.
    pub background: u8,
    /// The levels, on the scale from 0 to 65535, that became 0 and 255; `None` if the scale was left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[u16; 2]>,
}

impl Reading {
    /// Whether it can be applied: what a file claims may be anything.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.range.is_none_or(|[low, high]| low < high)
    }

    /// A picture as a sample of the given shape, channel by channel, row by row.
    pub(crate) fn apply(&self, picture: Picture, to: Shape) -> Vec<u8> {
        let Picture { mut shape, colors, opacity } = picture;
        let plane = shape.height * shape.width;
        let mut colors = match colors {
            Levels::Eight(values) => recolored(values, shape.channels, to.channels, plane).into(),
            Levels::Sixteen(values) => Levels::from(recolored(values, shape.channels, to.channels, plane)),
        };
        shape.channels = to.channels;
        if let Some(range) = self.range {
            colors = stretched(colors, range).into();
        }
        if let Some(opacity) = opacity {
            colors = match (colors, opacity) {
                (Levels::Eight(colors), Levels::Eight(opacity)) => {
                    Levels::from(laid_over(colors, &opacity, self.background))
                }
                (colors, opacity) => {
                    let background = 257 * u16::from(self.background);
                    Levels::from(laid_over(colors.into_sixteen(), &opacity.into_sixteen(), background))
                }
            };
        }
        let size = (to.height, to.width);
        match colors {
            Levels::Eight(values) if (shape.height, shape.width) == size => values,
            Levels::Eight(values) => self.fit.apply(&values, shape, size),
            Levels::Sixteen(values) => self.fit.apply(&values, shape, size),
        }
    }
}

/// A level that can be weighed against another in whole numbers.
trait Weighed: Level + Into<u64> {
    /// The largest level.
    const MOST: u64;

    /// A number that is at most the largest level.
    fn of(number: u64) -> Self;
}

impl Weighed for u8 {
    const MOST: u64 = 255;

    fn of(number: u64) -> Self {
        number as Self
    }
}

impl Weighed for u16 {
    const MOST: u64 = 65_535;

    fn of(number: u64) -> Self {
        number as Self
    }
}

/// Gray as three equal channels, or the brightness of red, green and blue.
fn recolored<V: Weighed>(values: Vec<V>, from: usize, to: usize, plane: usize) -> Vec<V> {
    match (from, to) {
        (1, 3) => values.repeat(3),
        (3, 1) => {
            let (red, rest) = values.split_at(plane);
            let (green, blue) = rest.split_at(plane);
            // ITU-R BT.601, in the 65,536ths that Pillow takes.
            let gray = |((&red, &green), &blue): ((&V, &V), &V)| {
                let (red, green, blue): (u64, u64, u64) = (red.into(), green.into(), blue.into());
                V::of((19_595 * red + 38_470 * green + 7_471 * blue + 0x8000) >> 16)
            };
            red.iter().zip(green).zip(blue).map(gray).collect()
        }
        _ => values,
    }
}

/// Levels whose range becomes the whole scale; what lies beyond it becomes its end.
fn stretched(levels: Levels, [low, high]: [u16; 2]) -> Vec<u16> {
    let (low, width) = (u64::from(low), u64::from(high) - u64::from(low));
    let mut values = levels.into_sixteen();
    for value in &mut values {
        let above = u64::from(*value).saturating_sub(low).min(width);
        *value = u16::of((above * u16::MOST + width / 2) / width);
    }
    values
}

/// Colors over a background, by the opacity of each pixel.
fn laid_over<V: Weighed>(mut colors: Vec<V>, opacity: &[V], background: V) -> Vec<V> {
    let background: u64 = background.into();
    for plane in colors.chunks_exact_mut(opacity.len()) {
        for (color, &opacity) in plane.iter_mut().zip(opacity) {
            let (level, opacity): (u64, u64) = ((*color).into(), opacity.into());
            *color = V::of((level * opacity + background * (V::MOST - opacity) + V::MOST / 2) / V::MOST);
        }
    }
    colors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(channels: usize, height: usize, width: usize) -> Shape {
        Shape { channels, height, width }
    }

    fn reading() -> Reading {
        Reading { fit: ImageFit::Crop, background: 255, range: None }
    }

    fn opaque(shape: Shape, colors: impl Into<Levels>) -> Picture {
        Picture::new(shape, colors.into(), Vec::<u8>::new().into())
    }

    #[test]
    fn an_opaque_picture_of_the_samples_shape_keeps_its_bytes() {
        let bytes: Vec<u8> = (0..=255).step_by(5).collect();
        let shape = shape(1, 4, 13);
        assert_eq!(reading().apply(opaque(shape, bytes.clone()), shape), bytes);
        let deep: Vec<u16> =
            bytes.iter().map(|&byte| 257 * u16::from(byte)).map(|level| level.saturating_add(100)).collect();
        assert_eq!(reading().apply(opaque(shape, deep), shape), bytes);
    }

    #[test]
    fn gray_becomes_color_and_color_its_brightness() {
        let gray = opaque(shape(1, 1, 2), vec![7u8, 9]);
        assert_eq!(reading().apply(gray, shape(3, 1, 2)), [7, 9, 7, 9, 7, 9]);
        // Pillow: Image.new("RGB", (1, 1), color).convert("L") of these colors gives 76, 150, 29, 255 and 124.
        for (color, expected) in
            [([255u8, 0, 0], 76), ([0, 255, 0], 150), ([0, 0, 255], 29), ([255; 3], 255), ([200, 100, 50], 124)]
        {
            let found = reading().apply(opaque(shape(3, 1, 1), color.to_vec()), shape(1, 1, 1));
            assert_eq!(found, [expected], "{color:?}");
            let deep = color.map(|level| 257 * u16::from(level)).to_vec();
            assert_eq!(reading().apply(opaque(shape(3, 1, 1), deep), shape(1, 1, 1)), [expected], "{color:?}");
        }
    }

    #[test]
    fn what_is_transparent_lies_over_the_background() {
        let picture = |opacity: Levels| Picture::new(shape(1, 1, 3), vec![100u8; 3].into(), opacity);
        let over = |background: u8, opacity: Levels| {
            Reading { background, ..reading() }.apply(picture(opacity), shape(1, 1, 3))
        };
        // A fifth of 100 and four fifths of 255 are 224.
        assert_eq!(over(255, vec![0u8, 51, 255].into()), [255, 224, 100]);
        assert_eq!(over(0, vec![0u8, 51, 255].into()), [0, 20, 100]);
        assert_eq!(over(255, vec![0u16, 51 * 257, 65_535].into()), [255, 224, 100]);
    }

    #[test]
    fn a_range_becomes_the_whole_scale_and_what_lies_beyond_its_ends() {
        let reading = Reading { range: Some([240, 340]), ..reading() };
        let found = reading.apply(opaque(shape(1, 1, 5), vec![240u16, 340, 290, 0, 65_535]), shape(1, 1, 5));
        // The middle is 32,767.5 of 65,535, which is rounded up and then to 128 of 255.
        assert_eq!(found, [0, 255, 128, 0, 255]);
        // A level v of 8 bits is 257 v.
        let found = reading.apply(opaque(shape(1, 1, 3), vec![0u8, 1, 2]), shape(1, 1, 3));
        assert_eq!(found, [0, (17.0f64 / 100.0 * 255.0).round() as u8, 255]);
        assert!(reading.is_usable() && !Reading { range: Some([3, 3]), ..reading }.is_usable());
    }

    #[test]
    fn sixteen_bits_are_kept_until_the_end() {
        // 128 of 257 is 32,640 of 65,535, and its mean with 0 is 63.5 of 255; in eight bits both levels were 0.
        let reading = Reading { range: Some([0, 257]), fit: ImageFit::Stretch, ..reading() };
        let found = reading.apply(opaque(shape(1, 1, 2), vec![0u16, 128]), shape(1, 1, 1));
        assert_eq!(found, [64]);
    }
}

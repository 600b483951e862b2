//! A decoded image: levels of 8 or 16 bits, channel by channel, and how opaque each pixel is.

use crate::dataset::Shape;

/// A level of brightness or opacity.
pub(super) trait Level: Copy {
    /// On the scale from 0 to 255.
    fn value(self) -> f64;
    /// The nearest of 256 levels.
    fn byte(self) -> u8;
}

impl Level for u8 {
    fn value(self) -> f64 {
        f64::from(self)
    }

    fn byte(self) -> u8 {
        self
    }
}

impl Level for u16 {
    fn value(self) -> f64 {
        f64::from(self) / 257.0
    }

    fn byte(self) -> u8 {
        // 255 v / 65535, rounded.
        ((u32::from(self) + 128) / 257) as u8
    }
}

/// Levels as a file stores them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Levels {
    /// 0 to 255.
    Eight(Vec<u8>),
    /// 0 to 65535; a level v of 8 bits is 257 v here.
    Sixteen(Vec<u16>),
}

impl From<Vec<u8>> for Levels {
    fn from(values: Vec<u8>) -> Self {
        Self::Eight(values)
    }
}

impl From<Vec<u16>> for Levels {
    fn from(values: Vec<u16>) -> Self {
        Self::Sixteen(values)
    }
}

impl Levels {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Eight(values) => values.len(),
            Self::Sixteen(values) => values.len(),
        }
    }

    /// Whether they are of 16 bits.
    pub(super) fn is_deep(&self) -> bool {
        matches!(self, Self::Sixteen(_))
    }

    /// Level `index` on the scale of 16 bits.
    pub(super) fn sixteen(&self, index: usize) -> u16 {
        match self {
            Self::Eight(values) => 257 * u16::from(values[index]),
            Self::Sixteen(values) => values[index],
        }
    }

    /// The least and the largest level on the scale of 16 bits; `None` of none.
    pub(super) fn range(&self) -> Option<[u16; 2]> {
        let ends = |low: Option<u16>, high: Option<u16>| Some([low?, high?]);
        match self {
            Self::Eight(values) => {
                let sixteen = |value: Option<&u8>| value.map(|&value| 257 * u16::from(value));
                ends(sixteen(values.iter().min()), sixteen(values.iter().max()))
            }
            Self::Sixteen(values) => ends(values.iter().min().copied(), values.iter().max().copied()),
        }
    }

    /// Rounded to 8 bits.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Eight(values) => values,
            Self::Sixteen(values) => values.into_iter().map(Level::byte).collect(),
        }
    }

    /// On the scale of 16 bits.
    pub(super) fn into_sixteen(self) -> Vec<u16> {
        match self {
            Self::Eight(values) => values.into_iter().map(|value| 257 * u16::from(value)).collect(),
            Self::Sixteen(values) => values,
        }
    }

    /// Whether all are the largest.
    fn is_full(&self) -> bool {
        match self {
            Self::Eight(values) => values.iter().all(|&value| value == u8::MAX),
            Self::Sixteen(values) => values.iter().all(|&value| value == u16::MAX),
        }
    }
}

/// A decoded image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    /// Sizes of the colors: 1 channel for gray, 3 for red, green, blue.
    pub(super) shape: Shape,
    /// Channel by channel, row by row.
    pub(super) colors: Levels,
    /// A level for each pixel; none if all are opaque.
    pub(super) opacity: Option<Levels>,
}

impl Picture {
    /// A picture whose opacity is empty if there is none.
    pub(super) fn new(shape: Shape, colors: Levels, opacity: Levels) -> Self {
        let opaque = opacity.len() == 0 || opacity.is_full();
        Self { shape, colors, opacity: if opaque { None } else { Some(opacity) } }
    }

    /// Sizes of the colors.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        let bytes = |levels: &Levels| if levels.is_deep() { 2 * levels.len() } else { levels.len() };
        bytes(&self.colors) + self.opacity.as_ref().map_or(0, bytes)
    }

    /// The colors in 8 bits, whatever the opacity.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.colors.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_become_the_nearest_of_eight() {
        for value in 0..=u16::MAX {
            let exact = (f64::from(value) * 255.0 / 65535.0).round();
            assert_eq!(f64::from(value.byte()), exact, "{value}");
        }
    }

    #[test]
    fn a_level_is_the_same_on_either_scale() {
        let eight = Levels::from(vec![0u8, 1, 128, 255]);
        assert_eq!(eight.clone().into_sixteen(), [0, 257, 128 * 257, 65535]);
        assert_eq!((0..4).map(|i| eight.sixteen(i)).collect::<Vec<_>>(), eight.clone().into_sixteen());
        assert_eq!(Levels::from(eight.clone().into_sixteen()).into_bytes(), eight.into_bytes());
        assert!((1000u16.value() - 1000.0 / 257.0).abs() < 1e-12);
    }

    #[test]
    fn opacity_that_is_full_is_none() {
        let shape = Shape { channels: 1, height: 1, width: 2 };
        let with = |opacity: Levels| Picture::new(shape, vec![3u8, 4].into(), opacity);
        assert_eq!(with(vec![255u8, 255].into()), with(Vec::<u8>::new().into()));
        assert_eq!(with(vec![u16::MAX; 2].into()).size(), 2);
        assert_eq!(with(vec![255u8, 254].into()).size(), 4);
    }
}

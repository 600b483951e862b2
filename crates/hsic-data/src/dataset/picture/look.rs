//! What a picture tells of itself before it becomes a sample: that from which the reading of a data set is chosen.

use super::levels::Picture;
use crate::shape::Shape;

/// Sizes, levels and transparency of a picture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Look {
    /// Sizes of its colors.
    pub(crate) shape: Shape,
    /// Whether it is of 16 bits.
    pub(crate) is_deep: bool,
    /// The least and the largest level of what is not wholly transparent, on the scale from 0 to 65535.
    pub(crate) range: Option<[u16; 2]>,
    /// Its transparency; `None` if it is opaque.
    pub(crate) veil: Option<Veil>,
}

/// Transparency of a picture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Veil {
    /// Whether all that shows is of one color, so that what there is to see is its outline.
    pub(crate) is_alone: bool,
    /// Mean level of its channels, from 0 to 255, weighed by opacity; `None` if nothing shows.
    pub(crate) brightness: Option<f64>,
}

impl Look {
    /// Cost: a pass over the picture.
    pub(crate) fn at(picture: &Picture) -> Self {
        let Picture { shape, colors, opacity } = picture;
        let (shape, is_deep) = (*shape, colors.is_deep());
        let Some(opacity) = opacity else { return Self { shape, is_deep, range: colors.range(), veil: None } };
        let plane = shape.height * shape.width;
        let mut range: Option<[u16; 2]> = None;
        let (mut one_color, mut light, mut weight) = (true, 0u64, 0u64);
        for channel in 0..shape.channels {
            let mut own: Option<[u16; 2]> = None;
            for pixel in 0..plane {
                let shown = u64::from(opacity.sixteen(pixel));
                if shown > 0 {
                    let level = colors.sixteen(channel * plane + pixel);
                    own = Some(own.map_or([level; 2], |[low, high]| [low.min(level), high.max(level)]));
                    light += u64::from(level) * shown;
                    weight += shown;
                }
            }
            one_color &= own.is_none_or(|[low, high]| low == high);
            range = match (range, own) {
                (Some([low, high]), Some([least, most])) => Some([low.min(least), high.max(most)]),
                (range, own) => range.or(own),
            };
        }
        let varies = opacity.range().is_some_and(|[low, high]| low < high);
        let brightness = (weight > 0).then(|| light as f64 / weight as f64 / 257.0);
        Self { shape, is_deep, range, veil: Some(Veil { is_alone: varies && one_color, brightness }) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::levels::Levels;
    use super::*;

    fn look(channels: usize, colors: impl Into<Levels>, opacity: impl Into<Levels>) -> Look {
        let colors = colors.into();
        let shape = Shape { channels, height: 1, width: colors.len() / channels };
        Look::at(&Picture::new(shape, colors, opacity.into()))
    }

    #[test]
    fn levels_of_both_depths_are_told_on_one_scale() {
        let eight = look(1, vec![3u8, 9, 5], Vec::<u8>::new());
        assert_eq!((eight.is_deep, eight.range, eight.veil), (false, Some([3 * 257, 9 * 257]), None));
        let deep = look(1, vec![300u16, 240, 299], Vec::<u16>::new());
        assert_eq!((deep.is_deep, deep.range), (true, Some([240, 300])));
    }

    #[test]
    fn what_does_not_show_is_not_looked_at() {
        // The pixel of opacity 0 is of another color.
        let told = look(3, vec![10u8, 10, 99, 20, 20, 0, 30, 30, 255], vec![255u8, 51, 0]);
        assert_eq!(told.range, Some([10 * 257, 30 * 257]));
        let veil = told.veil.unwrap();
        assert!(veil.is_alone && (veil.brightness.unwrap() - 20.0).abs() < 1e-9, "{veil:?}");
        // A pixel of brightness 10 of full opacity, one of 110 of a fifth of it: (10 + 22) / 1.2.
        let veil = look(1, vec![10u8, 110], vec![255u8, 51]).veil.unwrap();
        assert!(!veil.is_alone && (veil.brightness.unwrap() - 32.0 / 1.2).abs() < 1e-9, "{veil:?}");
        // The same opacity everywhere draws nothing, and without any, nothing shows.
        assert!(!look(1, vec![10u8, 10], vec![51u8, 51]).veil.unwrap().is_alone);
        let nothing = look(1, vec![10u8, 11], vec![0u8, 0]);
        assert_eq!((nothing.range, nothing.veil.unwrap().brightness), (None, None));
    }
}

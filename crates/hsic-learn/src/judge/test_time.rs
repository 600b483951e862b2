//! Several looks at each image where a trained network is judged, whose scores are averaged.
//!
//! Flip: the image and its mirror image. Flip and shift (Jordan 2024): both, each as it is (weight 1/2), and moved by a pixel
//! up and to the left, and down and to the right (1/4 each); what enters is the image, mirrored at its edge. A figure of this
//! kind stands beside the one of a single look, never in its place.

use hsic_data::augment::Border;
use hsic_data::dataset::Shape;
use serde::{Deserialize, Serialize};

/// Which looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum TestTime {
    /// One, at the image as it is.
    #[default]
    None,
    /// Two: the image and its mirror image.
    Flip,
    /// Six: both, in place and moved by a pixel either way.
    FlipShift,
}

/// One look at an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Look {
    /// Its share in the average; those of all looks sum to 1.
    pub(crate) share: f32,
    flip: bool,
    /// Pixels that the image moves down and to the right.
    shift: isize,
}

impl TestTime {
    /// All looks.
    pub(crate) fn looks(self) -> Vec<Look> {
        let both = |share: f32, shift| [false, true].map(|flip| Look { share: 0.5 * share, flip, shift });
        match self {
            Self::None => vec![Look { share: 1.0, flip: false, shift: 0 }],
            Self::Flip => both(1.0, 0).to_vec(),
            Self::FlipShift => [both(0.5, 0), both(0.25, -1), both(0.25, 1)].concat(),
        }
    }

    /// What is said behind a figure of these looks; `None` of one look.
    #[must_use]
    pub fn told(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Flip => Some("with flips at test time"),
            Self::FlipShift => Some("with flips and shifts at test time"),
        }
    }
}

impl Look {
    /// Images `x` of sizes `shape`, which lie channel by channel, as this look has them.
    pub(crate) fn at(self, shape: Shape, x: &[f32]) -> Vec<f32> {
        let (height, width) = (shape.height, shape.width);
        // An image of one line or column has nothing to be mirrored at its edge, and stays.
        let source = |at: usize, side: usize| match side {
            1 => 0,
            _ => Border::Reflect.source(at as isize - self.shift, side).unwrap_or(at),
        };
        let columns: Vec<usize> =
            (0..width).map(|x| source(if self.flip { width - 1 - x } else { x }, width)).collect();
        let mut seen = Vec::with_capacity(x.len());
        for plane in x.chunks_exact(height * width) {
            for y in 0..height {
                let line = &plane[source(y, height) * width..][..width];
                seen.extend(columns.iter().map(|&x| line[x]));
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_mirrored_and_moved_as_numpy_has_it() {
        // numpy: pad([[0, 1, 2], [3, 4, 5]], 1, mode="reflect"), cut to 2 x 3 from (0, 0) and from (2, 2); [..., ::-1] of each.
        let shape = Shape { channels: 1, height: 2, width: 3 };
        let image = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let seen = |flip, shift| Look { share: 1.0, flip, shift }.at(shape, &image);
        assert_eq!(seen(false, 0), image);
        assert_eq!(seen(true, 0), [2.0, 1.0, 0.0, 5.0, 4.0, 3.0]);
        assert_eq!(seen(false, 1), [4.0, 3.0, 4.0, 1.0, 0.0, 1.0]);
        assert_eq!(seen(false, -1), [4.0, 5.0, 4.0, 1.0, 2.0, 1.0]);
        assert_eq!(seen(true, -1), [4.0, 5.0, 4.0, 1.0, 2.0, 1.0]);
    }

    #[test]
    fn shares_sum_to_one_and_the_middle_has_half() {
        for looks in [TestTime::None, TestTime::Flip, TestTime::FlipShift].map(TestTime::looks) {
            assert_eq!(looks.iter().map(|look| look.share).sum::<f32>(), 1.0);
        }
        let looks = TestTime::FlipShift.looks();
        let middle: f32 = looks.iter().filter(|look| look.shift == 0).map(|look| look.share).sum();
        assert_eq!((looks.len(), middle), (6, 0.5));
    }
}

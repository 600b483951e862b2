//! Images of any size brought to one: resized without aliasing, then cut, bordered or stretched.
//!
//! The resizing is separable with a triangle as its kernel, as wide as the ratio of the sizes where an image becomes
//! smaller (what Pillow calls `BILINEAR`): each value of the result is the weighted mean of all values that it covers,
//! so that no pixel is passed over. Weights and sums are double precision and one value is summed in one order, so that
//! the bytes are the same on every machine; they differ from Pillow's, whose weights are rounded, by at most one level.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::levels::Level;
use crate::shape::Shape;

/// What becomes of an image whose sides are not in the ratio asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum ImageFit {
    /// The image covers the frame; what stands over is cut off, as much on either side.
    #[default]
    Crop,
    /// The image lies within the frame; what is left is black, as much on either side.
    Pad,
    /// Height and width are scaled each by its own factor.
    Stretch,
}

impl fmt::Display for ImageFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crop => "crop",
            Self::Pad => "pad",
            Self::Stretch => "stretch",
        })
    }
}

impl ImageFit {
    /// An image of sizes `from` (channel by channel) in a frame of `height` x `width`, a byte a value; the channels stay.
    /// An image of the frame's size comes back as it is, rounded to bytes.
    ///
    /// Cost: O(channels (height from.width + height width) r), r the number of pixels that a pixel of the result covers
    /// along one side.
    ///
    /// # Panics
    /// If `values` has not the values of `from`, or a side is 0.
    pub(super) fn apply<V: Level>(self, values: &[V], from: Shape, (height, width): (usize, usize)) -> Vec<u8> {
        assert_eq!(values.len(), from.columns(), "an image has the values of its sizes");
        assert!(from.columns() > 0 && height > 0 && width > 0, "sides are at least one pixel");
        if (from.height, from.width) == (height, width) {
            return values.iter().map(|value| value.byte()).collect();
        }
        let (inner_height, inner_width) = self.inner(from, height, width);
        let rows = Window::of(from.height, inner_height, height);
        let columns = Window::of(from.width, inner_width, width);
        let mut result = Vec::with_capacity(from.channels * height * width);
        for plane in values.chunks_exact(from.height * from.width) {
            resize(plane, from.width, &rows, &columns, &mut result);
        }
        result
    }

    /// The sizes to which the whole image is scaled.
    fn inner(self, from: Shape, height: usize, width: usize) -> (usize, usize) {
        // h / from.height and w / from.width compared without rounding.
        let by_height = (height * from.width).cmp(&(width * from.height));
        let scaled = |side: usize, to: usize, of: usize| ((2 * side * to + of) / (2 * of)).max(1);
        let follow_height = (height, scaled(from.width, height, from.height));
        let follow_width = (scaled(from.height, width, from.width), width);
        match (self, by_height.is_gt()) {
            (Self::Stretch, _) => (height, width),
            (Self::Crop, true) | (Self::Pad, false) => follow_height,
            (Self::Crop, false) | (Self::Pad, true) => follow_width,
        }
    }
}

/// For each position of the result along one side: the first position of the source that it covers, and their weights;
/// no weights where the result is border.
struct Window {
    taps: Vec<(usize, Vec<f64>)>,
}

impl Window {
    /// `from` positions scaled to `inner`, of which the middle `to` are kept, or which lie in the middle of `to`.
    fn of(from: usize, inner: usize, to: usize) -> Self {
        let ratio = from as f64 / inner as f64;
        let reach = ratio.max(1.0);
        let (cut, border) = (inner.saturating_sub(to) / 2, to.saturating_sub(inner) / 2);
        let tap = |position: usize| {
            let inside = position.checked_sub(border).map(|position| position + cut).filter(|&p| p < inner);
            let Some(position) = inside else { return (0, Vec::new()) };
            let center = (position as f64 + 0.5) * ratio;
            let first = (center - reach + 0.5).max(0.0) as usize;
            let end = ((center + reach + 0.5) as usize).min(from);
            let mut weights: Vec<f64> =
                (first..end).map(|p| (1.0 - ((p as f64 + 0.5 - center) / reach).abs()).max(0.0)).collect();
            let sum: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= sum);
            (first, weights)
        };
        Self { taps: (0..to).map(tap).collect() }
    }

    /// The positions of the source that the result covers.
    fn covered(&self) -> Range<usize> {
        let taps = || self.taps.iter().filter(|(_, weights)| !weights.is_empty());
        let start = taps().map(|(first, _)| *first).min().unwrap_or(0);
        start..taps().map(|(first, weights)| first + weights.len()).max().unwrap_or(start)
    }
}

/// One channel: along the columns of the source rows that are needed, then along the rows.
fn resize<V: Level>(plane: &[V], width: usize, rows: &Window, columns: &Window, result: &mut Vec<u8>) {
    let narrow = columns.taps.len();
    let needed = rows.covered();
    let lines: Vec<f64> = plane[needed.start * width..needed.end * width]
        .chunks_exact(width)
        .flat_map(|line| {
            columns.taps.iter().map(|(first, weights)| {
                weights.iter().zip(&line[*first..]).map(|(weight, value)| weight * value.value()).sum::<f64>()
            })
        })
        .collect();
    let mut sums = vec![0.0; narrow];
    for (first, weights) in &rows.taps {
        sums.fill(0.0);
        let behind = first.saturating_sub(needed.start) * narrow;
        for (weight, line) in weights.iter().zip(lines[behind..].chunks_exact(narrow)) {
            sums.iter_mut().zip(line).for_each(|(sum, value)| *sum += weight * value);
        }
        // The weights sum to one within a rounding: nothing is beyond a byte by more than that.
        result.extend(sums.iter().map(|sum| sum.round().clamp(0.0, 255.0) as u8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gray(height: usize, width: usize) -> Shape {
        Shape { channels: 1, height, width }
    }

    #[test]
    fn a_half_is_the_weighted_mean_of_what_it_covers() {
        // Two to one: the triangle reaches two pixels to each side of the middle between two; weights at distances
        // 0.5, 1.5 are 3/4 and 1/4, divided by their sum. At the edge the weights 1/4 beyond it are left out:
        // (3/4 a + 3/4 b + 1/4 c) / (7/4) = (3 a + 3 b + c) / 7.
        let found = ImageFit::Stretch.apply(&[10u8, 20, 70, 80], gray(1, 4), (1, 2));
        assert_eq!(found, [(160.0f64 / 7.0).round() as u8, (470.0f64 / 7.0).round() as u8]);
        // One to two: the value at a quarter before and behind each pixel, and the edge itself.
        let found = ImageFit::Stretch.apply(&[0u8, 100], gray(1, 2), (1, 4));
        assert_eq!(found, [0, 25, 75, 100]);
    }

    #[test]
    fn a_frame_cuts_borders_or_stretches() {
        let wide: Vec<u8> = vec![1, 2, 3, 4, 5, 6];
        // The middle of a wide image, as it is.
        assert_eq!(ImageFit::Crop.apply(&wide, gray(1, 6), (1, 2)), [3, 4]);
        // Three to one, between black lines above and below.
        let padded = ImageFit::Pad.apply(&[9u8; 18], gray(3, 6), (6, 6));
        assert_eq!(padded[..6], [0; 6]);
        assert_eq!(padded[6..24], [9; 18]);
        assert_eq!(padded[24..], [0; 12]);
        let stretched = ImageFit::Stretch.apply(&[9u8; 18], gray(3, 6), (2, 2));
        assert_eq!(stretched, [9; 4]);
    }

    #[test]
    fn channels_stay_apart_and_the_frames_own_size_is_left_alone() {
        let colored = Shape { channels: 3, height: 2, width: 2 };
        let bytes: Vec<u8> = (0..12).collect();
        assert_eq!(ImageFit::Crop.apply(&bytes, colored, (2, 2)), bytes);
        let one = ImageFit::Crop.apply(&[0u8, 0, 0, 0, 50, 50, 50, 50, 255, 255, 255, 255], colored, (1, 1));
        assert_eq!(one, [0, 50, 255]);
    }

    #[test]
    fn a_frame_may_be_larger_than_any_image() {
        for fit in [ImageFit::Crop, ImageFit::Pad, ImageFit::Stretch] {
            for (height, width) in [(1, 7), (7, 1), (3, 5), (1, 1)] {
                let found = fit.apply(&vec![200u8; height * width], gray(height, width), (4, 4));
                assert_eq!(found.len(), 16);
                assert!(found.iter().all(|&value| value == 200 || (fit == ImageFit::Pad && value == 0)), "{found:?}");
            }
        }
    }
}

//! A sample as it is kept: an image as small bytes, a name or a cell as a short text.

use hsic_data::dataset::{Dataset, Shape};

/// Longest side of an image that is kept, in pixels.
const SIDE: usize = 32;

/// Longest text of a name or a cell, in characters.
const LONGEST: usize = 24;

/// A name or a cell that is short enough.
pub(super) fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['\u{2026}']).collect()
}

/// How many pixels of each side become one, so that an image is small enough.
fn factor(shape: Shape) -> usize {
    shape.height.max(shape.width).div_ceil(SIDE).max(1)
}

/// Sizes of an image once it is small enough; what is left over at the right and below is left out.
pub(super) fn kept_shape(shape: Shape) -> Shape {
    let factor = factor(shape);
    Shape { height: (shape.height / factor).max(1), width: (shape.width / factor).max(1), ..shape }
}

/// The bytes of a sample of an image, as it was before channels were normalized, and small enough.
pub(super) fn image(dataset: &Dataset, sample: &[f32]) -> Vec<u8> {
    let (shape, kept, side) = (dataset.shape, kept_shape(dataset.shape), factor(dataset.shape));
    let mut bytes = Vec::with_capacity(kept.columns());
    for (channel, plane) in sample.chunks_exact(shape.height * shape.width).enumerate() {
        let (mean, deviation) = dataset
            .normalization
            .as_ref()
            .map_or((0.0, 1.0), |numbers| (numbers.means[channel], numbers.deviations[channel]));
        for index in 0..kept.height * kept.width {
            let (top, left) = (index / kept.width * side, index % kept.width * side);
            let lines = top..(top + side).min(shape.height);
            let pixels = || left..(left + side).min(shape.width);
            let count = (lines.len() * pixels().len()) as f64;
            let sum: f64 = lines.flat_map(|y| pixels().map(move |x| f64::from(plane[y * shape.width + x]))).sum();
            bytes.push((255.0 * (mean + deviation * sum / count)).round().clamp(0.0, 255.0) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use hsic_data::dataset::{Classes, Normalization, Targets};

    use super::*;

    #[test]
    fn images_are_kept_as_their_bytes_and_large_ones_as_means_of_fields() {
        let of = |shape: Shape, normalization: Option<Normalization>| Dataset {
            name: "d".into(),
            samples: hsic_data::dataset::Samples::Bytes(vec![0; shape.columns()]),
            shape,
            targets: Targets::Classes(Classes { labels: vec![0], names: vec!["a".into()] }),
            normalization,
        };
        let small = Shape { channels: 2, height: 1, width: 3 };
        let normalization = Normalization { means: vec![0.25, 0.5], deviations: vec![0.125, 0.0] };
        let dataset = of(small, Some(normalization));
        let mut values = [0.0; 6];
        dataset.convert(&[0, 17, 255, 9, 9, 9], &mut values);
        // A constant channel becomes 0 and comes back as its mean.
        assert_eq!(image(&dataset, &values), [0, 17, 255, 128, 128, 128]);
        let large = Shape { channels: 1, height: 65, width: 40 };
        assert_eq!(kept_shape(large), Shape { channels: 1, height: 21, width: 13 });
        let values: Vec<f32> = (0..65 * 40).map(|i| (i % 40) as f32 / 255.0).collect();
        assert_eq!(image(&of(large, None), &values)[..3], [1, 4, 7]);
    }

    #[test]
    fn texts_are_short() {
        assert_eq!(cut(&"x".repeat(30)), "x".repeat(23) + "\u{2026}");
        assert_eq!(cut("\u{e4}b"), "\u{e4}b");
    }
}

//! The first layer of a finished run on images as pictures of its weights.

use hsic_data::dataset::Shape;
use hsic_nn::network::NamedTensor;

use crate::files::FileError;
use crate::run::Run;

/// Most filters that are shown.
const MOST: usize = 48;

/// Longest side of a filter in pixels: of larger images the weights of fields are averaged.
const SIDE: usize = 32;

/// Pictures of the first layer's weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Filters {
    /// Sizes of each: of a dense layer those of an image, of a convolution those of its window.
    pub shape: Shape,
    /// Whether they are windows of a convolution.
    pub windows: bool,
    /// The first filters, channel by channel: 128 for a weight of 0, up to 255 and down to 1 for the largest of the filter and its
    /// opposite.
    pub pictures: Vec<Vec<u8>>,
    /// Filters that the layer has.
    pub all: usize,
}

impl Filters {
    /// Those of a finished run on images; `None` for a run on rows of a table, or one without weights, or whose first layer
    /// sees no image as it is.
    ///
    /// # Errors
    /// `Io`; `Malformed` for what is no file of tensors; `Changed` if it is not what training left.
    ///
    /// # Cost
    /// Reads the weights once.
    pub fn read(run: &Run) -> Result<Option<Self>, FileError> {
        if !run.is_finished() || !run.has_data() || !run.has_weights()? {
            return Ok(None);
        }
        let data = run.data()?;
        if data.is_table() {
            return Ok(None);
        }
        let mut tensors: Vec<NamedTensor<f32>> = run.weights()?.tensors.into_values().collect();
        tensors.sort_by_cached_key(|tensor| places(&tensor.name));
        Ok(tensors.iter().find_map(|tensor| Self::of(tensor, data.shape)))
    }

    /// The rows of a tensor, if each is as large as an image of this shape, or is a window of its channels.
    fn of(tensor: &NamedTensor<f32>, image: Shape) -> Option<Self> {
        let (all, shape, windows) = match tensor.shape[..] {
            [all, columns] if columns == image.columns() => (all, image, false),
            [all, channels, height, width] if channels == image.channels && height.max(width) > 1 => {
                (all, Shape { channels, height, width }, true)
            }
            _ => return None,
        };
        let side = shape.height.max(shape.width).div_ceil(SIDE).max(1);
        let small = Shape { height: (shape.height / side).max(1), width: (shape.width / side).max(1), ..shape };
        let picture = |filter: &[f32]| {
            let mut means = Vec::with_capacity(small.columns());
            for plane in filter.chunks_exact(shape.height * shape.width) {
                for index in 0..small.height * small.width {
                    let (top, left) = (index / small.width * side, index % small.width * side);
                    let lines = top..(top + side).min(shape.height);
                    let of_line = |y: usize| plane[y * shape.width..][left..(left + side).min(shape.width)].iter();
                    means.push(lines.flat_map(of_line).map(|&weight| f64::from(weight)).sum::<f64>());
                }
            }
            let largest = means.iter().fold(0.0f64, |largest, mean| largest.max(mean.abs()));
            let scale = if largest > 0.0 { 127.0 / largest } else { 0.0 };
            means.into_iter().map(|mean| (128.0 + scale * mean).round() as u8).collect()
        };
        let pictures = tensor.values.chunks_exact(shape.columns()).take(MOST).map(picture).collect();
        Some(Self { shape: small, windows, pictures, all })
    }
}

/// The numbers in a tensor's name, by which layers are in order: `10.weight` is behind `2.0.weight`.
fn places(name: &str) -> Vec<(usize, String)> {
    name.split('.').map(|part| (part.parse().unwrap_or(usize::MAX), part.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], values: Vec<f32>) -> NamedTensor<f32> {
        NamedTensor { name: "0.weight".into(), shape: shape.to_vec(), values }
    }

    #[test]
    fn weights_of_an_image_and_of_a_window_are_shades_around_the_middle() {
        let image = Shape { channels: 1, height: 1, width: 3 };
        let found = Filters::of(&tensor(&[2, 3], vec![0.5, 0.0, -1.0, 0.0, 0.0, 0.0]), image).unwrap();
        assert_eq!((found.windows, found.all, found.shape), (false, 2, image));
        assert_eq!(found.pictures, [[192, 128, 1], [128, 128, 128]]);
        let found = Filters::of(&tensor(&[50, 1, 2, 1], vec![1.0; 100]), image).unwrap();
        assert_eq!((found.windows, found.all, found.pictures.len()), (true, 50, MOST));
        assert_eq!(found.pictures[0], [255, 255]);
        // Of a wide image the weights of 2 x 2 fields count together; pointwise convolutions show nothing.
        let wide = Shape { channels: 1, height: 2, width: 34 };
        let found = Filters::of(&tensor(&[1, 68], (0..68).map(|i| i as f32 - 33.5).collect()), wide).unwrap();
        assert_eq!((found.shape.height, found.shape.width), (1, 17));
        assert!(Filters::of(&tensor(&[4, 1, 1, 1], vec![1.0; 4]), image).is_none());
        assert!(Filters::of(&tensor(&[4], vec![1.0; 4]), image).is_none());
    }

    #[test]
    fn layers_are_in_the_order_of_their_numbers() {
        let mut names = ["10.weight", "2.0.weight", "0.weight", "0.bias"];
        names.sort_by_cached_key(|name| places(name));
        assert_eq!(names, ["0.bias", "0.weight", "2.0.weight", "10.weight"]);
    }
}

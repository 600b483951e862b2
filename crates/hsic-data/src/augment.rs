//! Random changes of training images: mirrored, shifted, with a square cut out.
//!
//! What happens to a sample follows from seed, epoch and row alone, so that a resumed run sees what the uninterrupted
//! one would have seen, whatever the number of threads. Each change has a draw of its own: one that is switched on or
//! off does not move the others.

use hsic::random::Stream;

use crate::dataset::{Dataset, DatasetError, Shape};
use crate::fault::Fault;

/// Which random changes are made; the default makes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Augmentation {
    /// Every second image, at random, has left and right swapped.
    pub flip: bool,
    /// The image moves by -shift to shift pixels along each axis, each as likely; black pixels enter.
    pub shift: usize,
    /// Side of a square whose values become 0: black, or the training part's mean if channels are normalized. Its
    /// center is any pixel; what lies beyond the border is lost (DeVries and Taylor 2017).
    pub cutout: usize,
}

/// Memory that is used again from call to call.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// Images as they are.
    pub(crate) images: Vec<u8>,
    /// An image as it is changed.
    changed: Vec<u8>,
}

/// What is drawn for one sample.
struct Draw {
    flip: bool,
    down: isize,
    right: isize,
    row: usize,
    column: usize,
}

impl Augmentation {
    /// Whether any change is made.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What of this cannot be done to the samples of `dataset`: all of it if they are no images, a move or a square
    /// larger than they are.
    #[must_use]
    pub fn faults(&self, dataset: &Dataset) -> Vec<Fault> {
        let side = dataset.shape.height.min(dataset.shape.width);
        let images = dataset.samples.are_pixels();
        let mut faults = Vec::new();
        let mut check = |key: &str, value: String, asked: bool, fits: bool, largest: usize| {
            let expected = if !images {
                format!("a data set of images; {} is a table", dataset.name)
            } else {
                format!("at most {largest} for images of {}", dataset.shape)
            };
            if asked && !(images && fits) {
                faults.push(Fault { key: key.to_owned(), value, expected });
            }
        };
        check("flip", self.flip.to_string(), self.flip, true, 0);
        check("shift", self.shift.to_string(), self.shift > 0, self.shift < side, side.saturating_sub(1));
        check("cutout", self.cutout.to_string(), self.cutout > 0, self.cutout <= side, side);
        faults
    }

    fn draw(&self, shape: Shape, seed: u64, epoch: u64, row: usize) -> Draw {
        let mut stream = Stream::new(seed, "augment", (epoch << 32) | row as u64);
        let flip = stream.below(2) == 1 && self.flip;
        let reach = self.shift as u64;
        let [down, right] = [(); 2].map(|()| stream.below(2 * reach + 1) as isize - self.shift as isize);
        let [row, column] = [shape.height, shape.width].map(|side| stream.below(side as u64) as usize);
        Draw { flip, down, right, row, column }
    }

    /// Writes the samples `rows` of `dataset`, changed as `epoch` has it, to `out`, one after another; `scratch` is memory
    /// that is used again.
    ///
    /// # Errors
    /// As [`Dataset::fill_row`].
    ///
    /// # Panics
    /// If the samples are no images ([`faults`](Self::faults) tells), or as [`Dataset::fill_row`].
    pub fn fill_rows(
        &self,
        dataset: &Dataset,
        (seed, epoch): (u64, u64),
        rows: &[usize],
        out: &mut [f32],
        scratch: &mut Scratch,
    ) -> Result<(), DatasetError> {
        let Scratch { images, changed } = scratch;
        let mut out = out.chunks_exact_mut(dataset.columns());
        dataset.each_image(rows, images, |row, image| {
            if let Some(out) = out.next() {
                self.fill(dataset, (seed, epoch, row), image, out, changed);
            }
        })
    }

    /// Writes an image, changed as row `row` is in `epoch`.
    fn fill(
        &self,
        dataset: &Dataset,
        (seed, epoch, row): (u64, u64, usize),
        image: &[u8],
        out: &mut [f32],
        scratch: &mut Vec<u8>,
    ) {
        let shape = dataset.shape;
        let (height, width) = (shape.height, shape.width);
        let draw = self.draw(shape, seed, epoch, row);
        scratch.clear();
        scratch.resize(image.len(), 0);
        let (from, to) = (overlap(-draw.right, width), overlap(draw.right, width));
        for (from_plane, to_plane) in image.chunks_exact(height * width).zip(scratch.chunks_exact_mut(height * width)) {
            for (y, line) in to_plane.chunks_exact_mut(width).enumerate() {
                let Some(y) = y.checked_add_signed(-draw.down).filter(|&y| y < height) else { continue };
                line[to.clone()].copy_from_slice(&from_plane[y * width..][from.clone()]);
                if draw.flip {
                    line.reverse();
                }
            }
        }
        dataset.convert(scratch, out);
        let square = |center: usize, side: usize| {
            let start = center as isize - (self.cutout / 2) as isize;
            start.max(0) as usize..((start + self.cutout as isize).max(0) as usize).min(side)
        };
        let (rows, cut) = (square(draw.row, height), square(draw.column, width));
        for plane in out.chunks_exact_mut(height * width) {
            for y in rows.clone() {
                plane[y * width..][cut.clone()].fill(0.0);
            }
        }
    }
}

/// Pixels of a line of `width` that are still within it after a move by `by`, as they lie after the move.
fn overlap(by: isize, width: usize) -> std::ops::Range<usize> {
    by.max(0) as usize..width.saturating_add_signed(by.min(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Normalization, Samples, Targets};

    const SHAPE: Shape = Shape { channels: 2, height: 5, width: 4 };

    fn images(normalization: Option<Normalization>) -> Dataset {
        Dataset {
            name: "images".into(),
            samples: Samples::Bytes((0..6 * 40).map(|i| (i * 7 % 255 + 1) as u8).collect()),
            shape: SHAPE,
            targets: Targets::classes(vec![0; 6], vec!["a".into(), "b".into()]),
            normalization,
        }
    }

    fn filled(augmentation: Augmentation, dataset: &Dataset, epoch: u64, row: usize) -> Vec<f32> {
        let mut out = vec![9.0; 40];
        augmentation.fill_rows(dataset, (3, epoch), &[row], &mut out, &mut Scratch::default()).unwrap();
        out
    }

    /// The definition, pixel by pixel.
    fn naive(augmentation: Augmentation, dataset: &Dataset, epoch: u64, row: usize) -> Vec<f32> {
        let draw = augmentation.draw(SHAPE, 3, epoch, row);
        let mut plain = vec![0.0; 40];
        dataset.fill_row(row, &mut plain).unwrap();
        let mut black = vec![0.0; 40];
        dataset.convert(&[0; 40], &mut black);
        let mut out = Vec::new();
        for c in 0..2 {
            for y in 0..5isize {
                for x in 0..4isize {
                    let half = (augmentation.cutout / 2) as isize;
                    let inside = |at: isize, center: usize| {
                        let start = center as isize - half;
                        (start..start + augmentation.cutout as isize).contains(&at)
                    };
                    let seen = if draw.flip { 3 - x } else { x };
                    let (v, u) = (y - draw.down, seen - draw.right);
                    let there = (0..5).contains(&v) && (0..4).contains(&u);
                    out.push(match (inside(y, draw.row) && inside(x, draw.column), there) {
                        (true, _) => 0.0,
                        (false, true) => plain[(c * 20 + v * 4 + u) as usize],
                        (false, false) => black[c as usize * 20],
                    });
                }
            }
        }
        out
    }

    #[test]
    fn every_change_is_what_its_definition_says() {
        let normalization = Normalization { means: vec![0.5, 0.25], deviations: vec![0.3, 0.2] };
        for dataset in [images(None), images(Some(normalization))] {
            for (flip, shift, cutout) in [(true, 0, 0), (false, 3, 0), (false, 0, 3), (true, 2, 2), (false, 0, 4)] {
                let augmentation = Augmentation { flip, shift, cutout };
                for epoch in 0..20 {
                    for row in 0..6 {
                        let ours = filled(augmentation, &dataset, epoch, row);
                        assert_eq!(ours, naive(augmentation, &dataset, epoch, row), "{augmentation:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn half_of_the_images_are_mirrored_and_all_shifts_are_as_likely() {
        let augmentation = Augmentation { flip: true, shift: 1, cutout: 1 };
        let draws: Vec<Draw> = (0..9000).map(|row| augmentation.draw(SHAPE, 1, 2, row)).collect();
        let count = |which: &dyn Fn(&Draw) -> bool| draws.iter().filter(|draw| which(draw)).count() as f64;
        // Binomial: 9000 draws, four standard deviations.
        let near = |count: f64, p: f64| (count - 9000.0 * p).abs() < 4.0 * (9000.0 * p * (1.0 - p)).sqrt();
        assert!(near(count(&|draw| draw.flip), 0.5));
        for (down, right) in [(-1, -1), (0, 1), (1, 0), (0, 0)] {
            assert!(near(count(&|draw| (draw.down, draw.right) == (down, right)), 1.0 / 9.0));
        }
        for row in 0..5 {
            assert!(near(count(&|draw| draw.row == row && draw.column == 3), 0.05));
        }
    }

    #[test]
    fn a_change_depends_on_epoch_and_row_and_not_on_other_changes() {
        let shift = Augmentation { shift: 2, ..Augmentation::default() };
        let both = Augmentation { flip: true, cutout: 1, ..shift };
        let moves = |augmentation: Augmentation, epoch| -> Vec<(isize, isize)> {
            (0..50).map(|row| augmentation.draw(SHAPE, 0, epoch, row)).map(|draw| (draw.down, draw.right)).collect()
        };
        assert_eq!(moves(shift, 0), moves(both, 0));
        assert_ne!(moves(shift, 0), moves(shift, 1));
        assert_ne!(moves(shift, 0)[..25], moves(shift, 0)[25..]);
    }

    #[test]
    fn tables_and_too_large_changes_are_faults() {
        let augmentation = Augmentation { flip: true, shift: 4, cutout: 5 };
        let lines = |dataset: &Dataset| augmentation.faults(dataset).iter().map(Fault::to_string).collect::<Vec<_>>();
        assert_eq!(
            lines(&images(None)),
            [
                "shift = 4: expected at most 3 for images of 2 x 5 x 4",
                "cutout = 5: expected at most 4 for images of 2 x 5 x 4"
            ]
        );
        let table = Dataset { samples: Samples::Floats(vec![0.0; 240]), ..images(None) };
        assert_eq!(lines(&table).len(), 3);
        assert_eq!(lines(&table)[0], "flip = true: expected a data set of images; images is a table");
        assert!(Augmentation::default().faults(&table).is_empty());
    }
}

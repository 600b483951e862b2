//! Random changes of training images: mirrored, shifted, with a square cut out.
//!
//! What happens to a sample follows from seed, epoch and row alone, so that a resumed run sees what the uninterrupted
//! one would have seen, whatever the number of threads. Each change has a draw of its own: one that is switched on or
//! off does not move the others.

use std::fmt;
use std::str::FromStr;

use hsic::random::Stream;
use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, DatasetError, Shape};
use crate::fault::Fault;

/// Which images have left and right swapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "FlipText", into = "FlipText")]
pub enum Flip {
    /// None.
    #[default]
    Never,
    /// Every second image, at random, anew in each epoch.
    Random,
    /// Every image in every second epoch: in its first by a draw, then in turn (Jordan 2024), so that two epochs show both.
    Alternating,
}

/// How it stands in TOML: a truth value, as it was before there were three, or a name.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum FlipText {
    Whether(bool),
    Name(String),
}

impl From<Flip> for FlipText {
    fn from(flip: Flip) -> Self {
        match flip {
            Flip::Never => Self::Whether(false),
            Flip::Random => Self::Whether(true),
            Flip::Alternating => Self::Name(flip.to_string()),
        }
    }
}

impl TryFrom<FlipText> for Flip {
    type Error = String;

    fn try_from(text: FlipText) -> Result<Self, String> {
        match text {
            FlipText::Whether(flips) => Ok(if flips { Self::Random } else { Self::Never }),
            FlipText::Name(name) => name.parse(),
        }
    }
}

impl fmt::Display for Flip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "false",
            Self::Random => "true",
            Self::Alternating => "alternating",
        })
    }
}

impl FromStr for Flip {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "false" => Ok(Self::Never),
            "true" => Ok(Self::Random),
            "alternating" => Ok(Self::Alternating),
            _ => Err("expected true, false or alternating".to_owned()),
        }
    }
}

/// What enters where an image is moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Border {
    /// Black.
    #[default]
    Black,
    /// The image's own pixels, mirrored at the line or column on its edge.
    Reflect,
}

impl Border {
    /// Where the value of place `at` of a side comes from, -side < at < 2 side - 1; `None` for black.
    #[must_use]
    pub fn source(self, at: isize, side: usize) -> Option<usize> {
        let inside = usize::try_from(at).ok().filter(|&at| at < side);
        match self {
            Self::Black => inside,
            Self::Reflect => inside.or(Some(if at < 0 { at.unsigned_abs() } else { 2 * (side - 1) - at as usize })),
        }
    }
}

/// Which random changes are made; the default makes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Augmentation {
    /// Which images have left and right swapped.
    pub flip: Flip,
    /// The image moves by -shift to shift pixels along each axis, each as likely.
    pub shift: usize,
    /// What enters where it moves.
    pub border: Border,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Left and right are swapped, after the move.
    pub flip: bool,
    /// Pixels that the image moves down.
    pub down: isize,
    /// Pixels that it moves right.
    pub right: isize,
    /// Line of the center of the square that is cut out.
    pub row: usize,
    /// Column of that center.
    pub column: usize,
}

impl Augmentation {
    /// Whether any change is made.
    #[must_use]
    pub fn is_none(&self) -> bool {
        // A border without a move is none.
        *self == Self { border: self.border, ..Self::default() }
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
        check("flip", self.flip.to_string(), self.flip != Flip::Never, true, 0);
        check("shift", self.shift.to_string(), self.shift > 0, self.shift < side, side.saturating_sub(1));
        check("cutout", self.cutout.to_string(), self.cutout > 0, self.cutout <= side, side);
        faults
    }

    /// What happens to the sample of index `row`, an image of sizes `shape`, in an epoch.
    #[must_use]
    pub fn draw(&self, shape: Shape, (seed, epoch): (u64, u64), row: usize) -> Draw {
        let mut stream = Stream::new(seed, "augment", (epoch << 32) | row as u64);
        let drawn = stream.below(2) == 1;
        let flip = match self.flip {
            Flip::Never => false,
            Flip::Random => drawn,
            Flip::Alternating => {
                let first = Stream::new(seed, "flip", row as u64).below(2);
                (first + epoch) % 2 == 1
            }
        };
        let reach = self.shift as u64;
        let [down, right] = [(); 2].map(|()| stream.below(2 * reach + 1) as isize - self.shift as isize);
        let [row, column] = [shape.height, shape.width].map(|side| stream.below(side as u64) as usize);
        Draw { flip, down, right, row, column }
    }

    /// Lines or columns of the square that is cut out around this center, some of which may lie beyond the image.
    #[must_use]
    pub fn cut(&self, center: usize) -> std::ops::Range<isize> {
        let start = center as isize - (self.cutout / 2) as isize;
        start..start + self.cutout as isize
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
        let draw = self.draw(shape, (seed, epoch), row);
        scratch.clear();
        scratch.resize(image.len(), 0);
        let (from, to) = (overlap(-draw.right, width), overlap(draw.right, width));
        let entering = (0..to.start).chain(to.end..width);
        for (from_plane, to_plane) in image.chunks_exact(height * width).zip(scratch.chunks_exact_mut(height * width)) {
            for (y, line) in to_plane.chunks_exact_mut(width).enumerate() {
                let Some(y) = self.border.source(y as isize - draw.down, height) else { continue };
                let from_line = &from_plane[y * width..][..width];
                line[to.clone()].copy_from_slice(&from_line[from.clone()]);
                for x in entering.clone() {
                    if let Some(source) = self.border.source(x as isize - draw.right, width) {
                        line[x] = from_line[source];
                    }
                }
                if draw.flip {
                    line.reverse();
                }
            }
        }
        dataset.convert(scratch, out);
        let square = |center: usize, side: usize| {
            let cut = self.cut(center);
            cut.start.max(0) as usize..(cut.end.max(0) as usize).min(side)
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
        let draw = augmentation.draw(SHAPE, (3, epoch), row);
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
                    let unflipped = if draw.flip { 3 - x } else { x };
                    let (v, u) = (y - draw.down, unflipped - draw.right);
                    let there = (0..5).contains(&v) && (0..4).contains(&u);
                    // numpy.pad(mode="reflect"): the edge itself is not repeated.
                    let mirror = |at: isize, side: isize| (side - 1 - (side - 1 - at.abs()).abs()).abs();
                    let (v, u) = (mirror(v, 5), mirror(u, 4));
                    let seen = there || augmentation.border == Border::Reflect;
                    out.push(match (inside(y, draw.row) && inside(x, draw.column), seen) {
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
            use Border::{Black, Reflect};
            use Flip::{Alternating, Never, Random};
            for (flip, shift, border, cutout) in [
                (Random, 0, Black, 0),
                (Never, 3, Black, 0),
                (Never, 0, Black, 3),
                (Random, 2, Black, 2),
                (Never, 0, Black, 4),
                (Never, 3, Reflect, 0),
                (Alternating, 2, Reflect, 2),
            ] {
                let augmentation = Augmentation { flip, shift, border, cutout };
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
        let augmentation = Augmentation { flip: Flip::Random, shift: 1, cutout: 1, ..Augmentation::default() };
        let draws: Vec<Draw> = (0..9000).map(|row| augmentation.draw(SHAPE, (1, 2), row)).collect();
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
    fn a_reflected_border_repeats_no_edge() {
        // numpy.pad(range(5), 3, mode="reflect").
        let padded: Vec<_> = (-3..8).map(|at| Border::Reflect.source(at, 5)).collect();
        assert_eq!(padded, [3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1].map(Some));
        assert_eq!([-1, 0, 4, 5].map(|at| Border::Black.source(at, 5)), [None, Some(0), Some(4), None]);
    }

    #[test]
    fn alternating_flips_show_every_image_both_ways_in_two_epochs() {
        let augmentation = Augmentation { flip: Flip::Alternating, ..Augmentation::default() };
        let flips =
            |epoch| -> Vec<bool> { (0..400).map(|row| augmentation.draw(SHAPE, (1, epoch), row).flip).collect() };
        let count = flips(0).into_iter().filter(|&flip| flip).count();
        // Binomial: 400 draws, four standard deviations.
        assert!((160..=240).contains(&count), "{count}");
        assert!(flips(0).iter().zip(flips(1)).all(|(&first, second)| first != second));
        assert_eq!((flips(0), flips(1)), (flips(2), flips(7)));
    }

    #[test]
    fn flips_are_truth_values_or_a_name() {
        for flip in [Flip::Never, Flip::Random, Flip::Alternating] {
            assert_eq!(flip.to_string().parse(), Ok(flip));
            assert_eq!(Flip::try_from(FlipText::from(flip)), Ok(flip));
        }
        assert_eq!("left".parse::<Flip>(), Err("expected true, false or alternating".to_owned()));
    }

    #[test]
    fn a_change_depends_on_epoch_and_row_and_not_on_other_changes() {
        let shift = Augmentation { shift: 2, ..Augmentation::default() };
        let both = Augmentation { flip: Flip::Random, cutout: 1, ..shift };
        let moves = |augmentation: Augmentation, epoch| -> Vec<(isize, isize)> {
            (0..50).map(|row| augmentation.draw(SHAPE, (0, epoch), row)).map(|draw| (draw.down, draw.right)).collect()
        };
        assert_eq!(moves(shift, 0), moves(both, 0));
        assert_ne!(moves(shift, 0), moves(shift, 1));
        assert_ne!(moves(shift, 0)[..25], moves(shift, 0)[25..]);
    }

    #[test]
    fn tables_and_too_large_changes_are_faults() {
        let augmentation = Augmentation { flip: Flip::Random, shift: 4, cutout: 5, ..Augmentation::default() };
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

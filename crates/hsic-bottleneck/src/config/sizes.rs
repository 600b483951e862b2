//! How long a training is, and in what portions it sees the data, where nothing is given.
//!
//! A batch of 256 and 5 epochs are right for the tens of thousands of rows of the data sets that are known by name. Of a
//! table of 120 rows they make 5 steps, each on all of it, after which nothing is learned.

use hsic_data::dataset::Form;

/// Steps that a training has at the least.
const STEPS: u64 = 300;

/// The same of one on images of one's own: convolutions have more to find out.
const IMAGE_STEPS: u64 = 1000;

/// Batches that an epoch has at the least.
const BATCHES: usize = 8;

/// The fewest rows of which a batch shows any dependence.
const LEAST_BATCH: usize = 2;

/// How long a training is and in what portions it sees the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Passes over the training data.
    pub epochs: u64,
    /// Rows of a batch.
    pub batch_size: usize,
    /// Passes of format training, where a method has any.
    pub format_epochs: u64,
    /// Rows of a batch of format training.
    pub format_batch_size: usize,
}

impl Sizes {
    /// Those of a data set that is known by name, and of any other of 15,360 rows or more.
    pub const NAMED: Self = Self { epochs: 5, batch_size: 256, format_epochs: 10, format_batch_size: 256 };

    /// For so many training rows, where neither batch nor epochs are given.
    ///
    /// A batch has 256 rows, but at most an eighth of all: an epoch has 8 batches. There are 5 epochs, and as many more as
    /// 300 steps take.
    ///
    /// # Examples
    /// ```
    /// use hsic_bottleneck::config::Sizes;
    /// let iris = Sizes::of_rows(120);
    /// assert_eq!((iris.batch_size, iris.epochs), (15, 38));
    /// assert_eq!(Sizes::of_rows(60_000), Sizes::NAMED);
    /// ```
    #[must_use]
    pub fn of_rows(rows: usize) -> Self {
        Self::beside(rows, None, None)
    }

    /// For so many training rows, where batch or epochs may be given: what is not given follows from what is.
    #[must_use]
    pub fn beside(rows: usize, batch_size: Option<usize>, epochs: Option<u64>) -> Self {
        Self::of_steps(STEPS, rows, batch_size, epochs)
    }

    /// As [`beside`](Self::beside), for what is at a path: a training on a folder or an archive of images has at least 1,000
    /// steps.
    #[must_use]
    pub fn at(path: &str, rows: usize, batch_size: Option<usize>, epochs: Option<u64>) -> Self {
        let steps = if holds_images(path) { IMAGE_STEPS } else { STEPS };
        Self::of_steps(steps, rows, batch_size, epochs)
    }

    fn of_steps(steps: u64, rows: usize, batch_size: Option<usize>, epochs: Option<u64>) -> Self {
        let portion = (rows / BATCHES).clamp(LEAST_BATCH, Self::NAMED.batch_size);
        let batch_size = batch_size.unwrap_or(portion);
        // Steps of an epoch whose last batch, if it is short, is left out: there is one epoch more rather than one less.
        let passes = |batch: usize, steps: u64| steps.div_ceil((rows / batch.max(1)).max(1) as u64);
        Self {
            epochs: epochs.unwrap_or_else(|| passes(batch_size, steps).max(Self::NAMED.epochs)),
            batch_size,
            format_epochs: passes(portion, STEPS).max(Self::NAMED.format_epochs),
            format_batch_size: portion,
        }
    }

    /// Epochs of so many steps each that make a training of enough steps.
    pub(crate) fn epochs_of(steps: u64) -> u64 {
        STEPS.div_ceil(steps.max(1))
    }
}

/// Whether images of a user's own are at a path.
pub(super) fn holds_images(path: &str) -> bool {
    Form::of(path).is_some_and(Form::holds_images)
}

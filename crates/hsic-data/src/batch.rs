//! Batches: rows in a seeded order.

use std::ops::{ControlFlow, Range};
use std::sync::mpsc::sync_channel;

use faer::MatRef;
use hsic::Scalar;
use hsic::random::Stream;

use crate::augment::{Augmentation, Scratch};
use crate::dataset::{Classes, Dataset, DatasetError, Quantities, Targets};

/// Batches that wait, ready, for the step.
const PREPARED: usize = 2;

/// Rows of a data set, as numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch<T = f32> {
    /// m x columns, row-major; empty for a session that has the samples at hand ([`for_each_batch_of`]).
    pub x: Vec<T>,
    /// Columns of x.
    pub columns: usize,
    /// The class of each row; empty where rows have values.
    pub labels: Vec<usize>,
    /// Number of classes of the data set; 0 where rows have values.
    pub classes: usize,
    /// The value of each row, less the training part's mean and by its deviation; empty where rows have classes.
    pub values: Vec<f64>,
    /// Share of each row's target that cross-entropy spreads over all classes alike, in [0, 1).
    pub smoothing: f64,
    /// Index of the training step that it is for, from 0: what is drawn at random in a step follows from it.
    pub step: u64,
}

impl<T: Scalar> Batch<T> {
    /// Rows m.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.labels.len().max(self.values.len())
    }

    /// What the rows are to be told by.
    #[must_use]
    pub fn targets(&self) -> hsic::Targets<'_> {
        if self.values.is_empty() {
            hsic::Targets::Classes { labels: &self.labels, classes: self.classes }
        } else {
            hsic::Targets::of_values(&self.values)
        }
    }

    /// Takes some rows of another batch, in this batch's memory.
    ///
    /// # Panics
    /// If the other has fewer rows.
    pub fn take(&mut self, other: &Self, rows: Range<usize>) {
        let Self { x, columns, labels, classes, values, smoothing, step } = self;
        (*columns, *classes, *smoothing, *step) = (other.columns, other.classes, other.smoothing, other.step);
        x.clear();
        x.extend_from_slice(&other.x[rows.start * other.columns..rows.end * other.columns]);
        labels.clear();
        values.clear();
        if other.values.is_empty() {
            labels.extend_from_slice(&other.labels[rows]);
        } else {
            values.extend_from_slice(&other.values[rows]);
        }
    }

    /// x as an m x columns matrix.
    #[must_use]
    pub fn matrix(&self) -> MatRef<'_, T> {
        MatRef::from_row_major_slice(&self.x, self.rows(), self.columns)
    }
}

/// The order in which an epoch visits the rows: a shuffle fixed by seed and epoch, so that any step of a run can be
/// taken up again without replaying what came before it.
#[must_use]
pub fn epoch_order(rows: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    Stream::new(seed, "order", epoch).shuffle(&mut order);
    order
}

/// Steps of an epoch: a last batch of one row, for which no dependence is defined, is left out.
#[must_use]
pub fn steps_per_epoch(rows: usize, batch_size: usize) -> u64 {
    (rows / batch_size + usize::from(rows % batch_size >= 2)) as u64
}

impl Batch<f32> {
    /// Takes the given rows of a data set, in this batch's memory.
    ///
    /// # Errors
    /// As [`Dataset::fill_row`].
    pub fn fill(&mut self, dataset: &Dataset, rows: &[usize]) -> Result<(), DatasetError> {
        self.fill_changed(dataset, rows, &Augmentation::default(), (0, 0), &mut Scratch::default())
    }

    /// As [`fill`](Self::fill), each row changed at random as `epoch` has it.
    fn fill_changed(
        &mut self,
        dataset: &Dataset,
        rows: &[usize],
        augmentation: &Augmentation,
        (seed, epoch): (u64, u64),
        scratch: &mut Scratch,
    ) -> Result<(), DatasetError> {
        self.take_targets(dataset, rows);
        self.x.resize(rows.len() * self.columns, 0.0);
        if augmentation.is_none() {
            dataset.fill_rows(rows, &mut self.x, &mut scratch.images)
        } else {
            augmentation.fill_rows(dataset, (seed, epoch), rows, &mut self.x, scratch)
        }
    }

    /// Takes the targets of rows.
    fn take_targets(&mut self, dataset: &Dataset, rows: &[usize]) {
        self.columns = dataset.columns();
        self.classes = 0;
        self.labels.clear();
        self.values.clear();
        match &dataset.targets {
            Targets::Classes(Classes { labels, names }) => {
                self.classes = names.len();
                self.labels.extend(rows.iter().map(|&row| usize::from(labels[row])));
            }
            Targets::Values(Quantities { values, scale }) => {
                self.values.extend(rows.iter().map(|&row| scale.standardize(values[row])));
            }
        }
    }
}

/// Which batches a training sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Batches {
    /// Rows of a batch, >= 2.
    pub size: usize,
    /// Fixes order and changes.
    pub seed: u64,
    /// Whether an epoch visits the rows in an order of its own, or in that of the file.
    pub shuffle: bool,
    /// Random changes of the rows.
    pub augmentation: Augmentation,
    /// Whether the last batch of an epoch is left out if it is short of rows.
    pub drop_last: bool,
    /// What batches say of the smoothing of their targets.
    pub smoothing: f64,
}

impl Batches {
    /// Steps of an epoch of so many rows.
    #[must_use]
    pub fn steps(&self, rows: usize) -> u64 {
        if self.drop_last { (rows / self.size) as u64 } else { steps_per_epoch(rows, self.size) }
    }

    /// The order in which an epoch visits so many rows.
    #[must_use]
    pub fn order(&self, rows: usize, epoch: u64) -> Vec<usize> {
        if self.shuffle { epoch_order(rows, self.seed, epoch) } else { (0..rows).collect() }
    }

    /// The epoch of a step (counted from the start of training) on so many rows, and where in its [order](Self::order) the step's
    /// rows stand.
    ///
    /// # Panics
    /// If an epoch of so many rows has no step.
    #[must_use]
    pub fn place(&self, rows: usize, step: u64) -> (u64, Range<usize>) {
        let steps = self.steps(rows);
        let start = (step % steps) as usize * self.size;
        (step / steps, start..(start + self.size).min(rows))
    }

    /// The batch of one step (counted from the start of training) of the data, in the memory of `batch`: that which
    /// [`for_each_batch`] gives.
    ///
    /// # Panics
    /// If an epoch of the data has no step, or as [`for_each_batch`].
    ///
    /// # Cost
    /// An order of all rows beside the batch.
    ///
    /// # Errors
    /// As [`Dataset::fill_row`].
    pub fn fill(&self, dataset: &Dataset, step: u64, batch: &mut Batch) -> Result<(), DatasetError> {
        let (epoch, place) = self.place(dataset.rows(), step);
        let order = self.order(dataset.rows(), epoch);
        let rows = &order[place];
        batch.fill_changed(dataset, rows, &self.augmentation, (self.seed, epoch), &mut Scratch::default())?;
        batch.step = step;
        batch.smoothing = self.smoothing;
        Ok(())
    }
}

/// Runs `each` on the batches of a range (counted in steps from the start of training), while the next ones are prepared,
/// and read where they lie in a file, on a thread beside it.
///
/// # Errors
/// The first that `each` returns, or that a row of a batch has when it is that batch's turn; it ends the loop.
///
/// # Panics
/// If changes are asked for that [`Augmentation::faults`] would name.
pub fn for_each_batch<E: From<DatasetError>>(
    dataset: &Dataset,
    batches: &Batches,
    range: Range<u64>,
    each: impl FnMut(u64, &Batch) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    for_each_batch_of(dataset, batches, range, |_| true, each)
}

/// [`for_each_batch`] for those who have the samples at hand where they work: batches of steps that are not `formed` have targets,
/// and no `x`.
///
/// # Errors
/// As [`for_each_batch`].
///
/// # Panics
/// As [`for_each_batch`].
pub fn for_each_batch_of<E: From<DatasetError>>(
    dataset: &Dataset,
    batches: &Batches,
    range: Range<u64>,
    formed: impl Fn(u64) -> bool + Send,
    mut each: impl FnMut(u64, &Batch) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let &Batches { seed, augmentation, .. } = batches;
    std::thread::scope(|scope| {
        let (ready, prepared) = sync_channel::<(u64, Result<Batch, DatasetError>)>(PREPARED);
        let (used, returned) = sync_channel::<Batch>(PREPARED + 2);
        scope.spawn(move || {
            let mut order = (u64::MAX, Vec::new());
            let mut scratch = Scratch::default();
            for step in range {
                let (epoch, place) = batches.place(dataset.rows(), step);
                if order.0 != epoch {
                    order = (epoch, batches.order(dataset.rows(), epoch));
                }
                let mut batch = returned.try_recv().unwrap_or_default();
                let rows = &order.1[place];
                let filled = if formed(step) {
                    batch.fill_changed(dataset, rows, &augmentation, (seed, epoch), &mut scratch)
                } else {
                    batch.take_targets(dataset, rows);
                    batch.x.clear();
                    Ok(())
                };
                batch.step = step;
                let failed = filled.is_err();
                batch.smoothing = batches.smoothing;
                if ready.send((step, filled.map(|()| batch))).is_err() || failed {
                    // The loop has ended early, or ends with what is sent.
                    return;
                }
            }
        });
        while let Ok((step, batch)) = prepared.recv() {
            let batch = batch?;
            if each(step, &batch)?.is_break() {
                break;
            }
            // A full or closed channel only means that the memory is not used again.
            drop(used.try_send(batch));
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Flip;
    use crate::dataset::{LoadOptions, load};

    #[test]
    fn an_order_visits_every_row_once_and_changes_with_the_epoch() {
        let mut order = epoch_order(1000, 3, 0);
        assert_ne!(order, epoch_order(1000, 3, 1));
        assert_ne!(order, epoch_order(1000, 4, 0));
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn without_a_shuffle_rows_come_as_in_the_file() {
        let options = LoadOptions { train_size: Some(50), test_size: Some(10), ..LoadOptions::default() };
        let digits = load("digits", &options).unwrap().train;
        let plan = Batches {
            size: 20,
            seed: 5,
            shuffle: false,
            augmentation: Augmentation::default(),
            drop_last: false,
            smoothing: 0.0,
        };
        let mut labels = Vec::new();
        let seen = for_each_batch(&digits, &plan, 0..6, |_, batch| {
            labels.extend(batch.labels.iter().map(|&label| label as u16));
            Ok::<_, DatasetError>(ControlFlow::Continue(()))
        });
        seen.unwrap();
        assert_eq!(labels, [digits.labels(), digits.labels()].concat());
    }

    #[test]
    fn a_single_row_left_over_is_no_batch() {
        assert_eq!(steps_per_epoch(60_000, 256), 235);
        assert_eq!((steps_per_epoch(257, 256), steps_per_epoch(258, 256)), (1, 2));
    }

    #[test]
    fn a_last_batch_that_is_short_can_be_left_out() {
        let options = LoadOptions { train_size: Some(50), test_size: Some(10), ..LoadOptions::default() };
        let digits = load("digits", &options).unwrap().train;
        let plan = |drop_last| Batches {
            size: 20,
            seed: 5,
            shuffle: true,
            augmentation: Augmentation::default(),
            drop_last,
            smoothing: 0.0,
        };
        let seen = |plan: &Batches| {
            let mut batches = Vec::new();
            let kept = for_each_batch(&digits, plan, 0..2 * plan.steps(50), |_, batch| {
                batches.push((batch.rows(), batch.labels.clone()));
                Ok::<_, DatasetError>(ControlFlow::Continue(()))
            });
            kept.unwrap();
            batches
        };
        let steps = |rows| Batches { size: 256, ..plan(true) }.steps(rows);
        assert_eq!([60_000, 511, 512, 255].map(steps), [234, 1, 2, 0]);
        // The whole batches are those of the same epochs with all of theirs.
        let (all, whole) = (seen(&plan(false)), seen(&plan(true)));
        assert_eq!(all.iter().map(|batch| batch.0).collect::<Vec<_>>(), [20, 20, 10, 20, 20, 10]);
        assert_eq!(whole, [&all[..2], &all[3..5]].concat());
    }

    /// FNV-1a of the bits of a range of batches, 64 rows each, of 300 digits.
    fn checksum(augmentation: &Augmentation, range: Range<u64>) -> u64 {
        let options = LoadOptions { train_size: Some(300), test_size: Some(10), ..LoadOptions::default() };
        let digits = load("digits", &options).unwrap().train;
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let batches =
            Batches { size: 64, seed: 5, shuffle: true, augmentation: *augmentation, drop_last: false, smoothing: 0.0 };
        for_each_batch(&digits, &batches, range, |step, batch| {
            let values = batch.x.iter().map(|value| u64::from(value.to_bits()));
            for value in values.chain(batch.labels.iter().map(|&label| label as u64)).chain([step]) {
                hash = (hash ^ value).wrapping_mul(0x0100_0000_01b3);
            }
            Ok::<_, DatasetError>(ControlFlow::Continue(()))
        })
        .unwrap();
        hash
    }

    #[test]
    fn changes_are_the_same_after_a_resume_and_differ_between_epochs() {
        let digits = load("digits", &LoadOptions { train_size: Some(64), ..LoadOptions::default() }).unwrap().train;
        let augmentation = Augmentation { flip: Flip::Random, shift: 2, cutout: 5, ..Augmentation::default() };
        let batches = |range: Range<u64>| {
            let mut all = Vec::new();
            let plan = Batches { size: 64, seed: 5, shuffle: true, augmentation, drop_last: false, smoothing: 0.0 };
            let collected = for_each_batch(&digits, &plan, range, |_, batch| {
                all.push(batch.clone());
                Ok::<_, DatasetError>(ControlFlow::Continue(()))
            });
            collected.unwrap();
            all
        };
        let whole = batches(0..4);
        assert_eq!(batches(2..4), whole[2..]);
        // One batch an epoch; row 0 in two epochs.
        let image = |epoch: usize| {
            let place = epoch_order(64, 5, epoch as u64).iter().position(|&row| row == 0).unwrap();
            &whole[epoch].x[place * 784..][..784]
        };
        assert_ne!(image(0), image(1));
    }

    #[test]
    fn a_batch_by_itself_is_that_of_its_step() {
        let options = LoadOptions { train_size: Some(70), test_size: Some(10), ..LoadOptions::default() };
        let digits = load("digits", &options).unwrap().train;
        for (shuffle, shift, drop_last) in [(true, 0, false), (false, 0, false), (true, 2, false), (true, 0, true)] {
            let augmentation = Augmentation { shift, ..Augmentation::default() };
            let plan = Batches { size: 32, seed: 5, shuffle, augmentation, drop_last, smoothing: 0.0 };
            let mut own = Batch::default();
            let seen = for_each_batch(&digits, &plan, 0..6, |step, batch| {
                plan.fill(&digits, step, &mut own)?;
                assert_eq!(own, *batch, "step {step}");
                Ok::<_, DatasetError>(ControlFlow::Continue(()))
            });
            seen.unwrap();
        }
    }

    #[test]
    fn steps_that_are_not_formed_have_their_targets_and_places_say_which_rows() {
        let options = LoadOptions { train_size: Some(70), test_size: Some(10), ..LoadOptions::default() };
        let digits = load("digits", &options).unwrap().train;
        let augmentation = Augmentation { shift: 2, ..Augmentation::default() };
        let plan = Batches { size: 32, seed: 5, shuffle: true, augmentation, drop_last: false, smoothing: 0.1 };
        let mut steps = 0;
        let seen = for_each_batch_of(
            &digits,
            &plan,
            0..7,
            |step| step % 3 == 1,
            |step, batch| {
                let mut whole = Batch::default();
                plan.fill(&digits, step, &mut whole)?;
                let (epoch, place) = plan.place(70, step);
                let order = plan.order(70, epoch);
                let labels: Vec<usize> = order[place].iter().map(|&row| usize::from(digits.labels()[row])).collect();
                assert_eq!(whole.labels, labels, "step {step}");
                whole.x.truncate(if step % 3 == 1 { whole.x.len() } else { 0 });
                assert_eq!(*batch, whole, "step {step}");
                steps += 1;
                Ok::<_, DatasetError>(ControlFlow::Continue(()))
            },
        );
        seen.unwrap();
        assert_eq!(steps, 7);
    }

    #[test]
    fn batches_without_augmentation_are_the_ones_they_always_were() {
        assert_eq!(checksum(&Augmentation::default(), 0..10), 9_291_386_307_706_122_148);
    }
}

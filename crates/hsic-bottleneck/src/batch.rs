//! Batches: rows in a seeded order.

use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;

use faer::MatRef;
use hsic::Scalar;
use hsic::random::Stream;

use crate::dataset::Dataset;

/// Batches that wait, ready, for the step.
const PREPARED: usize = 2;

/// Rows of a data set, as numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch<T = f32> {
    /// m x columns, row-major.
    pub x: Vec<T>,
    /// Columns of x.
    pub columns: usize,
    /// The class of each row.
    pub labels: Vec<usize>,
    /// Number of classes of the data set.
    pub classes: usize,
}

impl<T: Scalar> Batch<T> {
    /// Rows m.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.labels.len()
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
    pub fn fill(&mut self, dataset: &Dataset, rows: &[usize]) {
        self.columns = dataset.columns();
        self.classes = dataset.classes();
        self.labels.clear();
        self.labels.extend(rows.iter().map(|&row| usize::from(dataset.labels[row])));
        self.x.resize(rows.len() * self.columns, 0.0);
        for (values, &row) in self.x.chunks_exact_mut(self.columns).zip(rows) {
            dataset.fill_row(row, values);
        }
    }
}

/// Runs `each` on the batches `from..until` (counted in steps from the start of training), while the next ones are
/// prepared on a thread beside it.
///
/// # Errors
/// The first that `each` returns; it ends the loop.
pub fn for_each_batch<E>(
    dataset: &Dataset,
    batch_size: usize,
    seed: u64,
    from: u64,
    until: u64,
    mut each: impl FnMut(u64, &Batch) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let steps = steps_per_epoch(dataset.rows(), batch_size);
    std::thread::scope(|scope| {
        let (ready, prepared) = sync_channel::<(u64, Batch)>(PREPARED);
        let (used, returned) = sync_channel::<Batch>(PREPARED + 2);
        scope.spawn(move || {
            let mut order = (u64::MAX, Vec::new());
            for step in from..until {
                let epoch = step / steps;
                if order.0 != epoch {
                    order = (epoch, epoch_order(dataset.rows(), seed, epoch));
                }
                let start = (step % steps) as usize * batch_size;
                let mut batch = returned.try_recv().unwrap_or_default();
                batch.fill(dataset, &order.1[start..(start + batch_size).min(dataset.rows())]);
                if ready.send((step, batch)).is_err() {
                    // The loop has ended early.
                    return;
                }
            }
        });
        while let Ok((step, batch)) = prepared.recv() {
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

    #[test]
    fn an_order_visits_every_row_once_and_changes_with_the_epoch() {
        let mut order = epoch_order(1000, 3, 0);
        assert_ne!(order, epoch_order(1000, 3, 1));
        assert_ne!(order, epoch_order(1000, 4, 0));
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_single_row_left_over_is_no_batch() {
        assert_eq!(steps_per_epoch(60_000, 256), 235);
        assert_eq!((steps_per_epoch(257, 256), steps_per_epoch(258, 256)), (1, 2));
    }
}

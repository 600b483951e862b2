//! What each block of a network at rest knows of the classes: a linear readout of its features, and where rows lie in them.
//!
//! The readout of a block is a ridge regression of the classes' indicators on its features ([`ClassRidge`]). It is fitted to
//! training rows, and says by how much the classes can be told apart by hyperplanes there; nothing that trains reads it.
//! Features of more than [`FOLDED`] columns are folded into so many: each column is added to one of them, with a sign, and
//! both are drawn once (Charikar, Chen, Farach-Colton 2002). Products of rows stay the same on average, so that a readout
//! of the folded columns stands for one of all, and is at most a little worse.

use faer::MatRef;
use hsic::components::Components;
use hsic::random::Stream;
use hsic::ridge::ClassRidge;
use hsic_data::batch::Batch;
use hsic_data::dataset::{Dataset, DatasetError};
use rayon::prelude::*;

use crate::judge::at_rest::AtRest;

/// Most columns of a block that a readout sees as they are.
pub const FOLDED: usize = 1024;

/// Training rows that a readout is fitted to, at the most.
pub const FITTED_ROWS: usize = 5_000;

/// Rows whose features are formed at a time.
const CHUNK: usize = 256;

/// Features that are kept at a time, in values: of more blocks some are looked at in a pass of their own.
const KEPT: usize = 1 << 24;

/// How the features of a block become columns of a readout.
#[derive(Clone, Debug, PartialEq)]
enum Fold {
    /// As they are.
    Whole(usize),
    /// Each is added to a column, or taken from it.
    Signed(Vec<(u16, f32)>),
}

impl Fold {
    /// Of a block with so many columns; what is drawn follows from its index alone.
    fn of(block: usize, columns: usize) -> Self {
        if columns <= FOLDED {
            return Self::Whole(columns);
        }
        let mut stream = Stream::new(1, "probe fold", block as u64);
        let mut place = || {
            let drawn = stream.below(2 * FOLDED as u64);
            ((drawn / 2) as u16, if drawn.is_multiple_of(2) { 1.0 } else { -1.0 })
        };
        Self::Signed((0..columns).map(|_| place()).collect())
    }

    fn width(&self) -> usize {
        match self {
            Self::Whole(columns) => *columns,
            Self::Signed(_) => FOLDED,
        }
    }

    /// Adds the columns of a row of features to `out`.
    fn push(&self, row: &[f32], out: &mut Vec<f32>) {
        match self {
            Self::Whole(_) => out.extend_from_slice(row),
            Self::Signed(places) => {
                let start = out.len();
                out.resize(start + FOLDED, 0.0);
                for (value, &(place, sign)) in row.iter().zip(places) {
                    out[start + usize::from(place)] += sign * value;
                }
            }
        }
    }
}

/// The blocks of networks at rest, as columns that a readout sees.
pub struct Blocks<'n> {
    at_rest: AtRest<'n>,
    folds: Vec<Fold>,
    /// Where the features of each block begin among those of all, and their end.
    starts: Vec<usize>,
}

impl<'n> Blocks<'n> {
    /// Of networks of which the features of all blocks are taken (`FormatInput::All`).
    #[must_use]
    pub fn of(at_rest: AtRest<'n>) -> Self {
        let columns = at_rest.block_columns();
        let mut starts = vec![0];
        for columns in &columns {
            starts.push(starts[starts.len() - 1] + columns);
        }
        let folds = columns.iter().enumerate().map(|(block, &columns)| Fold::of(block, columns)).collect();
        Self { at_rest, folds, starts }
    }

    /// Number of blocks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.folds.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.folds.is_empty()
    }

    /// Shows the columns of some blocks, of rows of a data set, some rows at a time: `each` gets the labels, and for each of the
    /// blocks its columns (m x width).
    fn pass(
        &self,
        dataset: &Dataset,
        rows: &[usize],
        blocks: &[usize],
        mut each: impl FnMut(&[usize], Vec<Vec<f32>>),
    ) -> Result<(), DatasetError> {
        let (folds, starts, width) = (&self.folds, &self.starts, self.starts[self.len()]);
        let mut batch = Batch::default();
        for rows in rows.chunks(CHUNK) {
            batch.fill(dataset, rows)?;
            let features = self.at_rest.features(rows.len(), &batch.x);
            let of = |&block: &usize| {
                let (fold, own) = (&folds[block], starts[block]..starts[block + 1]);
                let mut columns = Vec::with_capacity(rows.len() * fold.width());
                features.chunks_exact(width).for_each(|row| fold.push(&row[own.clone()], &mut columns));
                columns
            };
            each(&batch.labels, blocks.par_iter().map(of).collect());
        }
        Ok(())
    }

    /// Blocks that are looked at in one pass of so many rows.
    fn groups(&self, rows: usize) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut room = 0;
        for (block, fold) in self.folds.iter().enumerate() {
            let taken = rows * fold.width();
            match groups.last_mut() {
                Some(group) if taken <= room => group.push(block),
                _ => {
                    groups.push(vec![block]);
                    room = KEPT;
                }
            }
            room = room.saturating_sub(taken);
        }
        groups
    }

    /// The columns of some blocks of rows of a data set, all at once, with the labels.
    fn gathered(
        &self,
        dataset: &Dataset,
        rows: &[usize],
        blocks: &[usize],
    ) -> Result<(Vec<usize>, Vec<Vec<f32>>), DatasetError> {
        let (mut labels, mut all) = (Vec::new(), vec![Vec::new(); blocks.len()]);
        self.pass(dataset, rows, blocks, |own, columns| {
            labels.extend_from_slice(own);
            all.iter_mut().zip(columns).for_each(|(all, columns)| all.extend(columns));
        })?;
        Ok((labels, all))
    }

    /// Fits a readout to each block, on rows of a data set.
    ///
    /// # Errors
    /// What is wrong with a file that samples lie in.
    ///
    /// # Panics
    /// If the targets are values.
    ///
    /// # Cost
    /// A forward pass of the rows, several where the features of all blocks would take more than 64 MiB, and that of
    /// [`ClassRidge::fit`] for each block.
    pub fn readouts(&self, dataset: &Dataset, rows: &[usize]) -> Result<Readouts, DatasetError> {
        let classes = dataset.classes();
        let mut fitted = Vec::new();
        for group in self.groups(rows.len()) {
            let (labels, columns) = self.gathered(dataset, rows, &group)?;
            let fit = |columns: &Vec<f32>| {
                let width = columns.len() / labels.len();
                // A block whose values are not finite, or of which there are too few rows, has no readout.
                ClassRidge::fit(MatRef::from_row_major_slice(columns, labels.len(), width), &labels, classes).ok()
            };
            fitted.extend(columns.par_iter().map(fit).collect::<Vec<_>>());
        }
        Ok(Readouts { fitted, rows: rows.len() })
    }

    /// The first two principal components of some blocks, of rows of a data set; `None` for a block whose values are not
    /// finite.
    ///
    /// # Errors
    /// What is wrong with a file that samples lie in.
    pub fn components(
        &self,
        dataset: &Dataset,
        rows: &[usize],
        blocks: &[usize],
    ) -> Result<Vec<Option<Components>>, DatasetError> {
        let (_, columns) = self.gathered(dataset, rows, blocks)?;
        let of = |columns: &Vec<f32>| {
            let width = columns.len() / rows.len();
            Components::of(MatRef::from_row_major_slice(columns, rows.len(), width), 2).ok()
        };
        Ok(columns.par_iter().map(of).collect())
    }
}

/// A readout of each block.
#[derive(Clone, Debug, PartialEq)]
pub struct Readouts {
    fitted: Vec<Option<ClassRidge>>,
    /// Rows that they were fitted to.
    pub rows: usize,
}

impl Readouts {
    /// The share of rows of a data set whose class each readout tells; `None` for a block that has none,
    /// and where there are no rows.
    ///
    /// # Errors
    /// What is wrong with a file that samples lie in.
    pub fn accuracies(
        &self,
        blocks: &Blocks<'_>,
        dataset: &Dataset,
        rows: &[usize],
    ) -> Result<Vec<Option<f64>>, DatasetError> {
        let all: Vec<usize> = (0..self.fitted.len()).collect();
        let mut right = vec![0u64; all.len()];
        blocks.pass(dataset, rows, &all, |labels, columns| {
            let of = |(fitted, columns): (&Option<ClassRidge>, &Vec<f32>)| {
                let Some(fitted) = fitted else { return 0 };
                let told = columns.chunks_exact(columns.len() / labels.len()).zip(labels);
                told.filter(|(row, label)| fitted.class(row) == **label).count() as u64
            };
            let found: Vec<u64> = self.fitted.par_iter().zip(&columns).map(of).collect();
            right.iter_mut().zip(found).for_each(|(right, found)| *right += found);
        })?;
        let share = |(fitted, right): (&Option<ClassRidge>, u64)| {
            fitted.as_ref().filter(|_| !rows.is_empty()).map(|_| right as f64 / rows.len() as f64)
        };
        Ok(self.fitted.iter().zip(right).map(share).collect())
    }
}

#[cfg(test)]
mod tests {
    use hsic_data::dataset::{LoadOptions, load};
    use hsic_nn::network::{Activation, Network, Norm};

    use super::*;
    use crate::judge::at_rest::FormatInput;

    fn first(rows: usize) -> Vec<usize> {
        (0..rows).collect()
    }

    #[test]
    fn groups_fit_into_memory() {
        let network = [Network::mlp(784, &[1024, 1024, 1024, 1024], 10, Activation::Relu, Norm::None, 1)];
        let blocks = Blocks::of(AtRest::new(&network, FormatInput::All));
        // 2^24 values are 3 blocks of 1024 columns and 5,000 rows.
        assert_eq!(blocks.groups(FITTED_ROWS), [vec![0, 1, 2], vec![3, 4]]);
    }

    #[test]
    fn folded_columns_keep_products_on_average_and_narrow_ones_are_as_they_are() {
        let mut stream = Stream::new(4, "fold test", 0);
        let mut row = |n: usize| (0..n).map(|_| stream.normal() as f32).collect::<Vec<f32>>();
        let (a, mut b) = (row(20_000), row(20_000));
        b.iter_mut().zip(&a).for_each(|(b, a)| *b = 0.6 * a + 0.8 * *b);
        let fold = Fold::of(3, 20_000);
        let folded = |row: &[f32]| {
            let mut out = Vec::new();
            fold.push(row, &mut out);
            out
        };
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        // The deviation of a product is at most sqrt(2 / 1024) of the lengths' product: 4.4 %; three of them.
        let (was, is) = (product(&a, &b), product(&folded(&a), &folded(&b)));
        assert!((is - was).abs() < 0.13 * (product(&a, &a) * product(&b, &b)).sqrt(), "{is} {was}");
        assert_eq!(Fold::of(0, FOLDED), Fold::Whole(FOLDED));
        assert_ne!(Fold::of(1, 2000), Fold::of(2, 2000));
    }

    #[test]
    fn a_readout_tells_what_features_hold_on_any_number_of_threads() {
        let options = LoadOptions { train_size: Some(600), test_size: Some(200), ..LoadOptions::default() };
        let data = load("digits", &options).unwrap();
        // Random features of the digits, and a block that keeps one number of them.
        let network = [Network::mlp(784, &[200, 1], 10, Activation::Relu, Norm::None, 1)];
        let of = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let blocks = Blocks::of(AtRest::new(&network, FormatInput::All));
                let readouts = blocks.readouts(&data.train, &first(500)).unwrap();
                assert_eq!(readouts.rows, 500);
                let accuracies = readouts.accuracies(&blocks, &data.test, &first(200)).unwrap();
                let components = blocks.components(&data.test, &first(50), &[0, 2]).unwrap();
                (readouts, accuracies, components)
            })
        };
        let (readouts, accuracies, components) = of(1);
        assert_eq!(of(2), (readouts, accuracies.clone(), components.clone()));
        let accuracies: Vec<f64> = accuracies.into_iter().flatten().collect();
        // Chance is a tenth. The line itself is held against its closed form where it lies; here 200 random features of 500
        // rows have to tell most rows, and one number has to tell few.
        assert!(accuracies[0] > 0.5 && accuracies[1] < 0.25 && accuracies[2] < 0.25, "{accuracies:?}");
        assert!(components.iter().flatten().all(|found| found.scores.len() == 100));
        // Ten outputs that follow from one number, through a rectifier, lie on two half lines.
        assert!(components[1].as_ref().unwrap().shares.iter().sum::<f64>() > 0.999);
    }

    #[test]
    fn a_block_that_is_not_finite_has_no_readout() {
        let options = LoadOptions { train_size: Some(40), test_size: Some(20), ..LoadOptions::default() };
        let data = load("digits", &options).unwrap();
        let mut network = [Network::mlp(784, &[8], 10, Activation::Relu, Norm::None, 1)];
        network[0].blocks_mut()[1].parameters_mut()[0] = f32::NAN;
        let blocks = Blocks::of(AtRest::new(&network, FormatInput::All));
        let readouts = blocks.readouts(&data.train, &first(40)).unwrap();
        let accuracies = readouts.accuracies(&blocks, &data.test, &first(20)).unwrap();
        assert!(accuracies[0].is_some() && accuracies[1].is_none());
        assert!(blocks.components(&data.test, &first(20), &[1]).unwrap()[0].is_none());
    }
}

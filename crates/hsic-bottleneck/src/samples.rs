//! What a run keeps of the samples that judged it, for its page: `samples.safetensors`.
//!
//! Some of them as they are. Of classes: those that the most confused classes have in common, the surest and the least sure, each
//! with its class, the one that was read and its probability. Of values: those of the largest errors and of the smallest, each with
//! its value and the one that was read. Images are kept as bytes, brought to at most 32 pixels a side; rows of a table as the text
//! of their cells. Of classes, there stand beside them the accuracy of a linear readout of each block, and where
//! some samples lie along the first two principal components of some blocks' features. Nothing of this enters the result
//! of a run, and the file has at most 200 KB. Same run, same bytes.

mod choice;
mod kept;
mod rows;

use hsic_data::dataset::{DatasetError, Shape, Split};
use hsic_data::provenance::Provenance;
use hsic_learn::judge::at_rest::{AtRest, FormatInput, Members};
use hsic_learn::judge::probe::{Blocks, FITTED_ROWS};
use hsic_learn::judge::surety::Told;

use crate::config::TrainConfig;
use crate::error::Error;
use crate::probed::drawn;
use crate::run::{Run, RunError};

pub use kept::{BlockComponents, MOST_BYTES, Said, Sample, Samples, Why};
use rows::{cut, image, kept_shape};

/// Most samples that are kept: of classes 24 of these that were confused, 8 of which the network was surest, and 8 least sure; of
/// values 20 at each end of errors.
const MOST: usize = 40;

/// Bytes of all images together.
const IMAGE_BYTES: usize = 100_000;

/// Most columns of a table of which cells are kept.
const COLUMNS: usize = 16;

/// Samples that are shown along principal components.
const SHOWN: usize = 300;

/// Most blocks whose components are kept, the first and the last among them.
const SHOWN_BLOCKS: usize = 8;

/// At most so many of some blocks, the first and the last among them.
fn some(blocks: usize) -> Vec<usize> {
    if blocks <= SHOWN_BLOCKS {
        return (0..blocks).collect();
    }
    (0..SHOWN_BLOCKS).map(|index| (index * (blocks - 1) + (SHOWN_BLOCKS - 1) / 2) / (SHOWN_BLOCKS - 1)).collect()
}

/// Chooses samples of classes, reads every block out, and keeps both with the run. `told` is what the network says of each row of
/// the part that judges.
///
/// # Errors
/// `Run` if the folder cannot be written; `Dataset` of samples that lie in a file.
///
/// # Cost
/// That of [`Blocks::readouts`] on at most 5,000 training rows, and a forward pass of all rows that judge.
pub(crate) fn keep(
    config: &TrainConfig,
    data: &Split,
    run: &Run,
    members: Members<'_>,
    told: &[Told],
) -> Result<(), Error> {
    let (train, test) = (&data.train, &data.test);
    let blocks = Blocks::of(AtRest::new(members, FormatInput::All));
    let readouts = blocks.readouts(train, &drawn(train.rows(), FITTED_ROWS))?;
    let judging: Vec<usize> = (0..test.rows()).collect();
    let accuracy = readouts.accuracies(&blocks, test, &judging)?;
    let shown = drawn(test.rows(), SHOWN);
    let of_blocks = some(blocks.len());
    let found = blocks.components(test, &shown, &of_blocks)?;
    let components = of_blocks.into_iter().zip(found).filter_map(|(block, found)| {
        let found = found?;
        let points = found.scores.chunks_exact(2).map(|point| [point[0], point[1]]).collect();
        Some(BlockComponents { block, shares: [found.shares[0], found.shares[1]], points })
    });
    // Units may stand for classes that the data do not have.
    let name = |class: usize| train.class_names().get(class).map_or_else(|| class.to_string(), |name| cut(name));
    let (shown, shown_classes) =
        named(&shown.iter().map(|&row| usize::from(test.labels()[row])).collect::<Vec<_>>(), name);
    let mut kept = Samples {
        fitted_rows: readouts.rows,
        accuracy,
        shown,
        shown_classes,
        components: components.collect(),
        ..none(config, data)
    };
    let said = |told: Told| {
        let (class, read) = (name(told.class), name(told.read));
        (told.row, Said::Class { class, read, probability: told.probability })
    };
    let chosen = choice::of_classes(told, most(kept.shape)).into_iter();
    kept.samples_of(data, chosen.map(|(why, told)| (why, said(told))))?;
    Ok(kept.write(run).map_err(RunError::from)?)
}

/// Chooses samples of values and keeps them with the run. `predicted` are the values that are read of the part that judges, beside
/// the true ones.
///
/// # Errors
/// `Run` if the folder cannot be written; `Dataset` of samples that lie in a file.
pub(crate) fn keep_values(
    config: &TrainConfig,
    data: &Split,
    run: &Run,
    (truth, predicted): (&[f64], &[f64]),
) -> Result<(), Error> {
    let mut kept = none(config, data);
    let said = |row: usize| (row, Said::Value { truth: truth[row], predicted: predicted[row] });
    let chosen = choice::of_values(truth, predicted, most(kept.shape)).into_iter();
    kept.samples_of(data, chosen.map(|(why, row)| (why, said(row))))?;
    Ok(kept.write(run).map_err(RunError::from)?)
}

/// Nothing kept yet.
fn none(config: &TrainConfig, data: &Split) -> Samples {
    Samples {
        judged_on: config.judged_on(),
        shape: (!Provenance::of(data).is_table()).then(|| kept_shape(data.test.shape)),
        columns: Vec::new(),
        all_columns: 0,
        samples: Vec::new(),
        images: Vec::new(),
        fitted_rows: 0,
        judged_rows: data.test.rows(),
        accuracy: Vec::new(),
        shown: Vec::new(),
        shown_classes: Vec::new(),
        components: Vec::new(),
    }
}

/// Samples that are kept of such images, or of rows.
fn most(shape: Option<Shape>) -> usize {
    shape.map_or(MOST, |shape| (IMAGE_BYTES / shape.columns()).min(MOST))
}

impl Samples {
    /// Takes up rows of the part that judges, each with why it is kept and what was read of it.
    fn samples_of(
        &mut self,
        data: &Split,
        chosen: impl Iterator<Item = (Why, (usize, Said))>,
    ) -> Result<(), DatasetError> {
        let (test, record) = (&data.test, Provenance::of(data));
        let mut values = vec![0.0; test.columns()];
        for (why, (row, said)) in chosen {
            test.fill_row(row, &mut values)?;
            let cells = match self.shape {
                Some(_) => {
                    self.images.push(image(test, &values));
                    Vec::new()
                }
                None => {
                    let cells = record.cells(&values);
                    self.all_columns = cells.len();
                    self.columns = cells.iter().take(COLUMNS).map(|(column, _)| cut(column)).collect();
                    cells.iter().take(COLUMNS).map(|(_, cell)| cut(cell)).collect()
                }
            };
            self.samples.push(Sample { why, row, said, cells });
        }
        Ok(())
    }
}

/// Classes by their place among the names of those that there are.
fn named(classes: &[usize], name: impl Fn(usize) -> String) -> (Vec<usize>, Vec<String>) {
    let mut known: Vec<usize> = classes.to_vec();
    known.sort_unstable();
    known.dedup();
    let places = classes.iter().map(|class| known.partition_point(|one| one < class)).collect();
    (places, known.into_iter().map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_are_shown_and_classes_are_few() {
        assert_eq!(some(3), [0, 1, 2]);
        assert_eq!((some(50).len(), some(50)[0], some(50)[7]), (8, 0, 49));
        let (places, names) = named(&[7, 3, 7], |class| class.to_string());
        assert_eq!((places, names), (vec![1, 0, 1], vec!["3".to_owned(), "7".to_owned()]));
    }
}

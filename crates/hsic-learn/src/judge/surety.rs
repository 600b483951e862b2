//! How sure a network at rest is of each row of a data set, and of what.

use hsic_data::dataset::{Dataset, DatasetError};

use crate::judge::at_rest::AtRest;
use crate::judge::readout::Readout;
use crate::judge::softmax::{SoftmaxLayer, softmax};

/// How classes are read.
#[derive(Clone, Copy)]
pub enum Reading<'r> {
    /// From the units of the last block.
    Units(&'r Readout),
    /// By a softmax layer, on what it sees.
    Layer(&'r SoftmaxLayer),
}

/// What is said of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// The row.
    pub row: usize,
    /// Its class.
    pub class: usize,
    /// The class that is read.
    pub read: usize,
    /// Its probability.
    pub probability: f64,
}

impl Reading<'_> {
    /// What is said of each of the first `limit` rows of a data set by networks that give what this reads.
    ///
    /// # Errors
    /// What is wrong with a file that samples lie in.
    ///
    /// # Cost
    /// One pass of the rows through the networks.
    pub fn told(self, at_rest: &AtRest<'_>, dataset: &Dataset, limit: usize) -> Result<Vec<Told>, DatasetError> {
        let mut told = Vec::new();
        at_rest.for_each_batch(dataset, limit, |batch| {
            let (m, classes) = (batch.rows(), dataset.classes());
            let read: Vec<(usize, f64)> = match self {
                Self::Units(readout) => {
                    let of_unit = &readout.assignment.class_of_unit;
                    // Of more units than classes some may stand for none of the data's.
                    let all = of_unit.iter().map(|class| class + 1).fold(classes, usize::max);
                    let of = |row: &[f32]| {
                        let class = readout.assignment.class(row);
                        (class, readout.probabilities(row, all)[class])
                    };
                    at_rest.scores(m, &batch.x).chunks_exact(of_unit.len()).map(of).collect()
                }
                Self::Layer(layer) => {
                    let of = |scores: &[f32]| {
                        let (class, probabilities) = softmax(scores);
                        (class, probabilities[class])
                    };
                    let scores = layer.scores(&at_rest.features(m, &batch.x));
                    scores.chunks_exact(layer.bias().len()).map(of).collect()
                }
            };
            for (&class, (read, probability)) in batch.labels.iter().zip(read) {
                told.push(Told { row: told.len(), class, read, probability });
            }
        })?;
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use hsic_data::dataset::{LoadOptions, load};
    use hsic_nn::network::{Activation, Network, Norm};

    use super::*;
    use crate::judge::assignment::Assignment;
    use crate::judge::at_rest::FormatInput;

    #[test]
    fn rows_are_told_by_units_as_by_a_layer_that_passes_them_on() {
        let options = LoadOptions { train_size: Some(40), test_size: Some(30), ..LoadOptions::default() };
        let data = load("digits", &options).unwrap();
        let network = [Network::mlp(784, &[8], 10, Activation::Identity, Norm::None, 1)];
        let at_rest = AtRest::new(&network, FormatInput::Last);
        let readout = Readout { assignment: Assignment::identity(10), temperature: 1.0 };
        let by_units = Reading::Units(&readout).told(&at_rest, &data.test, 25).unwrap();
        let one: Vec<f32> = (0..100).map(|i| f32::from(u8::from(i % 11 == 0))).collect();
        let layer = SoftmaxLayer::from_parts(10, &one, &[0.0; 10]).unwrap();
        let by_layer = Reading::Layer(&layer).told(&at_rest, &data.test, 25).unwrap();
        assert_eq!((by_units.len(), by_units[24].row), (25, 24));
        for (units, layer) in by_units.iter().zip(&by_layer) {
            assert_eq!((units.row, units.class, units.read), (layer.row, layer.class, layer.read));
            // Differences of scores in single precision.
            assert!((units.probability - layer.probability).abs() < 1e-6, "{units:?} {layer:?}");
            assert_eq!(units.class, usize::from(data.test.labels()[units.row]));
        }
    }
}

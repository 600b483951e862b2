//! What a run that learned values keeps beside its weights: how values are read, and some of them beside the true ones.

use hsic_data::dataset::{Dataset, Quantities, Split};
use hsic_learn::judge::at_rest::{AtRest, FormatInput, Members};
use hsic_learn::judge::values::{Fitted, Line, Score, ValueReadout};
use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;
use crate::error::Error;
use crate::files::FileError;
use crate::run::{LINE, READOUT, Run, VALUES};

/// Pairs that are kept for the report, at the most, evenly spaced.
const PAIRS: usize = 1000;

/// How values are read, `readout.json` of such a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "values")]
pub(crate) enum Stored {
    /// From the first output.
    Output,
    /// By a line of the features of all blocks, in a file of its own.
    Line(Fitted),
}

/// Some judged rows: `values.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ValuePairs {
    /// The true value and the predicted one, in the unit of the target.
    pub pairs: Vec<[f64; 2]>,
}

impl ValuePairs {
    /// Those of a run; `None` if it learned classes.
    ///
    /// # Errors
    /// `Io` or `Malformed` naming the file.
    pub fn read(run: &Run) -> Result<Option<Self>, FileError> {
        if !run.file(VALUES).exists() {
            return Ok(None);
        }
        run.read_json(VALUES, "pairs of numbers").map(Some)
    }

    fn of(truth: &[f64], predicted: &[f64]) -> Self {
        let count = truth.len().min(PAIRS);
        let pair = |i: usize| [truth[i * truth.len() / count], predicted[i * truth.len() / count]];
        Self { pairs: (0..count).map(pair).collect() }
    }
}

/// How right a run is whose targets are values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Valued {
    pub(crate) train: Score,
    pub(crate) test: Score,
    pub(crate) baseline: Score,
    /// The values that are read of the rows that judge.
    pub(crate) predicted: Vec<f64>,
    /// Whether its errors are not clearly less than those of the training part's mean.
    pub(crate) by_chance: bool,
}

/// What the readout of these networks sees: all blocks where a line reads, else the last.
pub(crate) fn read_by<'n>(readout: &ValueReadout, members: impl Into<Members<'n>>) -> AtRest<'n> {
    AtRest::new(
        members,
        match readout {
            ValueReadout::Output => FormatInput::Last,
            ValueReadout::Line(_) => FormatInput::All,
        },
    )
}

/// Fits the readout of trained networks, keeps it and judges by it.
///
/// # Errors
/// `Step` if the features allow no line; `Run` if the folder cannot be written.
pub(crate) fn conclude(
    config: &TrainConfig,
    data: &Split,
    (train, test): (&Quantities, &Quantities),
    run: &Run,
    members: Members<'_>,
) -> Result<Valued, Error> {
    let readout = match config.method.outputs.name_classes() {
        true => ValueReadout::Output,
        false => ValueReadout::Line(Line::fit(&AtRest::new(members, FormatInput::All), &data.train, usize::MAX)?),
    };
    save(run, &readout)?;
    let at_rest = read_by(&readout, members);
    let of = |part: &Dataset| readout.predicted(&at_rest, part, train.scale, usize::MAX);
    let (of_train, of_test) = (of(&data.train)?, of(&data.test)?);
    run.write_json(VALUES, &ValuePairs::of(&test.values, &of_test))?;
    Ok(Valued {
        train: Score::of(&of_train, &train.values),
        test: Score::of(&of_test, &test.values),
        baseline: Score::baseline(test),
        by_chance: not_clearly_better(&of_test, test),
        predicted: of_test,
    })
}

/// Deviations of a mean above 0 at which it is taken for no chance: 1 %, one-sided.
const CLEARLY: f64 = 2.326;

/// Whether squared errors are not clearly less than those of the training part's mean: their mean difference is not 2.3 of
/// its own deviations above 0.
fn not_clearly_better(predicted: &[f64], test: &Quantities) -> bool {
    let mean = test.scale.mean;
    let gains = predicted.iter().zip(&test.values).map(|(told, truth)| (truth - mean).powi(2) - (truth - told).powi(2));
    let gains: Vec<f64> = gains.collect();
    let rows = gains.len() as f64;
    let gain = gains.iter().sum::<f64>() / rows;
    let variance = gains.iter().map(|own| (own - gain).powi(2)).sum::<f64>() / (rows - 1.0).max(1.0);
    gain <= CLEARLY * (variance / rows).sqrt()
}

/// Writes a readout into a run's folder.
fn save(run: &Run, readout: &ValueReadout) -> Result<(), FileError> {
    let stored = match readout {
        ValueReadout::Output => Stored::Output,
        ValueReadout::Line(line) => {
            let tensors = [
                ("weight".to_owned(), vec![1, line.weights.len()], &line.weights[..]),
                ("bias".to_owned(), vec![1], std::slice::from_ref(&line.intercept)),
            ];
            run.save_tensors(LINE, tensors, None)?;
            Stored::Line(line.fitted)
        }
    };
    run.write_json(READOUT, &stored)
}

/// The readout of a run whose networks' blocks have so many features together.
///
/// # Errors
/// `Io`; `Malformed` naming what is missing or of another shape.
pub(crate) fn load(run: &Run, columns: usize) -> Result<ValueReadout, FileError> {
    let fitted = match run.read_json(READOUT, "how values are read")? {
        Stored::Output => return Ok(ValueReadout::Output),
        Stored::Line(fitted) => fitted,
    };
    let path = run.file(LINE);
    let stored = run.tensors(LINE)?;
    let values = |name: &str, length: usize| {
        let tensor = stored.tensors.get(name).filter(|tensor| tensor.values.len() == length);
        let expected = format!("{length} numbers, a column of the features each");
        tensor.ok_or_else(|| FileError::malformed(&path, format_args!("no {name} of them"), &expected))
    };
    let (weight, bias) = (values("weight", columns)?, values("bias", 1)?);
    Ok(ValueReadout::Line(Line { weights: weight.values.clone(), intercept: bias.values[0], fitted }))
}

#[cfg(test)]
mod tests {
    use hsic_data::dataset::TargetScale;

    use super::*;

    #[test]
    fn errors_clearly_below_those_of_the_mean_are_no_chance() {
        let values: Vec<f64> = (0..40).map(|row| f64::from(row) - 19.5).collect();
        let test = Quantities { scale: TargetScale { mean: 0.0, deviation: 11.5 }, values };
        let shrunk = |share: f64| test.values.iter().map(|value| share * value).collect::<Vec<_>>();
        assert!(!not_clearly_better(&test.values, &test) && !not_clearly_better(&shrunk(0.2), &test));
        // The mean itself, and what is further off.
        assert!(not_clearly_better(&shrunk(0.0), &test) && not_clearly_better(&shrunk(-0.2), &test));
        // Right of one row alone, the largest: a gain of 19.5^2 / 40 beside a deviation of that mean as large.
        let one: Vec<f64> = test.values.iter().map(|&value| if value > 19.0 { value } else { 0.0 }).collect();
        assert!(not_clearly_better(&one, &test));
    }

    #[test]
    fn pairs_are_evenly_spaced_rows() {
        let truth: Vec<f64> = (0..2500).map(f64::from).collect();
        let predicted: Vec<f64> = truth.iter().map(|value| -value).collect();
        let ValuePairs { pairs } = ValuePairs::of(&truth, &predicted);
        assert_eq!((pairs.len(), pairs[1], pairs[999]), (1000, [2.0, -2.0], [2497.0, -2497.0]));
        assert_eq!(ValuePairs::of(&truth[..3], &predicted[..3]).pairs, [[0.0, 0.0], [1.0, -1.0], [2.0, -2.0]]);
    }
}

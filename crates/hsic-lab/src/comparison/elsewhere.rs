//! Trainings that were made elsewhere, as in PyTorch, as rows of a comparison: a small JSON file says what they came to.
//!
//! ```json
//! {
//!   "version": 1,
//!   "label": "PyTorch-Adam",
//!   "made_by": "torch 2.9, 784-256x3-10, batch 256, rate 1e-3",
//!   "dataset": "mnist",
//!   "parameters": 335114,
//!   "runs": [
//!     {"seed": 1, "test_accuracy": 0.9801, "seconds": 41.5,
//!      "epochs": [{"seconds": 8.2, "test_accuracy": 0.9644}]}
//!   ]
//! }
//! ```
//!
//! `version`, `label`, `made_by`, `dataset` and `runs` must be there, and of each run `seed`, `test_accuracy` (a fraction) and
//! `seconds`. A run may have `epochs`, `milliseconds_per_step` and `peak_memory_bytes`; beside the runs may stand `parameters`
//! and `batch_size`. Peak memory is told of all runs or of none. Whoever writes the file answers for it: that the data are the same
//! is not checked, but for their name.

use std::path::Path;

use hsic_bottleneck::dataset::stem;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::MethodRow;
use super::record::ComparisonRecord;
use crate::figure::plot::{Marks, Series, Style, mean};

/// The version of the file that is read and written.
const VERSION: u32 = 1;

/// Why a record of trainings made elsewhere cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ElsewhereError {
    /// It is no JSON of the known keys.
    #[error("trainings made elsewhere: {0}")]
    Json(#[from] serde_json::Error),
    /// A value is out of its range.
    #[error("trainings made elsewhere: {key} = {value}: expected {expected}")]
    Value {
        /// Where it stands.
        key: String,
        /// What is there.
        value: String,
        /// What may be.
        expected: &'static str,
    },
}

/// Trainings by one method that were made elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elsewhere {
    /// Version of the file.
    pub version: u32,
    /// What tells them from other rows.
    pub label: String,
    /// By what they were made.
    pub made_by: String,
    /// Name of the data set.
    pub dataset: String,
    /// Parameters of the network; 0 if not told.
    #[serde(default)]
    pub parameters: usize,
    /// Rows of a batch; 0 if not told.
    #[serde(default)]
    pub batch_size: usize,
    /// A training a seed.
    pub runs: Vec<RunElsewhere>,
}

/// A training that was made elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunElsewhere {
    /// Its seed.
    pub seed: u64,
    /// Test accuracy at the end, a fraction.
    pub test_accuracy: f64,
    /// Seconds of training.
    pub seconds: f64,
    /// What it stood at after each epoch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub epochs: Vec<EpochElsewhere>,
    /// Median time of a step; 0 if not told.
    #[serde(default)]
    pub milliseconds_per_step: f64,
    /// Peak memory of the process, if it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
}

/// Where such a training stood after an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochElsewhere {
    /// Seconds since it began.
    pub seconds: f64,
    /// Test accuracy, a fraction.
    pub test_accuracy: f64,
}

impl Elsewhere {
    /// Reads a record.
    ///
    /// # Errors
    /// `Json` with line and column; `Value` for what is out of its range.
    pub fn from_json(text: &str) -> Result<Self, ElsewhereError> {
        let read: Self = serde_json::from_str(text)?;
        read.check()?;
        Ok(read)
    }

    /// The record as it is written.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Whether its data are called as those of a comparison, by a name or by the path of a file.
    #[must_use]
    pub fn is_of(&self, dataset: &str) -> bool {
        let name = |text: &str| stem(Path::new(text)).to_lowercase();
        name(&self.dataset) == name(dataset)
    }

    /// Whether rows of these labels and this one can stand in one table.
    ///
    /// # Errors
    /// `Value` if one of them is called as this one.
    pub fn check_label<'l>(&self, mut others: impl Iterator<Item = &'l str>) -> Result<(), ElsewhereError> {
        match others.any(|other| other == self.label) {
            false => Ok(()),
            true => Err(ElsewhereError::Value {
                key: "label".to_owned(),
                value: self.label.clone(),
                expected: "a name that no other row of the comparison has",
            }),
        }
    }

    fn check(&self) -> Result<(), ElsewhereError> {
        let refuse = |good: bool, key: &str, value: &dyn ToString, expected| match good {
            true => Ok(()),
            false => Err(ElsewhereError::Value { key: key.to_owned(), value: value.to_string(), expected }),
        };
        refuse(self.version == VERSION, "version", &self.version, "1")?;
        let plain = !self.label.trim().is_empty() && !self.label.contains([',', '"', '\n', '\r']);
        refuse(plain, "label", &self.label, "a name without commas, quotes and line ends")?;
        refuse(!self.runs.is_empty(), "runs", &"[]", "a training at least")?;
        let told = self.runs.iter().filter(|run| run.peak_memory_bytes.is_some()).count();
        let all_or_none = told == 0 || told == self.runs.len();
        refuse(all_or_none, "peak_memory_bytes", &format!("of {told} runs"), "that of all runs or of none")?;
        for (index, run) in self.runs.iter().enumerate() {
            let known = self.runs[..index].iter().any(|earlier| earlier.seed == run.seed);
            refuse(!known, &format!("runs[{index}].seed"), &run.seed, "a seed of its own")?;
            let step = run.milliseconds_per_step;
            let key = format!("runs[{index}].milliseconds_per_step");
            refuse(step.is_finite() && step >= 0.0, &key, &step, "a finite number >= 0")?;
            let states = std::iter::once((String::new(), run.test_accuracy, run.seconds));
            let epochs = run.epochs.iter().enumerate();
            let epochs = epochs.map(|(epoch, at)| (format!(".epochs[{epoch}]"), at.test_accuracy, at.seconds));
            for (place, accuracy, seconds) in states.chain(epochs) {
                let key = |name: &str| format!("runs[{index}]{place}.{name}");
                let share = (0.0..=1.0).contains(&accuracy);
                refuse(share, &key("test_accuracy"), &accuracy, "a fraction, 0 to 1")?;
                refuse(seconds.is_finite() && seconds >= 0.0, &key("seconds"), &seconds, "a finite number >= 0")?;
            }
        }
        Ok(())
    }

    fn row(&self) -> MethodRow {
        MethodRow {
            label: self.label.clone(),
            method: self.label.clone(),
            summary: format!("made elsewhere by {}", self.made_by),
            batch_size: self.batch_size,
            epochs: self.runs.iter().map(|run| run.epochs.len() as u64).max().unwrap_or_default(),
            test_accuracy: self.runs.iter().map(|run| run.test_accuracy).collect(),
            seconds: self.runs.iter().map(|run| run.seconds).collect(),
            milliseconds_per_step: self.runs.iter().map(|run| run.milliseconds_per_step).collect(),
            peak_memory_bytes: self.runs.iter().filter_map(|run| run.peak_memory_bytes).collect(),
            parameters: self.parameters,
            parameters_at_once: self.parameters,
            seeds: self.runs.iter().map(|run| run.seed).collect(),
            made_elsewhere_by: Some(self.made_by.clone()),
            ..MethodRow::default()
        }
    }

    /// Seconds and accuracies (%) of all seeds after each epoch, or at the end where epochs are not told.
    fn curve(&self) -> Series {
        let of = |run: &RunElsewhere| match run.epochs.is_empty() {
            true => vec![(run.seconds, 100.0 * run.test_accuracy)],
            false => run.epochs.iter().map(|at| (at.seconds, 100.0 * at.test_accuracy)).collect::<Vec<_>>(),
        };
        let runs: Vec<Vec<(f64, f64)>> = self.runs.iter().map(of).collect();
        let epochs = runs.iter().map(Vec::len).min().unwrap_or_default();
        let point = |epoch: usize| {
            let seconds: Vec<f64> = runs.iter().map(|run| run[epoch].0).collect();
            (mean(&seconds), runs.iter().map(|run| run[epoch].1).collect())
        };
        Series::of_seeds(&self.label, Style::Line, (0..epochs).map(point))
    }
}

impl ComparisonRecord {
    /// This comparison with trainings that were made elsewhere as further rows and curves.
    #[must_use]
    pub fn beside(mut self, elsewhere: Vec<Elsewhere>) -> Self {
        for other in &elsewhere {
            let row = other.row();
            let ends = row.test_accuracy.iter().map(|accuracy| 100.0 * accuracy);
            let (low, high) = ends.fold((f64::MAX, f64::MIN), |(low, high), end| (low.min(end), high.max(end)));
            let bytes: Vec<f64> = row.peak_memory_bytes.iter().map(|&bytes| bytes as f64 / 1e6).collect();
            let at_end = (!bytes.is_empty()).then(|| {
                let accuracies = row.test_accuracy.iter().map(|accuracy| 100.0 * accuracy).collect();
                Series::of_seeds(&other.label, Style::Line, [(mean(&bytes), accuracies)])
            });
            for (panel, series) in self.plot.panels.iter_mut().zip([Some(other.curve()), at_end]) {
                let range = panel.y.range.unwrap_or((low, high));
                panel.y.range = Some((range.0.min((low - 0.5).max(0.0)), range.1.max((high + 0.5).min(100.0))));
                if let (Marks::Series(all), Some(series)) = (&mut panel.marks, series) {
                    all.push(series);
                }
            }
            self.rows.push(row);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::plot::{Axis, Panel, Plot};
    use crate::figure::record::Machine;

    const TEXT: &str = r#"{"version": 1, "label": "PyTorch-Adam", "made_by": "torch 2.9", "dataset": "mnist", "parameters": 7,
        "runs": [{"seed": 4, "test_accuracy": 0.5, "seconds": 3.0, "peak_memory_bytes": 2000000,
                  "epochs": [{"seconds": 1.0, "test_accuracy": 0.25}, {"seconds": 3.0, "test_accuracy": 0.5}]},
                 {"seed": 9, "test_accuracy": 0.75, "seconds": 5.0, "peak_memory_bytes": 4000000,
                  "epochs": [{"seconds": 2.0, "test_accuracy": 0.5}, {"seconds": 5.0, "test_accuracy": 0.75}]}]}"#;

    #[test]
    fn a_record_is_read_as_it_is_written_and_faults_are_named() {
        let read = Elsewhere::from_json(TEXT).unwrap();
        assert_eq!(Elsewhere::from_json(&read.to_json()).unwrap(), read);
        for (from, to, told) in [
            ("\"version\": 1", "\"version\": 2", "version = 2: expected 1"),
            ("\"seed\": 9", "\"seed\": 4", "runs[1].seed = 4: expected a seed of its own"),
            (
                "\"test_accuracy\": 0.75, \"seconds\": 5.0, \"peak",
                "\"test_accuracy\": 97.5, \"seconds\": 5.0, \"peak",
                "runs[1].test_accuracy = 97.5: expected a fraction, 0 to 1",
            ),
            ("\"seconds\": 2.0", "\"seconds\": -2.0", "runs[1].epochs[0].seconds = -2: expected a finite number >= 0"),
            ("\"label\"", "\"lable\"", "unknown field `lable`"),
            (
                "\"peak_memory_bytes\": 4000000,",
                "",
                "peak_memory_bytes = of 1 runs: expected that of all runs or of none",
            ),
            (
                "\"seed\": 9,",
                "\"seed\": 9, \"milliseconds_per_step\": -1.5,",
                "runs[1].milliseconds_per_step = -1.5: expected a finite number >= 0",
            ),
        ] {
            let text = TEXT.replacen(from, to, 1);
            assert_ne!(text, TEXT);
            let error = Elsewhere::from_json(&text).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn trainings_made_elsewhere_are_a_row_and_a_curve() {
        let panel = |title: &str| Panel {
            title: title.to_owned(),
            x: Axis::linear("x"),
            y: Axis::linear("y").within(80.0, 90.0),
            marks: Marks::Series(Vec::new()),
        };
        let record = ComparisonRecord {
            command: String::new(),
            data: Vec::new(),
            content: None,
            model: String::new(),
            budget: "2epochs".parse().unwrap(),
            seeds: vec![1],
            validation: 0.1,
            missing: Vec::new(),
            machine: Machine::default(),
            rows: Vec::new(),
            plot: Plot { panels: vec![panel("time"), panel("memory")], ..Plot::default() },
        };
        let record = record.beside(vec![Elsewhere::from_json(TEXT).unwrap()]);
        let lines: Vec<String> = record.csv().lines().map(str::to_owned).collect();
        assert_eq!(lines[1], "PyTorch-Adam,,,2,4,0.5,3,,2000000,7,,7,,,,true");
        assert!(lines[2].starts_with("PyTorch-Adam,,,2,9,0.75,5,,4000000"), "{}", lines[2]);
        assert_eq!(record.rows[0].made_elsewhere_by.as_deref(), Some("torch 2.9"));
        let Marks::Series(series) = &record.plot.panels[0].marks else { panic!("series") };
        // Means of the seeds after each epoch: 1.5 s at 37.5 %, 4 s at 62.5 %.
        let points: Vec<(f64, f64)> = series[0].points.iter().map(|point| (point.x, point.y)).collect();
        assert_eq!(points, [(1.5, 37.5), (4.0, 62.5)]);
        let Marks::Series(series) = &record.plot.panels[1].marks else { panic!("series") };
        assert_eq!((series[0].points[0].x, series[0].points[0].y), (3.0, 62.5));
        assert_eq!(record.plot.panels[0].y.range, Some((49.5, 90.0)));
    }

    #[test]
    fn names_of_data_and_rows_are_held_against_those_of_the_comparison() {
        let read = Elsewhere::from_json(TEXT).unwrap();
        assert!(read.is_of("mnist") && read.is_of("MNIST") && read.is_of("data/mnist.csv") && !read.is_of("digits"));
        assert!(read.check_label(["hsic", "backprop"].into_iter()).is_ok());
        let error = read.check_label(["hsic", "PyTorch-Adam"].into_iter()).unwrap_err().to_string();
        assert!(
            error.ends_with("label = PyTorch-Adam: expected a name that no other row of the comparison has"),
            "{error}"
        );
    }
}

//! What a comparison came to: a row a method, its trials, a figure.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use hsic_bottleneck::dataset::Content;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::method::{Method, Outputs};
use hsic_bottleneck::summary::Summary;
use serde::{Deserialize, Serialize};

use super::{Budget, Comparison, Entry, Leg, Plan, Settled, TRIAL_SEED, TRIAL_SHARE, search, trial_epochs};
use crate::figure::plot::{Axis, Marks, Panel, Plot, Series, Style, mean};
use crate::figure::record::Machine;
use crate::figure::{Planned, Trained, Watcher};

/// A comparison as it came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparisonRecord {
    /// The command that makes it.
    pub command: String,
    /// Data sets, with their numbers of training and test samples.
    pub data: Vec<String>,
    /// What the data are; `None` if not recorded.
    #[serde(default)]
    pub content: Option<Content>,
    /// Name of the network.
    pub model: String,
    /// What each training was given.
    pub budget: Budget,
    /// Seeds of the final trainings.
    pub seeds: Vec<u64>,
    /// Share of the training data on which the trials were judged.
    pub validation: f64,
    /// The machine.
    pub machine: Machine,
    /// A row a method, in the order of the command.
    pub rows: Vec<MethodRow>,
    /// What a plan calls the trainings that are not settled, in a record of what is finished by now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Accuracy over time, and against memory.
    pub plot: Plot,
}

/// A method's row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MethodRow {
    /// What was asked for: the method's name, and its own options if it was given any. In records of earlier versions it is
    /// empty, and the name says all.
    #[serde(default)]
    pub label: String,
    /// Its name.
    pub method: String,
    /// What it does.
    pub summary: String,
    /// Who published it.
    pub reference: String,
    /// What each rate came to on the validation part.
    pub trials: Vec<Trial>,
    /// Epochs of a trial.
    pub trial_epochs: u64,
    /// The rate with which it was trained; `None` if no trial came to an end.
    pub learning_rate: Option<f64>,
    /// Rows of a batch in the final trainings; 0 in records of earlier versions.
    #[serde(default)]
    pub batch_size: usize,
    /// Whether the rate is the least or the largest of those tried: a better one may lie beyond.
    pub at_edge: bool,
    /// Epochs of a final training.
    pub epochs: u64,
    /// Seeds of the final trainings that came to an end, in the order of what follows; empty in records of earlier versions,
    /// where they are the first of the comparison's.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// Test accuracies, fractions, by seed.
    pub test_accuracy: Vec<f64>,
    /// The same by several looks at each image, by seed; empty if none were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_time_accuracy: Vec<f64>,
    /// Seconds of training, evaluation included, by seed.
    pub seconds: Vec<f64>,
    /// Median time of a step, by seed.
    pub milliseconds_per_step: Vec<f64>,
    /// Peak memory of the process, by seed.
    pub peak_memory_bytes: Vec<u64>,
    /// Joules of processors and memory of the machine, by seed; empty where not all seeds have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joules: Vec<f64>,
    /// Parameters of the network.
    pub parameters: usize,
    /// Parameters that the method learns beside them.
    pub auxiliary_parameters: usize,
    /// Most parameters that one update touches at once.
    pub parameters_at_once: usize,
    /// Whether no gradient travels between blocks.
    pub local: bool,
    /// Whether all blocks can be updated at once.
    pub parallel: bool,
    /// Commands of the final trainings.
    pub commands: Vec<String>,
    /// Why there is no accuracy, or not one of each seed.
    pub failure: Option<String>,
    /// By what its trainings were made, of a row that was brought from elsewhere: numbers that nobody told are then 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_elsewhere_by: Option<String>,
}

/// A rate that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The rate.
    pub learning_rate: f64,
    /// Rows of a batch; 0 in records of earlier versions.
    #[serde(default)]
    pub batch_size: usize,
    /// Accuracy on the validation part, a fraction; `None` if training came to no end.
    pub accuracy: Option<f64>,
    /// Why it did not.
    pub failure: Option<String>,
    /// The command.
    pub command: String,
}

impl MethodRow {
    /// What tells the row from the others.
    #[must_use]
    pub fn label(&self) -> &str {
        if self.label.is_empty() { &self.method } else { &self.label }
    }
}

impl ComparisonRecord {
    /// The rows as comma-separated values.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text =
            "method,learning_rate,batch_size,epochs,seed,test_accuracy,seconds,milliseconds_per_step,peak_memory_bytes,\
                        parameters,auxiliary_parameters,parameters_at_once,local,parallel,test_time_accuracy,made_elsewhere\n"
                .to_owned();
        let with_energy = self.tells_energy();
        if with_energy {
            text.truncate(text.len() - 1);
            text.push_str(",joules\n");
        }
        for row in &self.rows {
            let elsewhere = row.made_elsewhere_by.is_some();
            // What nobody told of trainings made elsewhere is no 0.
            let told = |text: String| if elsewhere && text == "0" { String::new() } else { text };
            let asked = |text: bool| if elsewhere { String::new() } else { text.to_string() };
            for (index, accuracy) in row.test_accuracy.iter().enumerate() {
                let seeds = if row.seeds.is_empty() { &self.seeds } else { &row.seeds };
                // A record that was read may have lists of several lengths.
                let count = |list: &[u64]| list.get(index).map_or_else(String::new, u64::to_string);
                let number = |list: &[f64]| list.get(index).map_or_else(String::new, f64::to_string);
                let line = [
                    row.label().to_owned(),
                    row.learning_rate.map_or_else(String::new, |rate| rate.to_string()),
                    told(row.batch_size.to_string()),
                    told(row.epochs.to_string()),
                    count(seeds),
                    accuracy.to_string(),
                    number(&row.seconds),
                    told(number(&row.milliseconds_per_step)),
                    count(&row.peak_memory_bytes),
                    told(row.parameters.to_string()),
                    told(row.auxiliary_parameters.to_string()),
                    told(row.parameters_at_once.to_string()),
                    asked(row.local),
                    asked(row.parallel),
                    number(&row.test_time_accuracy),
                    elsewhere.to_string(),
                ];
                text.push_str(&line.join(","));
                if with_energy {
                    text.push_str(&format!(",{}", number(&row.joules)));
                }
                text.push('\n');
            }
        }
        text
    }

    /// Whether the energy of any row is known.
    #[must_use]
    pub fn tells_energy(&self) -> bool {
        self.rows.iter().any(|row| !row.joules.is_empty())
    }

    /// How the rates were found, in a sentence.
    #[must_use]
    pub fn search(&self) -> String {
        let sizes: BTreeSet<usize> =
            self.rows.iter().flat_map(|row| &row.trials).map(|trial| trial.batch_size).collect();
        let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
        let each = match sizes.len() {
            0 | 1 => String::new(),
            _ => format!(" with each of the batches {}", sizes.join(", ")),
        };
        let length = match self.budget {
            Budget::Epochs(1) => "for the one epoch of a training".to_owned(),
            Budget::Epochs(epochs) => format!("for {} of the {epochs} epochs of a training", trial_epochs(epochs)),
            Budget::Seconds(_) => {
                format!("for the whole epochs that fit into {:.0} % of the time, one at least,", 100.0 * TRIAL_SHARE)
            }
        };
        format!(
            "Each method was given the same search{each}: four learning rates (its default, a quarter and four times of it, \
             and a fourth beside the best of these) and more, {} at most, while the best was the least or the largest; each \
             trained with seed {TRIAL_SEED} {length} on {:.0} % of the training data and judged on the \
             rest of it. A rate that was given was not searched. The best was then trained on all training data and judged on \
             the test data, once a seed. All methods see the same samples; with batches of one size in the same order.",
            search::MOST_TRIALS,
            100.0 * (1.0 - self.validation)
        )
    }
}

/// A method's curves: seconds and test accuracy, by epoch and seed.
type Curve = Vec<Vec<(f64, f64)>>;

impl Comparison {
    /// What the comparison came to, as far as its trainings are settled; `missing` names those that are not.
    ///
    /// # Errors
    /// `Run` for a run that is not there or damaged.
    pub fn record(&self, command: &str) -> Result<ComparisonRecord, Error> {
        let (mut rows, mut curves, mut data) = (Vec::new(), Vec::new(), Vec::<String>::new());
        let mut model = String::new();
        for entry in &self.entries {
            let (method, plan) = (entry.method, self.plan(entry)?);
            let mut row = self.row(entry, &plan)?;
            let mut curve = Curve::new();
            for planned in &plan.finals {
                if let Some(trained) = self.trained(planned)? {
                    let facts = trained.run.data()?;
                    let told = format!("{} ({} + {})", facts.name, facts.train_rows, facts.test_rows);
                    if !data.contains(&told) {
                        data.push(told);
                    }
                    model.clone_from(&trained.summary.model);
                    curve.push(points(method, &trained)?);
                    note(&mut row, planned, &trained.summary);
                } else if row.failure.is_none() {
                    row.failure = self.store.failure(planned)?;
                }
            }
            // A mean of some of the seeds would stand for all.
            if row.joules.len() < row.test_accuracy.len() {
                row.joules.clear();
            }
            curves.push((entry.label.as_str(), curve));
            rows.push(row);
        }
        let plot = plot(&rows, &curves);
        Ok(ComparisonRecord {
            command: command.to_owned(),
            data,
            content: Some(self.settings()?.content),
            model,
            budget: self.budget,
            seeds: self.seeds.clone(),
            validation: self.validation(),
            machine: Machine::here(),
            rows,
            missing: self.missing()?,
            plot,
        })
    }

    /// Carries all trainings out in this process, one after the other, and says what they came to; `None` if it was
    /// asked to stop. Memory at its peak is then that of the process, whatever the method.
    ///
    /// # Errors
    /// As those of [`next`](Self::next), [`train`](Self::train) and [`record`](Self::record).
    pub fn run_here(&self, watcher: &mut dyn Watcher, stop: &AtomicBool) -> Result<Option<ComparisonRecord>, Error> {
        while let Some((planned, _)) = self.next()? {
            if self.train_here(&planned, watcher, stop)? == Settled::Interrupted {
                return Ok(None);
            }
        }
        self.record("in a program").map(Some)
    }

    /// Carries a training out in this process.
    ///
    /// # Errors
    /// As those of [`train`](Self::train).
    pub fn train_here(
        &self,
        planned: &Planned,
        watcher: &mut dyn Watcher,
        stop: &AtomicBool,
    ) -> Result<Settled, Error> {
        self.train(planned, watcher, &|run| self.store.train_here(run, stop), stop)
    }

    /// The row before its final trainings.
    fn row(&self, entry: &Entry, plan: &Plan) -> Result<MethodRow, Error> {
        let (method, chosen) = (entry.method, plan.chosen);
        let mut failure = None;
        for pilot in plan.legs.iter().filter_map(|leg| leg.pilot.as_ref()) {
            failure = failure.or(self.store.failure(pilot)?);
        }
        let mut trials = Vec::new();
        for leg in &plan.legs {
            for (planned, &(learning_rate, accuracy)) in leg.trials.iter().zip(&leg.tried) {
                let reason = self.store.failure(planned)?;
                if accuracy.is_none() && reason.is_none() {
                    // Not trained yet.
                    continue;
                }
                if chosen.is_none() && failure.is_none() {
                    failure.clone_from(&reason);
                }
                let command = planned.training.command(planned.seed);
                let batch_size = leg.batch_size;
                trials.push(Trial { learning_rate, batch_size, accuracy, failure: reason, command });
            }
        }
        let leg = chosen.map_or_else(|| plan.legs.first(), |chosen| plan.legs.get(chosen.leg));
        let of = |value: fn(&Leg) -> u64| leg.map(value).unwrap_or_default();
        Ok(MethodRow {
            label: entry.label.clone(),
            method: method.name.to_owned(),
            summary: method.summary.to_owned(),
            reference: method.reference.to_owned(),
            trials,
            trial_epochs: of(|leg| leg.trial_epochs),
            learning_rate: chosen.map(|chosen| chosen.rate),
            batch_size: leg.map(|leg| leg.batch_size).unwrap_or_default(),
            at_edge: chosen.is_some_and(|chosen| chosen.at_edge),
            epochs: of(|leg| leg.epochs),
            local: method.local,
            parallel: self.resolved(entry, leg.and_then(|leg| leg.batch))?.blocks_at_once(),
            failure,
            ..MethodRow::default()
        })
    }
}

fn note(row: &mut MethodRow, planned: &Planned, summary: &Summary) {
    row.seeds.push(planned.seed);
    row.test_accuracy.push(summary.accuracy());
    row.test_time_accuracy.extend(summary.test_time.as_ref().map(|looked| looked.accuracy));
    row.seconds.push(summary.seconds);
    row.milliseconds_per_step.push(summary.milliseconds_per_step);
    row.peak_memory_bytes.extend(summary.peak_memory_bytes);
    row.joules.extend(summary.joules);
    row.parameters = summary.parameters;
    row.auxiliary_parameters = summary.auxiliary_parameters;
    row.parameters_at_once = summary.parameters_at_once;
    row.commands.push(planned.training.command(planned.seed));
}

/// Seconds and accuracy (%) after each epoch; of a method whose outputs name no classes only the end, by its softmax layer.
fn points(method: &Method, trained: &Trained<'_>) -> Result<Vec<(f64, f64)>, Error> {
    let summary = &trained.summary;
    if method.outputs == Outputs::Features || summary.format_accuracy.is_some() {
        return Ok(vec![(summary.seconds, 100.0 * summary.accuracy())]);
    }
    Ok(trained.epochs()?.iter().map(|report| (report.seconds, 100.0 * report.test_accuracy)).collect())
}

/// From just under the lowest accuracy at the end (first epochs may lie at chance, and greedy's output block learns last)
/// to just above the highest of all.
fn accuracy_axis(rows: &[MethodRow], curves: &[(&str, Curve)]) -> Axis {
    let axis = Axis::linear("test accuracy (%)");
    let ends = || rows.iter().flat_map(|row| &row.test_accuracy).map(|accuracy| 100.0 * accuracy);
    let passed = curves.iter().flat_map(|(_, curve)| curve.iter().flatten()).map(|&(_, accuracy)| accuracy);
    let Some(low) = ends().reduce(f64::min) else { return axis };
    let high = ends().chain(passed).fold(low, f64::max);
    let margin = (0.15 * (high - low)).max(0.5);
    axis.within((low - margin).max(0.0), (high + margin).min(100.0))
}

fn plot(rows: &[MethodRow], curves: &[(&str, Curve)]) -> Plot {
    let over_time = curves.iter().filter(|(_, curve)| !curve.is_empty()).map(|(name, curve)| {
        let epochs = curve.iter().map(Vec::len).min().unwrap_or(0);
        let point = |epoch: usize| {
            let seconds: Vec<f64> = curve.iter().map(|seed| seed[epoch].0).collect();
            (mean(&seconds), curve.iter().map(|seed| seed[epoch].1).collect())
        };
        Series::of_seeds(name, Style::Line, (0..epochs).map(point))
    });
    let memory = rows.iter().filter(|row| !row.peak_memory_bytes.is_empty()).map(|row| {
        let bytes: Vec<f64> = row.peak_memory_bytes.iter().map(|&bytes| bytes as f64 / 1e6).collect();
        let accuracies = row.test_accuracy.iter().map(|accuracy| 100.0 * accuracy).collect();
        Series::of_seeds(row.label(), Style::Line, [(mean(&bytes), accuracies)])
    });
    let panel = |title: &str, x: Axis, series: Vec<Series>| Panel {
        title: title.to_owned(),
        x,
        y: accuracy_axis(rows, curves),
        marks: Marks::Series(series),
    };
    Plot {
        caption: "Test accuracy after each epoch over the time that training took (of a method that needs a softmax layer: \
                  at its end), and at the end against the peak memory of the process. Mean of the seeds in the band of all; \
                  what lies under the lowest accuracy at the end is cut off."
            .to_owned(),
        panels: vec![
            panel("Over time", Axis::log("seconds of training"), over_time.collect()),
            panel("Against memory", Axis::linear("peak memory (MB)"), memory.collect()),
        ],
        columns: 2,
        ..Plot::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_says_what_a_trial_got() {
        let of = |budget: &str| {
            let record = ComparisonRecord {
                command: String::new(),
                data: Vec::new(),
                content: None,
                model: String::new(),
                budget: budget.parse().unwrap(),
                seeds: Vec::new(),
                validation: 0.1,
                machine: Machine::here(),
                rows: Vec::new(),
                missing: Vec::new(),
                plot: Plot::default(),
            };
            record.search()
        };
        // A quarter of five epochs is no whole number of them.
        assert!(of("5epochs").contains("seed 1 for 2 of the 5 epochs of a training on 90 % of the training data"));
        assert!(of("8epochs").contains("seed 1 for 2 of the 8 epochs of a training on 90 %"));
        assert!(of("1epoch").contains("seed 1 for the one epoch of a training on 90 %"));
        assert!(of("5min").contains("for the whole epochs that fit into 25 % of the time, one at least, on 90 %"));
    }

    #[test]
    fn the_axis_shows_every_end_and_the_best_epoch() {
        let row = |test_accuracy: &[f64]| MethodRow { test_accuracy: test_accuracy.to_vec(), ..MethodRow::default() };
        let rows = [row(&[0.90, 0.92]), row(&[0.70]), row(&[])];
        // One method starts at chance, another passes the end of all.
        let curves = [("a", vec![vec![(1.0, 10.0), (2.0, 90.0)], vec![(1.0, 94.0), (2.0, 92.0)]])];
        let (low, high) = accuracy_axis(&rows, &curves).range.unwrap();
        // 0.15 of 94 - 70 is 3.6; sums of percents round at 1e-14.
        assert!((low - 66.4).abs() < 1e-9 && (high - 97.6).abs() < 1e-9, "{low} {high}");
        // Equal ends have room around them, and there is nothing above 100 %.
        assert_eq!(accuracy_axis(&[row(&[1.0])], &[]).range, Some((99.5, 100.0)));
        assert_eq!(accuracy_axis(&[row(&[])], &[]).range, None);
    }
}

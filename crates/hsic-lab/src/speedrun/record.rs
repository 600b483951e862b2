//! What a speed run came to: a row a goal, the lengths that were tried, a figure.

use std::sync::atomic::AtomicBool;

use hsic_bottleneck::cost::training_operations;
use hsic_bottleneck::dataset::Content;
use hsic_bottleneck::error::Error;
use serde::{Deserialize, Serialize};

use super::measured::LeftOut;
use super::{Course, SpeedRun, Tried};
use crate::figure::Watcher;
use crate::figure::plot::{Axis, Marks, Panel, Plot, Series, Style};
use crate::figure::record::Machine;
use crate::figure::store::Settled;

/// A speed run as it came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpeedRunRecord {
    /// The command that makes it.
    pub command: String,
    /// What tells it from other speed runs.
    pub name: String,
    /// The data set, with its numbers of training and test samples; `None` before a training on all of them.
    pub data: Option<String>,
    /// Name of the data set, or of its file without the folder.
    pub dataset: String,
    /// What the data are.
    pub content: Content,
    /// Name of the network.
    pub model: String,
    /// Name of the method.
    pub method: String,
    /// Seed of all trainings.
    pub seed: u64,
    /// Share of the training data on which lengths were judged.
    pub validation: f64,
    /// Seconds that all trainings together may take.
    pub budget_seconds: f64,
    /// Seconds that the finished ones took.
    pub spent_seconds: f64,
    /// A row a goal, the least first.
    pub goals: Vec<GoalRow>,
    /// The lengths that were tried, on a part of the training data, the shortest first.
    pub attempts: Vec<Attempt>,
    /// What would have been next and did not fit into the budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
    /// Whether trainings are missing that the budget has room for.
    pub unfinished: bool,
    /// The machine.
    pub machine: Machine,
    /// Accuracy by the length of a training.
    pub plot: Plot,
}

/// A goal, and the training that reaches it. What is not there was not reached, or its training is not made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GoalRow {
    /// Accuracy, a fraction.
    pub goal: f64,
    /// Epochs of the shortest training that reached it on held-out training data.
    pub epochs: Option<u64>,
    /// Floating-point operations of that training on all training data ([`training_operations`]); `None` too where method or
    /// network do not say.
    pub operations: Option<u64>,
    /// Seconds that it took, evaluation included.
    pub seconds: Option<f64>,
    /// Its accuracy on the test data, a fraction, which may lie under the goal.
    pub test_accuracy: Option<f64>,
    /// The same by several looks at each image, if they were asked for.
    pub test_time_accuracy: Option<f64>,
    /// Peak memory of its process.
    pub peak_memory_bytes: Option<u64>,
    /// Why the training on all data came to no end.
    pub failure: Option<String>,
    /// Its command.
    pub command: Option<String>,
}

/// A length that was tried on a part of the training data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Epochs.
    pub epochs: u64,
    /// Accuracy on the held-out part, a fraction; `None` if training came to no end.
    pub accuracy: Option<f64>,
    /// The same by several looks at each image, if they were asked for.
    pub test_time_accuracy: Option<f64>,
    /// Seconds that it took, evaluation included.
    pub seconds: Option<f64>,
    /// Why it came to no end.
    pub failure: Option<String>,
    /// The command.
    pub command: String,
}

impl Attempt {
    fn of(tried: &Tried<'_>, seed: u64) -> Self {
        let summary = tried.outcome.as_ref().ok().map(|trained| &trained.summary);
        Self {
            epochs: tried.epochs,
            accuracy: summary.map(|summary| summary.accuracy()),
            test_time_accuracy: summary.and_then(|summary| Some(summary.test_time?.accuracy)),
            seconds: summary.map(|summary| summary.seconds),
            failure: tried.outcome.as_ref().err().cloned(),
            command: tried.planned.training.command(seed),
        }
    }
}

impl SpeedRun {
    /// What it came to, as far as its trainings are settled.
    ///
    /// # Errors
    /// `Run` for a run that is not there or damaged; what is said of options that cannot be used.
    pub fn record(&self, command: &str) -> Result<SpeedRunRecord, Error> {
        let (course, config) = (self.course()?, self.config(1)?);
        let attempts: Vec<Attempt> = course.attempts.iter().map(|tried| Attempt::of(tried, self.seed())).collect();
        let mut goals = Vec::new();
        for &goal in &self.race.goals {
            goals.push(self.goal_row(goal, &course)?);
        }
        let mut data = None;
        for trained in course.finals.iter().filter_map(|tried| tried.outcome.as_ref().ok()) {
            let facts = trained.run.data()?;
            data = Some(format!("{} ({} + {})", facts.name, facts.train_rows, facts.test_rows));
        }
        let dataset = std::path::Path::new(&config.dataset).file_name();
        Ok(SpeedRunRecord {
            command: command.to_owned(),
            name: self.name()?,
            data,
            dataset: dataset.map_or_else(|| config.dataset.clone(), |name| name.to_string_lossy().into_owned()),
            content: self.store.content(&config.dataset, &config.load)?,
            model: config.model.clone(),
            method: config.method.name.to_owned(),
            seed: self.seed(),
            validation: self.validation(),
            budget_seconds: self.race.budget,
            spent_seconds: course.spent,
            plot: plot(&attempts, &course),
            goals,
            attempts,
            left_out: course.left_out,
            unfinished: course.next.is_some(),
            machine: Machine::here(),
        })
    }

    /// Carries all trainings out in this process, one after the other, and says what they came to; `None` if it was asked to
    /// stop. Memory at its peak is then that of the process.
    ///
    /// # Errors
    /// As those of [`next`](Self::next), [`train`](Self::train) and [`record`](Self::record).
    pub fn run_here(&self, watcher: &mut dyn Watcher, stop: &AtomicBool) -> Result<Option<SpeedRunRecord>, Error> {
        while let Some((planned, _)) = self.next()? {
            if self.train(&planned, watcher, &|run| self.store.train_here(run, stop), stop)? == Settled::Interrupted {
                return Ok(None);
            }
        }
        self.record("in a program").map(Some)
    }

    fn goal_row(&self, goal: f64, course: &Course<'_>) -> Result<GoalRow, Error> {
        let mut row = GoalRow { goal, ..GoalRow::default() };
        let Some(&(_, epochs)) = course.reached.iter().find(|&&(reached, _)| reached == goal) else { return Ok(row) };
        row.epochs = Some(epochs);
        if let Some(samples) = self.samples {
            let config = self.config(epochs)?;
            row.operations = training_operations(&config, samples.shape, samples.targets, samples.rows)?;
        }
        let Some(tried) = course.finals.iter().find(|tried| tried.epochs == epochs) else { return Ok(row) };
        row.command = Some(tried.planned.training.command(self.seed()));
        match &tried.outcome {
            Ok(trained) => {
                let summary = &trained.summary;
                row.seconds = Some(summary.seconds);
                row.test_accuracy = Some(summary.accuracy());
                row.test_time_accuracy = summary.test_time.map(|looked| looked.accuracy);
                row.peak_memory_bytes = summary.peak_memory_bytes;
            }
            Err(reason) => row.failure = Some(reason.clone()),
        }
        Ok(row)
    }
}

impl SpeedRunRecord {
    /// The rows as comma-separated values; what was not reached is empty.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = "goal,epochs,operations,seconds,test_accuracy,test_time_accuracy,peak_memory_bytes\n".to_owned();
        let told = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let count = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
        for row in &self.goals {
            let line = [
                row.goal.to_string(),
                count(row.epochs),
                count(row.operations),
                told(row.seconds),
                told(row.test_accuracy),
                told(row.test_time_accuracy),
                count(row.peak_memory_bytes),
            ];
            text.push_str(&line.join(","));
            text.push('\n');
        }
        text
    }
}

fn plot(attempts: &[Attempt], course: &Course<'_>) -> Plot {
    let tried = attempts.iter().filter_map(|attempt| Some((attempt.epochs as f64, 100.0 * attempt.accuracy?)));
    let last = course.finals.iter().filter_map(|tried| {
        let trained = tried.outcome.as_ref().ok()?;
        Some((tried.epochs as f64, 100.0 * trained.summary.accuracy()))
    });
    let series = vec![
        Series::plain("held-out training data", Style::Line, tried),
        Series::plain("test data, trained on all", Style::Line, last),
    ];
    Plot {
        caption: "Accuracy at the end of a whole training by its length: of trainings on a part of the training data, judged on \
                  the rest of it, and of those on all training data, judged on the test data."
            .to_owned(),
        panels: vec![Panel {
            title: "Accuracy by length".to_owned(),
            x: Axis::linear("epochs of the training"),
            y: Axis::linear("accuracy (%)"),
            marks: Marks::Series(series.into_iter().filter(|series| !series.points.is_empty()).collect()),
        }],
        columns: 1,
        ..Plot::default()
    }
}

#[cfg(test)]
mod tests {
    use hsic_bottleneck::assemble::{build_method, build_network, training};
    use hsic_bottleneck::config::TrainOptions;
    use hsic_bottleneck::dataset;

    use super::super::{Race, SpeedRun};
    use super::*;

    /// Back-propagation on 300 digits, which learns more the longer it trains.
    fn options() -> TrainOptions {
        let text = "[data]\ndataset = 'digits'\ntrain-size = 300\ntest-size = 100\n[network]\nwidths = '16'\n\
                    [objective]\nmethod = 'backprop'\n[optimizer]\nlearning-rate = 3e-3\n[training]\nbatch-size = 30";
        toml::from_str(text).unwrap()
    }

    fn race(goals: &[f64], lengths: &[u64], budget: f64) -> Race {
        Race { goals: goals.to_vec(), lengths: lengths.to_vec(), budget }
    }

    fn speed_run(folder: &std::path::Path, race: Race) -> SpeedRun {
        let config = options().resolve().unwrap();
        let data = dataset::load(&config.dataset, &config.load_options()).unwrap();
        SpeedRun::new(folder, options(), race).for_data(&data)
    }

    fn run(of: &SpeedRun) -> SpeedRunRecord {
        of.run_here(&mut (), &AtomicBool::new(false)).unwrap().unwrap()
    }

    /// Accuracy of a training that is made without a speed run.
    fn alone(epochs: u64, validation: Option<f64>) -> f64 {
        let mut options = options();
        (options.training.epochs, options.training.seed, options.data.validation) = (Some(epochs), Some(1), validation);
        let config = options.resolve().unwrap();
        let data = dataset::load(&config.dataset, &config.load_options()).unwrap();
        let mut network = build_network(&config, data.train.shape, data.train.classes()).unwrap();
        let mut update = build_method(&config, data.train.classes()).unwrap();
        training(&config).fit(&mut network, &mut *update, &data, &mut []).unwrap().test_accuracy().unwrap()
    }

    #[test]
    fn the_shortest_training_that_reaches_a_goal_is_made_once_on_all_data() {
        let folder = tempfile::tempdir().unwrap();
        let lengths = [1, 2, 4, 8];
        let held_out: Vec<f64> = lengths.iter().map(|&epochs| alone(epochs, Some(0.1))).collect();
        // The first length reaches a goal of nearly nothing; the last one the goal that is its own accuracy.
        let best = held_out[3];
        assert!(held_out[..3].iter().all(|&found| found < best), "{held_out:?}");
        let of = speed_run(folder.path(), race(&[best, 1e-9, 1e-8, 2.0], &[8, 1, 2, 4], 1e6));
        let record = run(&of);
        let tried: Vec<(u64, Option<f64>)> =
            record.attempts.iter().map(|tried| (tried.epochs, tried.accuracy)).collect();
        assert_eq!(tried, lengths.iter().copied().zip(held_out.iter().copied().map(Some)).collect::<Vec<_>>());
        let epochs: Vec<Option<u64>> = record.goals.iter().map(|row| row.epochs).collect();
        assert_eq!(epochs, [Some(1), Some(1), Some(8), None]);
        for row in &record.goals[..3] {
            assert_eq!(row.test_accuracy, Some(alone(row.epochs.unwrap(), None)));
            // 784-16-10 on 300 rows: forward, weights, and back to the output block's input.
            let maps = 784 * 16 + 16 * 10;
            assert_eq!(row.operations, Some(2 * 300 * row.epochs.unwrap() * (3 * maps - 784 * 16)));
            assert!(!row.command.as_ref().unwrap().contains("--validation"));
        }
        assert_eq!(record.goals[3], GoalRow { goal: 2.0, ..GoalRow::default() });
        assert!(record.attempts.iter().all(|tried| tried.command.contains("--validation 0.1")));
        assert_eq!((record.left_out, record.unfinished), (None, false));
        assert_eq!(record.csv().lines().last(), Some("2,,,,,,"));
        // Two goals share a training: four trials and two finals.
        let runs = || std::fs::read_dir(folder.path().join("runs")).unwrap().count();
        assert_eq!(runs(), 6);
        // All of it is found again, and a length more is that training alone.
        assert_eq!(run(&of).goals, record.goals);
        let more = run(&speed_run(folder.path(), race(&[2.0], &[1, 2, 4, 8, 9], 1e6)));
        assert_eq!((more.attempts.len(), runs()), (5, 7));
    }

    #[test]
    fn what_does_not_fit_into_the_budget_is_not_begun_and_a_larger_one_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        // The first training is made whatever the budget: nothing is measured before it.
        let record = run(&speed_run(folder.path(), race(&[2.0], &[1, 1000], 1e-9)));
        assert_eq!(record.attempts.len(), 1);
        let left = record.left_out.unwrap();
        assert_eq!((left.epochs, left.whole, left.left_seconds), (1000, false, 0.0));
        assert!(left.needs_seconds > record.attempts[0].seconds.unwrap());
        assert!(!record.unfinished && record.spent_seconds == record.attempts[0].seconds.unwrap());
        assert_eq!(record.goals[0].epochs, None);
        // A goal that is reached on held-out data has its length, and no training on all data that does not fit.
        let record = run(&speed_run(folder.path(), race(&[1e-9], &[1], 1e-9)));
        assert!(record.left_out.is_some_and(|left| left.whole && left.epochs == 1));
        assert_eq!((record.goals[0].epochs, record.goals[0].test_accuracy), (Some(1), None));
        let record = run(&speed_run(folder.path(), race(&[1e-9], &[1], 1e6)));
        assert_eq!((record.left_out, record.goals[0].test_accuracy), (None, Some(alone(1, None))));
    }

    #[test]
    fn asked_to_stop_it_goes_on_later_and_other_options_have_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let of = speed_run(folder.path(), race(&[1e-9], &[1], 1e6));
        assert!(of.run_here(&mut (), &AtomicBool::new(true)).unwrap().is_none());
        assert!(of.record("c").unwrap().unfinished);
        assert_eq!(run(&of).goals[0].test_accuracy, Some(alone(1, None)));
        let longer = speed_run(folder.path(), race(&[0.5], &[3], 10.0));
        assert_eq!(longer.name().unwrap(), of.name().unwrap());
        let mut other = options();
        other.optimizer.learning_rate = Some(1e-2);
        let other = SpeedRun::new(folder.path(), other, race(&[0.5], &[1], 1.0));
        assert_ne!(other.name().unwrap(), of.name().unwrap());
    }

    #[test]
    fn a_training_that_diverges_is_told_and_longer_ones_are_tried() {
        let folder = tempfile::tempdir().unwrap();
        let mut wild = options();
        wild.optimizer = toml::from_str("optimizer = 'sgd'\nlearning-rate = 1e30\ndecay = 'constant'").unwrap();
        let of = SpeedRun::new(folder.path(), wild, race(&[0.5], &[1, 2], 1e6));
        let record = run(&of);
        assert_eq!(record.attempts.len(), 2);
        assert!(record.attempts.iter().all(|tried| tried.accuracy.is_none()
            && tried.failure.as_ref().is_some_and(|reason| reason.starts_with("training diverged"))));
        assert_eq!(record.goals[0], GoalRow { goal: 0.5, ..GoalRow::default() });
    }

    #[test]
    fn goals_and_lengths_out_of_their_range_are_named() {
        let told = |race: Race| {
            let faults = super::super::check(&race).0;
            faults.into_iter().map(|fault| format!("{} = {}", fault.key, fault.value)).collect::<Vec<_>>()
        };
        assert_eq!(told(race(&[0.8], &[1], 1.0)), [""; 0]);
        assert_eq!(
            told(race(&[0.0, 0.5, 1.5], &[0, 2], 0.0)),
            ["goals = 0", "goals = 150", "lengths = 0", "budget = 0"]
        );
        assert_eq!(told(race(&[], &[], 1.0)), ["goals = ", "lengths = "]);
    }
}

//! Speed runs: the shortest whole training that reaches an accuracy, of a method and all that is asked for beside it.
//!
//! Trainings of a fixed list of lengths are made, the shortest first, on a part of the training data, and judged on the rest
//! of it. The first that reaches a goal says how long a training must be; one of that length is then made on all training
//! data, once, and judged on the test data. Each is a whole training, whose learning rate falls to its end. Nothing is chosen by
//! test data. A budget of time bounds what is begun: a training that by the measured time of an epoch would not fit into what
//! is left of it is not. Each training has a folder of its own, so that the same speed run goes on where it stood, with more goals,
//! other lengths or a larger budget too.

mod measured;
mod record;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use hsic_bottleneck::config::{TrainConfig, TrainOptions};
use hsic_bottleneck::dataset::{Shape, Split, TargetKind, source};
use hsic_bottleneck::error::Error;
use hsic_bottleneck::fault::Faults;
use hsic_bottleneck::methods::Methods;

use crate::comparison::{VALIDATION, training_rows};
use crate::figure::store::{Settled, Store};
use crate::figure::{Launch, Planned, Trained, Training, Watcher};

use measured::Measured;

pub use measured::LeftOut;
pub use record::{Attempt, GoalRow, SpeedRunRecord};

/// Accuracies that are to be reached, unless others are asked for, fractions.
pub const GOALS: [f64; 4] = [0.80, 0.85, 0.90, 0.92];

/// Epochs of the trainings that are tried, unless others are asked for.
pub const LENGTHS: [u64; 8] = [1, 2, 3, 4, 6, 8, 12, 16];

/// Seed of a speed run that names none.
const SEED: u64 = 1;

/// What is to be reached, and what may be tried for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Race {
    /// Accuracies, fractions in (0, 1].
    pub goals: Vec<f64>,
    /// Epochs of a training, each >= 1.
    pub lengths: Vec<u64>,
    /// Seconds that all trainings may take together, as each tells them, > 0.
    pub budget: f64,
}

impl Race {
    /// Both lists in their order, each entry once.
    fn in_order(mut self) -> Self {
        self.goals.sort_by(f64::total_cmp);
        self.goals.dedup();
        self.lengths.sort_unstable();
        self.lengths.dedup();
        self
    }
}

/// Data that are there: all training rows, what a sample is, what is to be learned.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Samples {
    rows: usize,
    shape: Shape,
    targets: TargetKind,
}

/// A speed run in a folder, new or that of an earlier one.
pub struct SpeedRun {
    folder: PathBuf,
    store: Store,
    methods: Methods,
    /// Options of all trainings, but for epochs.
    options: TrainOptions,
    race: Race,
    samples: Option<Samples>,
}

/// Where a training of a speed run stands.
enum State<'r> {
    Finished(Box<Trained<'r>>),
    /// Why it came to no end.
    Failed(String),
    Open,
}

/// A training that is settled, with the number of its epochs.
struct Tried<'r> {
    epochs: u64,
    planned: Planned,
    /// What it came to, or why to nothing.
    outcome: Result<Box<Trained<'r>>, String>,
}

/// What is known of a speed run by now.
#[derive(Default)]
struct Course<'r> {
    /// By length, on a part of the training data.
    attempts: Vec<Tried<'r>>,
    /// On all of them: the goals' trainings, shortest first.
    finals: Vec<Tried<'r>>,
    /// The epochs by which each goal is reached that is, in the order of the goals.
    reached: Vec<(f64, u64)>,
    /// Seconds of what is finished.
    spent: f64,
    /// What is to be done next.
    next: Option<Planned>,
    /// What would be next and does not fit.
    left_out: Option<LeftOut>,
}

impl SpeedRun {
    /// Of trainings with these options, whose epochs the lengths say. Their seed is 1 unless they name one, and the share of
    /// the training data that trials are judged on a tenth ([`VALIDATION`]).
    #[must_use]
    pub fn new(folder: &Path, options: TrainOptions, race: Race) -> Self {
        let methods = Methods::known();
        let store = Store::new(folder.join("runs"), methods.clone());
        Self { folder: folder.into(), store, methods, options, race: race.in_order(), samples: None }
    }

    /// This speed run on data that are there: of data that are no named data set the size of a batch follows from all their
    /// training rows, where none is given.
    #[must_use]
    pub fn for_data(mut self, data: &Split) -> Self {
        let (rows, shape, targets) = (training_rows(data), data.train.shape, data.train.kind());
        self.samples = Some(Samples { rows, shape, targets });
        self
    }

    /// This speed run in another folder.
    #[must_use]
    pub fn within(self, folder: &Path) -> Self {
        let store = Store::new(folder.join("runs"), self.methods.clone());
        Self { folder: folder.into(), store, ..self }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What tells it from speed runs on other data or with other options, as the name of a folder: goals, lengths and budget do
    /// not matter.
    ///
    /// # Errors
    /// `Config` for options that cannot be used; `Dataset` for data that cannot be read.
    pub fn name(&self) -> Result<String, Error> {
        Ok(self.final_of(1)?.folder)
    }

    fn seed(&self) -> u64 {
        self.options.training.seed.unwrap_or(SEED)
    }

    fn validation(&self) -> f64 {
        self.options.data.validation.unwrap_or(VALIDATION)
    }

    /// The configuration of a training of so many epochs on all training data.
    fn config(&self, epochs: u64) -> Result<TrainConfig, Error> {
        Ok(self.options(epochs)?.resolve_among(&self.methods)?)
    }

    /// The options of a training of so many epochs on all training data.
    fn options(&self, epochs: u64) -> Result<TrainOptions, Error> {
        let mut options = self.options.clone();
        options.training.epochs = Some(epochs);
        options.training.seed = Some(self.seed());
        options.data.validation = None;
        let config = options.clone().resolve_among(&self.methods)?;
        if let (Some(samples), None) = (self.samples, source(&config.dataset)) {
            // What follows from the data is the same for trials, which are trained on fewer rows.
            let config = config.for_samples(samples.rows, samples.shape)?;
            options.training.batch_size = Some(config.batch_size);
            if config.format.epochs > 0 {
                options.format.format_epochs = Some(config.format.epochs);
                options.format.format_batch_size = Some(config.format.batch_size);
            }
        }
        Ok(options)
    }

    fn planned(&self, label: String, mut options: TrainOptions) -> Result<Planned, Error> {
        options.training.seed = None;
        self.store.plan(&Training::new(label, options).alone(), self.seed())
    }

    fn final_of(&self, epochs: u64) -> Result<Planned, Error> {
        self.planned(format!("{}, all data", counted(epochs)), self.options(epochs)?)
    }

    fn trial_of(&self, epochs: u64) -> Result<Planned, Error> {
        let mut options = self.options(epochs)?;
        options.data.validation = Some(self.validation());
        self.planned(counted(epochs), options)
    }

    fn state(&self, planned: &Planned) -> Result<State<'_>, Error> {
        if self.store.finished(planned)?.is_some() {
            return Ok(State::Finished(Box::new(self.store.trained(planned)?)));
        }
        Ok(self.store.failure(planned)?.map_or(State::Open, State::Failed))
    }

    /// What is settled, and what follows from it.
    fn course(&self) -> Result<Course<'_>, Error> {
        let (mut course, mut measured) = (Course::default(), None);
        for &epochs in &self.race.lengths {
            if course.reached.len() == self.race.goals.len() {
                break;
            }
            let trial = self.trial_of(epochs)?;
            let Some(attempt) = self.settle(&mut course, &mut measured, epochs, trial, false)? else { break };
            let accuracy = attempt.outcome.as_ref().ok().map(|trained| trained.summary.accuracy());
            course.attempts.push(attempt);
            let open = self.race.goals[course.reached.len()..].iter();
            let now: Vec<f64> = open.copied().take_while(|&goal| accuracy.is_some_and(|found| found >= goal)).collect();
            if now.is_empty() {
                continue;
            }
            course.reached.extend(now.into_iter().map(|goal| (goal, epochs)));
            let whole = self.final_of(epochs)?;
            let Some(last) = self.settle(&mut course, &mut measured, epochs, whole, true)? else { break };
            course.finals.push(last);
        }
        Ok(course)
    }

    /// A training that is settled; else it is what is next, or what does not fit into the budget.
    fn settle(
        &self,
        course: &mut Course<'_>,
        measured: &mut Option<Measured>,
        epochs: u64,
        planned: Planned,
        whole: bool,
    ) -> Result<Option<Tried<'_>>, Error> {
        let rows = if whole { 1.0 } else { 1.0 - self.validation() };
        let outcome = match self.state(&planned)? {
            State::Finished(trained) => {
                course.spent += trained.summary.seconds;
                *measured = Some(Measured::of(&trained, rows)?);
                Ok(trained)
            }
            State::Failed(reason) => Err(reason),
            State::Open => {
                let left = self.race.budget - course.spent;
                // Of the first nothing is known yet.
                let needs = measured.map(|measured| measured.seconds(epochs, rows));
                match needs.filter(|&needs| needs > left) {
                    Some(needs_seconds) => {
                        course.left_out = Some(LeftOut { epochs, whole, needs_seconds, left_seconds: left.max(0.0) });
                    }
                    None => course.next = Some(planned),
                }
                return Ok(None);
            }
        };
        Ok(Some(Tried { epochs, planned, outcome }))
    }

    /// The next training to be done, and how many are settled before it; `None` when all goals are reached, all lengths are
    /// tried, or what would be next does not fit into the budget.
    ///
    /// # Errors
    /// `Config` for options that cannot be used; `Dataset` for data that cannot be read; `Run` for a folder that holds
    /// another training.
    pub fn next(&self) -> Result<Option<(Planned, usize)>, Error> {
        let course = self.course()?;
        let settled = course.attempts.len() + course.finals.len();
        Ok(course.next.map(|planned| (planned, settled)))
    }

    /// Most trainings that it may have: one a length, and one a goal.
    #[must_use]
    pub fn most_trainings(&self) -> usize {
        self.race.lengths.len() + self.race.goals.len().min(self.race.lengths.len())
    }

    /// Carries a training out. One that diverges is noted as such and settled by that.
    ///
    /// # Errors
    /// `Run` for a folder that cannot be written or holds another training.
    pub fn train(
        &self,
        planned: &Planned,
        watcher: &mut dyn Watcher,
        launch: Launch<'_>,
        stop: &AtomicBool,
    ) -> Result<Settled, Error> {
        self.store.settled(planned, self.store.train(planned, watcher, launch, stop))
    }
}

/// Checks what is to be reached.
///
/// # Errors
/// Every number that is out of its range, by its key.
pub fn check(race: &Race) -> Faults {
    let mut faults = Faults::default();
    faults.check("goals", "", !race.goals.is_empty(), "accuracies in %, as 80,85");
    faults.check("lengths", "", !race.lengths.is_empty(), "numbers of epochs, as 1,2,4");
    for &goal in &race.goals {
        faults.check("goals", 100.0 * goal, goal > 0.0 && goal <= 1.0, "accuracies in %, above 0 and at most 100");
    }
    for &epochs in &race.lengths {
        faults.check("lengths", epochs, epochs >= 1, "whole numbers >= 1");
    }
    faults.positive("budget", race.budget);
    faults
}

/// Epochs in words.
fn counted(epochs: u64) -> String {
    if epochs == 1 { "1 epoch".to_owned() } else { format!("{epochs} epochs") }
}

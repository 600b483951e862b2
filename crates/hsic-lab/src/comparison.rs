//! Learning methods side by side: the same network, the same data in the same order, the same effort to find a rate.
//!
//! For each method, one after the other: under a budget of time a pilot of one epoch tells what an epoch takes; four
//! learning rates are each tried on a part of the training data and judged on the rest of it (the method's default, a
//! quarter and four times of it, and a fourth beside the best of these); the best is trained on all training data, once a
//! seed, and judged on the test data, once. Nothing is chosen by test data. Every training has a process of its own, so
//! that its peak memory is known, and a folder of its own, so that a comparison that was interrupted goes on where it
//! stood.

mod budget;
mod record;
mod search;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::fault::Fault;
use hsic_bottleneck::method::Method;
use hsic_bottleneck::methods::Methods;
use hsic_bottleneck::run::RunError;
use hsic_bottleneck::trainer::Outcome;

use crate::figure::store::Store;
use crate::figure::{Launch, Planned, Trained, Training, Watcher};

pub use budget::Budget;
pub use record::{ComparisonRecord, MethodRow, Trial};

/// Share of the training data on which rates are judged, if none is named.
pub const VALIDATION: f64 = 0.1;

/// Share of a training's budget that each trial of a rate gets.
const TRIAL_SHARE: f64 = 0.25;

/// Seed of pilots and trials.
const TRIAL_SEED: u64 = 1;

/// The methods of a list of names, or all of them.
///
/// # Errors
/// `Fault` with the first name that is not known, or the whole if it names none.
pub fn methods_named(names: &str, known: &Methods) -> Result<Vec<&'static Method>, Fault> {
    if names == "all" {
        return Ok(known.iter().collect());
    }
    let mut methods: Vec<&'static Method> = Vec::new();
    for name in names.split(',').map(str::trim) {
        let expected = || format!("all, or {}", known.names());
        let fault = || Fault { key: "methods".to_owned(), value: name.to_owned(), expected: expected() };
        let method = known.named(name).ok_or_else(fault)?;
        if !methods.iter().any(|earlier| earlier.name == method.name) {
            methods.push(method);
        }
    }
    Ok(methods)
}

/// A comparison in a folder, new or that of an earlier one.
pub struct Comparison {
    folder: PathBuf,
    store: Store,
    /// Those that are compared among all others.
    known: Methods,
    /// Options of all trainings.
    options: TrainOptions,
    methods: Vec<&'static Method>,
    budget: Budget,
    seeds: Vec<u64>,
}

/// What a training ended with.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// It is finished, or came to no end and will not be tried again.
    Done,
    /// It was asked to stop.
    Interrupted,
}

impl Comparison {
    /// Of `methods`, with what `options` say of data, network and batches.
    #[must_use]
    pub fn new(
        folder: &Path,
        options: TrainOptions,
        methods: Vec<&'static Method>,
        budget: Budget,
        seeds: Vec<u64>,
    ) -> Self {
        let known = methods.iter().fold(Methods::known(), |known, method| known.with(method));
        let store = Store::new(folder.join("runs"), known.clone());
        Self { folder: folder.into(), store, known, options, methods, budget, seeds }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Trainings of the whole comparison.
    #[must_use]
    pub fn len(&self) -> usize {
        let pilot = usize::from(self.budget.needs_pilot());
        self.methods.len() * (pilot + search::TRIALS + self.seeds.len())
    }

    /// Whether there is nothing to compare.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next training to be done and how many are settled before it; `None` when all are.
    ///
    /// # Errors
    /// `Config` for options that cannot be used; `Run` for a folder that holds another training.
    pub fn next(&self) -> Result<Option<(Planned, usize)>, Error> {
        let mut settled = 0;
        for method in &self.methods {
            let plan = self.plan(method)?;
            let known = plan.pilot.iter().chain(&plan.trials).chain(&plan.finals);
            for planned in known {
                if self.is_open(planned)? {
                    return Ok(Some((planned.clone(), settled)));
                }
                settled += 1;
            }
        }
        Ok(None)
    }

    /// Carries a training out. One that diverges, or whose network the method cannot train, is noted as such.
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
        match self.store.train(planned, watcher, launch, stop) {
            Ok(Outcome::Finished(_)) => Ok(Settled::Done),
            Ok(Outcome::Interrupted { .. }) => Ok(Settled::Interrupted),
            Err(Error::Run(RunError::Failed { said, .. })) => {
                self.store.note_failure(planned, &said)?;
                Ok(Settled::Done)
            }
            Err(error) => Err(error),
        }
    }

    fn is_open(&self, planned: &Planned) -> Result<bool, Error> {
        Ok(self.store.finished(planned)?.is_none() && self.store.failure(planned)?.is_none())
    }

    /// The run of a training that did not fail and is finished.
    fn trained(&self, planned: &Planned) -> Result<Option<Trained<'_>>, Error> {
        match self.store.finished(planned)? {
            Some(_) => Ok(Some(self.store.trained(planned)?)),
            None => Ok(None),
        }
    }

    /// Options of a method's trainings of so many epochs at a rate.
    fn options(&self, method: &Method, rate: f64, epochs: u64) -> TrainOptions {
        let mut options = self.options.clone();
        options.objective.method = Some(method.name.to_owned());
        options.optimizer.learning_rate = Some(rate);
        options.training.epochs = Some(epochs);
        options.data.validation = None;
        options
    }

    fn on_validation(&self, mut options: TrainOptions) -> TrainOptions {
        options.data.validation = Some(self.validation());
        options
    }

    fn validation(&self) -> f64 {
        self.options.data.validation.unwrap_or(VALIDATION)
    }

    /// All trainings of a method that are known by now.
    fn plan(&self, method: &'static Method) -> Result<Plan, Error> {
        let mut plan = Plan::default();
        let planned = |label: String, options| self.store.plan(&Training::new(label, options).alone(), TRIAL_SEED);
        let default = self.default_rate(method)?;
        (plan.epochs, plan.trial_epochs) = match self.budget {
            Budget::Epochs(epochs) => (epochs, trial_epochs(epochs)),
            Budget::Seconds(seconds) => {
                let options = self.on_validation(self.options(method, default, 1));
                let pilot = planned(format!("{}, pilot", method.name), options)?;
                let epochs = match self.trained(&pilot)? {
                    Some(trained) => Some(budget::fitting_epochs(&trained, seconds, TRIAL_SHARE)?),
                    None => None,
                };
                plan.pilot = Some(pilot);
                match epochs {
                    Some(epochs) => epochs,
                    // Not trained yet, or it cannot be.
                    None => return Ok(plan),
                }
            }
        };
        for _ in 0..search::TRIALS {
            let Some(rate) = search::next(default, &plan.tried) else { break };
            let options = self.on_validation(self.options(method, rate, plan.trial_epochs));
            let trial = planned(format!("{}, rate {rate}", method.name), options)?;
            let accuracy = self.trained(&trial)?.map(|trained| trained.summary.accuracy());
            let settled = accuracy.is_some() || self.store.failure(&trial)?.is_some();
            plan.trials.push(trial);
            if !settled {
                return Ok(plan);
            }
            plan.tried.push((rate, accuracy));
        }
        if let Some(rate) = search::best(&plan.tried) {
            plan.rate = Some(rate);
            let training = Training::new(method.name, self.options(method, rate, plan.epochs)).alone();
            for &seed in &self.seeds {
                plan.finals.push(self.store.plan(&training, seed)?);
            }
        }
        Ok(plan)
    }

    /// The method's own learning rate.
    fn default_rate(&self, method: &Method) -> Result<f64, Error> {
        let mut options = self.options.clone();
        options.objective.method = Some(method.name.to_owned());
        Ok(options.resolve_among(&self.known)?.learning_rate.peak)
    }
}

/// The trainings of a method, as far as earlier ones tell what they are.
#[derive(Default)]
struct Plan {
    pilot: Option<Planned>,
    trials: Vec<Planned>,
    /// Rates of the trials that are settled, and their accuracies; `None` of one that failed.
    tried: Vec<(f64, Option<f64>)>,
    trial_epochs: u64,
    /// The best rate, once all trials are settled.
    rate: Option<f64>,
    epochs: u64,
    finals: Vec<Planned>,
}

/// Epochs of a trial where the budget is counted in epochs.
fn trial_epochs(epochs: u64) -> u64 {
    ((epochs as f64 * TRIAL_SHARE).ceil() as u64).max(1)
}

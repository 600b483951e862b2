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

use hsic_bottleneck::config::{TrainConfig, TrainOptions};
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

/// Share of a training's budget that each trial of a rate gets, in whole epochs: rounded up of a budget of epochs, down of
/// one of time, and one epoch at the least.
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
        Ok(self.resolved(method)?.learning_rate.peak)
    }

    /// What the common options come to for a method.
    fn resolved(&self, method: &Method) -> Result<TrainConfig, Error> {
        let mut options = self.options.clone();
        options.objective.method = Some(method.name.to_owned());
        Ok(options.resolve_among(&self.known)?)
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

#[cfg(test)]
mod tests {
    use hsic::faer::{MatMut, MatRef};
    use hsic_bottleneck::assemble::{build_method, build_network, training};
    use hsic_bottleneck::dataset;
    use hsic_bottleneck::method::{Outputs, Recipe};
    use hsic_bottleneck::objective::{ByRule, Labels, Rule};
    use hsic_bottleneck::step_error::BoxError;

    use super::*;

    /// A rule whose loss is no number.
    struct Nowhere;

    impl Rule for Nowhere {
        fn signal(&self, _labels: &Labels, _z: MatRef<'_, f32>, mut dz: MatMut<'_, f32>) -> Result<f64, BoxError> {
            dz.fill(0.0);
            Ok(f64::NAN)
        }
    }

    static NOWHERE: Method = Method::own("nowhere", "diverges at once", Outputs::Classes, |stages, _| {
        stages.adamw(0.5);
        Recipe::new(|settings| settings.local(ByRule(Nowhere)))
    });

    fn small() -> TrainOptions {
        let mut options = TrainOptions::default();
        options.data.train_size = Some(100);
        options.data.test_size = Some(30);
        options.network.widths = Some("8".to_owned());
        options.training.batch_size = Some(30);
        options
    }

    fn comparison(folder: &Path, seeds: Vec<u64>) -> Comparison {
        let known = Methods::known().with(&NOWHERE);
        let methods = methods_named("nowhere, backprop, nowhere", &known).unwrap();
        Comparison::new(folder, small(), methods, Budget::Epochs(5), seeds)
    }

    #[test]
    fn a_method_that_diverges_is_a_row_beside_those_that_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let (never, two) = (AtomicBool::new(false), comparison(folder.path(), vec![1, 2]));
        // Four trials and two seeds for each of two methods.
        assert_eq!((two.len(), two.next().unwrap().unwrap().1), (12, 0));
        let record = two.run_here(&mut (), &never).unwrap().unwrap();
        assert!(two.next().unwrap().is_none());
        let [lost, kept] = &record.rows[..] else { panic!("{:?}", record.rows) };

        assert_eq!((lost.method.as_str(), lost.learning_rate, lost.at_edge), ("nowhere", None, false));
        let told = "training diverged: block 0 gives values that are not finite; expected a smaller learning rate";
        assert_eq!(lost.failure.as_deref(), Some(told));
        assert!(lost.test_accuracy.is_empty() && lost.commands.is_empty());
        let tried: Vec<(f64, Option<f64>)> =
            lost.trials.iter().map(|trial| (trial.learning_rate, trial.accuracy)).collect();
        // Around the method's own 0.5; where all have failed, a smaller one still.
        assert_eq!(tried, [(0.125, None), (0.5, None), (2.0, None), (0.03125, None)]);
        assert!(lost.trials.iter().all(|trial| trial.failure.as_deref() == Some(told)));

        // A quarter of five epochs, rounded up, for a trial; all five for the rate that was best.
        assert_eq!((kept.method.as_str(), kept.trial_epochs, kept.epochs), ("backprop", 2, 5));
        let accuracies: Vec<f64> = kept.trials.iter().map(|trial| trial.accuracy.unwrap()).collect();
        let best = accuracies.iter().position(|&found| accuracies.iter().all(|&other| other <= found)).unwrap();
        assert_eq!((accuracies.len(), kept.learning_rate), (4, Some(kept.trials[best].learning_rate)));
        // Ten rows in a hundred judge a rate, thirty a training: accuracies are whole shares of them.
        let whole = |accuracy: f64, rows: f64| ((accuracy * rows).round() - accuracy * rows).abs() < 1e-9;
        assert!(accuracies.iter().all(|&accuracy| whole(accuracy, 10.0)), "{accuracies:?}");
        assert_eq!((kept.failure.as_ref(), kept.test_accuracy.len(), kept.seconds.len()), (None, 2, 2));
        // The numbers are those of the same trainings, made without a comparison.
        let alone = |seed: u64| {
            let mut options = small();
            options.objective.method = Some("backprop".to_owned());
            options.optimizer.learning_rate = kept.learning_rate;
            options.training.epochs = Some(5);
            options.training.seed = Some(seed);
            let config = options.resolve().unwrap();
            let data = dataset::load(&config.dataset, &config.load_options()).unwrap();
            let mut network = build_network(&config, data.train.shape, data.train.classes()).unwrap();
            let mut update = build_method(&config, data.train.classes()).unwrap();
            training(&config).fit(&mut network, &mut *update, &data, &mut []).unwrap().test_accuracy().unwrap()
        };
        assert_eq!(kept.test_accuracy, [alone(1), alone(2)]);
        assert_eq!((kept.parameters, kept.parameters_at_once), (785 * 8 + 9 * 10, 785 * 8 + 9 * 10));
        assert_eq!(
            (&*record.model, &record.data[..], &record.seeds[..]),
            ("mlp", &["digits (100 + 30)".to_owned()][..], &[1, 2][..])
        );
        assert_eq!(record.csv().lines().count(), 3);
        assert!(record.csv().lines().skip(1).all(|line| line.starts_with("backprop,")));

        // All of it is found again; another seed is one training more, and the failed ones are not tried again.
        assert_eq!(two.run_here(&mut (), &never).unwrap().unwrap().rows, record.rows);
        let three = comparison(folder.path(), vec![1, 2, 3]);
        let (planned, settled) = three.next().unwrap().unwrap();
        assert_eq!((planned.seed, planned.training.label.as_str(), settled), (3, "backprop", 10));
    }

    #[test]
    fn asked_to_stop_it_has_no_record_and_goes_on_later() {
        let folder = tempfile::tempdir().unwrap();
        let comparison = comparison(folder.path(), vec![1]);
        assert!(comparison.run_here(&mut (), &AtomicBool::new(true)).unwrap().is_none());
        let rows = comparison.run_here(&mut (), &AtomicBool::new(false)).unwrap().unwrap().rows;
        assert_eq!(rows[1].test_accuracy.len(), 1);
    }

    #[test]
    fn methods_are_named_once_each_and_unknown_ones_are_told() {
        let known = Methods::known();
        let names = |list: &str| -> Vec<&str> {
            methods_named(list, &known).unwrap().iter().map(|method| method.name).collect()
        };
        assert_eq!(names("frozen, hsic,frozen"), ["frozen", "hsic"]);
        assert_eq!(names("all").len(), known.iter().count());
        let fault = methods_named("hsic,magic", &known).unwrap_err();
        assert_eq!((fault.key.as_str(), fault.value.as_str()), ("methods", "magic"));
        assert!(fault.expected.starts_with("all, or hsic, "), "{}", fault.expected);
    }
}

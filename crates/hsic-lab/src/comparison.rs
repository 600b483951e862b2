//! Learning methods side by side: the same network, the same data in the same order, the same effort to find a rate.
//!
//! For each method, one after the other: under a budget of time a pilot of one epoch tells what an epoch takes; four
//! learning rates are each tried on a part of the training data and judged on the rest of it (the method's default, a
//! quarter and four times of it, and a fourth beside the best of these), and more while the best is the least or the
//! largest of those tried; so for each size of a batch, if there are several; the best is trained on all training data,
//! once a seed, and judged on the test data, once. Nothing is chosen by test data. Every training has a process of its own, so
//! that its peak memory is known, and a folder of its own, so that a comparison that was interrupted goes on where it
//! stood.

mod budget;
mod elsewhere;
mod entry;
mod jobs;
mod plan;
mod record;
mod search;
mod settings;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use hsic_bottleneck::config::given::Unread;
use hsic_bottleneck::config::recipes::TrainingRecipe;
use hsic_bottleneck::config::{ConfigError, Sizes, TrainConfig, TrainOptions};
use hsic_bottleneck::dataset::{Shape, Split, source};
use hsic_bottleneck::error::Error;
use hsic_bottleneck::fault::{Fault, Faults};
use hsic_bottleneck::methods::Methods;

pub use crate::figure::store::Settled;
use crate::figure::store::Store;
use crate::figure::{Launch, Planned, Trained, Training, Watcher};

use plan::{Chosen, Leg, Plan};
use settings::Settings;

pub use budget::Budget;
pub use elsewhere::{Elsewhere, ElsewhereError, EpochElsewhere, RunElsewhere};
pub use entry::{Entry, entries_named};
pub use record::{ComparisonRecord, MethodRow, Trial};

/// Share of the training data on which rates are judged, if none is named.
pub const VALIDATION: f64 = 0.1;

/// Share of a training's budget that each trial of a rate gets, in whole epochs: rounded up of a budget of epochs, down of
/// one of time, and one epoch at the least.
const TRIAL_SHARE: f64 = 0.25;

/// Seed of pilots and trials.
const TRIAL_SEED: u64 = 1;

/// A comparison in a folder, new or that of an earlier one.
pub struct Comparison {
    folder: PathBuf,
    store: Store,
    /// Those that are compared among all others.
    known: Methods,
    /// Options of all trainings.
    options: TrainOptions,
    entries: Vec<Entry>,
    /// What each method is trained by where nothing is given.
    recipe: Option<&'static TrainingRecipe>,
    /// Sizes of a batch that are tried, at least one; `None` is that of the options.
    batches: Vec<Option<usize>>,
    budget: Budget,
    seeds: Vec<u64>,
    /// Training rows, those included that trials are judged on, and sizes of a sample; `None` until the data are there.
    samples: Option<(usize, Shape)>,
}

/// Rows that a training may be made on: with those that are held out of them for now.
#[must_use]
pub fn training_rows(data: &Split) -> usize {
    data.train.rows() + data.origin.validation.map_or(0, |_| data.test.rows())
}

impl Comparison {
    /// Of `entries`, with what `options` say of data, network and batches.
    #[must_use]
    pub fn new(folder: &Path, options: TrainOptions, entries: Vec<Entry>, budget: Budget, seeds: Vec<u64>) -> Self {
        let known = entries.iter().fold(Methods::known(), |known, entry| known.with(entry.method));
        let store = Store::new(folder.join("runs"), known.clone());
        Self {
            folder: folder.into(),
            store,
            known,
            options,
            entries,
            recipe: None,
            batches: vec![None],
            budget,
            seeds,
            samples: None,
        }
    }

    /// This comparison on data that are there: of data that are no named data set the size of a batch follows from their
    /// training rows, where none is given, and is the same for all trainings ([`Sizes::at`]).
    #[must_use]
    pub fn for_data(mut self, data: &Split) -> Self {
        self.samples = Some((training_rows(data), data.train.shape));
        self
    }

    /// This comparison by a recipe, which says to each method what is not given.
    #[must_use]
    pub fn by_recipe(mut self, recipe: Option<&'static TrainingRecipe>) -> Self {
        self.recipe = recipe;
        self
    }

    /// This comparison with a search for the size of a batch too: each method is tried with each of these.
    #[must_use]
    pub fn searching_batches(mut self, sizes: &[usize]) -> Self {
        if !sizes.is_empty() {
            self.batches = sizes.iter().copied().map(Some).collect();
        }
        self
    }

    /// A few digits that tell data and settings from others, for the name of a comparison's folder.
    ///
    /// # Errors
    /// `Dataset` for data that cannot be read.
    pub fn fingerprint(&self) -> Result<String, Error> {
        self.settings()?.fingerprint()
    }

    /// What all trainings share, and on which data.
    fn settings(&self) -> Result<Settings, Error> {
        let mut options = self.options.clone();
        (options.objective.method, options.training.seed) = (None, Some(TRIAL_SEED));
        // What a default is may be a method's to say; those of data and training are everybody's. What is amiss with one
        // each training tells.
        let mut faults = Faults::default();
        let data = options.data.resolve(TRIAL_SEED, &mut faults);
        options.training.resolve(&mut faults);
        let sizes = match (source(&data.dataset), self.samples) {
            (Some(_), _) => Some(Sizes::NAMED),
            (None, samples) => {
                samples.map(|(rows, _)| Sizes::at(&data.dataset, rows, options.training.batch_size, None))
            }
        };
        if let Some(sizes) = sizes {
            options.training.batch_size.get_or_insert(sizes.batch_size);
            // The budget has the epochs; the note of earlier versions had these.
            options.training.epochs.get_or_insert(Sizes::NAMED.epochs);
        } else if self.batches.contains(&None) && options.training.batch_size.is_none() {
            let expected = "a number, or that of the data (Comparison::for_data)".to_owned();
            let fault = Fault { key: "batch-size".to_owned(), value: "not given".to_owned(), expected };
            return Err(ConfigError::Faults(vec![fault]).into());
        }
        let content = self.store.content(&data.dataset, &data.load)?;
        let batches = self.batches.iter().copied().flatten().collect();
        let recipe = self.recipe.map(|recipe| recipe.name.to_owned());
        Ok(Settings { batches, recipe, ..Settings::new(&data.dataset, content, self.budget, &options) })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Trainings of the whole comparison, as far as is known by now: a search that goes on has more of them.
    ///
    /// # Errors
    /// As those of [`next`](Self::next).
    pub fn trainings(&self) -> Result<usize, Error> {
        let mut count = 0;
        for entry in &self.entries {
            let plan = self.plan(entry)?;
            let pilots = if self.budget.needs_pilot() { self.batches.len() } else { 0 };
            count += pilots + plan.trials().max(self.least_trials(entry)) + self.seeds.len();
        }
        Ok(count)
    }

    /// Trials of an entry whose search does not go on beyond its usual end.
    fn least_trials(&self, entry: &Entry) -> usize {
        match (entry.options.optimizer.learning_rate.is_some(), self.batches.len()) {
            // There is nothing to be chosen.
            (true, 1) => 0,
            (true, batches) => batches,
            (false, batches) => batches * search::TRIALS,
        }
    }

    /// The next training to be done and how many are settled before it; `None` when all are.
    ///
    /// # Errors
    /// `Config` for options that cannot be used; `Dataset` for data that cannot be read; `Run` for a folder that holds
    /// another training, or a comparison on other data or with other settings.
    pub fn next(&self) -> Result<Option<(Planned, usize)>, Error> {
        self.settings()?.check(&self.folder)?;
        let mut settled = 0;
        for entry in &self.entries {
            let plan = self.plan(entry)?;
            for planned in plan.known() {
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
        self.settings()?.note(&self.folder)?;
        self.store.settled(planned, self.store.train(planned, watcher, launch, stop))
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

    /// Options that nothing reads: those that all of the entries have in common and none reads, and those of one entry that
    /// its method does not read.
    ///
    /// # Errors
    /// `Config` for options that cannot be used.
    pub fn unread(&self) -> Result<Vec<Unread>, Error> {
        let (mut own, mut common) = (Vec::new(), None::<Vec<Unread>>);
        for entry in &self.entries {
            for &batch in &self.batches {
                let config = self.resolved(entry, batch)?;
                own.extend(config.unread(&entry.options));
                let unread = config.unread(&self.options);
                let mut told = common.unwrap_or_else(|| unread.clone());
                told.retain(|given| unread.iter().any(|other| other.key == given.key));
                common = Some(told);
            }
        }
        own.extend(common.unwrap_or_default());
        Ok(own)
    }

    /// Options of an entry's trainings of so many epochs at a rate: of the common ones those that it reads, so that each
    /// is a command by itself.
    fn options(
        &self,
        entry: &Entry,
        batch: Option<usize>,
        rate: f64,
        epochs: u64,
    ) -> Result<TrainOptions, ConfigError> {
        let config = self.resolved(entry, batch)?;
        let common = self.options.clone().without(&config.unread(&self.options));
        let mut options = self.over(entry, &common, batch)?;
        if source(&config.dataset).is_none() {
            // What follows from the data is the same for trials, which are trained on fewer rows.
            options.training.batch_size = Some(config.batch_size);
            if config.format.epochs > 0 {
                options.format.format_epochs = Some(config.format.epochs);
                options.format.format_batch_size = Some(config.format.batch_size);
            }
        }
        options.optimizer.learning_rate = Some(rate);
        options.training.epochs = Some(epochs);
        options.data.validation = None;
        Ok(options)
    }

    /// An entry's options with a size of a batch, the common ones, and what the recipe says beside them.
    fn over(&self, entry: &Entry, common: &TrainOptions, batch: Option<usize>) -> Result<TrainOptions, ConfigError> {
        let mut options = entry.over(common);
        options.training.batch_size = batch.or(options.training.batch_size);
        match self.recipe {
            None => Ok(options),
            Some(recipe) => {
                let own = recipe.beside(&options)?;
                Ok(options.or(own))
            }
        }
    }

    fn on_validation(&self, mut options: TrainOptions) -> TrainOptions {
        options.data.validation = Some(self.validation());
        options
    }

    fn validation(&self) -> f64 {
        self.options.data.validation.unwrap_or(VALIDATION)
    }

    /// All trainings of an entry that are known by now: those that others decide come with these.
    fn plan(&self, entry: &Entry) -> Result<Plan, Error> {
        let mut plan = Plan::default();
        for &batch in &self.batches {
            let leg = self.leg(entry, batch)?;
            let lost = leg.is_lost;
            plan.legs.push(leg);
            if lost {
                // What an epoch takes is not to be known.
                return Ok(plan);
            }
        }
        if plan.legs.iter().any(|leg| leg.is_open) {
            return Ok(plan);
        }
        plan.chosen = if self.least_trials(entry) == 0 { plan.given() } else { plan.best() };
        if let Some(Chosen { leg, rate, .. }) = plan.chosen {
            let Leg { batch, epochs, .. } = plan.legs[leg];
            for &seed in &self.seeds {
                let options = self.options(entry, batch, rate, epochs)?;
                plan.finals.push(self.planned(entry.label.clone(), options, seed)?);
            }
        }
        Ok(plan)
    }

    /// The search with one size of a batch, as far as it is known by now.
    fn leg(&self, entry: &Entry, batch: Option<usize>) -> Result<Leg, Error> {
        let config = self.resolved(entry, batch)?;
        let (batch_size, default) = (config.batch_size, config.learning_rate.peak);
        let mut leg = Leg { batch, batch_size, ..Leg::default() };
        let Some((epochs, trial_epochs)) = self.epochs(entry, batch, default, &mut leg)? else { return Ok(leg) };
        (leg.epochs, leg.trial_epochs) = (epochs, trial_epochs);
        if self.least_trials(entry) == 0 {
            leg.tried.push((default, None));
            return Ok(leg);
        }
        let fixed = entry.options.optimizer.learning_rate.is_some();
        let next = |tried: &[(f64, Option<f64>)]| match fixed {
            true => tried.is_empty().then_some(default),
            false => search::next(default, tried),
        };
        // The first rates follow from the default alone; each after them from what all before came to.
        while !(leg.is_open && leg.tried.len() >= search::FIRST)
            && let Some(rate) = next(&leg.tried)
        {
            let trial = self.planned(
                self.label(entry, batch_size, rate),
                self.trial(entry, batch, rate, trial_epochs)?,
                TRIAL_SEED,
            )?;
            let accuracy = self.trained(&trial)?.map(|trained| trained.summary.accuracy());
            leg.is_open |= accuracy.is_none() && self.store.failure(&trial)?.is_none();
            leg.trials.push(trial);
            leg.tried.push((rate, accuracy));
        }
        Ok(leg)
    }

    /// What a trial is called.
    fn label(&self, entry: &Entry, batch_size: usize, rate: f64) -> String {
        let at = if self.batches.len() > 1 { format!(", batch {batch_size}") } else { String::new() };
        format!("{}{at}, rate {rate}", entry.label)
    }

    /// The options of a trial.
    fn trial(&self, entry: &Entry, batch: Option<usize>, rate: f64, epochs: u64) -> Result<TrainOptions, ConfigError> {
        Ok(self.on_validation(self.options(entry, batch, rate, epochs)?))
    }

    fn planned(&self, label: String, options: TrainOptions, seed: u64) -> Result<Planned, Error> {
        self.store.plan(&Training::new(label, options).alone(), seed)
    }

    /// Epochs of a final training and of a trial; `None` while a pilot has not told.
    fn epochs(
        &self,
        entry: &Entry,
        batch: Option<usize>,
        rate: f64,
        leg: &mut Leg,
    ) -> Result<Option<(u64, u64)>, Error> {
        let seconds = match self.budget {
            Budget::Epochs(epochs) => return Ok(Some((epochs, trial_epochs(epochs)))),
            Budget::Seconds(seconds) => seconds,
        };
        let pilot = self.planned(format!("{}, pilot", entry.label), self.trial(entry, batch, rate, 1)?, TRIAL_SEED)?;
        let epochs = match self.trained(&pilot)? {
            Some(trained) => Some(budget::fitting_epochs(&trained, seconds, TRIAL_SHARE)?),
            None => None,
        };
        if epochs.is_none() {
            // Not trained yet, or it cannot be.
            leg.is_lost = self.store.failure(&pilot)?.is_some();
            leg.is_open = !leg.is_lost;
        }
        leg.pilot = Some(pilot);
        Ok(epochs)
    }

    /// An entry's options with everything that is not given.
    fn resolved(&self, entry: &Entry, batch: Option<usize>) -> Result<TrainConfig, ConfigError> {
        let config = self.over(entry, &self.options, batch)?.resolve_among(&self.known)?;
        self.samples.map_or(Ok(config.clone()), |(rows, shape)| config.for_samples(rows, shape))
    }
}

/// Epochs of a trial where the budget is counted in epochs.
fn trial_epochs(epochs: u64) -> u64 {
    ((epochs as f64 * TRIAL_SHARE).ceil() as u64).max(1)
}

#[cfg(test)]
mod tests;

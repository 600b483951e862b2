//! A folder of runs: each training is done once, taken up where it was interrupted, and found again.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use hsic_bottleneck::config::{ConfigError, TrainConfig};
use hsic_bottleneck::dataset::{Content, LoadOptions};
use hsic_bottleneck::error::Error;
use hsic_bottleneck::files::FileError;
use hsic_bottleneck::files::write_atomically;
use hsic_bottleneck::log::Observer;
use hsic_bottleneck::methods::Methods;
use hsic_bottleneck::run::{Run, RunError};
use hsic_bottleneck::trainer::{Outcome, train};

use super::trained::{Contents, DataCache, Place, Trained, Training, folder_name, same_options};

/// What a training ended with.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// It is finished, or came to no end and will not be tried again.
    Done,
    /// It was asked to stop.
    Interrupted,
}

/// A training with a seed, and where it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The training.
    pub training: Training,
    /// Its seed.
    pub seed: u64,
    /// What its data are.
    pub content: Content,
    /// Name of its folder.
    pub folder: String,
}

/// Hears how far the trainings of a store are.
pub trait Watcher {
    /// A training begins.
    fn begin(&mut self, planned: &Planned);

    /// Who hears of its steps.
    fn observer(&mut self) -> &mut dyn Observer;
}

/// Nobody watches.
impl Watcher for () {
    fn begin(&mut self, _planned: &Planned) {}

    fn observer(&mut self) -> &mut dyn Observer {
        self
    }
}

/// Trains a run in a process of its own and says whether it is finished; it is not if it was stopped.
pub type Launch<'l> = &'l dyn Fn(&Run) -> Result<bool, Error>;

/// Trainings under a folder, each in one named by what is trained and a fingerprint of its options and its data.
pub(crate) struct Store {
    runs: PathBuf,
    methods: Methods,
    data: DataCache,
    contents: Contents,
}

impl Store {
    /// In a folder, new or that of earlier trainings.
    pub(crate) fn new(runs: PathBuf, methods: Methods) -> Self {
        Self { runs, methods, data: DataCache::default(), contents: Contents::default() }
    }

    /// A training with its place.
    ///
    /// # Errors
    /// `Config` for options that cannot be used; `Dataset` for data that cannot be read.
    pub(crate) fn plan(&self, training: &Training, seed: u64) -> Result<Planned, Error> {
        let config = training.seeded(seed).resolve_among(&self.methods)?;
        let content = self.content(&config.dataset, &config.load)?;
        let folder = folder_name(training, seed, &self.methods, &content)?;
        Ok(Planned { training: training.clone(), seed, content, folder })
    }

    /// What the data of a name or path are; a file is hashed once.
    ///
    /// # Errors
    /// `Dataset` for data that cannot be read.
    pub(crate) fn content(&self, place: &str, options: &LoadOptions) -> Result<Content, Error> {
        self.contents.of(place, options)
    }

    /// The configuration of a training, which keeps no samples: nobody looks at the pages of so many runs.
    fn config(&self, planned: &Planned) -> Result<TrainConfig, ConfigError> {
        let mut options = planned.training.seeded(planned.seed);
        options.training.keep_samples.get_or_insert(false);
        options.resolve_among(&self.methods)
    }

    /// Where the run of a training is or will be.
    pub(crate) fn path(&self, planned: &Planned) -> PathBuf {
        self.runs.join(&planned.folder)
    }

    /// The run of a training, if its folder is there. Its options are compared as it recorded them, defaults and all: what
    /// this version would fill in says nothing of how it was trained.
    ///
    /// # Errors
    /// `Run` for a folder that holds another training, or one of other data.
    pub(crate) fn open(&self, planned: &Planned) -> Result<Option<Run>, Error> {
        let path = self.path(planned);
        if !path.join("config.toml").exists() {
            return Ok(None);
        }
        let run = Run::open(&path)?;
        let place = planned.training.place;
        if same_options(&run.options()?, place) != same_options(&self.config(planned)?.options, place) {
            let expected = format!("those of {} in {}", planned.training.label, planned.training.command(planned.seed));
            return Err(FileError::malformed(&run.file("config.toml"), "other options", &expected).into());
        }
        if run.has_data() {
            run.check_content(&self.config(planned)?.dataset, Some(&planned.content))?;
        }
        Ok(Some(run))
    }

    /// The run of a training that is finished.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn finished(&self, planned: &Planned) -> Result<Option<Run>, Error> {
        Ok(self.open(planned)?.filter(Run::is_finished))
    }

    /// A finished training's result.
    ///
    /// # Errors
    /// As [`open`](Self::open); `Malformed` if it is not finished.
    pub(crate) fn trained(&self, planned: &Planned) -> Result<Trained<'_>, Error> {
        let missing = || FileError::malformed(&self.path(planned), "nothing", "a finished run");
        let run = self.open(planned)?.ok_or_else(missing)?;
        Trained::open(run, &planned.training, planned.seed, &self.methods, &self.data)
    }

    /// Carries a training out, from where it was interrupted if it was.
    ///
    /// # Errors
    /// What training says, or `launch`.
    pub(crate) fn train(
        &self,
        planned: &Planned,
        watcher: &mut dyn Watcher,
        launch: Launch<'_>,
        stop: &AtomicBool,
    ) -> Result<Outcome, Error> {
        watcher.begin(planned);
        let config = self.config(planned)?;
        let run = match self.open(planned)? {
            Some(run) => run,
            None => Run::create(&self.path(planned), &config)?,
        };
        match planned.training.place {
            Place::Shared => {
                let data = self.data.load(&config)?;
                train(&config, &data, &run, &mut [watcher.observer()], stop)
            }
            Place::Own => {
                if !launch(&run)? {
                    return Ok(Outcome::Interrupted { step: run.saved_steps(&config)? });
                }
                Ok(Outcome::Finished(Box::new(self.trained(planned)?.summary)))
            }
        }
    }

    /// Carries a training out in this process, whatever its place, from where it was interrupted if it was.
    ///
    /// # Errors
    /// What training says; `Failed` with why it cannot go on: it is noted, and the training not tried again.
    pub(crate) fn train_within(
        &self,
        planned: &Planned,
        observers: &mut [&mut dyn Observer],
        stop: &AtomicBool,
    ) -> Result<Outcome, Error> {
        let config = self.config(planned)?;
        let run = match self.open(planned)? {
            Some(run) => run,
            None => Run::create(&self.path(planned), &config)?,
        };
        self.train_run(&run, observers, stop)
    }

    /// Trains a run in this process, and says whether it is finished.
    ///
    /// # Errors
    /// As [`train_within`](Self::train_within).
    pub(crate) fn train_here(&self, run: &Run, stop: &AtomicBool) -> Result<bool, Error> {
        Ok(matches!(self.train_run(run, &mut [], stop)?, Outcome::Finished(_)))
    }

    fn train_run(&self, run: &Run, observers: &mut [&mut dyn Observer], stop: &AtomicBool) -> Result<Outcome, Error> {
        let config = run.config_among(&self.methods)?;
        let data = self.data.load(&config)?;
        match train(&config, &data, run, observers, stop) {
            Err(Error::Step(error)) => {
                let mut said = error.to_string();
                let mut source = std::error::Error::source(&error);
                while let Some(cause) = source {
                    said.push_str(&format!(": {cause}"));
                    source = cause.source();
                }
                Err(RunError::Failed { path: run.path().into(), said }.into())
            }
            outcome => outcome,
        }
    }

    /// What a training ended with. One that diverged, or whose network the method cannot train, is noted as such and is settled
    /// by that.
    ///
    /// # Errors
    /// Any other error of the training; `Run` if the note cannot be written.
    pub(crate) fn settled(&self, planned: &Planned, outcome: Result<Outcome, Error>) -> Result<Settled, Error> {
        match outcome {
            Ok(Outcome::Finished(_)) => Ok(Settled::Done),
            Ok(Outcome::Interrupted { .. }) => Ok(Settled::Interrupted),
            Err(Error::Run(RunError::Failed { said, .. })) => {
                self.note_failure(planned, &said)?;
                Ok(Settled::Done)
            }
            Err(error) => Err(error),
        }
    }

    /// Notes that a training came to no end, so that it is not tried again.
    ///
    /// # Errors
    /// `Run` if the note cannot be written.
    pub(crate) fn note_failure(&self, planned: &Planned, reason: &str) -> Result<(), Error> {
        Ok(write_atomically(&failure_note(&self.path(planned)), reason.as_bytes())?)
    }

    /// Why a training came to no end.
    ///
    /// # Errors
    /// `Run` if the note cannot be read.
    pub(crate) fn failure(&self, planned: &Planned) -> Result<Option<String>, Error> {
        let path = failure_note(&self.path(planned));
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FileError::Io { path, source }.into()),
        }
    }
}

/// The file beside a run's folder that says why it came to no end.
fn failure_note(run: &Path) -> PathBuf {
    let mut name = run.as_os_str().to_owned();
    name.push(".failed");
    name.into()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use hsic_bottleneck::config::TrainOptions;
    use hsic_bottleneck::step_error::BoxError;

    use super::*;

    /// Asks a training to stop after so many steps.
    struct StopsAfter<'s>(u64, &'s AtomicBool);

    impl Observer for StopsAfter<'_> {
        fn step(&mut self, step: u64, _total: u64) -> Result<(), BoxError> {
            self.1.store(step >= self.0, Ordering::Relaxed);
            Ok(())
        }
    }

    #[test]
    fn a_training_of_its_own_process_that_was_stopped_is_told_at_its_step() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().into(), Methods::known());
        let mut options = TrainOptions::default();
        options.data.train_size = Some(100);
        options.data.test_size = Some(20);
        options.network.widths = Some("8".to_owned());
        options.training.batch_size = Some(20);
        options.training.epochs = Some(2);
        let planned = store.plan(&Training::new("small", options).alone(), 1).unwrap();
        let never = AtomicBool::new(false);
        let trained = |steps: u64| {
            let launch = |run: &Run| -> Result<bool, Error> {
                let (config, stop) = (run.config()?, AtomicBool::new(false));
                let data = store.data.load(&config)?;
                let outcome = train(&config, &data, run, &mut [&mut StopsAfter(steps, &stop)], &stop)?;
                Ok(matches!(outcome, Outcome::Finished(_)))
            };
            store.train(&planned, &mut (), &launch, &never).unwrap()
        };
        assert_eq!(trained(3), Outcome::Interrupted { step: 3 });
        assert_eq!(trained(7), Outcome::Interrupted { step: 7 });
        assert!(matches!(trained(100), Outcome::Finished(_)));
    }
}

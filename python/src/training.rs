//! Trainings into a run's folder, as the command `hsic train` makes them, and such that go on with each part of the rows.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use hsic_bottleneck::assemble::{build_method, check_targets, network_for};
use hsic_bottleneck::augment::Augmentation;
use hsic_bottleneck::batch::{Batches, for_each_batch};
use hsic_bottleneck::config::TrainConfig;
use hsic_bottleneck::dataset::{Split, load};
use hsic_bottleneck::error::Error;
use hsic_bottleneck::folder::Folder;
use hsic_bottleneck::log::{EpochReport, Observer, Warning};
use hsic_bottleneck::position::Position;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::session::{OnCpu, Session};
use hsic_bottleneck::step_error::{BoxError, StepError};
use hsic_bottleneck::trainer::{Outcome, finish, train as train_run};
use hsic_bottleneck::training::Reached;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::data::Data;
use crate::fault::of_training;
use crate::interrupt::{Teller, run_and_hear};
use crate::settings::Settings;

/// What a training tells of itself.
enum Event {
    Step(u64, u64),
    Epoch(Box<EpochReport>),
    Format(Vec<f64>),
    Warning(Box<Warning>),
}

/// Tells the caller's thread what happens in a training.
struct Tells<'t> {
    teller: Teller<Event>,
    /// Steps between two that are told; 0 for none.
    every: u64,
    stop: &'t AtomicBool,
}

impl Observer for Tells<'_> {
    fn step(&mut self, step: u64, total: u64) -> Result<(), BoxError> {
        if self.every > 0 && (step.is_multiple_of(self.every) || step == total) {
            self.teller.tell(Event::Step(step, total));
        }
        Ok(())
    }

    fn epoch(&mut self, report: &EpochReport) -> Result<(), BoxError> {
        self.teller.tell(Event::Epoch(Box::new(report.clone())));
        Ok(())
    }

    fn format(&mut self, accuracies: &[f64]) -> Result<(), BoxError> {
        self.teller.tell(Event::Format(accuracies.to_vec()));
        Ok(())
    }

    fn warning(&mut self, warning: &Warning) -> Result<(), BoxError> {
        // Python has said what stops a training.
        if !self.stop.load(Ordering::Relaxed) {
            self.teller.tell(Event::Warning(Box::new(warning.clone())));
        }
        Ok(())
    }
}

/// Calls `hear(kind, told)`; what it returns says whether training goes on.
fn hear(py: Python<'_>, listener: &Py<PyAny>, event: Event) -> PyResult<bool> {
    let json = |error: serde_json::Error| PyValueError::new_err(error.to_string());
    let answer = match event {
        Event::Step(step, total) => listener.call1(py, ("step", (step, total)))?,
        Event::Epoch(report) => listener.call1(py, ("epoch", serde_json::to_string(&report).map_err(json)?))?,
        Event::Format(accuracies) => listener.call1(py, ("format", accuracies))?,
        Event::Warning(warning) => listener.call1(py, ("warning", warning.to_string()))?,
    };
    answer.extract(py)
}

/// Trains into a folder, which is new (`new`), holds a run to be written over (`over`) or one to be taken up (`resume`). `hear`
/// is told of every so many steps (0 for none), of epochs and warnings; when it says no, training ends, and what was learned
/// by then is judged. Gives the summary as JSON; None if training was stopped and could not be concluded.
#[pyfunction]
#[pyo3(signature = (settings, data, folder, place, every, hear: "typing.Any"))]
pub(crate) fn train(
    py: Python<'_>,
    settings: &Settings,
    data: Option<&Data>,
    folder: PathBuf,
    place: &str,
    every: u64,
    hear: Py<PyAny>,
) -> PyResult<Option<String>> {
    let (run, config, loaded);
    if place == "resume" {
        run = Run::open(&folder).map_err(of_training)?;
        let mut own = run.config().map_err(of_training)?;
        run.read_as_recorded(&mut own).map_err(of_training)?;
        own.threads = Some(settings.threads()).filter(|&threads| threads > 0);
        if let Some(epochs) = settings.given.training.epochs {
            run.extend(epochs).map_err(of_training)?;
            own = TrainConfig { threads: own.threads, load: own.load.clone(), ..run.config().map_err(of_training)? };
        }
        config = own;
        loaded = match data {
            Some(_) => None,
            None => Some(load(&config.dataset, &config.load_options()).map_err(of_training)?),
        };
    } else {
        let asked = settings.asked()?;
        loaded = match data {
            Some(_) => None,
            None => Some(load(&asked.config.dataset, &asked.config.load_options()).map_err(of_training)?),
        };
        let split = split(data, loaded.as_ref())?;
        let sized = asked.for_data(split).map_err(of_training)?;
        if place == "over" {
            Run::clear(&folder).map_err(of_training)?;
        }
        run = Run::create(&folder, &sized).map_err(of_training)?;
        // As it is kept: with paths that a later command finds.
        config = TrainConfig { threads: sized.threads, ..run.config().map_err(of_training)? };
    }
    let split = split(data, loaded.as_ref())?;
    let mut by_listener = false;
    let work = |stop: &AtomicBool, teller: Teller<Event>| {
        let mut tells = Tells { teller, every, stop };
        let outcome = train_run(&config, split, &run, &mut [&mut tells], stop)?;
        Ok::<_, Error>((outcome, tells.teller))
    };
    let outcome = run_and_hear(
        py,
        config.threads.unwrap_or(0),
        |stop, teller| {
            let (outcome, teller) = work(stop, teller)?;
            drop(teller);
            Ok::<_, Error>(outcome)
        },
        |py, event| {
            let goes_on = self::hear(py, &hear, event)?;
            by_listener |= !goes_on;
            Ok(goes_on)
        },
    )?;
    match outcome.map_err(of_training)? {
        Outcome::Finished(summary) => told(&*summary).map(Some),
        Outcome::Interrupted { .. } if by_listener && config.sigmas.len() == 1 => {
            conclude_run(py, &config, split, &run).map(Some)
        }
        Outcome::Interrupted { .. } => Ok(None),
    }
}

fn split<'d>(data: Option<&'d Data>, loaded: Option<&'d Split>) -> PyResult<&'d Split> {
    data.map(|data| &data.0).or(loaded).ok_or_else(|| PyRuntimeError::new_err("no data"))
}

fn told(summary: &impl serde::Serialize) -> PyResult<String> {
    serde_json::to_string(summary).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// One pass over rows that come by and by, into a folder that is new or holds what the passes before it learned: at a rate that
/// does not fall. `passes` were made before. Gives the rows of a batch.
#[pyfunction]
pub(crate) fn learn_part(
    py: Python<'_>,
    settings: &Settings,
    data: &Data,
    folder: PathBuf,
    passes: u64,
) -> PyResult<usize> {
    let (run, config);
    if passes == 0 {
        let sized = settings.asked()?.for_data(&data.0).map_err(of_training)?;
        run = Run::create(&folder, &sized).map_err(of_training)?;
        run.record_data(&data.0).map_err(of_training)?;
        config = sized;
    } else {
        run = Run::open(&folder).map_err(of_training)?;
        config = TrainConfig { threads: None, ..run.config().map_err(of_training)? };
    }
    if config.sigmas.len() > 1 {
        return Err(PyValueError::new_err("several sigmas: expected one where rows come in parts"));
    }
    let work = || {
        let train = &data.0.train;
        check_targets(&config, train)?;
        let mut network = network_for(&config, train)?;
        let mut update = build_method(&config, train.kind())?;
        let mut session = OnCpu::new(&mut network, &mut *update);
        let mut position = run.load_checkpoint(&mut session)?.unwrap_or_default();
        position.dead.resize(session.network().blocks().len(), false);
        let batches = batches(&config);
        let steps = batches.steps(train.rows());
        for_each_batch(train, &batches, passes * steps..(passes + 1) * steps, |_, batch| {
            session.step(batch, config.learning_rate.peak)?;
            position.step += 1;
            Ok::<_, Error>(std::ops::ControlFlow::Continue(()))
        })?;
        if let Some(block) = session.diverged() {
            return Err(StepError::Diverged { block }.into());
        }
        run.save_checkpoint(&position, &session)?;
        Ok::<_, Error>(())
    };
    crate::interrupt::run(py, settings.threads(), |_| work())?.map_err(of_training)?;
    Ok(config.batch_size)
}

/// Judges what the passes over parts learned, on a sample of the rows.
#[pyfunction]
pub(crate) fn conclude_parts(py: Python<'_>, data: &Data, folder: PathBuf, threads: usize) -> PyResult<String> {
    let run = Run::open(&folder).map_err(of_training)?;
    let config =
        TrainConfig { threads: Some(threads).filter(|&threads| threads > 0), ..run.config().map_err(of_training)? };
    conclude_run(py, &config, &data.0, &run)
}

fn batches(config: &TrainConfig) -> Batches {
    Batches {
        size: config.batch_size,
        seed: config.seed,
        shuffle: config.shuffle,
        augmentation: Augmentation::default(),
        drop_last: false,
        smoothing: config.label_smoothing,
    }
}

/// Takes up a run's state, forms running statistics anew from the training data as they are, and concludes the training there.
fn conclude_run(py: Python<'_>, config: &TrainConfig, data: &Split, run: &Run) -> PyResult<String> {
    let work = |stop: &AtomicBool| {
        let train = &data.train;
        let mut network = network_for(config, train)?;
        let mut update = build_method(config, train.kind())?;
        let mut session = OnCpu::new(&mut network, &mut *update);
        let position: Position = run.load_checkpoint(&mut session)?.unwrap_or_default();
        let (batches, mut rows) = (Batches { shuffle: true, ..batches(config) }, 0);
        for_each_batch(train, &batches, 0..batches.steps(train.rows()), |_, batch| {
            session.form_statistics(batch, rows);
            rows += batch.rows();
            Ok::<_, Error>(std::ops::ControlFlow::Continue(()))
        })?;
        let learners = session.state().learners;
        let beside = learners.iter().map(|block| block.iter().map(|own| own.parameters.len()).sum()).collect();
        let reached = Reached {
            step: position.step,
            total: position.step,
            seconds: position.seconds,
            milliseconds_per_step: position.milliseconds_per_step,
        };
        let mut folder = Folder::open(run, position.metrics_bytes)?;
        finish(config, &session, data, run, (reached, beside), &mut [&mut folder], stop)
    };
    match crate::interrupt::run(py, config.threads.unwrap_or(0), work)?.map_err(of_training)? {
        Outcome::Finished(summary) => told(&*summary),
        Outcome::Interrupted { .. } => Err(PyRuntimeError::new_err("the conclusion was stopped")),
    }
}

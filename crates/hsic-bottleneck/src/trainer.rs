//! A configuration trained into a run's folder: new, taken up, or of several networks.

use std::sync::atomic::AtomicBool;

use hsic_data::dataset::Split;
use hsic_learn::judge::at_rest::Members;
use hsic_learn::session::{OnCpu, Session};

use crate::assemble::{build_method, build_network, check_shards, check_targets, member_config, network_for, training};
use crate::conclusion::{Spent, conclude};
use crate::config::TrainConfig;
use crate::energy::Meter;
use crate::engines::CPU;
use crate::error::Error;
use crate::folder::Folder;
use crate::forecast::forewarn;
use crate::log::Observer;
use crate::position::Position;
use crate::reconstruction;
use crate::run::{Run, RunError};
use crate::summary::Summary;
use crate::threads::on_threads;
use crate::training::Reached;

/// How training ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All epochs are done and the run is saved.
    Finished(Box<Summary>),
    /// It was asked to stop; the state after `step` steps is saved.
    Interrupted {
        /// Steps done.
        step: u64,
    },
}

impl Outcome {
    /// After the last step: with a summary, or asked to stop before there was one.
    fn concluded(summary: Option<Summary>, step: u64) -> Self {
        summary.map_or(Self::Interrupted { step }, |summary| Self::Finished(Box::new(summary)))
    }
}

/// Trains a configuration on data into a run's folder, from its checkpoint if it holds one.
///
/// Batch and epochs that are open (see [`TrainConfig::is_sized`]) follow from the data, and are noted in the folder.
///
/// The weights depend on configuration and data alone: not on the number of threads, the schedule, or on how often
/// the run was interrupted and taken up again. `stop` is looked at after every step and between the passes that follow
/// training. A run that is trained further (see [`Run::extend`]) keeps what it came to until that of the longer training is
/// whole.
///
/// # Errors
/// `Step` if training diverges (the last checkpoint, before it, stays), `TooSmall`, `Run` if the folder cannot be written or
/// another process works in it. All but the last are kept in the folder as `failure.txt`, until it is trained in again.
pub fn train(
    config: &TrainConfig,
    data: &Split,
    run: &Run,
    observers: &mut [&mut dyn Observer],
    stop: &AtomicBool,
) -> Result<Outcome, Error> {
    let _held = run.lock()?;
    kept(run, || {
        let config = sized(config, data, run)?;
        on_threads(config.threads, || {
            if config.sigmas.len() > 1 {
                train_combined(&config, data, run, observers, stop)
            } else {
                train_one(&config, data, run, observers, stop)
            }
        })?
    })
}

/// Carries out a training into a run's folder, which is held, and keeps there what became of it: the error that ended it, until
/// it is trained in again, or what the files of a finished run are.
///
/// # Errors
/// Those of the training; `Run` if the folder cannot be written.
pub fn kept(run: &Run, training: impl FnOnce() -> Result<Outcome, Error>) -> Result<Outcome, Error> {
    run.forget_failure().map_err(RunError::from)?;
    let trained = training();
    if let Ok(outcome) = &trained {
        seal(run, outcome)?;
    }
    if let Err(error) = &trained {
        // Where this cannot be written either, what ended the training is the error that matters.
        drop(run.note_failure(&format!("{error}\n")));
    }
    trained
}

/// Writes down what the files of a finished run are, where a process that was killed behind its summary left this to be done.
fn seal(run: &Run, outcome: &Outcome) -> Result<(), Error> {
    if matches!(outcome, Outcome::Finished(_)) && !run.is_sealed() {
        run.seal().map_err(RunError::from)?;
    }
    Ok(())
}

/// The configuration with batch and epochs for these data, which the run keeps: a resumed training does not ask again.
fn sized(config: &TrainConfig, data: &Split, run: &Run) -> Result<TrainConfig, Error> {
    if config.is_sized() {
        return Ok(config.clone());
    }
    let config = config.clone().for_data(data)?;
    run.note_sizes(run.options()?, &config)?;
    Ok(config)
}

fn train_one(
    config: &TrainConfig,
    data: &Split,
    run: &Run,
    observers: &mut [&mut dyn Observer],
    stop: &AtomicBool,
) -> Result<Outcome, Error> {
    let train = &data.train;
    check_targets(config, train)?;
    check_shards(config, train)?;
    let mut network = network_for(config, train)?;
    let mut update = build_method(config, train.kind())?;
    let mut session = OnCpu::new(&mut network, &mut *update);
    let first = |session: &OnCpu<'_>, listeners: &mut [&mut dyn Observer]| {
        forewarn(config, session.network(), train, listeners)
    };
    let last = |session: &OnCpu<'_>, place: &Run| match session.network().capsule() {
        Some(_) => Ok(reconstruction::save(place, session.network(), &session.state().learners, &data.test)?),
        None => Ok(()),
    };
    train_session(config, data, run, (&mut session, CPU), observers, stop, (first, last))
}

/// Trains a session with fresh weights on an engine of that name into a run's folder, from its checkpoint if it holds one, as
/// [`train`] does; whoever calls it holds the folder's lock. Before the first step `first` may warn of something, and behind
/// the last one `last` saves what is this engine's or this network's own.
///
/// # Errors
/// As those of [`train`]; what `first` and `last` say.
pub fn train_session<S: Session>(
    config: &TrainConfig,
    data: &Split,
    run: &Run,
    (session, engine): (&mut S, &str),
    observers: &mut [&mut dyn Observer],
    stop: &AtomicBool,
    (first, last): (
        impl FnOnce(&S, &mut [&mut dyn Observer]) -> Result<(), Error>,
        impl FnOnce(&S, &Run) -> Result<(), Error>,
    ),
) -> Result<Outcome, Error> {
    let total = training(config).steps(data)?;
    let from = take_up(session, data, run, total)?;
    run.settle()?;
    if from.step == total && run.is_finished() {
        let summary = run.summary()?;
        if config.restarts.0.is_empty() || summary.epochs == config.epochs {
            return Ok(Outcome::Finished(Box::new(summary)));
        }
    }
    // What a run came to before it was trained further stays until all of this is whole.
    let further = !config.restarts.0.is_empty();
    let place = if further { run.aside()? } else { run.clone() };
    let mut folder = Folder::open(run, from.metrics_bytes)?;
    let mut listeners = listening(&mut folder, observers);
    run.note_engine(engine, from.step, &mut listeners)?;
    if from.step == 0 {
        first(session, &mut listeners)?;
    }
    // What earlier processes took, or a device, nobody has counted.
    let meter = if from.step == 0 && engine == CPU { Meter::here() } else { None };
    let reached = training(config).run(session, data, from, &mut listeners, stop)?;
    if reached.step < total {
        return Ok(Outcome::Interrupted { step: reached.step });
    }
    last(session, &place)?;
    let learners = session.state().learners;
    let beside = learners.iter().map(|block| block.iter().map(|own| own.parameters.len()).sum()).collect();
    let outcome = end(config, session, data, &place, (reached, beside, meter), &mut listeners, stop)?;
    if further && matches!(outcome, Outcome::Finished(_)) {
        run.take_aside(&[])?;
    }
    Ok(outcome)
}

/// Whoever listens to a training into a folder: the folder first.
fn listening<'l>(folder: &'l mut Folder<'_>, observers: &'l mut [&mut dyn Observer]) -> Vec<&'l mut dyn Observer> {
    let mut listeners: Vec<&mut dyn Observer> = vec![folder];
    listeners.extend(observers.iter_mut().map(|observer| &mut **observer as &mut dyn Observer));
    listeners
}

/// Notes the data in the folder, or checks that they are still the same, and takes up the folder's checkpoint, if there is
/// one, of a training of `total` steps.
///
/// # Errors
/// `Run` if data or checkpoint do not fit.
pub fn take_up(session: &mut dyn Session, data: &Split, run: &Run, total: u64) -> Result<Position, Error> {
    run.record_data(data)?;
    session.plan(total);
    let position = run.load_checkpoint(session)?.unwrap_or_default();
    if position.step > total {
        return Err(run.beyond(position.step, total).into());
    }
    Ok(position)
}

/// Saves the weights of a session that has done all its steps, judges it and writes the run's last files. `beside` are the
/// numbers that its method learned beside each block.
///
/// # Errors
/// `Run` if the folder cannot be written; `Step` if the softmax layer diverges.
pub fn finish(
    config: &TrainConfig,
    session: &dyn Session,
    data: &Split,
    run: &Run,
    (reached, beside): (Reached, Vec<usize>),
    listeners: &mut [&mut dyn Observer],
    stop: &AtomicBool,
) -> Result<Outcome, Error> {
    end(config, session, data, run, (reached, beside, None), listeners, stop)
}

/// As [`finish`], of a training whose energy was counted, if it was.
fn end(
    config: &TrainConfig,
    session: &dyn Session,
    data: &Split,
    run: &Run,
    (reached, beside, meter): (Reached, Vec<usize>, Option<Meter>),
    listeners: &mut [&mut dyn Observer],
    stop: &AtomicBool,
) -> Result<Outcome, Error> {
    run.save_weights(session.weights())?;
    let Reached { total: steps, seconds, milliseconds_per_step, .. } = reached;
    let spent = Spent { steps, seconds, milliseconds_per_step, beside, meter };
    let summary = conclude(config, data, run, Members::One(session), spent, listeners, stop)?;
    Ok(Outcome::concluded(summary, steps))
}

/// Trains a network for each sigma, then concludes on the average of their outputs.
fn train_combined(
    config: &TrainConfig,
    data: &Split,
    run: &Run,
    observers: &mut [&mut dyn Observer],
    stop: &AtomicBool,
) -> Result<Outcome, Error> {
    run.record_data(data)?;
    if run.is_finished() {
        return Ok(Outcome::Finished(Box::new(run.summary()?)));
    }
    let mut networks = Vec::new();
    let mut spent = Spent { steps: 0, seconds: 0.0, milliseconds_per_step: 0.0, beside: Vec::new(), meter: None };
    let mut joules = Some(0.0);
    for &sigma in &config.sigmas {
        let own = member_config(config, sigma)?;
        let member = run.member(&own)?;
        let outcome = train_one(&own, data, &member, observers, stop)?;
        seal(&member, &outcome)?;
        match outcome {
            Outcome::Interrupted { step } => return Ok(Outcome::Interrupted { step }),
            Outcome::Finished(summary) => {
                spent.steps += summary.steps;
                spent.seconds += summary.seconds;
                joules = joules.zip(summary.joules).map(|(joules, own)| joules + own);
                spent.milliseconds_per_step += summary.milliseconds_per_step / config.sigmas.len() as f64;
            }
        }
        let mut network = build_network(&own, data.train.shape, data.train.kind())?;
        member.load_weights(&mut network)?;
        networks.push(network);
    }
    spent.meter = joules.and_then(|joules| Some(Meter::here()?.after(joules)));
    let mut folder = Folder::open(run, 0)?;
    let mut listeners = listening(&mut folder, observers);
    let steps = spent.steps;
    let summary = conclude(config, data, run, Members::Networks(&networks), spent, &mut listeners, stop)?;
    Ok(Outcome::concluded(summary, steps))
}

//! A training in stages, from its configuration to its summary.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use hsic_bottleneck::assemble::{build_network, check_shards, check_targets, training};
use hsic_bottleneck::conclusion::{Spent, conclude};
use hsic_bottleneck::config::TrainConfig;
use hsic_bottleneck::dataset::{STANDARD_INPUT, Split};
use hsic_bottleneck::error::Error;
use hsic_bottleneck::folder::Folder;
use hsic_bottleneck::judge::at_rest::Members;
use hsic_bottleneck::log::Observer;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::session::{InStages, Session};
use hsic_bottleneck::step_error::{BoxError, StepError};
use hsic_bottleneck::threads::on_threads;
use hsic_bottleneck::trainer::{Outcome, finish, kept, take_up};
use hsic_bottleneck::update::UpdateOrder;
use hsic_cli::engine::Engine;
use mpi::Threading;
use mpi::environment::Universe;

use crate::blocks::Blocks;
use crate::cuts::{Stages, even, fault, measured, ranges};
use crate::link::Link;
use crate::saver::{Records, Saver, Unseen};
use crate::shards::in_shards;
use crate::stage::Stage;

/// What a process waits before it tells of an error: the one that leads has mostly told of the same by then.
const LATER: Duration = Duration::from_millis(1500);

/// What MPI ends all processes with after an error.
const FAILED: i32 = 2;

/// One of the processes that MPI started.
pub(crate) struct Mpi {
    link: Link,
    /// As they were given.
    stages: Option<Stages>,
    /// Where blocks of this process are trained.
    blocks: Box<dyn Blocks>,
    /// Ends MPI when it is dropped.
    _universe: Universe,
}

impl Mpi {
    /// Meets the other processes.
    ///
    /// # Errors
    /// If MPI cannot be used from the threads of a training.
    pub(crate) fn start(stages: Option<Stages>, timeout: u64, blocks: Box<dyn Blocks>) -> Result<Self, BoxError> {
        let found = mpi::initialize_with_threading(Threading::Multiple);
        let (universe, threading) = found.ok_or("MPI is started already: expected one training a process")?;
        // A training runs on a thread of its pool, one and the same throughout.
        if threading < Threading::Serialized {
            return Err(format!("an MPI of {threading:?}: expected one that any thread may call").into());
        }
        Ok(Self { link: Link::start(Duration::from_secs(timeout)), stages, blocks, _universe: universe })
    }
}

impl Engine for Mpi {
    fn leads(&self) -> bool {
        self.link.is_last()
    }

    fn check(&self, config: &TrainConfig, data: &Split) -> Result<(), BoxError> {
        check_targets(config, &data.train)?;
        let refuse = |told: &str| Err::<(), BoxError>(told.into());
        if config.order == UpdateOrder::GaussSeidel {
            return refuse("update = gauss-seidel: expected jacobi, by which no block waits for another's new weights");
        }
        if config.sigmas.len() > 1 {
            return refuse(
                "sigma: expected one number; of several there are several networks, each a training of its own",
            );
        }
        if !config.restarts.0.is_empty() {
            return refuse("restarts: expected none; hsic train --resume trains a finished run further");
        }
        if config.dataset == STANDARD_INPUT {
            return refuse("dataset = -: expected a file, which every process reads");
        }
        self.blocks.check(config, data)?;
        if let Some(shards) = config.shards {
            return self.check_shards(shards, config, data);
        }
        if config.monitor_steps > 0 {
            return refuse("monitor-steps: expected 0, since the monitor looks at all blocks at once");
        }
        if config.checkpoints.minutes.is_some() {
            return refuse(
                "checkpoint-minutes: expected checkpoint-steps or checkpoint-epochs, which are the same for all",
            );
        }
        let network = build_network(config, data.train.shape, data.train.kind())?;
        if self.stages() == &Stages::Auto && self.link.stages() > 1 && !self.blocks.is_timed() {
            return refuse("stages = auto: expected numbers of blocks, since a device does not say what each takes");
        }
        fault(self.stages(), network.blocks().len(), self.link.stages()).map_or(Ok(()), |told| refuse(&told))
    }

    fn meet(&self, run: Option<&Path>) -> Result<PathBuf, BoxError> {
        // From the root: processes may have been started elsewhere.
        let own = run.map(std::path::absolute).transpose()?;
        let bytes = own.map(|path| path.to_string_lossy().into_owned().into_bytes()).unwrap_or_default();
        Ok(String::from_utf8(self.link.told_by_last(bytes))?.into())
    }

    fn failed(&self, tell: &mut dyn FnMut()) {
        if !self.leads() {
            std::thread::sleep(LATER);
        }
        tell();
        self.link.abort(FAILED)
    }

    fn train(
        &self,
        config: &TrainConfig,
        data: &Split,
        run: &Run,
        observers: &mut [&mut dyn Observer],
        stop: &AtomicBool,
    ) -> Result<Outcome, Error> {
        let link = &self.link;
        let mut train = || {
            on_threads(config.threads, || match config.shards {
                Some(shards) => in_shards((link, shards), config, data, run, observers, stop),
                None => in_stages((link, self.stages(), &*self.blocks), config, data, run, observers, stop),
            })?
        };
        if !link.is_last() {
            return train();
        }
        let _held = run.lock()?;
        kept(run, train)
    }
}

impl Mpi {
    fn stages(&self) -> &Stages {
        self.stages.as_ref().unwrap_or(&Stages::Auto)
    }

    /// Whether these processes carry out a training on so many parts of each batch.
    fn check_shards(&self, shards: usize, config: &TrainConfig, data: &Split) -> Result<(), BoxError> {
        if let Some(stages) = &self.stages {
            let told =
                format!("stages = {stages} and shards = {shards}: expected one of them, since processes are either");
            return Err(told.into());
        }
        let ranks = self.link.ranks();
        if ranks > shards {
            return Err(format!("{ranks} processes for shards = {shards}: expected a part each at the least").into());
        }
        Ok(check_shards(config, &data.train)?)
    }
}

/// The blocks of each stage; measured by the last one, and the same for all.
fn cuts(
    (link, stages, blocks): (&Link, &Stages, &dyn Blocks),
    config: &TrainConfig,
    data: &Split,
) -> Result<Vec<Range<usize>>, Error> {
    let counts = match stages {
        Stages::Given(counts) => counts.clone(),
        Stages::Auto if link.stages() == 1 => {
            vec![build_network(config, data.train.shape, data.train.kind())?.blocks().len()]
        }
        Stages::Auto => {
            let own = match link.is_last() {
                true => even(&measured(blocks, config, data)?, link.stages()),
                false => Vec::new(),
            };
            let told: Vec<u8> = own.iter().flat_map(|count| (*count as u64).to_le_bytes()).collect();
            let told = link.told_by_last(told);
            told.as_chunks::<8>().0.iter().map(|&bytes| u64::from_le_bytes(bytes) as usize).collect()
        }
    };
    Ok(ranges(&counts))
}

fn in_stages(
    (link, stages, blocks): (&Link, &Stages, &dyn Blocks),
    config: &TrainConfig,
    data: &Split,
    run: &Run,
    observers: &mut [&mut dyn Observer],
    stop: &AtomicBool,
) -> Result<Outcome, Error> {
    let cuts = cuts((link, stages, blocks), config, data)?;
    let mut outcome = None;
    blocks.with_session(config, data, &mut |session| {
        let place = (link, &cuts[..], &*blocks.engine());
        outcome = Some(by_stage(place, session, config, data, run, observers, stop)?);
        Ok(())
    })?;
    outcome.ok_or_else(|| StepError::Own("blocks without a session".into()).into())
}

/// The training of this process's blocks, which `session` has.
fn by_stage(
    (link, cuts, engine): (&Link, &[Range<usize>], &str),
    session: &mut dyn InStages,
    config: &TrainConfig,
    data: &Split,
    run: &Run,
    observers: &mut [&mut dyn Observer],
    stop: &AtomicBool,
) -> Result<Outcome, Error> {
    let (training, last_step) = (training(config), AtomicBool::new(false));
    let total = training.steps(data)?;
    let mut session = Stage::new(session, (link, cuts), (stop, &last_step));
    // The last stage notes the data in the folder before the others look there.
    if !link.is_last() {
        link.meet();
    }
    let from = take_up(&mut session, data, run, total)?;
    let is_finished = from.step == total && run.is_finished();
    if link.is_last() {
        link.meet();
    }
    link.meet();
    if is_finished {
        return Ok(match link.is_last() {
            true => Outcome::Finished(Box::new(run.summary()?)),
            false => Outcome::Interrupted { step: from.step },
        });
    }
    let mut saver = Saver { run, link, cuts, part: session.part(), before: None };
    if !link.is_last() {
        let mut unseen = Unseen(observers);
        let reached = training.run(&mut session, data, from, &mut [&mut saver, &mut unseen], &last_step)?;
        if reached.step == total {
            session.gather()?;
            follow(config, data, &session)?;
        }
        return Ok(Outcome::Interrupted { step: reached.step });
    }
    let mut records = Records(Folder::open(run, from.metrics_bytes)?);
    let mut listeners: Vec<&mut dyn Observer> = vec![&mut records, &mut saver];
    listeners.extend(observers.iter_mut().map(|observer| &mut **observer as &mut dyn Observer));
    // The bits are those of one process on the same engine.
    run.note_engine(engine, from.step, &mut listeners)?;
    let reached = training.run(&mut session, data, from, &mut listeners, &last_step)?;
    if reached.step < total {
        return Ok(Outcome::Interrupted { step: reached.step });
    }
    session.gather()?;
    let learners = session.state().learners;
    let beside = learners.iter().map(|block| block.iter().map(|own| own.parameters.len()).sum()).collect();
    finish(config, &session, data, run, (reached, beside), &mut listeners, &AtomicBool::new(false))
}

/// Goes through what the last stage asks of the network at the end, into a folder that nobody looks at.
fn follow(config: &TrainConfig, data: &Split, session: &dyn Session) -> Result<(), Error> {
    let own = |source| StepError::Own(Box::new(source) as BoxError);
    let folder = tempfile::tempdir().map_err(own)?;
    let run = Run::create(&folder.path().join("run"), config)?;
    let mut config = config.clone();
    // Its layer learns from numbers that mean nothing.
    config.format.epochs = config.format.epochs.min(1);
    let spent = Spent { steps: 0, seconds: 0.0, milliseconds_per_step: 0.0, beside: Vec::new(), meter: None };
    conclude(&config, data, &run, Members::One(session), spent, &mut [], &AtomicBool::new(false)).map(drop)
}

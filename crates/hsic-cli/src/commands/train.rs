//! `hsic train`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use hsic_bottleneck::config::given::Unread;
use hsic_bottleneck::config::recipes::{TrainingRecipe, as_flags};
use hsic_bottleneck::config::{TrainConfig, TrainOptions};
use hsic_bottleneck::export::TensorBoard;
use hsic_bottleneck::log::{EpochReport, Observer, Record};
use hsic_bottleneck::run::{Run, TENSORBOARD};
use hsic_bottleneck::threads::on_threads;
use hsic_bottleneck::trainer::Outcome;

use anyhow::anyhow;

use super::eval::load;
use super::running::{Signals, interrupted};
use crate::args::TrainArguments;
use crate::engine::Engine;
use crate::notes;
use crate::printer::{self, Progress};

/// Trains by an engine.
pub(crate) fn run(arguments: TrainArguments, engine: &dyn Engine) -> anyhow::Result<ExitCode> {
    let TrainArguments { options, config, recipe, run, force, resume, pilot, tensorboard, quiet, json } = arguments;
    let named = options.network.model.is_some();
    let (config, asked, place) = match resume {
        Some(path) => {
            let (config, place) = resumed(options, &path, engine.leads())?;
            (config, None, place)
        }
        None => {
            let (config, asked) = given(options, config.as_deref(), recipe.as_deref(), engine.leads())?;
            (config, asked, Place::New(run))
        }
    };
    let begin = Instant::now();
    let data = on_threads(config.threads, || load(&config))??;
    let loading = begin.elapsed().as_secs_f64();
    if let Some(recipe) = recipe.as_deref().and_then(TrainingRecipe::named) {
        recipe.check_data(&data.train)?;
    }
    let config = match asked {
        Some(asked) => {
            Unread::refuse(asked.unread_for(data.train.kind()))?;
            asked.for_targets(data.train.kind()).resolve()?
        }
        None => config,
    };
    let leads = engine.leads();
    if let (Place::New(_), true) = (&place, leads) {
        notes::print(&data.origin.notes);
    }
    // Before there is a folder.
    let config = config.for_data(&data)?;
    config.check_data(&data.train)?;
    anyhow::ensure!(
        !tensorboard || config.sigmas.len() < 2,
        "--tensorboard: expected one sigma, since networks of several would draw over each other; hsic export --format tensorboard \
         writes each by itself"
    );
    if let (Place::New(_), false, true) = (&place, named, leads) {
        notes::of_the_network(&config);
    }
    if pilot {
        anyhow::ensure!(engine.is_piloted(), "--pilot: expected none, since its steps are those of hsic train");
        let found = hsic_bottleneck::pilot::pilot(&config, &data)?.with_once(loading);
        if json {
            printer::json(&found)?;
        } else {
            printer::pilot(&found)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    engine.check(&config, &data).map_err(|error| anyhow!(error))?;
    let run = if leads { Some(made(place, &config, force)?) } else { None };
    let path = engine.meet(run.as_ref().map(Run::path)).map_err(|error| anyhow!(error))?;
    let run = match run {
        Some(run) => run,
        None => Run::open(&path)?,
    };
    // As it is kept: with the epochs of a longer training, and with paths that a later command finds.
    let config = TrainConfig { threads: config.threads, ..run.config()? };
    let folder = run.path().to_owned();
    let signals = Signals::listen(move || printer::go_on(&folder))?;
    let (mut progress, mut saves) =
        (Progress::new(quiet || !leads, config.judged_on()).of(run.path()), signals.saves());
    let board = (tensorboard && leads).then(|| TensorBoard::begin(&run.file(TENSORBOARD), config.judged_on()));
    let mut board = board.transpose()?;
    let mut observers: Vec<&mut dyn Observer> = vec![&mut progress, &mut saves];
    observers.extend(board.as_mut().map(|board| board as &mut dyn Observer));
    let outcome = engine.train(&config, &data, &run, &mut observers, signals.stop());
    progress.finish();
    match outcome? {
        Outcome::Finished(_) | Outcome::Interrupted { .. } if !leads => Ok(ExitCode::SUCCESS),
        Outcome::Finished(summary) => {
            if json {
                printer::json(&*summary)?
            } else {
                printer::summary(&summary, &epochs(&run)?, config.protocol.is_authors())?
            }
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Interrupted { step } => {
            printer::interrupted(step, run.path());
            Ok(interrupted())
        }
    }
}

/// What a run recorded after each epoch; of several sigmas nothing, since each network has its own.
fn epochs(run: &Run) -> anyhow::Result<Vec<EpochReport>> {
    let of = |record| if let Record::Epoch(report) = record { Some(report) } else { None };
    Ok(run.records()?.into_iter().filter_map(of).collect())
}

/// The run's folder, made or taken up.
fn made(place: Place, config: &TrainConfig, force: bool) -> anyhow::Result<Run> {
    Ok(match place {
        Place::Old { run, epochs } => {
            if let Some(epochs) = epochs {
                run.extend(epochs)?;
            }
            run
        }
        Place::New(Some(path)) => {
            if force {
                Run::clear(&path)?;
            }
            Run::create(&path, config)?
        }
        Place::New(None) => Run::create_numbered(Path::new("runs"), config)?,
    })
}

/// The configuration of flags, a file and a recipe, none of which is read by nothing, and the options that were given, unless they are
/// those of a run, which lack nothing.
pub(crate) fn given(
    flags: TrainOptions,
    file: Option<&Path>,
    recipe: Option<&str>,
    leads: bool,
) -> anyhow::Result<(TrainConfig, Option<TrainOptions>)> {
    let mut options = file.map(TrainOptions::read).transpose()?.unwrap_or_default();
    let record = file.is_some_and(Run::is_record);
    // What a run of an earlier version was given stays what it is, and so does what that version did without being told.
    if record {
        options = options.as_stored();
    }
    let mut asked = flags.clone().or(options.clone());
    if let Some(recipe) = recipe.and_then(TrainingRecipe::named) {
        let own = recipe.beside(&asked)?;
        if leads {
            printer::told(&format!("recipe {}: {}", recipe.name, as_flags(&own)));
        }
        asked = asked.or(own);
    }
    let config = asked.clone().resolve()?;
    let mut unread = config.unread(&flags);
    if !record {
        let flagged = unread.clone();
        unread.extend(config.unread_of_file(&options).into_iter().filter(|told| !flagged.contains(told)));
    }
    Unread::refuse(unread)?;
    Ok((config, (!record).then_some(asked)))
}

/// Where the run's folder comes from.
enum Place {
    New(Option<PathBuf>),
    Old {
        run: Run,
        /// To so many in all it is trained further.
        epochs: Option<u64>,
    },
}

/// The configuration that a run was started with: it alone makes the result the one of an uninterrupted run.
fn resumed(mut options: TrainOptions, path: &Path, leads: bool) -> anyhow::Result<(TrainConfig, Place)> {
    let (threads, epochs) = (options.training.threads.take(), options.training.epochs.take());
    anyhow::ensure!(
        options == TrainOptions::default(),
        "--resume {}: expected no other settings than --threads and --epochs beside it, since the run's own are used",
        path.display()
    );
    let run = Run::open(path)?;
    if leads {
        // Said before the data are loaded; another process may still come first.
        drop(run.lock()?);
    }
    let mut config = run.config()?;
    run.read_as_recorded(&mut config)?;
    if threads.is_some() {
        config.threads = threads;
    }
    Ok((config, Place::Old { run, epochs }))
}

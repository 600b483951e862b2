//! `hsic train`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hsic_bottleneck::config::given::Unread;
use hsic_bottleneck::config::{TrainConfig, TrainOptions};
use hsic_bottleneck::log::Observer;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::threads::on_threads;
use hsic_bottleneck::trainer::{Outcome, train};

use super::eval::load;
use super::running::{interrupted, stop_on_signal};
use crate::args::TrainArguments;
use crate::printer::{self, Progress};

pub(crate) fn run(arguments: TrainArguments) -> anyhow::Result<ExitCode> {
    let TrainArguments { options, config, run, force, resume, quiet, json } = arguments;
    let (config, place) = match resume {
        Some(path) => resumed(options, &path)?,
        None => (given(options, config.as_deref())?, Place::New(run)),
    };
    let data = on_threads(config.threads, || load(&config))??;
    // Before there is a folder.
    config.check_data(&data.train)?;
    let run = match place {
        Place::Old(run) => run,
        Place::New(Some(path)) => {
            if force {
                Run::clear(&path)?;
            }
            Run::create(&path, &config)?
        }
        Place::New(None) => Run::create_numbered(Path::new("runs"), &config)?,
    };
    let stop = stop_on_signal()?;
    let mut progress = Progress::new(quiet, config.judged_on());
    let outcome = on_threads(config.threads, || {
        let mut observers: [&mut dyn Observer; 1] = [&mut progress];
        train(&config, &data, &run, &mut observers, &stop)
    })?;
    progress.finish();
    match outcome? {
        Outcome::Finished(summary) => {
            if json {
                printer::json(&*summary)?
            } else {
                printer::summary(&summary, config.protocol.is_authors())?
            }
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Interrupted { step } => {
            printer::interrupted(step, run.path());
            Ok(interrupted())
        }
    }
}

/// The configuration of flags and a file, none of which is read by nothing.
fn given(flags: TrainOptions, file: Option<&Path>) -> anyhow::Result<TrainConfig> {
    let options = file.map(TrainOptions::read).transpose()?.unwrap_or_default();
    let config = flags.clone().or(options.clone()).resolve()?;
    let mut unread = config.unread(&flags);
    // What a run of an earlier version was given stays what it is.
    if !file.is_some_and(Run::is_record) {
        let flagged = unread.clone();
        unread.extend(config.unread_of_file(&options).into_iter().filter(|told| !flagged.contains(told)));
    }
    Unread::refuse(unread)?;
    Ok(config)
}

/// Where the run's folder comes from.
enum Place {
    New(Option<PathBuf>),
    Old(Run),
}

/// The configuration that a run was started with: it alone makes the result the one of an uninterrupted run.
fn resumed(mut options: TrainOptions, path: &Path) -> anyhow::Result<(TrainConfig, Place)> {
    let threads = options.training.threads.take();
    anyhow::ensure!(
        options == TrainOptions::default(),
        "--resume {}: expected no other setting than --threads beside it, since the run's own are used",
        path.display()
    );
    let run = Run::open(path)?;
    let mut config = run.config()?;
    if threads.is_some() {
        config.threads = threads;
    }
    Ok((config, Place::Old(run)))
}

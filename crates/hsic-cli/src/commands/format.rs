//! `hsic format`.

use std::process::ExitCode;

use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::config::given::Unread;
use hsic_bottleneck::reformat::format_finished;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::threads::on_threads;

use super::eval::load;
use super::running::{Signals, interrupted};
use crate::args::FormatArguments;
use crate::printer;

/// Passes over the training data if none are named.
const EPOCHS: u64 = 10;

pub(crate) fn run(arguments: FormatArguments) -> anyhow::Result<ExitCode> {
    let run = Run::open(&arguments.run)?;
    let own = run.config()?;
    let mut options = own.options;
    options.format = arguments.format.clone();
    options.format.format_epochs.get_or_insert(EPOCHS);
    let mut config = options.resolve()?;
    run.read_as_recorded(&mut config)?;
    config.load.image_arrays = own.load.image_arrays;
    anyhow::ensure!(config.format.epochs > 0, "format-epochs = 0: expected at least 1");
    Unread::refuse(config.unread(&TrainOptions { format: arguments.format, ..TrainOptions::default() }))?;
    let threads = arguments.threads.or(config.threads);
    let signals = Signals::listen(|| "the run is as it was".to_owned())?;
    let finished = on_threads(threads, || {
        let data = load(&config)?;
        format_finished(&run, &data, &config.format, signals.stop())
    })??;
    let Some((summary, epochs)) = finished else { return Ok(interrupted()) };
    if arguments.json {
        printer::json(&summary)?;
    } else {
        printer::formatted(&summary, &epochs)?;
    }
    Ok(ExitCode::SUCCESS)
}

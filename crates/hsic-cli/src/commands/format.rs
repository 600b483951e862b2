//! `hsic format`.

use std::process::ExitCode;

use hsic_bottleneck::config::given::Unread;
use hsic_bottleneck::config::{Sizes, TrainOptions};
use hsic_bottleneck::dataset::source;
use hsic_bottleneck::reformat::format_finished;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::threads::on_threads;

use super::eval::load;
use super::running::{Signals, interrupted};
use crate::args::FormatArguments;
use crate::printer;

pub(crate) fn run(arguments: FormatArguments) -> anyhow::Result<ExitCode> {
    let run = Run::open(&arguments.run)?;
    let own = run.config()?;
    let mut options = own.options;
    options.format = arguments.format.clone();
    options.format.format_epochs.get_or_insert(Sizes::NAMED.format_epochs);
    let mut config = options.resolve()?;
    run.read_as_recorded(&mut config)?;
    config.load.image_arrays = own.load.image_arrays;
    anyhow::ensure!(config.format.epochs > 0, "format-epochs = 0: expected at least 1");
    let asked = arguments.format;
    Unread::refuse(config.unread(&TrainOptions { format: asked.clone(), ..TrainOptions::default() }))?;
    let threads = arguments.threads.or(config.threads);
    let signals = Signals::listen(|| "the run is as it was".to_owned())?;
    let finished = on_threads(threads, || {
        let data = load(&config)?;
        let mut settings = config.format;
        if source(&config.dataset).is_none() {
            let sizes = Sizes::of_rows(data.train.rows());
            settings.epochs = asked.format_epochs.unwrap_or(sizes.format_epochs);
            settings.batch_size = asked.format_batch_size.unwrap_or(sizes.format_batch_size);
        }
        format_finished(&run, &data, &settings, signals.stop())
    })??;
    let Some((summary, epochs)) = finished else { return Ok(interrupted()) };
    if arguments.json {
        printer::json(&summary)?;
    } else {
        printer::formatted(&summary, &epochs)?;
    }
    Ok(ExitCode::SUCCESS)
}

//! `hsic export`.

use std::process::ExitCode;

use hsic_bottleneck::export::export;
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::run::Run;

use crate::args::ExportArguments;

pub(crate) fn run(arguments: ExportArguments) -> anyhow::Result<ExitCode> {
    let ExportArguments { run, format, output, force } = arguments;
    anyhow::ensure!(force || !output.exists(), "{}: exists: expected a new file, or --force", output.display());
    // Loaded, not copied: what is exported has been checked.
    let predictor = Predictor::open(&Run::open(&run)?)?;
    export(predictor.network(), format, &output)?;
    Ok(ExitCode::SUCCESS)
}

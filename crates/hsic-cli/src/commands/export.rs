//! `hsic export`.

use std::process::ExitCode;

use hsic_bottleneck::export::export;
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::run::Run;

use crate::args::ExportArguments;

pub(crate) fn run(arguments: ExportArguments) -> anyhow::Result<ExitCode> {
    let ExportArguments { run, format, unformatted, output, force } = arguments;
    anyhow::ensure!(force || !output.exists(), "{}: exists: expected a new file, or --force", output.display());
    // Loaded, not copied: what is exported has been checked.
    let predictor = Predictor::open(&Run::open(&run)?)?;
    let [network] = predictor.networks() else {
        anyhow::bail!("{}: holds several networks: expected one of its folders sigma-*", run.display());
    };
    let layer = predictor.format().filter(|_| !unformatted);
    anyhow::ensure!(
        layer.is_some() || network.label().is_none(),
        "{}: its classes are read by the goodness of labels, a pass for each: expected a run with a softmax layer \
         (--format-epochs N), and no --unformatted",
        run.display()
    );
    export(network, layer, format, &output)?;
    Ok(ExitCode::SUCCESS)
}

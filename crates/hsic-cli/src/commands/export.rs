//! `hsic export`.

use std::process::ExitCode;

use hsic_bottleneck::export::export;
use hsic_bottleneck::judge::at_rest::FormatInput;
use hsic_bottleneck::judge::values::ValueReadout;
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::run::Run;

use crate::args::ExportArguments;

pub(crate) fn run(arguments: ExportArguments) -> anyhow::Result<ExitCode> {
    let ExportArguments { run, format, output, force } = arguments;
    anyhow::ensure!(force || !output.exists(), "{}: exists: expected a new file, or --force", output.display());
    // Loaded, not copied: what is exported has been checked.
    let predictor = Predictor::open(&Run::open(&run)?)?;
    let [network] = predictor.networks() else {
        anyhow::bail!("{}: holds several networks: expected one of its folders sigma-*", run.display());
    };
    if let Some(ValueReadout::Line(_)) = predictor.value_readout() {
        anyhow::bail!(
            "{}: its values are read by a line of the features of all blocks, which is no part of the network: expected a run \
             of --method hsic-local or backprop, whose output is the value less the training rows' mean and by their deviation \
             (target in data.json)",
            run.display()
        );
    }
    let layer = match predictor.format() {
        Some((FormatInput::All, _)) => {
            anyhow::bail!("{}: its softmax layer sees all blocks: expected --format-input last", run.display())
        }
        Some((FormatInput::Last, layer)) => Some(layer),
        None if network.label().is_some() => anyhow::bail!(
            "{}: its classes are read by the goodness of labels, a pass for each: expected a run with --format-epochs N \
             --format-input last",
            run.display()
        ),
        None => None,
    };
    export(network, layer, format, &output)?;
    Ok(ExitCode::SUCCESS)
}

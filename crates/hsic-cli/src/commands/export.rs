//! `hsic export`.

use std::path::Path;
use std::process::ExitCode;

use hsic_bottleneck::export::{ExportFormat, Input, export, onnx};
use hsic_bottleneck::judge::values::ValueReadout;
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::run::Run;

use crate::args::{ExportArguments, FileFormat};
use crate::printer;

pub(crate) fn run(arguments: ExportArguments) -> anyhow::Result<ExitCode> {
    let ExportArguments { run, format, unformatted, output, force } = arguments;
    anyhow::ensure!(force || !output.exists(), "{}: exists: expected a new file, or --force", output.display());
    // Loaded, not copied: what is exported has been checked.
    let predictor = Predictor::open(&Run::open(&run)?)?;
    let format = match format {
        FileFormat::Onnx => {
            onnx(&predictor, unformatted, &run, &output)?;
            printer::told(&format!("note: {}", told_of_graph(&predictor)));
            return Ok(ExitCode::SUCCESS);
        }
        FileFormat::Safetensors => ExportFormat::Safetensors,
        FileFormat::Npz => ExportFormat::Npz,
    };
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
    let layer = predictor.format().filter(|_| !unformatted);
    anyhow::ensure!(
        layer.is_some() || network.label().is_none(),
        "{}: its classes are read by the goodness of labels, a pass for each: expected a run with a softmax layer \
         (--format-epochs N), and no --unformatted",
        run.display()
    );
    let input = Input::of(predictor.provenance());
    export(network, layer, Some(&input), format, &output)?;
    printer::told(&format!("note: {}", told(&input, format, &run)));
    Ok(ExitCode::SUCCESS)
}

/// What goes into an exported graph and what comes out.
fn told_of_graph(predictor: &Predictor) -> String {
    let record = predictor.provenance();
    let input = Input::of(record);
    let encoded = input.encoding.as_ref().is_some_and(|encoding| !encoding.is_plain());
    let shape = record.shape;
    let sample = match (shape.height > 1, input.pixels, encoded) {
        (true, true, _) => format!("pixels of 0 to 255, {} x {} x {}", shape.channels, shape.height, shape.width),
        (true, false, _) => format!("an image, {} x {} x {}", shape.channels, shape.height, shape.width),
        (false, true, _) => format!("{} pixels of 0 to 255", record.columns()),
        (false, false, false) => format!("the {} values of a row", record.columns()),
        (false, false, true) => {
            format!(
                "{} numbers: the columns of the table with words and gaps encoded (metadata, input)",
                record.columns()
            )
        }
    };
    let scaled =
        if input.normalization.is_some() || input.standardization.is_some() { ", scaled in the graph" } else { "" };
    let given = match record.target {
        Some(_) => "value, in its unit",
        None => "probabilities and class (its name: metadata, classes)",
    };
    format!("input x is {sample}{scaled}, in float32; outputs are {given}")
}

/// What a user of the exported tensors has to do to the values of a sample, and where the numbers for that are.
fn told(input: &Input, format: ExportFormat, run: &Path) -> String {
    let record = format!("{}/data.json", run.display());
    let place = match format {
        ExportFormat::Safetensors => format!("in the file's metadata under input, and in {record}"),
        ExportFormat::Npz => format!("in {record}"),
    };
    let encoded = input.encoding.as_ref().is_some_and(|encoding| !encoding.is_plain());
    let values = match (input.pixels, encoded) {
        (true, _) => "a pixel of 0 to 255 as value / 255",
        (false, true) => "the columns of the table as numbers, words and gaps encoded",
        (false, false) => "the values of a row",
    };
    let scaled = if input.standardization.is_some() || input.normalization.is_some() {
        ", less the mean and divided by the deviation"
    } else {
        ", not scaled"
    };
    let names_numbers = encoded || input.standardization.is_some() || input.normalization.is_some();
    let place = if names_numbers { format!("; the numbers for that are {place}") } else { String::new() };
    format!("the network's input is {values}{scaled}{place}")
}

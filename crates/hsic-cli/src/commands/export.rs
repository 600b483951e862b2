//! `hsic export`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use hsic_bottleneck::disk;
use hsic_bottleneck::export::{ExportFormat, Input, export, onnx, tensorboard};
use hsic_bottleneck::files::write_atomically;
use hsic_bottleneck::judge::values::ValueReadout;
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::run::{EVENTS, EXPORT, HUB, Run, TENSORBOARD};
use hsic_lab::figure::run_report::RunReport;

use crate::args::{ExportArguments, FileFormat};
use crate::card::Card;
use crate::printer;

pub(crate) fn run(arguments: ExportArguments) -> anyhow::Result<ExitCode> {
    let ExportArguments { run: folder, format, unformatted, output, force } = arguments;
    let run = Run::open(&folder)?;
    let named = output.is_some();
    let output = output.unwrap_or_else(|| usual(format, &folder));
    free(format, &output, force)?;
    if format == FileFormat::Tensorboard {
        ensure!(!unformatted, "--unformatted: expected with tensors and graphs only");
        told_to_tensorboard(&run, &output, named, force)?;
        printer::line(&format!("tensorboard --logdir {}", hsic_lab::shell::quoted(&shown(&folder, &output, named))))?;
        return Ok(ExitCode::SUCCESS);
    }
    // Loaded, not copied: what is exported has been checked.
    let predictor = Predictor::open(&run)?;
    if let Some(parent) = output.parent().filter(|_| !named) {
        disk::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    }
    match format {
        FileFormat::Onnx => {
            onnx(&predictor, unformatted, &folder, &output)?;
            printer::told(&format!("note: {}", told_of_graph(&predictor)));
        }
        FileFormat::Safetensors => tensors(&predictor, unformatted, &folder, ExportFormat::Safetensors, &output)?,
        FileFormat::Npz => tensors(&predictor, unformatted, &folder, ExportFormat::Npz, &output)?,
        FileFormat::Hub => hub(&predictor, unformatted, &run, &output)?,
        FileFormat::Tensorboard => {}
    }
    if !named {
        printer::line(&output.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Where a format goes if nobody says.
fn usual(format: FileFormat, run: &Path) -> PathBuf {
    match format {
        FileFormat::Safetensors => run.join(EXPORT).join("model.safetensors"),
        FileFormat::Npz => run.join(EXPORT).join("model.npz"),
        FileFormat::Onnx => run.join(EXPORT).join("model.onnx"),
        FileFormat::Tensorboard => run.join(TENSORBOARD),
        FileFormat::Hub => run.join(HUB),
    }
}

/// What a folder for a hub holds.
const CARD: &str = "README.md";
const CONFIG: &str = "config.json";
const TENSORS: &str = "model.safetensors";

/// Whether nothing is in the way of what is to be written, or may be overwritten.
fn free(format: FileFormat, output: &Path, force: bool) -> anyhow::Result<()> {
    let taken = match format {
        _ if force => None,
        FileFormat::Safetensors | FileFormat::Npz | FileFormat::Onnx => output.exists().then(|| output.to_owned()),
        FileFormat::Tensorboard => events(output)?.into_iter().next(),
        FileFormat::Hub => [TENSORS, CONFIG, CARD].map(|name| output.join(name)).into_iter().find(|path| path.exists()),
    };
    match taken {
        None => Ok(()),
        Some(path) => bail!("{}: exists: expected a new file, or --force", path.display()),
    }
}

/// The files for TensorBoard in a folder, which need not be there.
fn events(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let within = || folder.display().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(within)? {
        let path = entry.with_context(within)?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(EVENTS)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Writes a run for TensorBoard, and the networks of several sigmas as runs of their own.
fn told_to_tensorboard(run: &Run, output: &Path, named: bool, force: bool) -> anyhow::Result<()> {
    let config = run.config()?;
    for sigma in config.sigmas.iter().copied().filter(|_| config.sigmas.len() > 1) {
        if let Some(member) = run.started_member(sigma) {
            let name = member.path().file_name().map(PathBuf::from).unwrap_or_default();
            let place = if named { output.join(name) } else { member.path().join(TENSORBOARD) };
            free(FileFormat::Tensorboard, &place, force)?;
            told_to_tensorboard(&member, &place, named, force)?;
        }
    }
    for old in events(output)? {
        disk::remove_file(&old).with_context(|| old.display().to_string())?;
    }
    tensorboard(run, output)?;
    Ok(())
}

/// The folder in which TensorBoard finds all that was written: the run's own, where nobody named one.
fn shown(run: &Path, output: &Path, named: bool) -> String {
    (if named { output } else { run }).to_string_lossy().into_owned()
}

/// Writes the tensors of a run with one network.
fn tensors(
    predictor: &Predictor,
    unformatted: bool,
    run: &Path,
    format: ExportFormat,
    output: &Path,
) -> anyhow::Result<()> {
    let [network] = predictor.networks() else {
        bail!("{}: holds several networks: expected one of its folders sigma-*", run.display());
    };
    if let Some(ValueReadout::Line(_)) = predictor.value_readout() {
        bail!(
            "{}: its values are read by a line of the features of all blocks, which is no part of the network: expected a run \
             of --method hsic-local or backprop, whose output is the value less the training rows' mean and by their deviation \
             (target in data.json)",
            run.display()
        );
    }
    let layer = predictor.format().filter(|_| !unformatted);
    ensure!(
        layer.is_some() || network.label().is_none(),
        "{}: its classes are read by the goodness of labels, a pass for each: expected a run with a softmax layer \
         (--format-epochs N), and no --unformatted",
        run.display()
    );
    let input = Input::of(predictor.provenance());
    export(network, layer, Some(&input), format, output)?;
    printer::told(&format!("note: {}", told(&input, format, run)));
    Ok(())
}

/// Writes a folder that a hub of models shows: tensors, what they are for a program, and what they are for a reader.
fn hub(predictor: &Predictor, unformatted: bool, run: &Run, output: &Path) -> anyhow::Result<()> {
    disk::create_dir_all(output).with_context(|| output.display().to_string())?;
    tensors(predictor, unformatted, run.path(), ExportFormat::Safetensors, &output.join(TENSORS))?;
    let report = RunReport::read(run)?;
    let summary = run.summary()?;
    let card = Card { predictor, report: &report, summary: &summary, unformatted };
    write_atomically(&output.join(CONFIG), card.config()?.as_bytes())?;
    write_atomically(&output.join(CARD), card.text().as_bytes())?;
    Ok(())
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

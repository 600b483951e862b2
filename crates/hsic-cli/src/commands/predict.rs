//! `hsic predict`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use hsic_bottleneck::dataset::{DatasetError, Note, image_files, is_image};
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::threads::on_threads;
use rayon::prelude::*;

use super::running::{Signals, interrupted};
use crate::args::PredictArguments;
use crate::notes;
use crate::predictions::{Output, Printed, Told};
use crate::printer;
use crate::results::{Misfit, Said};

/// Images that are read at once, and values that they have together, unless one has more.
const IMAGES: usize = 256;
const IMAGE_VALUES: usize = 1 << 22;

/// What ends the command where some files did not fit and others did.
const SOME_MISFIT: u8 = 1;

pub(crate) fn run(arguments: PredictArguments) -> anyhow::Result<ExitCode> {
    let PredictArguments { run, files, top, output, force, unformatted, threads, json } = arguments;
    anyhow::ensure!(top >= 1, "top = 0: expected a whole number >= 1");
    if let Some(output) = output.as_ref().filter(|output| !force && output.exists()) {
        anyhow::bail!("{}: exists: expected a new file, or --force", output.display());
    }
    let run = Run::open(&run)?;
    let threads = threads.or(run.config()?.threads);
    // A table of which a part is written is removed.
    let signals = Signals::listen(|| printer::SAME_COMMAND.to_owned())?;
    on_threads(threads, || {
        let mut predictor = Predictor::open(&run)?;
        let of_values = predictor.value_readout().is_some();
        anyhow::ensure!(
            !unformatted || !of_values,
            "unformatted = true: expected not given for a run that learned values, which has no units of classes"
        );
        anyhow::ensure!(
            top == 1 || !of_values,
            "top = {top}: expected 1 for a run that learned values, which have no order of classes"
        );
        if unformatted {
            predictor = predictor.unformatted()?;
        }
        let printed = match (json, &output) {
            (true, _) => Printed::Json,
            (false, Some(_)) => Printed::Nothing,
            (false, None) => Printed::Lines,
        };
        let names = &predictor.provenance().class_names;
        let mut told = Output::new(run.path(), names, top - 1, output.as_deref(), printed);
        match predicted(&predictor, &files, &mut told, signals.stop())? {
            Some(found) => conclude(&found, told, output.as_deref(), json),
            None => {
                printer::left("interrupted", printer::SAME_COMMAND);
                Ok(interrupted())
            }
        }
    })?
}

/// Says what did not fit and what is to be said of the rest, and lets the output be whole.
fn conclude(found: &[Found], told: Output<'_>, output: Option<&Path>, json: bool) -> anyhow::Result<ExitCode> {
    let mut misfits = Vec::new();
    for Found { file, rows } in found {
        if let Err(error) = rows {
            misfits.push(Misfit { file, error: format!("{error:#}") });
            printer::error(error);
        }
    }
    let mut said = Vec::new();
    for Found { file, rows } in found {
        if let Ok(Rows { notes, .. }) = rows
            && !notes.is_empty()
        {
            said.push(Said { file, notes });
        }
    }
    said.iter().for_each(|said| notes::print_of(said.file, said.notes));
    let (fitting, misfitting) = (found.len() - misfits.len(), misfits.len());
    let of_them = if told.is_cut_short() {
        "of their rows only those are predicted that were printed"
    } else {
        "nothing is predicted of them"
    };
    told.finish(fitting > 0, &misfits, &said)?;
    if fitting == 0 {
        return Ok(ExitCode::from(2));
    }
    if let Some(output) = output.filter(|_| !json) {
        let rows: usize = found.iter().flat_map(|found| &found.rows).map(|rows| rows.count).sum();
        printer::line(&format!("{}: {rows} rows of {fitting} files", output.display()))?;
    }
    if misfitting == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    printer::warning(&format!("{misfitting} of {} files did not fit, and {of_them}", found.len()));
    Ok(ExitCode::from(SOME_MISFIT))
}

/// A file, and what came of it.
struct Found {
    file: PathBuf,
    rows: anyhow::Result<Rows>,
}

/// Rows that were predicted.
struct Rows {
    count: usize,
    /// What is to be said of them.
    notes: Vec<Note>,
}

/// Tells the predictions of each file, in order, or why there are none; `None` where the work was asked to stop. A folder stands for
/// the images in it.
fn predicted(
    predictor: &Predictor,
    files: &[PathBuf],
    told: &mut Output<'_>,
    stop: &AtomicBool,
) -> anyhow::Result<Option<Vec<Found>>> {
    let (mut paths, mut found) = (Vec::new(), Vec::new());
    for path in files {
        match listed(path) {
            Ok(images) => paths.extend(images),
            Err(error) => found.push(Found { file: path.clone(), rows: Err(error.into()) }),
        }
    }
    let at_once = (IMAGE_VALUES / predictor.provenance().columns()).clamp(1, IMAGES);
    for block in paths.chunks(at_once) {
        // One file alone, so that what is said of it does not depend on the others.
        let images: Vec<_> = block.par_iter().map(|path| is_image(path).then(|| predictor.read(path))).collect();
        for (path, image) in block.iter().zip(images) {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            told.begin_file();
            let rows = match image {
                Some(Ok(row)) => {
                    told.add(path, 0, Told::by(predictor, &row))?;
                    Ok(Rows { count: 1, notes: Vec::new() })
                }
                Some(Err(error)) => Err(error.into()),
                None => match table(predictor, path, told, stop)? {
                    Some(rows) => rows,
                    None => return Ok(None),
                },
            };
            if rows.is_err() {
                told.drop_file()?;
            }
            found.push(Found { file: path.clone(), rows });
        }
    }
    Ok(Some(found))
}

/// Tells the predictions of a table piece by piece, or why it cannot be read; `None` where the work was asked to stop. The outer error
/// is that of the output.
fn table(
    predictor: &Predictor,
    path: &Path,
    told: &mut Output<'_>,
    stop: &AtomicBool,
) -> anyhow::Result<Option<anyhow::Result<Rows>>> {
    let mut pieces = match predictor.pieces(path) {
        Ok(pieces) => pieces,
        Err(error) => return Ok(Some(Err(error.into()))),
    };
    let mut count = 0;
    for piece in pieces.by_ref() {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let rows = match piece {
            Ok(rows) => rows,
            Err(error) => return Ok(Some(Err(error.into()))),
        };
        told.add(path, count, Told::by(predictor, &rows))?;
        count += rows.len() / predictor.provenance().columns();
    }
    Ok(Some(Ok(Rows { count, notes: pieces.notes() })))
}

fn listed(path: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    if path.is_dir() { image_files(path) } else { Ok(vec![path.to_owned()]) }
}

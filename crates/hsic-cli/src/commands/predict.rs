//! `hsic predict`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hsic_bottleneck::Error;
use hsic_bottleneck::dataset::{DatasetError, Note, Task, image_files};
use hsic_bottleneck::files::write_atomically;
use hsic_bottleneck::predict::{Prediction, Predictor};
use hsic_bottleneck::run::Run;
use hsic_bottleneck::threads::on_threads;
use rayon::prelude::*;
use serde::Serialize;

use crate::args::PredictArguments;
use crate::notes;
use crate::predictions::{csv, csv_of_values, lines, lines_of_values, ranked};
use crate::printer;
use crate::results::{Misfit, Named, Valued};

/// Files that are read at once.
const BLOCK: usize = 256;

/// What ends the command where some files did not fit and others did.
const SOME_MISFIT: u8 = 1;

/// What `--json` prints.
#[derive(Serialize)]
struct Predictions<'a> {
    run: &'a Path,
    class_names: &'a [String],
    predictions: Vec<Named<'a>>,
    /// Files of which nothing is predicted.
    misfits: Vec<Misfit<'a>>,
    /// What is to be said of files: columns that were ignored, cells that were filled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Said<'a>>,
}

/// What is to be said of a file.
#[derive(Serialize)]
struct Said<'a> {
    file: &'a Path,
    notes: &'a [Note],
}

/// What `--json` prints of a run that learned values.
#[derive(Serialize)]
struct Values<'a> {
    run: &'a Path,
    task: Task,
    predictions: Vec<Valued<'a>>,
    /// Files of which nothing is predicted.
    misfits: Vec<Misfit<'a>>,
    /// What is to be said of files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Said<'a>>,
}

pub(crate) fn run(arguments: PredictArguments) -> anyhow::Result<ExitCode> {
    let PredictArguments { run, files, top, output, force, unformatted, threads, json } = arguments;
    anyhow::ensure!(top >= 1, "top = 0: expected a whole number >= 1");
    if let Some(output) = output.as_ref().filter(|output| !force && output.exists()) {
        anyhow::bail!("{}: exists: expected a new file, or --force", output.display());
    }
    let run = Run::open(&run)?;
    let threads = threads.or(run.config()?.threads);
    let (predictor, found) = on_threads(threads, || {
        let mut predictor = Predictor::open(&run)?;
        if unformatted {
            predictor = predictor.unformatted()?;
        }
        let found = predicted(&predictor, &files);
        Ok::<_, Error>((predictor, found))
    })??;
    anyhow::ensure!(
        !unformatted || predictor.value_readout().is_none(),
        "unformatted = true: expected not given for a run that learned values, which has no units of classes"
    );
    anyhow::ensure!(
        top == 1 || predictor.value_readout().is_none(),
        "top = {top}: expected 1 for a run that learned values, which have no order of classes"
    );
    let names = &predictor.provenance().class_names;
    let (mut predictions, mut values, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for (file, found) in &found {
        match found {
            Ok(Found { told: Told::Values(found), .. }) => {
                values.extend(found.iter().enumerate().map(|(row, &value)| Valued { file, row, value }));
            }
            Ok(Found { told: Told::Classes(found), .. }) => {
                predictions.extend(found.iter().enumerate().map(|(row, prediction)| {
                    let (margin, next) = ranked(prediction, names, top - 1);
                    let Prediction { class, probability, probabilities } = prediction.clone();
                    Named { file, row, class: &names[class], probability, margin, probabilities, next }
                }))
            }
            Err(error) => errors.push((file, error)),
        }
    }
    let (fitting, misfitting) = (found.len() - errors.len(), errors.len());
    let misfits = errors.iter().map(|(file, error)| Misfit { file, error: format!("{error:#}") }).collect();
    errors.iter().for_each(|(_, error)| printer::error(error));
    let said: Vec<Said<'_>> = found
        .iter()
        .filter_map(|(file, found)| Some(Said { file, notes: &found.as_ref().ok()?.notes }))
        .filter(|said| !said.notes.is_empty())
        .collect();
    said.iter().for_each(|said| notes::print_of(said.file, said.notes));
    if fitting == 0 {
        return Ok(ExitCode::from(2));
    }
    let of_values = predictor.value_readout().is_some();
    if let Some(output) = &output {
        write_atomically(output, &if of_values { csv_of_values(&values)? } else { csv(&predictions)? })?;
    }
    let rows = predictions.len() + values.len();
    match (json, &output) {
        (true, _) if of_values => {
            printer::json(&Values {
                run: run.path(),
                task: Task::Regression,
                predictions: values,
                misfits,
                notes: said,
            })?;
        }
        (true, _) => {
            printer::json(&Predictions { run: run.path(), class_names: names, predictions, misfits, notes: said })?
        }
        (false, Some(output)) => printer::line(&format!("{}: {rows} rows of {fitting} files", output.display()))?,
        (false, None) if of_values => printer::line(&lines_of_values(&values))?,
        (false, None) => printer::line(&lines(&predictions))?,
    }
    if misfitting == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    printer::warning(&format!("{misfitting} of {} files did not fit, and nothing is predicted of them", found.len()));
    Ok(ExitCode::from(SOME_MISFIT))
}

/// What is found of a file.
struct Found {
    told: Told,
    /// What is to be said of its rows.
    notes: Vec<Note>,
}

/// What a run says of the rows of a file.
enum Told {
    Classes(Vec<Prediction>),
    Values(Vec<f64>),
}

impl Told {
    fn by(predictor: &Predictor, rows: &[f32]) -> Self {
        predictor.values(rows).map_or_else(|| Self::Classes(predictor.predict(rows)), Self::Values)
    }
}

/// The predictions of each file, in order, or why there are none. A folder stands for the images in it.
fn predicted(predictor: &Predictor, files: &[PathBuf]) -> Vec<(PathBuf, anyhow::Result<Found>)> {
    let (mut paths, mut found) = (Vec::new(), Vec::new());
    for path in files {
        match listed(path) {
            Ok(images) => paths.extend(images),
            Err(error) => found.push((path.clone(), Err(error.into()))),
        }
    }
    for block in paths.chunks(BLOCK) {
        let read: Vec<_> = block.par_iter().map(|path| predictor.read_with_notes(path)).collect();
        for (path, rows) in block.iter().zip(read) {
            // One file alone, so that what is said of it does not depend on the others.
            let predict = |(rows, notes): (Vec<f32>, _)| Found { told: Told::by(predictor, &rows), notes };
            let predictions = rows.map(predict).map_err(anyhow::Error::from);
            found.push((path.clone(), predictions));
        }
    }
    found
}

fn listed(path: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    if path.is_dir() { image_files(path) } else { Ok(vec![path.to_owned()]) }
}

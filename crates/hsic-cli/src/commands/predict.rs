//! `hsic predict`.

use std::path::Path;
use std::process::ExitCode;

use hsic_bottleneck::Error;
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::threads::on_threads;
use serde::Serialize;

use crate::args::PredictArguments;
use crate::printer;
use crate::results::Named;

/// What `--json` prints.
#[derive(Serialize)]
struct Predictions<'a> {
    run: &'a Path,
    class_names: &'a [String],
    predictions: Vec<Named<'a>>,
}

pub(crate) fn run(arguments: PredictArguments) -> anyhow::Result<ExitCode> {
    let run = Run::open(&arguments.run)?;
    let threads = arguments.threads.or(run.config()?.threads);
    let (predictor, found) = on_threads(threads, || {
        let predictor = Predictor::open(&run)?;
        let mut found = Vec::new();
        for file in &arguments.files {
            found.push(predictor.predict(&predictor.read(file)?));
        }
        Ok::<_, Error>((predictor, found))
    })??;
    let class_names = &predictor.provenance().class_names;
    let mut predictions = Vec::new();
    for (file, found) in arguments.files.iter().zip(found) {
        predictions.extend(found.into_iter().enumerate().map(|(row, prediction)| Named {
            file,
            row,
            class: &class_names[prediction.class],
            probability: prediction.probability,
            probabilities: prediction.probabilities,
        }));
    }
    if arguments.json {
        printer::json(&Predictions { run: run.path(), class_names, predictions })?;
    } else {
        printer::predictions(&predictions)?;
    }
    Ok(ExitCode::SUCCESS)
}

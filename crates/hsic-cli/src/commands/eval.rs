//! `hsic eval`.

use std::process::ExitCode;

use hsic_bottleneck::Error;
use hsic_bottleneck::config::TrainConfig;
use hsic_bottleneck::dataset::{self, LoadOptions, Split, Standardization};
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::threads::on_threads;
use serde::Serialize;

use crate::args::EvalArguments;
use crate::printer;

/// What `--json` prints.
#[derive(Serialize)]
struct Evaluation<'a> {
    run: &'a std::path::Path,
    dataset: &'a str,
    rows: usize,
    test_accuracy: f64,
    format_accuracy: Option<f64>,
    confusion: &'a [Vec<u64>],
}

pub(crate) fn run(arguments: EvalArguments) -> anyhow::Result<ExitCode> {
    let run = Run::open(&arguments.run)?;
    let mut options = run.config()?.options;
    if let (Some(name), None, Some(folder)) =
        (&arguments.data.dataset, &arguments.data.data_dir, &options.data.data_dir)
        && options.data.dataset.as_ref() != Some(name)
        && !dataset::is_in(name, &folder.join(name))
    {
        // The folder of the run's data is not that of these. Files of several data sets have the same names, so that only a
        // folder of this one's name within it speaks for them.
        options.data.data_dir = None;
    }
    options.data = arguments.data.or(options.data);
    let config = options.resolve()?;
    let (rows, confusion, unformatted, predictor) = on_threads(config.threads, || {
        let predictor = Predictor::open(&run)?;
        // Other data than that trained on is seen through the numbers of the training.
        let mut data = load_as(&config, predictor.provenance().standardization.clone())?.test;
        data.normalization = predictor.provenance().normalization.clone();
        let confusion = predictor.evaluate(&data)?;
        let unformatted = predictor.unformatted_accuracy(&data)?;
        Ok::<_, Error>((data.rows(), confusion, unformatted, predictor))
    })??;
    if arguments.json {
        printer::json(&Evaluation {
            run: run.path(),
            dataset: &config.dataset,
            rows,
            test_accuracy: unformatted,
            format_accuracy: predictor.format().map(|_| confusion.accuracy()),
            confusion: &confusion.counts,
        })?;
    } else {
        let formatted = predictor.format().is_some();
        let names = &predictor.provenance().class_names;
        printer::evaluation(&config.dataset, &confusion, names, unformatted, formatted)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The data that a configuration names.
pub(crate) fn load(config: &TrainConfig) -> Result<Split, Error> {
    load_as(config, None)
}

/// The data that a configuration names, a table's columns standardized by given means and deviations.
fn load_as(config: &TrainConfig, standardization: Option<Standardization>) -> Result<Split, Error> {
    let options = LoadOptions { standardization, ..config.load_options() };
    Ok(dataset::load(&config.dataset, &options)?)
}

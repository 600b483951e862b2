//! `hsic eval`.

use std::process::ExitCode;

use hsic_bottleneck::Error;
use hsic_bottleneck::config::TrainConfig;
use hsic_bottleneck::dataset::{self, LoadOptions, Split};
use hsic_bottleneck::run::Run;
use hsic_bottleneck::trainer::evaluate;
use serde::Serialize;

use super::on_threads;
use crate::args::EvalArguments;
use crate::printer;

/// What `--json` prints.
#[derive(Serialize)]
struct Evaluation<'a> {
    run: &'a std::path::Path,
    dataset: &'a str,
    rows: usize,
    test_accuracy: f64,
    confusion: &'a [Vec<u64>],
}

pub(crate) fn run(arguments: EvalArguments) -> anyhow::Result<ExitCode> {
    let run = Run::open(&arguments.run)?;
    let mut options = run.config()?.options;
    options.data = arguments.data.or(options.data);
    let config = options.resolve()?;
    let (data, confusion) = on_threads(config.threads, || {
        let mut data = load(&config)?;
        // Other data than that trained on is seen through the numbers of the training.
        let normalization = run.normalization()?;
        if normalization.as_ref().is_none_or(|normalization| normalization.fits(data.test.shape.channels)) {
            data.test.normalization = normalization;
        }
        let confusion = evaluate(&run, &data.test)?;
        Ok::<_, Error>((data, confusion))
    })??;
    if arguments.json {
        printer::json(&Evaluation {
            run: run.path(),
            dataset: &config.dataset,
            rows: data.test.rows(),
            test_accuracy: confusion.accuracy(),
            confusion: &confusion.counts,
        })?;
    } else {
        printer::evaluation(&config.dataset, &confusion, &data.test.class_names)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The data that a configuration names.
pub(crate) fn load(config: &TrainConfig) -> Result<Split, Error> {
    let data = &config.options.data;
    let options = LoadOptions {
        data_dir: data.data_dir.clone(),
        seed: config.seed,
        train_size: data.train_size,
        test_size: data.test_size,
        label_column: data.label_column.clone(),
        test_fraction: data.test_fraction.unwrap_or(0.2),
        standardize: data.standardize.unwrap_or(true),
        normalize: data.normalize.unwrap_or_default(),
    };
    Ok(dataset::load(&config.dataset, &options)?)
}

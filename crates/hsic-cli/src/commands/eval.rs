//! `hsic eval`.

use std::process::ExitCode;

use hsic_bottleneck::Error;
use hsic_bottleneck::config::TrainConfig;
use hsic_bottleneck::config::given::Unread;
use hsic_bottleneck::dataset::{self, Split};
use hsic_bottleneck::judged::{Rows, judged, placed};
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::threads::on_threads;
use serde::Serialize;

use crate::args::EvalArguments;
use crate::notes;
use crate::printer;

/// What `--json` prints.
#[derive(Serialize)]
struct Evaluation<'a> {
    run: &'a std::path::Path,
    dataset: &'a str,
    /// Which rows.
    part: Rows,
    /// How many.
    rows: usize,
    test_accuracy: f64,
    format_accuracy: Option<f64>,
    confusion: &'a [Vec<u64>],
}

pub(crate) fn run(arguments: EvalArguments) -> anyhow::Result<ExitCode> {
    let run = Run::open(&arguments.run)?;
    let mut options = placed(run.config()?.options, &arguments.data);
    options.data = arguments.data.clone().or(options.data);
    let config = options.resolve()?;
    Unread::refuse(config.unread_by_evaluation(&arguments.data))?;
    let (judged, confusion, unformatted, predictor) = on_threads(config.threads, || {
        let predictor = Predictor::open(&run)?;
        let judged = judged(&run, &predictor, &arguments.data, arguments.part)?;
        let confusion = predictor.evaluate(&judged.dataset)?;
        let unformatted = predictor.unformatted_accuracy(&judged.dataset)?;
        Ok::<_, Error>((judged, confusion, unformatted, predictor))
    })??;
    notes::print(&judged.notes);
    if arguments.json {
        printer::json(&Evaluation {
            run: run.path(),
            dataset: &judged.place,
            part: judged.rows,
            rows: judged.dataset.rows(),
            test_accuracy: unformatted,
            format_accuracy: predictor.format().map(|_| confusion.accuracy()),
            confusion: &confusion.counts,
        })?;
    } else {
        let formatted = predictor.format().is_some();
        let names = &predictor.provenance().class_names;
        printer::evaluation(&judged, &confusion, names, unformatted, formatted)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The data that a configuration names.
pub(crate) fn load(config: &TrainConfig) -> Result<Split, Error> {
    Ok(dataset::load(&config.dataset, &config.load_options())?)
}

//! `hsic eval`.

use std::process::ExitCode;

use hsic_bottleneck::Error;
use hsic_bottleneck::config::given::Unread;
use hsic_bottleneck::config::{TrainConfig, TrainOptions};
use hsic_bottleneck::dataset::{self, Split, Task};
use hsic_bottleneck::judge::assignment::Confusion;
use hsic_bottleneck::judge::test_time::TestTime;
use hsic_bottleneck::judged::{Rows, judged, placed};
use hsic_bottleneck::predict::{Predictor, ValueEvaluation};
use hsic_bottleneck::run::Run;
use hsic_bottleneck::summary::Looked;
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
    #[serde(skip_serializing_if = "Option::is_none")]
    test_time: Option<Looked>,
    confusion: &'a [Vec<u64>],
}

/// What `--json` prints of a run that learned values.
#[derive(Serialize)]
struct ValueFigures<'a> {
    run: &'a std::path::Path,
    dataset: &'a str,
    /// Which rows.
    part: Rows,
    /// How many.
    rows: usize,
    task: Task,
    test_r2: f64,
    test_rmse: f64,
    baseline_rmse: f64,
}

/// What came of an evaluation.
enum Found {
    /// By class, unformatted, and by several looks at each image.
    Classes(Confusion, f64, Option<Looked>),
    Values(ValueEvaluation),
}

pub(crate) fn run(arguments: EvalArguments) -> anyhow::Result<ExitCode> {
    let run = Run::open(&arguments.run)?;
    let mut options = placed(run.config()?.options, &arguments.data);
    options.data = arguments.data.clone().or(options.data);
    let config = options.resolve()?;
    Unread::refuse(config.unread_by_evaluation(&arguments.data))?;
    let mut asked = TrainOptions::default();
    asked.evaluation.test_time = arguments.test_time;
    Unread::refuse(config.unread(&asked))?;
    let (judged, found, predictor) = on_threads(config.threads, || {
        let predictor = Predictor::open(&run)?;
        let judged = judged(&run, &predictor, &arguments.data, arguments.part)?;
        let found = if predictor.value_readout().is_some() {
            Found::Values(predictor.evaluate_values(&judged.dataset)?)
        } else {
            let confusion = predictor.evaluate(&judged.dataset)?;
            let looked = match arguments.test_time.unwrap_or(config.test_time) {
                TestTime::None => None,
                looks => Some(Looked { looks, accuracy: predictor.accuracy_by(looks, &judged.dataset)? }),
            };
            Found::Classes(confusion, predictor.unformatted_accuracy(&judged.dataset)?, looked)
        };
        Ok::<_, Error>((judged, found, predictor))
    })??;
    notes::print(&judged.notes);
    let (confusion, unformatted, looked) = match found {
        Found::Classes(confusion, unformatted, looked) => (confusion, unformatted, looked),
        Found::Values(ValueEvaluation { score, baseline }) => {
            if arguments.json {
                printer::json(&ValueFigures {
                    run: run.path(),
                    dataset: &judged.place,
                    part: judged.rows,
                    rows: judged.dataset.rows(),
                    task: Task::Regression,
                    test_r2: score.r2,
                    test_rmse: score.rmse,
                    baseline_rmse: baseline.rmse,
                })?;
            } else {
                printer::evaluation_of_values(&judged, score, baseline)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
    };
    if arguments.json {
        printer::json(&Evaluation {
            run: run.path(),
            dataset: &judged.place,
            part: judged.rows,
            rows: judged.dataset.rows(),
            test_accuracy: unformatted,
            format_accuracy: predictor.format().map(|_| confusion.accuracy()),
            test_time: looked,
            confusion: &confusion.counts,
        })?;
    } else {
        let formatted = predictor.format().is_some();
        let names = &predictor.provenance().class_names;
        printer::evaluation(&judged, &confusion, names, (unformatted, formatted), looked)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The data that a configuration names.
pub(crate) fn load(config: &TrainConfig) -> Result<Split, Error> {
    Ok(dataset::load(&config.dataset, &config.load_options())?)
}

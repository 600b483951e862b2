//! What runs' folders and comparisons tell.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use hsic_bottleneck::config::given::Unread;
use hsic_bottleneck::config::{Sizes, TrainOptions};
use hsic_bottleneck::dataset::{LoadOptions, load, source};
use hsic_bottleneck::error::Error;
use hsic_bottleneck::files::write_atomically;
use hsic_bottleneck::judge::monitor::MonitorReport;
use hsic_bottleneck::log::{EpochReport, Observer, TimelineReport};
use hsic_bottleneck::methods::Methods;
use hsic_bottleneck::provenance::Provenance;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::summary::Summary;
use hsic_lab::comparison::{Budget, Comparison, ComparisonRecord, Elsewhere, VALIDATION, entries_named, training_rows};
use hsic_lab::draw;
use hsic_lab::figure::run_page::plots;
use hsic_lab::figure::run_report::RunReport;
use hsic_lab::figure::{Planned, Watcher};
use hsic_lab::runs::{Condition, ConditionError, check_keys, runs};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use serde::Serialize;

use crate::fault::of_training;
use crate::interrupt::{Teller, run_and_hear};
use crate::settings::Settings;

/// All that a run's folder tells, as JSON: options, data, summary, and the records of training by kind.
#[pyfunction]
pub(crate) fn read_run(folder: PathBuf) -> PyResult<String> {
    let run = Run::open(&folder).map_err(of_training)?;
    let report = RunReport::read(&run).map_err(of_training)?;
    let data = if run.has_data() { Some(run.data().map_err(of_training)?) } else { None };
    let warnings: Vec<String> = report.warnings.iter().map(ToString::to_string).collect();
    let RunReport { config, summary, epochs, monitor, format, timelines, .. } = &report;
    let told = Told { config: &config.options, data, summary, epochs, monitor, format, timelines, warnings };
    serde_json::to_string(&told).map_err(|error| PyRuntimeError::new_err(error.to_string()))
}

/// The runs below a folder that fulfil all conditions, as JSON.
#[pyfunction]
pub(crate) fn list_runs(py: Python<'_>, folder: PathBuf, conditions: Vec<String>) -> PyResult<String> {
    let conditions: Vec<Condition> = conditions
        .iter()
        .map(|text| text.parse().map_err(|error: ConditionError| PyValueError::new_err(error.to_string())))
        .collect::<PyResult<_>>()?;
    let mut found = py.detach(|| runs(&folder)).map_err(of_training)?;
    check_keys(conditions.iter().map(Condition::key), &found)
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    found.retain(|run| conditions.iter().all(|condition| condition.holds(run)));
    serde_json::to_string(&found).map_err(|error| PyRuntimeError::new_err(error.to_string()))
}

/// What a folder tells.
#[derive(Serialize)]
struct Told<'r> {
    config: &'r TrainOptions,
    data: Option<Provenance>,
    summary: &'r Option<Summary>,
    epochs: &'r [EpochReport],
    monitor: &'r [MonitorReport],
    format: &'r [f64],
    timelines: &'r [TimelineReport],
    warnings: Vec<String>,
}

/// Figures of a run: titles and SVG.
#[pyfunction]
pub(crate) fn run_figures(folder: PathBuf) -> PyResult<Vec<(String, String)>> {
    let run = Run::open(&folder).map_err(of_training)?;
    let report = RunReport::read(&run).map_err(of_training)?;
    Ok(plots(&report).into_iter().map(|(title, plot)| (title.clone(), draw::svg(&plot, &title))).collect())
}

/// Checks a record of a training that was made elsewhere and gives it back as it is written.
#[pyfunction]
pub(crate) fn check_elsewhere(text: &str) -> PyResult<String> {
    Elsewhere::from_json(text)
        .map(|elsewhere| elsewhere.to_json())
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Tells which training begins, and listens to none of its steps.
struct Tells(Teller<(String, usize, usize)>, usize, usize);

impl Observer for Tells {}

impl Watcher for Tells {
    fn begin(&mut self, planned: &Planned) {
        self.0.tell((planned.training.label.clone(), self.1, self.2));
    }

    fn observer(&mut self) -> &mut dyn Observer {
        self
    }
}

/// Compares methods on one data set into a folder; `hear` is told of each training and says whether to go on. Gives the record
/// as JSON; None if it was told to stop.
#[pyfunction]
#[pyo3(signature = (settings, methods, budget, seeds, batch_sizes, folder, elsewhere, hear: "typing.Any"))]
#[expect(clippy::too_many_arguments, reason = "the options of the command, by name in Python")]
pub(crate) fn compare(
    py: Python<'_>,
    settings: &Settings,
    methods: &str,
    budget: Option<&str>,
    seeds: u64,
    batch_sizes: Vec<usize>,
    folder: PathBuf,
    elsewhere: Vec<String>,
    hear: Py<PyAny>,
) -> PyResult<Option<String>> {
    let wrong = |message: String| PyValueError::new_err(message);
    let entries = entries_named(methods, &Methods::known()).map_err(|fault| wrong(fault.to_string()))?;
    let budget = budget.map(str::parse::<Budget>).transpose().map_err(|error| wrong(format!("budget: {error}")))?;
    let elsewhere = elsewhere.iter().map(|text| Elsewhere::from_json(text)).collect::<Result<Vec<_>, _>>();
    let elsewhere = elsewhere.map_err(|error| wrong(error.to_string()))?;
    let mut options: TrainOptions = settings.given.clone();
    options.training.batch_size = if let [size] = batch_sizes[..] { Some(size) } else { None };
    let several = if batch_sizes.len() > 1 { &batch_sizes[..] } else { &[] };
    let config = options.clone().resolve().map_err(of_training)?;
    let held_out = options.data.validation.unwrap_or(VALIDATION);
    let seeds: Vec<u64> = (1..=seeds).collect();
    let comparison = |budget: Budget| {
        Comparison::new(&folder, options.clone(), entries.clone(), budget, seeds.clone()).searching_batches(several)
    };
    let named = Budget::Epochs(Sizes::NAMED.epochs);
    let unread = comparison(budget.unwrap_or(named)).unread().map_err(of_training)?;
    Unread::refuse(unread).map_err(of_training)?;
    let with = LoadOptions { validation: held_out, ..config.load_options() };
    let work = |stop: &AtomicBool, teller: Teller<(String, usize, usize)>| {
        let data = load(&config.dataset, &with)?;
        if data.train.of_values().is_some() {
            return Ok(Err(format!(
                "the targets of {} are values, and a comparison is of accuracies: expected task = classification",
                config.dataset
            )));
        }
        let budget = budget.unwrap_or_else(|| match source(&config.dataset) {
            Some(_) => named,
            None => {
                let largest = batch_sizes.iter().copied().max();
                Budget::Epochs(Sizes::at(&config.dataset, training_rows(&data), largest, None).epochs)
            }
        });
        let comparison = comparison(budget).for_data(&data);
        let mut tells = Tells(teller, 0, 0);
        while let Some((planned, settled)) = comparison.next()? {
            (tells.1, tells.2) = (settled, comparison.trainings()?);
            if comparison.train_here(&planned, &mut tells, stop)? == hsic_lab::comparison::Settled::Interrupted {
                return Ok(Ok(None));
            }
        }
        let record = comparison.record("hsic.compare")?.beside(elsewhere);
        save(&folder, &record)?;
        Ok::<_, Error>(Ok(Some(record)))
    };
    let heard =
        |py: Python<'_>, (label, done, all): (String, usize, usize)| hear.call1(py, (label, done, all))?.extract(py);
    let record = run_and_hear(py, settings.threads(), work, heard)?.map_err(of_training)?.map_err(wrong)?;
    let text = |record: ComparisonRecord| {
        serde_json::to_string(&record).map_err(|error| PyRuntimeError::new_err(error.to_string()))
    };
    record.map(text).transpose()
}

/// Writes what a comparison came to, under the names that the command gives.
fn save(folder: &std::path::Path, record: &ComparisonRecord) -> Result<(), Error> {
    let json = serde_json::to_string_pretty(record);
    let json = json.map_err(|error| hsic_bottleneck::files::FileError::malformed(folder, error, "JSON"))?;
    let svg = draw::svg(&record.plot, &format!("Learning methods on {}", record.data.join(", ")));
    for (name, bytes) in [
        ("comparison.json", json.as_bytes()),
        ("comparison.csv", record.csv().as_bytes()),
        ("points.csv", record.plot.csv().as_bytes()),
        ("figure.svg", svg.as_bytes()),
    ] {
        write_atomically(&folder.join(name), bytes)?;
    }
    Ok(())
}

//! `hsic importance`.

use std::path::Path;
use std::process::ExitCode;

use hsic_bottleneck::config::given::Unread;
use hsic_bottleneck::importance::{Importance, ImportanceError, ImportanceOptions, importance};
use hsic_bottleneck::judged::{Rows, judged, placed};
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::threads::on_threads;
use serde::Serialize;

use super::running::{Signals, interrupted};
use crate::args::ImportanceArguments;
use crate::notes;
use crate::printer;

/// What `--json` prints.
#[derive(Serialize)]
struct Outcome<'a> {
    run: &'a Path,
    dataset: &'a str,
    /// Which rows.
    part: Rows,
    shuffles: usize,
    permutations: usize,
    seed: u64,
    #[serde(flatten)]
    importance: &'a Importance,
}

pub(crate) fn run(arguments: ImportanceArguments) -> anyhow::Result<ExitCode> {
    let ImportanceArguments { run, data, part, shuffles, permutations, seed, threads, json } = arguments;
    let run = Run::open(&run)?;
    let mut options = placed(run.config()?.options, &data);
    options.data = data.clone().or(options.data);
    let config = options.resolve()?;
    Unread::refuse(config.unread_by_evaluation(&data))?;
    let signals = Signals::listen(|| printer::SAME_COMMAND.to_owned())?;
    let asked = ImportanceOptions { shuffles, permutations, seed };
    let (judged, found) = on_threads(threads.or(config.threads), || {
        let predictor = Predictor::open(&run)?;
        let judged = judged(&run, &predictor, &data, part)?;
        let found = importance(&predictor, &judged.dataset, asked, signals.stop())?;
        Ok::<_, ImportanceError>((judged, found))
    })??;
    notes::print(&judged.notes);
    let Some(found) = found else {
        printer::left("interrupted", printer::SAME_COMMAND);
        return Ok(interrupted());
    };
    if json {
        let importance = &found;
        let (dataset, part) = (&*judged.place, judged.rows);
        printer::json(&Outcome { run: run.path(), dataset, part, shuffles, permutations, seed, importance })?;
    } else {
        printer::importance(&judged, &found, shuffles, permutations)?;
    }
    Ok(ExitCode::SUCCESS)
}

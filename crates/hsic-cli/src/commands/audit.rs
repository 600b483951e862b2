//! `hsic audit`.

use std::process::ExitCode;

use hsic_bottleneck::audit::{Moved, audit};
use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::threads::on_threads;
use serde::Serialize;

use super::eval::load;
use super::train::given;
use crate::args::AuditArguments;
use crate::notes;
use crate::printer;

/// What `--json` prints.
#[derive(Serialize)]
struct Outcome<'a> {
    method: &'a str,
    model: &'a str,
    /// Whether no block learned otherwise, whatever was moved above it.
    local: bool,
    moved: &'a [Moved],
}

pub(crate) fn run(arguments: AuditArguments) -> anyhow::Result<ExitCode> {
    let AuditArguments { run, options, config, recipe, json } = arguments;
    let config = match run {
        Some(path) => {
            let other = options == TrainOptions::default();
            anyhow::ensure!(other, "{}: expected no other settings beside a run, whose own are taken", path.display());
            Run::open(&path)?.config()?
        }
        None => given(options, config.as_deref(), recipe.as_deref(), true)?.0,
    };
    let data = on_threads(config.threads, || load(&config))??;
    notes::print(&data.origin.notes);
    let config = config.for_data(&data)?;
    let found = on_threads(config.threads, || audit(&config, &data.train))??;
    if json {
        let local = found.iter().all(|moved| moved.changed.is_empty());
        let (method, model) = (config.method.name, &*config.model);
        printer::json(&Outcome { method, model, local, moved: &found })?;
    } else {
        printer::audit(config.method.name, &config.model, &found)?;
    }
    Ok(ExitCode::SUCCESS)
}

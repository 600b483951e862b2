//! `hsic reproduce`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context;
use hsic_bottleneck::Error;
use hsic_bottleneck::figure::plot::Value;
use hsic_bottleneck::figure::record::FigureRecord;
use hsic_bottleneck::figure::{FIGURES, Figure, Profile, Reproduction, Scope, Sources};
use hsic_bottleneck::run::{Run, RunError};
use hsic_bottleneck::trainer::Outcome;
use serde::Serialize;

use super::{interrupted, on_threads, stop_on_signal};
use crate::args::ReproduceArguments;
use crate::printer::{self, ReproductionBars};

/// What `--json` prints.
#[derive(Serialize)]
struct Reproduced<'a> {
    output: &'a Path,
    profile: Profile,
    seeds: &'a [u64],
    figures: Vec<&'a str>,
    values: Vec<Checked<'a>>,
    outside: usize,
}

/// A value of a figure.
#[derive(Serialize)]
pub(crate) struct Checked<'a> {
    pub(crate) figure: &'a str,
    #[serde(flatten)]
    pub(crate) value: &'a Value,
    pub(crate) holds: bool,
}

pub(crate) fn run(arguments: ReproduceArguments) -> anyhow::Result<ExitCode> {
    let figures = chosen(&arguments.figure)?;
    anyhow::ensure!(arguments.seeds >= 1, "seeds = 0: expected a whole number >= 1");
    let sources = match arguments.profile {
        Profile::Smoke => Sources::default(),
        Profile::Quick | Profile::Paper => Sources::find(arguments.data_dir.as_deref())?,
    };
    let seeds: Vec<u64> = (1..=arguments.seeds).collect();
    let scope = Scope { profile: arguments.profile, seeds: seeds.clone(), sources };
    let output = arguments.output.unwrap_or_else(|| Path::new("reproduction").join(arguments.profile.name()));
    let stop = stop_on_signal()?;
    let program = std::env::current_exe().context("the program's own path")?;
    let reproduction = Reproduction::new(&output, scope);
    let records = on_threads(arguments.threads, || {
        let mut bars = ReproductionBars::new(arguments.quiet, reproduction.missing(&figures)?.len());
        let mut records = Vec::new();
        for &figure in &figures {
            for planned in reproduction.missing(&[figure])? {
                let outcome = reproduction.train(&planned, &mut bars, &|run| launch(&program, run), &stop)?;
                if let Outcome::Interrupted { .. } = outcome {
                    return Ok(None);
                }
                bars.done();
            }
            let record = reproduction.plot(figure)?;
            let folder = reproduction.save(figure, &record, &[])?;
            bars.drawn(&record.name, &folder);
            records.push(record);
        }
        bars.finish();
        Ok::<_, anyhow::Error>(Some(records))
    })??;
    let Some(records) = records else {
        printer::reproduction_interrupted(&arguments.figure, arguments.profile.name());
        return Ok(interrupted());
    };
    let values = checked(&records);
    let outside = values.iter().filter(|value| !value.holds).count();
    if arguments.json {
        let figures = records.iter().map(|record| record.name.as_str()).collect();
        let profile = arguments.profile;
        printer::json(&Reproduced { output: &output, profile, seeds: &seeds, figures, values, outside })?;
    } else {
        printer::reproduction(&values, &output)?;
    }
    Ok(if arguments.check && outside > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// The figures that a name stands for.
fn chosen(name: &str) -> anyhow::Result<Vec<&'static dyn Figure>> {
    if name == "all" {
        return Ok(FIGURES.to_vec());
    }
    let figure = FIGURES.iter().copied().find(|figure| figure.name() == name);
    let known: Vec<&str> = FIGURES.iter().map(|figure| figure.name()).collect();
    Ok(vec![figure.with_context(|| format!("figure {name}: expected all, or one of {}", known.join(", ")))?])
}

/// The values of all figures, and whether each lies in its band.
fn checked(records: &[FigureRecord]) -> Vec<Checked<'_>> {
    let mut all = Vec::new();
    for record in records {
        let values = record.plot.values.iter();
        all.extend(values.map(|value| Checked { figure: &record.name, value, holds: value.holds() }));
    }
    all
}

/// Trains a run in a process of its own, which ends with this one when the terminal interrupts both.
fn launch(program: &PathBuf, run: &Run) -> Result<(), Error> {
    let io = |source| RunError::Io { path: run.path().into(), source };
    let mut child = Command::new(program);
    child.args(["train", "--quiet", "--json", "--resume"]).arg(run.path()).stdout(Stdio::null()).stdin(Stdio::null());
    let output = child.stderr(Stdio::piped()).output().map_err(io)?;
    if output.status.success() && run.is_finished() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let found = format!("training that ended with {}: {}", output.status, said.trim());
    Err(RunError::Malformed { path: run.path().into(), found, expected: "a finished run".to_owned() }.into())
}

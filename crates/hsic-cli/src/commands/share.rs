//! Trainings of a comparison or a reproduction, divided among machines: a plan of them, one of them.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::AtomicBool;

use anyhow::{Context, anyhow, bail};
use hsic_bottleneck::log::Observer;
use hsic_bottleneck::names::one_of;
use hsic_bottleneck::pilot::Pilot;
use hsic_bottleneck::summary::JudgedOn;
use hsic_lab::figure::{Job, JobState, Piloted, Pilots, Planned, arguments};
use hsic_lab::shell::quoted;
use serde::Serialize;

use super::launch::reason;
use super::running::{Signals, interrupted};
use crate::printer::{self, Progress};

/// A line of a plan.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    state: JobState,
    needs: &'a [String],
    /// What carries it out.
    command: String,
    /// Where, once that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a Path>,
    threads: usize,
    /// Most memory, in bytes.
    memory: Option<u64>,
    seconds: Option<f64>,
    /// Why there is no estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    fails: Option<String>,
}

/// What `--only --json` prints.
#[derive(Serialize)]
struct Told<'a> {
    id: &'a str,
    state: JobState,
    run: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

/// Prints a plan, each line once it is known. `command` is the command of all of them, without the id of one.
pub(super) fn plan(jobs: &[Job], command: &str, folder: &Path, threads: Option<usize>) -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe().context("the program's own path")?;
    let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let pilots = Pilots::within(folder);
    for job in jobs {
        // What is settled needs no estimate.
        let piloted = match job.state.is_settled() {
            true => None,
            false => Some(pilots.of(&job.like, |like| pilot(&program, &arguments(like), threads))?),
        };
        let (memory, seconds, fails) = match piloted {
            None => (None, None, None),
            Some(Piloted::Fails(said)) => (None, None, Some(said)),
            Some(Piloted::Takes(pilot)) => (pilot.memory_bytes, Some(job.given_seconds.unwrap_or(pilot.seconds)), None),
        };
        printer::json(&Line {
            id: &job.id,
            state: job.state,
            needs: &job.needs,
            command: format!("{command} --only {}", quoted(&job.id)),
            run: job.run.as_deref(),
            threads,
            memory,
            seconds: seconds.map(|seconds| (100.0 * seconds).round() / 100.0),
            fails,
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a pilot in a process of its own, whose memory is that of the training.
fn pilot(program: &Path, options: &[String], threads: usize) -> anyhow::Result<Piloted> {
    let mut command = Command::new(program);
    command.args(["train", "--pilot", "--quiet", "--json"]).args(options).stdin(Stdio::null());
    if !options.iter().any(|word| word == "--threads") {
        command.args(["--threads", &threads.to_string()]);
    }
    let output = command.output().with_context(|| program.display().to_string())?;
    if output.status.success() {
        let text = String::from_utf8_lossy(&output.stdout);
        let pilot: Pilot = serde_json::from_str(text.trim()).with_context(|| format!("a pilot that told {text:?}"))?;
        return Ok(Piloted::Takes(pilot));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = reason(said.trim()).to_owned();
    Ok(Piloted::Fails(if said.is_empty() { format!("the pilot ended with {}", output.status) } else { said }))
}

/// The job of an id.
///
/// # Errors
/// With the ids that there are, if there is none such; with what it needs, if others decide what it is.
fn chosen<'j>(jobs: &'j [Job], id: &str) -> anyhow::Result<&'j Job> {
    let Some(job) = jobs.iter().find(|job| job.id == id) else {
        let ids: Vec<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
        bail!("only = {id}: expected an id of the plan (--plan): {}", one_of(id, &ids));
    };
    if job.state == JobState::Waiting {
        bail!(
            "only = {id}: waits for what others come to, expected these to be done before it: {}",
            job.needs.join(", ")
        );
    }
    Ok(job)
}

/// Who carries a training out: gives whether it was not stopped.
pub(super) type Carry<'c> = &'c mut dyn FnMut(&Planned, &mut [&mut dyn Observer], &AtomicBool) -> anyhow::Result<bool>;

/// Carries out the job of an id, if it is not settled, and says what came of it; `failure` says why one came to no end.
pub(super) fn only(
    jobs: &[Job],
    id: &str,
    (quiet, json): (bool, bool),
    carry: Carry<'_>,
    failure: &dyn Fn(&Planned) -> anyhow::Result<Option<String>>,
) -> anyhow::Result<ExitCode> {
    let job = chosen(jobs, id)?;
    let (Some(planned), Some(run)) = (&job.planned, &job.run) else {
        return Err(anyhow!("only = {id}: expected a training of which is known what it is"));
    };
    if !job.state.is_settled() {
        let signals = Signals::listen(|| printer::SAME_COMMAND.to_owned())?;
        let judged_on = match planned.training.options.data.validation {
            Some(share) if share > 0.0 => JudgedOn::Validation,
            _ => JudgedOn::Test,
        };
        let (mut progress, mut saves) = (Progress::new(quiet, judged_on).of(run).of_many(), signals.saves());
        let finished = {
            let mut observers: [&mut dyn Observer; 2] = [&mut progress, &mut saves];
            carry(planned, &mut observers, signals.stop())
        };
        progress.finish();
        if !finished? {
            printer::reproduction_interrupted();
            return Ok(interrupted());
        }
    }
    let failure = failure(planned)?;
    let state = if failure.is_some() { JobState::Failed } else { JobState::Done };
    if json {
        printer::json(&Told { id, state, run, failure })?;
    } else {
        let told = failure.map_or_else(|| run.display().to_string(), |said| format!("came to no end: {said}"));
        printer::line(&format!("{id}: {told}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Names what is missing and gives the exit code of a gathering: 1 if anything is.
pub(super) fn gathered(missing: &[String]) -> ExitCode {
    if missing.is_empty() {
        return ExitCode::SUCCESS;
    }
    printer::warning(&format!("not finished: {}", missing.join(", ")));
    ExitCode::from(1)
}

/// `--KEY VALUE` of a path, as a shell reads it.
pub(super) fn path_flag(key: &str, path: &Path) -> String {
    format!(" --{key} {}", quoted(&path.to_string_lossy()))
}

/// The same of a path that may not be given.
pub(super) fn some_path_flag(key: &str, path: Option<&PathBuf>) -> String {
    path.map_or_else(String::new, |path| path_flag(key, path))
}

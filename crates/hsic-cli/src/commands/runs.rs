//! `hsic runs`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::ensure;
use hsic_bottleneck::digests::Verdict;
use hsic_bottleneck::run::Run;
use hsic_lab::runs::{Group, ListedRun, check_keys, difference, group, runs, sort};
use serde::Serialize;

use crate::args::{RunsArguments, RunsCommand, RunsDiffArguments, RunsVerifyArguments};
use crate::printer;
use crate::results::Verified;

/// Where trainings, comparisons and speed runs put runs of which nobody says where.
const PLACES: &[&str] = &["runs", "comparison", "speedrun"];

/// What `--json` prints.
#[derive(Serialize)]
struct List<'l> {
    runs: &'l [ListedRun],
}

/// What `--json` prints with `--group`.
#[derive(Serialize)]
struct Groups<'l> {
    groups: &'l [Group],
}

pub(crate) fn run(arguments: &RunsArguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        None => list(arguments),
        Some(RunsCommand::Diff(arguments)) => diff(arguments),
        Some(RunsCommand::Verify(arguments)) => verify(arguments),
    }
}

fn list(arguments: &RunsArguments) -> anyhow::Result<ExitCode> {
    let mut found = Vec::new();
    for folder in folders(arguments.folder.as_deref())? {
        found.extend(runs(&folder)?);
    }
    let order = arguments.sort.as_deref().map(|key| (key.trim_start_matches('-'), key.starts_with('-')));
    let asked = arguments.conditions.iter().map(hsic_lab::runs::Condition::key);
    let asked = asked.chain(order.map(|(key, _)| key)).chain(arguments.group.iter().map(String::as_str));
    check_keys(asked, &found)?;
    found.retain(|run| arguments.conditions.iter().all(|condition| condition.holds(run)));
    if let Some((key, descending)) = order {
        sort(&mut found, key, descending);
    }
    if arguments.group.is_empty() {
        if arguments.json {
            printer::json(&List { runs: &found })?;
        } else if arguments.csv {
            printer::bytes(&printer::run_list_csv(&found)?)?;
        } else {
            printer::run_list(&found)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let groups = group(&found, &arguments.group);
    if arguments.json {
        printer::json(&Groups { groups: &groups })?;
    } else if arguments.csv {
        printer::bytes(&printer::run_groups_csv(&groups, &arguments.group)?)?;
    } else {
        printer::run_groups(&groups, &arguments.group)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The folders that are looked through.
pub(super) fn folders(given: Option<&Path>) -> anyhow::Result<Vec<PathBuf>> {
    if let Some(folder) = given {
        return Ok(vec![folder.to_owned()]);
    }
    let found: Vec<PathBuf> = PLACES.iter().map(PathBuf::from).filter(|place| place.is_dir()).collect();
    ensure!(
        !found.is_empty(),
        "no runs/, comparison/ or speedrun/ here, expected the folder of some runs, or runs made by: hsic train"
    );
    Ok(found)
}

fn diff(arguments: &RunsDiffArguments) -> anyhow::Result<ExitCode> {
    let (first, second) = (Run::open(&arguments.first)?, Run::open(&arguments.second)?);
    let found = difference(&first, &second)?;
    if arguments.json {
        printer::json(&found)?;
    } else {
        printer::run_difference(&found, [first.path(), second.path()])?;
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(arguments: &RunsVerifyArguments) -> anyhow::Result<ExitCode> {
    let mut found = Vec::new();
    for folder in &arguments.folders {
        let listed = runs(folder)?;
        ensure!(!listed.is_empty(), "{}: no run, expected the folder of one or one that holds some", folder.display());
        for run in listed {
            let files = Run::open(&run.run)?.verify()?.into_iter().collect();
            found.push(Verified { run: run.run, files });
        }
    }
    if arguments.json {
        printer::json(&serde_json::json!({ "runs": found }))?;
    } else {
        printer::runs_verified(&found)?;
    }
    let wrong = |verdict: &Verdict| matches!(verdict, Verdict::Changed | Verdict::Missing);
    Ok(ExitCode::from(u8::from(found.iter().any(|run| run.files.values().any(wrong)))))
}

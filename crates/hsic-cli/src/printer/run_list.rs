//! Runs, a line each.

use std::path::Path;

use hsic_bottleneck::digests::Verdict;
use hsic_lab::runs::{Change, Difference, Group, ListedRun, Spread};
use serde_json::Value;

use super::output::line;
use super::tables::table;
use super::text::{counted, from_here, width, wrapped};
use crate::results::Verified;

/// Letters of a value that a line shows.
const LONGEST: usize = 60;

/// The table of `hsic runs`, and why the runs that failed or cannot be read did not do better.
pub(crate) fn run_list(runs: &[ListedRun]) -> anyhow::Result<()> {
    Ok(line(listed(runs, width()).trim_end())?)
}

fn listed(runs: &[ListedRun], width: usize) -> String {
    let of_values = runs.iter().any(|run| run.r2.is_some());
    let mut heads =
        ["run", "state", "method", "network", "data", "seed", "epochs", "accuracy"].map(str::to_owned).to_vec();
    if of_values {
        heads.push("R2".to_owned());
    }
    heads.push("seconds".to_owned());
    let word = |word: &Option<String>| word.clone().unwrap_or_default();
    let row = |run: &ListedRun| {
        let epochs = match (run.epochs, run.epochs_planned) {
            (Some(done), Some(planned)) if done != planned => format!("{done} of {planned}"),
            (None, Some(planned)) => format!("0 of {planned}"),
            (Some(done), _) => done.to_string(),
            (None, None) => String::new(),
        };
        let mut row = vec![
            from_here(&run.run.display().to_string()),
            run.state.name().to_owned(),
            word(&run.method),
            word(&run.model),
            run.dataset.as_deref().map(name_of_data).unwrap_or_default(),
            run.seed.map(|seed| seed.to_string()).unwrap_or_default(),
            epochs,
            run.accuracy.map(percent).unwrap_or_default(),
        ];
        if of_values {
            row.push(run.r2.map(|r2| format!("{r2:.3}")).unwrap_or_default());
        }
        row.push(run.seconds.map(|seconds| format!("{seconds:.1}")).unwrap_or_default());
        row
    };
    let rows: Vec<Vec<String>> = [heads].into_iter().chain(runs.iter().map(row)).collect();
    let mut text = if runs.is_empty() { String::new() } else { table(&rows, width) };
    for run in runs {
        if let Some(said) = &run.said {
            // What is said of a file names it, and with it the run.
            let place = from_here(&run.run.display().to_string());
            let told = match said.starts_with(&place) {
                true => said.clone(),
                false => format!("{place}: {}: {said}", run.state.name()),
            };
            text.push_str(&wrapped(&told, 2, width));
            text.push('\n');
        }
    }
    text.push_str(&counted(runs.len() as u64, "run"));
    text.push('\n');
    text
}

/// The last part of a path of data, or their name.
fn name_of_data(place: &str) -> String {
    Path::new(place).file_name().map_or_else(|| place.to_owned(), |name| name.to_string_lossy().into_owned())
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// The list as lines of commas, with the keys of the JSON as heads.
pub(crate) fn run_list_csv(runs: &[ListedRun]) -> anyhow::Result<Vec<u8>> {
    let heads: Vec<&str> = hsic_lab::runs::KEYS.to_vec();
    let cells = |run: &ListedRun| heads.iter().map(|key| run.value(key).map(plain).unwrap_or_default()).collect();
    of_commas(heads.iter().map(|&head| head.to_owned()).collect(), runs.iter().map(cells))
}

/// The table of `hsic runs --group`.
pub(crate) fn run_groups(groups: &[Group], keys: &[String]) -> anyhow::Result<()> {
    let of_values = groups.iter().any(|group| group.r2.is_some());
    let mut heads: Vec<String> = keys.to_vec();
    heads.extend(["runs", "finished", "accuracy", "range"].map(str::to_owned));
    if of_values {
        heads.extend(["R2", "range"].map(str::to_owned));
    }
    heads.push("seconds".to_owned());
    let range = |spread: Option<Spread>, cell: fn(f64) -> String| match spread {
        Some(spread) => [cell(spread.mean), format!("{} to {}", cell(spread.least), cell(spread.largest))],
        None => [String::new(), String::new()],
    };
    let row = |group: &Group| {
        let mut row = values(group, keys);
        row.extend([group.runs.to_string(), group.finished.to_string()]);
        row.extend(range(group.accuracy, percent));
        if of_values {
            row.extend(range(group.r2, |r2| format!("{r2:.3}")));
        }
        row.push(group.seconds.map(|seconds| format!("{:.1}", seconds.mean)).unwrap_or_default());
        row
    };
    let rows: Vec<Vec<String>> = [heads].into_iter().chain(groups.iter().map(row)).collect();
    Ok(line(table(&rows, width()).trim_end())?)
}

/// What the runs of a group have in common, in the order in which it was asked for.
fn values(group: &Group, keys: &[String]) -> Vec<String> {
    keys.iter().map(|key| group.of.get(key).cloned().map(plain).unwrap_or_default()).collect()
}

/// The groups as lines of commas.
pub(crate) fn run_groups_csv(groups: &[Group], keys: &[String]) -> anyhow::Result<Vec<u8>> {
    let mut heads: Vec<String> = keys.to_vec();
    heads.extend(["runs", "finished"].map(str::to_owned));
    for figure in ["accuracy", "r2", "seconds"] {
        heads.extend(["mean", "least", "largest"].map(|of| format!("{figure}_{of}")));
    }
    let cells = |group: &Group| {
        let mut cells = values(group, keys);
        cells.extend([group.runs.to_string(), group.finished.to_string()]);
        for spread in [group.accuracy, group.r2, group.seconds] {
            cells.extend(match spread {
                Some(Spread { mean, least, largest }) => [mean, least, largest].map(|value| value.to_string()),
                None => [const { String::new() }; 3],
            });
        }
        cells
    };
    of_commas(heads, groups.iter().map(cells))
}

fn of_commas(heads: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in [heads].into_iter().chain(rows) {
        writer.write_record(row)?;
    }
    Ok(writer.into_inner()?)
}

/// A value as a cell: words without quotes, nothing for null.
fn plain(value: Value) -> String {
    match value {
        Value::String(word) => word,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// What `hsic runs diff` shows.
pub(crate) fn run_difference(found: &Difference, runs: [&Path; 2]) -> anyhow::Result<()> {
    Ok(line(differing(found, runs, width()).trim_end())?)
}

fn differing(found: &Difference, runs: [&Path; 2], width: usize) -> String {
    let cell = |value: &Option<Value>| {
        let text = value.clone().map(plain).unwrap_or_default();
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}\u{2026}", &text[..end]),
            None => text,
        }
    };
    let row = |change: &Change| vec![change.key.clone(), cell(&change.first), cell(&change.second)];
    let mut text = String::new();
    for (name, changes) in [
        ("options", &found.options),
        ("data", &found.data),
        ("environment", &found.environment),
        ("results", &found.results),
    ] {
        if changes.is_empty() {
            text.push_str(&format!("{name}: the same\n"));
            continue;
        }
        let heads = [name.to_owned()].into_iter().chain(runs.map(|run| from_here(&run.display().to_string())));
        let rows: Vec<Vec<String>> = [heads.collect()].into_iter().chain(changes.iter().map(row)).collect();
        text.push_str(&table(&rows, width));
    }
    text
}

/// What `hsic runs verify` shows: a line a run, and one for each file that is not as training left it.
pub(crate) fn runs_verified(found: &[Verified]) -> anyhow::Result<()> {
    let mut text = String::new();
    for run in found {
        let of = |verdict| run.files.values().filter(|&&found| found == verdict).count();
        let intact = counted(of(Verdict::Intact) as u64, "file");
        text.push_str(&format!("{}: {intact} intact", from_here(&run.run.display().to_string())));
        for verdict in [Verdict::Changed, Verdict::Missing, Verdict::Unknown] {
            if of(verdict) > 0 {
                text.push_str(&format!(", {} {}", of(verdict), verdict.name()));
            }
        }
        text.push('\n');
        for (name, verdict) in &run.files {
            if matches!(verdict, Verdict::Changed | Verdict::Missing) {
                text.push_str(&format!("  {name}: {}\n", verdict.name()));
            }
        }
    }
    Ok(line(text.trim_end())?)
}

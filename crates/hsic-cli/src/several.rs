//! What a report of several runs tells: what each came to, and in which options they differ.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use hsic_bottleneck::run::Run;
use hsic_lab::figure::overlay::MOST_RUNS;
use hsic_lab::figure::run_report::RunReport;
use hsic_lab::runs::ListedRun;
use serde_json::Value;

use crate::report::RunFacts;
use crate::table::MISSING;

/// Some runs beside each other.
pub(crate) struct SeveralRuns {
    /// By their folders, as they were named, each with what its folder tells.
    pub(crate) runs: Vec<(String, RunReport)>,
    /// Quantities, each with its value in every run.
    pub(crate) rows: Vec<(String, Vec<String>)>,
    /// Options that are not the same in all runs, likewise.
    pub(crate) options: Vec<(String, Vec<String>)>,
    /// What was amiss in which run.
    pub(crate) warnings: Vec<String>,
}

impl SeveralRuns {
    /// Reads the folders of some runs, finished or not.
    ///
    /// # Errors
    /// One that is named twice, more than can be told apart in a figure, and what cannot be read.
    pub(crate) fn read(folders: &[PathBuf]) -> anyhow::Result<Self> {
        ensure!(folders.len() <= MOST_RUNS, "{} runs: expected at most {MOST_RUNS} in one page", folders.len());
        let mut runs = Vec::new();
        let mut listed = Vec::new();
        for folder in folders {
            let name = folder.display().to_string();
            ensure!(runs.iter().all(|(known, _)| *known != name), "{name}: named twice, expected each run once");
            runs.push((name, RunReport::read(&Run::open(folder)?)?));
            listed.push(ListedRun::read(folder).options);
        }
        let facts: Vec<RunFacts> = runs.iter().map(|(name, report)| RunFacts::of(report, Path::new(name))).collect();
        let warnings = runs
            .iter()
            .zip(&facts)
            .flat_map(|((name, _), facts)| facts.warnings.iter().map(move |warning| format!("{name}: {warning}")));
        let told = |value: Option<&Value>| match value {
            None => MISSING.to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let mut options = Vec::new();
        for key in distinct(listed.iter().flat_map(serde_json::Map::keys)) {
            let values: Vec<Option<&Value>> = listed.iter().map(|options| options.get(&key)).collect();
            if values.iter().any(|value| *value != values[0]) {
                options.push((key, values.into_iter().map(told).collect()));
            }
        }
        let value = |facts: &RunFacts, quantity: &str| {
            let found = facts.rows.iter().find(|(name, _)| name == quantity);
            found.map_or_else(|| MISSING.to_owned(), |(_, value)| value.clone())
        };
        let quantities = distinct(facts.iter().flat_map(|facts| facts.rows.iter().map(|(name, _)| name)));
        let rows = quantities.into_iter().map(|quantity| {
            let values = facts.iter().map(|facts| value(facts, &quantity)).collect();
            (quantity, values)
        });
        Ok(Self { rows: rows.collect(), options, warnings: warnings.collect(), runs })
    }

    /// Heading of the report.
    pub(crate) fn title(&self) -> String {
        format!("{} runs", self.runs.len())
    }

    /// Names of the runs.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.runs.iter().map(|(name, _)| &**name)
    }
}

/// Distinct names in the order of their first appearance.
fn distinct<'n>(names: impl Iterator<Item = &'n String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in names {
        if !found.contains(name) {
            found.push(name.clone());
        }
    }
    found
}

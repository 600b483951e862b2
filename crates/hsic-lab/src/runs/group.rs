//! Runs that differ in their seed, taken together.

use serde::Serialize;
use serde_json::{Map, Value};

use super::listed::{ListedRun, RunState};

/// Runs that have the same values under some keys.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// Those keys and values.
    pub of: Map<String, Value>,
    /// Runs, in whatever state.
    pub runs: usize,
    /// Those of them that have ended with an accuracy or an R2; the figures below are theirs.
    pub finished: usize,
    /// Of accuracies, fractions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Spread>,
    /// Of R2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r2: Option<Spread>,
    /// Of seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<Spread>,
}

/// Mean, least and largest of some numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Least.
    pub least: f64,
    /// Largest.
    pub largest: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Option<Self> {
        let (&first, rest) = values.split_first()?;
        let fold = |with: fn(f64, f64) -> f64| rest.iter().copied().fold(first, with);
        let mean = fold(|sum, value| sum + value) / values.len() as f64;
        Some(Self { mean, least: fold(f64::min), largest: fold(f64::max) })
    }
}

/// The groups of runs by keys, in the order in which they are met. The networks of a run of several sigmas are parts of it and
/// are left out.
#[must_use]
pub fn group(runs: &[ListedRun], keys: &[String]) -> Vec<Group> {
    let mut groups: Vec<(Map<String, Value>, Vec<&ListedRun>)> = Vec::new();
    for run in runs.iter().filter(|run| !run.member && run.state != RunState::Unreadable) {
        let of: Map<String, Value> =
            keys.iter().map(|key| (key.clone(), run.value(key).unwrap_or(Value::Null))).collect();
        match groups.iter_mut().find(|(known, _)| *known == of) {
            Some((_, members)) => members.push(run),
            None => groups.push((of, vec![run])),
        }
    }
    let summed = |(of, members): (Map<String, Value>, Vec<&ListedRun>)| {
        let ended: Vec<&&ListedRun> = members
            .iter()
            .filter(|run| run.state == RunState::Finished && (run.accuracy.is_some() || run.r2.is_some()))
            .collect();
        let spread = |value: fn(&ListedRun) -> Option<f64>| {
            Spread::of(&ended.iter().filter_map(|run| value(run)).collect::<Vec<_>>())
        };
        Group {
            of,
            runs: members.len(),
            finished: ended.len(),
            accuracy: spread(|run| run.accuracy),
            r2: spread(|run| run.r2),
            seconds: spread(|run| run.seconds),
        }
    };
    groups.into_iter().map(summed).collect()
}

//! A run among others.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use hsic_bottleneck::log::last_epoch;
use hsic_bottleneck::run::{CONFIG, MEMBER, METRICS, Run, SUMMARY};
use hsic_bottleneck::summary::{JudgedOn, Summary};
use serde::Serialize;
use serde_json::{Map, Value};

/// What became of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// A process works in the folder.
    Running,
    /// It has not ended, and nobody works on it: `hsic train --resume` takes it up.
    Stopped,
    /// Its results are whole.
    Finished,
    /// It ended by an error.
    Failed,
    /// What is in the folder is no run that can be read.
    Unreadable,
}

impl RunState {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A run among others. What is not known is `None`, and left out of the JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListedRun {
    /// Its folder.
    pub run: PathBuf,
    /// What became of it.
    pub state: RunState,
    /// Why it failed, or cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// Whether it is one of the networks of a run of several sigmas.
    pub member: bool,
    /// Name or path of the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// Name of the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Name of the method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Epochs done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Epochs that were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs_planned: Option<u64>,
    /// The accuracy by which the run is judged, a fraction: of its softmax layer if it has one; of one that has not ended,
    /// that of its last epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// R2 on the judged part, where values were learned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r2: Option<f64>,
    /// The part of the data on which it is judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judged_on: Option<JudgedOn>,
    /// Seconds of training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Learned parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<usize>,
    /// When it was last written to, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<u64>,
    /// Its options as they were recorded, by their names in `config.toml`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Value>,
}

impl ListedRun {
    /// Reads what a folder holds. It never fails: what cannot be read is what it says.
    ///
    /// # Cost
    /// Three small files, or the end of the records of a run that has not ended.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let mut listed = Self::unread(path);
        if let Err(said) = listed.fill() {
            listed.state = RunState::Unreadable;
            listed.said = Some(said);
        }
        listed
    }

    /// A folder that cannot be listed.
    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self { state: RunState::Unreadable, said: Some(error.to_string()), ..Self::unread(path) }
    }

    fn unread(path: &Path) -> Self {
        let member = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(MEMBER))
            && path.parent().is_some_and(|parent| parent.join(CONFIG).is_file());
        Self {
            run: path.into(),
            state: RunState::Stopped,
            said: None,
            member,
            dataset: None,
            model: None,
            method: None,
            seed: None,
            epochs: None,
            epochs_planned: None,
            accuracy: None,
            r2: None,
            judged_on: None,
            seconds: None,
            parameters: None,
            changed: [SUMMARY, METRICS, CONFIG].iter().find_map(|name| changed(&path.join(name))),
            options: Map::new(),
        }
    }

    fn fill(&mut self) -> Result<(), String> {
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let run = Run::open(&self.run).map_err(|error| said(&error))?;
        let options = run.options().map_err(|error| said(&error))?;
        self.dataset.clone_from(&options.data.dataset);
        self.model.clone_from(&options.network.model);
        self.method.clone_from(&options.objective.method);
        self.seed = options.training.seed;
        self.epochs_planned = options.training.epochs;
        if let Value::Object(stages) = serde_json::to_value(&options).map_err(|error| said(&error))? {
            let own = stages.into_values().filter_map(|stage| match stage {
                Value::Object(own) => Some(own),
                _ => None,
            });
            self.options = own.flatten().filter(|(_, value)| !value.is_null()).collect();
        }
        if run.is_finished() {
            self.conclude(&run.summary().map_err(|error| said(&error))?);
            self.state = RunState::Finished;
        } else if let Some(last) = last_epoch(&run.file(METRICS)).map_err(|error| said(&error))? {
            self.epochs = Some(last.epoch);
            self.accuracy = measured(last.test_accuracy);
            self.r2 = last.values.map(|values| values.test.r2);
            self.seconds = Some(last.seconds);
        }
        if let Some(failure) = run.failure() {
            self.state = RunState::Failed;
            self.said = Some(failure.trim_end().to_owned());
        }
        if run.is_held() {
            (self.state, self.said) = (RunState::Running, None);
        }
        Ok(())
    }

    fn conclude(&mut self, summary: &Summary) {
        self.epochs = Some(summary.epochs);
        self.accuracy = measured(summary.accuracy());
        self.r2 = summary.values.map(|values| values.test_r2);
        self.judged_on = Some(summary.judged_on);
        self.seconds = Some(summary.seconds);
        self.parameters = Some(summary.parameters);
        self.seed = Some(summary.seed);
        self.model = Some(summary.model.clone());
        self.method = Some(summary.method.clone());
    }

    /// About how many seconds it will go on, by the mean time of its epochs so far; `None` for one that nobody works on, and
    /// before its first epoch. Format training comes on top.
    #[must_use]
    pub fn seconds_left(&self) -> Option<f64> {
        let (done, planned, seconds) = (self.epochs?, self.epochs_planned?, self.seconds?);
        let running = self.state == RunState::Running && done > 0;
        running.then(|| seconds / done as f64 * planned.saturating_sub(done) as f64)
    }

    /// What is known of it under a key: one of its own in the JSON, or the name of an option. Hyphens are underscores.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<Value> {
        let plain = |name: &str| name.replace('-', "_").to_lowercase();
        let key = plain(key);
        let Ok(Value::Object(own)) = serde_json::to_value(self) else { return None };
        let found = own.into_iter().find(|(name, _)| name != "options" && plain(name) == key).map(|(_, value)| value);
        found.or_else(|| self.options.iter().find(|(name, _)| plain(name) == key).map(|(_, value)| value.clone()))
    }
}

/// The names by which runs can be asked for: those of a run's JSON that are no options.
pub const KEYS: &[&str] = &[
    "run",
    "state",
    "said",
    "member",
    "dataset",
    "model",
    "method",
    "seed",
    "epochs",
    "epochs_planned",
    "accuracy",
    "r2",
    "judged_on",
    "seconds",
    "parameters",
    "changed",
];

fn measured(accuracy: f64) -> Option<f64> {
    accuracy.is_finite().then_some(accuracy)
}

fn changed(path: &Path) -> Option<u64> {
    let at = fs::metadata(path).ok()?.modified().ok()?;
    Some(at.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_that_of_the_epochs_so_far() {
        let (epochs, epochs_planned, seconds) = (Some(4), Some(10), Some(6.0));
        let own = ListedRun { epochs, epochs_planned, seconds, ..ListedRun::unread(Path::new("r")) };
        assert_eq!(own.seconds_left(), None, "nobody works on it");
        let running = ListedRun { state: RunState::Running, ..own };
        assert_eq!(running.seconds_left(), Some(9.0));
        assert_eq!(ListedRun { epochs: Some(0), ..running.clone() }.seconds_left(), None);
        assert_eq!(ListedRun { epochs: Some(12), ..running }.seconds_left(), Some(0.0));
    }
}

//! A training as one that another program carries out: a scheduler of a cluster, or a loop of a shell.

use std::path::PathBuf;

use hsic_bottleneck::config::TrainOptions;
use serde::Serialize;

use super::store::Planned;

/// How far a training of a plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// It is finished.
    Done,
    /// It came to no end and is not tried again; what it failed at stands beside its run.
    Failed,
    /// It can be carried out now.
    Ready,
    /// Others decide what it is, and are not settled yet.
    Waiting,
}

impl JobState {
    /// Whether nothing is left to be done.
    #[must_use]
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// A training of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// What it is called in the plan, before and after it is known what it is.
    pub id: String,
    /// How far it is.
    pub state: JobState,
    /// Those that are to be settled before it; empty once they are.
    pub needs: Vec<String>,
    /// What is trained; `None` while others decide.
    pub planned: Option<Planned>,
    /// The folder of its run; `None` while others decide.
    pub run: Option<PathBuf>,
    /// Options of a training that takes as long and as much memory.
    pub like: TrainOptions,
    /// Seconds that it is given by a budget of time, where its epochs are not known yet.
    pub given_seconds: Option<f64>,
}

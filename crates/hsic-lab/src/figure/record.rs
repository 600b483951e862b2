//! What is kept of a drawn figure beside its picture: `figure.json`.

use std::collections::BTreeMap;
use std::path::Path;

use hsic_bottleneck::dataset::Content;
use serde::{Deserialize, Serialize};

use super::plot::Plot;

/// A figure as it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FigureRecord {
    /// Name on the command line.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// Where it is in the paper and in the authors' code.
    pub source: String,
    /// The command that makes it.
    pub command: String,
    /// How much was trained: `smoke`, `quick` or `paper`.
    pub profile: String,
    /// Seeds, each trained by itself.
    pub seeds: Vec<u64>,
    /// Data sets that it used, each with its numbers of training and test samples.
    pub data: Vec<String>,
    /// What these are, by name; none of data that are drawn, or if not recorded.
    #[serde(default)]
    pub contents: BTreeMap<String, Content>,
    /// The machine that drew it; times of runs are this machine's unless their runs were brought from elsewhere.
    pub machine: Machine,
    /// Every training that it is made of.
    pub runs: Vec<RunRecord>,
    /// What it shows.
    pub plot: Plot,
}

/// A training that a figure is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// What it is in the figure: `hsic, mnist, 5 hidden layers`.
    pub label: String,
    /// Its seed.
    pub seed: u64,
    /// The command that trains it.
    pub command: String,
    /// Seconds that it took.
    pub seconds: f64,
}

/// A computer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name; empty where the system does not tell.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Memory in bytes; 0 where the system does not tell.
    pub memory_bytes: u64,
    /// Operating system and instruction set: `linux x86_64`.
    pub system: String,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        let line = |file: &str, key: &str| {
            let text = std::fs::read_to_string(Path::new(file)).ok()?;
            let line = text.lines().find(|line| line.starts_with(key))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let kilobytes = line("/proc/meminfo", "MemTotal").and_then(|text| text.trim_end_matches(" kB").parse().ok());
        Self {
            processor: line("/proc/cpuinfo", "model name").unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: kilobytes.map_or(0, |kilobytes: u64| kilobytes * 1024),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }
}

//! In what two runs differ.

use hsic_bottleneck::files::FileError;
use hsic_bottleneck::run::{Run, SUMMARY};
use serde::Serialize;
use serde_json::{Map, Value};

use super::listed::ListedRun;

/// Values of a key in two runs; `None` where one has none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The key.
    pub key: String,
    /// In the first run.
    pub first: Option<Value>,
    /// In the second.
    pub second: Option<Value>,
}

/// In what two runs differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Options as they were recorded.
    pub options: Vec<Change>,
    /// The data that they were trained on: content, rows, classes, as recorded.
    pub data: Vec<Change>,
    /// Where and how long they ran: threads, seconds, memory, version.
    pub environment: Vec<Change>,
    /// What they came to.
    pub results: Vec<Change>,
}

/// Of a summary, what says where a training ran and not what it came to.
const ENVIRONMENT: &[&str] = &[
    "threads",
    "seconds",
    "samples_seconds",
    "milliseconds_per_step",
    "peak_memory_bytes",
    "joules",
    "engine",
    "version",
];

/// Of a summary, what is among the options, or says where the run lies.
const ELSEWHERE: &[&str] = &["run", "dataset", "model", "method", "seed"];

/// In what two runs differ, finished or not.
///
/// # Errors
/// `Io` and `Malformed` with the file that cannot be read.
pub fn difference(first: &Run, second: &Run) -> Result<Difference, FileError> {
    let listed = [first, second].map(|run| ListedRun::read(run.path()));
    let results = [results(first, &listed[0])?, results(second, &listed[1])?];
    let data = [data(first)?, data(second)?];
    let (environment, results) = changes(&results[0], &results[1])
        .into_iter()
        .filter(|change| !ELSEWHERE.contains(&&*change.key))
        .partition(|change| ENVIRONMENT.contains(&&*change.key));
    Ok(Difference {
        options: changes(&listed[0].options, &listed[1].options),
        data: changes(&data[0], &data[1]),
        environment,
        results,
    })
}

/// What a run came to: its summary, or how far it got.
fn results(run: &Run, listed: &ListedRun) -> Result<Map<String, Value>, FileError> {
    let mut found = Map::new();
    if run.is_finished() {
        found = run.read_json(SUMMARY, "what a training came to")?;
    } else {
        for key in ["epochs", "accuracy", "r2", "seconds"] {
            found.extend(listed.value(key).map(|value| (key.to_owned(), value)));
        }
    }
    found.insert("state".to_owned(), listed.state.name().into());
    Ok(found)
}

fn data(run: &Run) -> Result<Map<String, Value>, FileError> {
    if run.has_data() { run.read_json("data.json", "what a run remembers of its data") } else { Ok(Map::new()) }
}

fn changes(first: &Map<String, Value>, second: &Map<String, Value>) -> Vec<Change> {
    let keys = first.keys().chain(second.keys().filter(|key| !first.contains_key(*key)));
    let change = |key: &String| {
        let (first, second) = (first.get(key), second.get(key));
        (first != second).then(|| Change { key: key.clone(), first: first.cloned(), second: second.cloned() })
    };
    keys.filter_map(change).collect()
}

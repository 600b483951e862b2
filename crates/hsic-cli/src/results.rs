//! What commands come to, for the printer and `--json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hsic_bottleneck::dataset::{CheckedFile, Coding, DropReason, Note, PackedFile, Quantities, Shape, SourceColumn};
use hsic_bottleneck::digests::Verdict;
use hsic_bottleneck::method::Outputs;
use hsic_lab::figure::plot::Value;
use serde::Serialize;

/// A line of the list.
#[derive(Serialize)]
pub(crate) struct ListedMethod {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) reference: &'static str,
    pub(crate) cost: &'static str,
    /// Whether no gradient travels between blocks.
    pub(crate) local: bool,
    /// Whether all blocks can be updated at once.
    pub(crate) parallel: bool,
    /// What the outputs of its networks mean.
    pub(crate) outputs: Outputs,
}

/// A method in full.
#[derive(Serialize)]
pub(crate) struct Explained {
    #[serde(flatten)]
    pub(crate) listed: ListedMethod,
    /// What it is and how it works.
    pub(crate) explanation: String,
    /// Optimizer and learning rate unless others are given.
    pub(crate) optimizer: String,
    pub(crate) learning_rate: f64,
    /// Options that it reads and others do not.
    pub(crate) options: Vec<OptionHelp>,
}

/// A flag and what it does.
#[derive(Serialize)]
pub(crate) struct OptionHelp {
    pub(crate) flag: String,
    pub(crate) help: String,
}

/// A line of the list.
#[derive(Serialize)]
pub(crate) struct Listed {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) shape: Shape,
    pub(crate) classes: usize,
    pub(crate) train_rows: usize,
    pub(crate) test_rows: usize,
    /// Whether it can be used at once.
    pub(crate) available: bool,
    /// Folder or archive; none if it is drawn or not here.
    pub(crate) found: Option<PathBuf>,
}

/// What `--json` prints.
#[derive(Serialize)]
pub(crate) struct Info {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) train_rows: usize,
    pub(crate) test_rows: usize,
    pub(crate) classes: Vec<Class>,
    /// The values that are to be learned, where there are no classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<Target>,
    pub(crate) files: Vec<CheckedFile>,
    /// The column of the labels, of a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    /// The other columns of a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) columns: Option<Vec<Column>>,
    /// Files in which its samples are kept packed, by whatever options.
    pub(crate) packed: Vec<PackedFile>,
    /// What was chosen for the user, and what was left out.
    pub(crate) notes: Vec<Note>,
}

/// A column of a table.
#[derive(Serialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Its place in the file, from 0.
    pub(crate) index: usize,
    /// `number`, `boolean`, `words`, `empty` or `left out`.
    pub(crate) kind: &'static str,
    /// Missing cells of the training part.
    pub(crate) missing: usize,
    /// Values that a network gets of it.
    pub(crate) values: usize,
    /// Its words in the training part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) words: Vec<String>,
}

impl Column {
    pub(crate) fn of(source: &SourceColumn) -> Self {
        let (kind, words) = match &source.coding {
            Coding::Number { .. } => ("number", Vec::new()),
            Coding::Boolean { .. } => ("boolean", Vec::new()),
            Coding::Words { words, .. } => ("words", words.clone()),
            Coding::Dropped { reason: DropReason::Empty } => ("empty", Vec::new()),
            Coding::Dropped { reason: DropReason::Asked } => ("left out", Vec::new()),
        };
        let SourceColumn { name, index, gaps, .. } = source;
        Self { name: name.clone(), index: *index, kind, missing: *gaps, values: source.width(), words }
    }
}

/// Targets that are values: least, mean, largest and deviation, those of the training part.
#[derive(Serialize)]
pub(crate) struct Target {
    pub(crate) least: f64,
    pub(crate) mean: f64,
    pub(crate) largest: f64,
    pub(crate) deviation: f64,
    /// Least and largest of the test part.
    pub(crate) test: [f64; 2],
}

impl Target {
    pub(crate) fn of(train: &Quantities, test: &Quantities) -> Self {
        let range = |values: &[f64]| {
            values
                .iter()
                .fold([f64::INFINITY, f64::NEG_INFINITY], |[least, most], &value| [least.min(value), most.max(value)])
        };
        let ([least, largest], test) = (range(&train.values), range(&test.values));
        Self { least, mean: train.scale.mean, largest, deviation: train.scale.deviation, test }
    }
}

/// A class with its samples.
#[derive(Serialize)]
pub(crate) struct Class {
    pub(crate) name: String,
    pub(crate) train: usize,
    pub(crate) test: usize,
}

/// A prediction with the names of what it speaks of.
#[derive(Serialize)]
pub(crate) struct Named<'a> {
    pub(crate) file: &'a Path,
    /// From 0, in its file.
    pub(crate) row: usize,
    pub(crate) class: &'a str,
    pub(crate) probability: f64,
    /// The probability less that of the likeliest other class.
    pub(crate) margin: f64,
    /// In the order of `class_names`.
    pub(crate) probabilities: Vec<f64>,
    /// The likeliest other classes, as many as were asked for beside the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) next: Vec<Ranked<'a>>,
}

/// A predicted value, in the unit of the target.
#[derive(Serialize)]
pub(crate) struct Valued<'a> {
    pub(crate) file: &'a Path,
    /// From 0, in its file.
    pub(crate) row: usize,
    pub(crate) value: f64,
}

/// A class and its probability.
#[derive(Serialize)]
pub(crate) struct Ranked<'a> {
    pub(crate) class: &'a str,
    pub(crate) probability: f64,
}

/// A file of which nothing is predicted.
#[derive(Serialize)]
pub(crate) struct Misfit<'a> {
    pub(crate) file: &'a Path,
    /// Why.
    pub(crate) error: String,
}

/// What is to be said of a file.
#[derive(Serialize)]
pub(crate) struct Said<'a> {
    pub(crate) file: &'a Path,
    pub(crate) notes: &'a [Note],
}

/// A value of a figure.
#[derive(Serialize)]
pub(crate) struct Checked<'a> {
    pub(crate) figure: &'a str,
    #[serde(flatten)]
    pub(crate) value: &'a Value,
    pub(crate) holds: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
pub(crate) struct Written {
    /// `reproduction`, `comparison`, `speedrun`, `run` or `runs`.
    pub(crate) kind: &'static str,
    pub(crate) html: PathBuf,
    pub(crate) markdown: PathBuf,
    /// The folder of the figures as files, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pictures: Option<PathBuf>,
    pub(crate) figures: usize,
    pub(crate) values: usize,
    pub(crate) values_outside: usize,
    pub(crate) claims: usize,
    pub(crate) claims_failed: usize,
    pub(crate) claims_not_judged: usize,
}

/// What `hsic runs verify` says of a run.
#[derive(Serialize)]
pub(crate) struct Verified {
    /// The run.
    pub(crate) run: PathBuf,
    /// What became of its files, by name.
    pub(crate) files: BTreeMap<String, Verdict>,
}

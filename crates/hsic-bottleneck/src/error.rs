//! What can go wrong between a data set and a trained network.

use hsic_data::dataset::{Dataset, DatasetError};
use hsic_data::rows::RowsError;
use hsic_learn::error::{BoxError, StepError};
use hsic_learn::method::Method;
use hsic_nn::network::NetworkError;
use thiserror::Error;

use crate::config::ConfigError;
use crate::files::FileError;
use crate::run::RunError;

/// A reason why training, evaluation or a run's folder cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A training step cannot be carried out.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data set cannot be used.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The network cannot be built.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Rows of a file do not fit the network.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// The run's folder cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Somebody who listens to training, or a rule of one's own, says so.
    #[error(transparent)]
    Own(BoxError),
    /// Threads cannot be started.
    #[error("{threads} thread{} cannot be started", if *threads == 1 { "" } else { "s" })]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// Why.
        source: rayon::ThreadPoolBuildError,
    },
    /// The data set is too small to be trained on.
    #[error(
        "{dataset} has {rows} training rows{}: expected at least 2 of each",
        .classes.map_or_else(String::new, |classes| format!(" of {classes} classes"))
    )]
    TooSmall {
        /// Name of the data set.
        dataset: String,
        /// Training rows.
        rows: usize,
        /// Classes; `None` where targets are values.
        classes: Option<usize>,
    },
    /// Targets that are values, where classes are needed.
    #[error(
        "{needing} learns classes, and the targets of {dataset} are values: expected {}, or task = classification",
        if .able.is_empty() {
            "none".to_owned()
        } else {
            format!("a method that learns values ({})", .able.join(", "))
        }
    )]
    NeedsClasses {
        /// Name of the data set.
        dataset: String,
        /// The method, or an option of it.
        needing: String,
        /// Methods that learn values, where the method is what needs classes.
        able: Vec<&'static str>,
    },
    /// Labels that a saved network does not know.
    #[error("{dataset}: {}, expected those of the run: {}", unknown_labels(.unknown), listed(.known))]
    Labels {
        /// Name of the data set.
        dataset: String,
        /// The labels.
        unknown: Vec<String>,
        /// The classes of the network.
        known: Vec<String>,
    },
    /// Classes and values.
    #[error(
        "{dataset} has {} for targets: expected {}, which the run learned",
        if *.values { "values" } else { "classes" },
        if *.learned { "values" } else { "classes" }
    )]
    OtherTask {
        /// Name of the data set.
        dataset: String,
        /// Whether its targets are values.
        values: bool,
        /// Whether the run learned values.
        learned: bool,
    },
    /// A saved network does not fit the data.
    #[error(
        "{dataset} has {found} columns and {found_classes} classes: expected {expected} and {expected_classes}, those of the network"
    )]
    Shape {
        /// Name of the data set.
        dataset: String,
        /// Its columns.
        found: usize,
        /// Its classes.
        found_classes: usize,
        /// Inputs of the network.
        expected: usize,
        /// Outputs of the network.
        expected_classes: usize,
    },
}

impl Error {
    /// What needs classes met values; the methods are those that there are.
    /// An option that needs classes, on targets that are values.
    pub(crate) fn option_needs_classes(data: &Dataset, needing: &str) -> Self {
        Self::needs_classes(data, needing, std::iter::empty())
    }

    pub(crate) fn needs_classes(data: &Dataset, needing: &str, methods: impl Iterator<Item = &'static Method>) -> Self {
        let able = methods.filter(|method| method.values).map(|method| method.name).collect();
        Self::NeedsClasses { dataset: data.name.clone(), needing: needing.to_owned(), able }
    }
}

/// Names that a message lists at the most.
const MOST_LISTED: usize = 20;

fn listed(names: &[String]) -> String {
    let first = names.iter().take(MOST_LISTED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST_LISTED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn unknown_labels(names: &[String]) -> String {
    format!("{} {}", if names.len() == 1 { "label" } else { "labels" }, listed(names))
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::Run(error.into())
    }
}

impl From<BoxError> for Error {
    /// An error of this crate that passed through a listener is itself again.
    fn from(error: BoxError) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(own) => return *own,
            Err(other) => other,
        };
        let error = match error.downcast::<FileError>() {
            Ok(file) => return (*file).into(),
            Err(other) => other,
        };
        match error.downcast::<RunError>() {
            Ok(run) => Self::Run(*run),
            Err(other) => Self::Own(other),
        }
    }
}

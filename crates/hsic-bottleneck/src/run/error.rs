//! What can be wrong with a run's folder.

use std::path::PathBuf;

use hsic_data::dataset::Content;
use thiserror::Error;

use crate::files::FileError;

/// What can be wrong with a run's folder.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// A file of it cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder holds something already.
    #[error("{}: is not empty: expected a new folder", .path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// A process works in the folder.
    #[error("{}: in use by {by}, expected one process at a time", .path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Which process.
        by: String,
    },
    /// Training into the folder has not ended.
    #[error("{}: training has not ended, expected a finished run", .path.display())]
    Unfinished {
        /// The folder.
        path: PathBuf,
    },
    /// A folder that is to be overwritten holds what no run makes.
    #[error("{}: is no file of a run: expected a folder that holds a run and nothing else", .path.display())]
    Foreign {
        /// What is in the way.
        path: PathBuf,
    },
    /// Data that are no longer those that the run was trained on.
    #[error("{place}: {found}, expected {expected}, on which {} was trained", .run.display())]
    OtherData {
        /// The run's folder.
        run: PathBuf,
        /// Name or path of the data.
        place: String,
        /// What is there.
        found: Content,
        /// What was trained on.
        expected: Content,
    },
    /// Units of a method that name no classes were to be read.
    #[error("the outputs of {method} name no classes by themselves: expected its softmax layer to be used")]
    Unnamed {
        /// The method.
        method: &'static str,
    },
    /// Training in a process of its own said why it cannot go on.
    #[error("{}: {said}", .path.display())]
    Failed {
        /// The run's folder.
        path: PathBuf,
        /// What it said.
        said: String,
    },
}

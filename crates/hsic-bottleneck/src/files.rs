//! Files that appear whole or not at all, and what can be wrong with one.

use std::io::Write;
use std::path::{Path, PathBuf};

use hsic_data::disk::{self, Opening};
use thiserror::Error;

/// Why a file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// A file cannot be read or written.
    #[error("{}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what its name says.
    #[error("{}: {found}, expected {expected}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What should be.
        expected: String,
    },
    /// A file of a run is not what training left.
    #[error("{}: was changed since training left it: its SHA-256 is {found}, expected {expected}", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
        /// What it was.
        expected: String,
    },
}

impl FileError {
    /// A file that is not what its name says.
    pub fn malformed(path: &Path, found: impl ToString, expected: &str) -> Self {
        Self::Malformed { path: path.into(), found: found.to_string(), expected: expected.to_owned() }
    }
}

/// Ends the name of a file that is being written.
pub(crate) const PART: &str = ".part";

/// Writes a file aside, syncs it and renames it into place.
///
/// # Errors
/// `Io` with the path; what was there before is then untouched.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, |aside| {
        let mut file = disk::open(aside, Opening::Emptied)?;
        file.write_all(bytes)?;
        file.sync()
    })
}

/// Lets `write` make and sync a file beside `path`, then gives it that name.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<(), FileError> {
    let mut name = path.file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
    name.push(PART);
    let aside = path.with_file_name(name);
    let written = write(&aside).and_then(|()| disk::rename(&aside, path));
    written.map_err(|source| {
        // On a full disk the half file would take the room that is missing.
        drop(disk::remove_file(&aside));
        FileError::Io { path: path.into(), source }
    })
}

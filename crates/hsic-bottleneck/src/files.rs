//! Files that appear whole or not at all, and what can be wrong with one.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use hsic_data::disk::{self, Opening, Output};
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
    let mut aside = Aside::begin(path)?;
    aside.add(bytes)?;
    aside.finish()
}

/// Lets `write` make and sync a file beside `path`, then gives it that name.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<(), FileError> {
    let aside = beside(path);
    let written = write(&aside).and_then(|()| disk::rename(&aside, path));
    written.map_err(|source| {
        // On a full disk the half file would take the room that is missing.
        drop(disk::remove_file(&aside));
        FileError::Io { path: path.into(), source }
    })
}

/// The name of a file until it is whole.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
    name.push(PART);
    path.with_file_name(name)
}

/// A file that is written piece by piece beside its place, and has its name once it is whole. One that is dropped before is removed.
///
/// # Examples
/// ```
/// use hsic_bottleneck::files::Aside;
/// let path = std::env::temp_dir().join(format!("hsic-aside-{}.txt", std::process::id()));
/// let mut aside = Aside::begin(&path)?;
/// aside.add(b"one\n")?;
/// let place = aside.length();
/// aside.add(b"two\n")?;
/// aside.cut(place)?;
/// assert!(!path.exists());
/// aside.finish()?;
/// assert_eq!(std::fs::read(&path)?, b"one\n");
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Aside {
    path: PathBuf,
    aside: PathBuf,
    output: Output,
    length: u64,
    is_whole: bool,
}

impl Aside {
    /// Begins a file.
    ///
    /// # Errors
    /// `Io` with the path.
    pub fn begin(path: &Path) -> Result<Self, FileError> {
        let aside = beside(path);
        let opened = disk::open(&aside, Opening::Emptied);
        let output = opened.map_err(|source| FileError::Io { path: path.into(), source })?;
        Ok(Self { path: path.into(), aside, output, length: 0, is_whole: false })
    }

    /// Writes more of it.
    ///
    /// # Errors
    /// `Io` with the path.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.output.write_all(bytes).map_err(|source| self.unwritten(source))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Bytes that were written.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Leaves its first `length` bytes.
    ///
    /// # Errors
    /// `Io` with the path.
    pub fn cut(&mut self, length: u64) -> Result<(), FileError> {
        let cut = self.output.set_len(length).and_then(|()| self.output.seek(SeekFrom::Start(length)));
        cut.map_err(|source| self.unwritten(source))?;
        self.length = length;
        Ok(())
    }

    /// Syncs it and gives it its name.
    ///
    /// # Errors
    /// `Io` with the path; what was there before is then untouched.
    pub fn finish(mut self) -> Result<(), FileError> {
        let finished = self.output.sync().and_then(|()| disk::rename(&self.aside, &self.path));
        finished.map_err(|source| self.unwritten(source))?;
        self.is_whole = true;
        Ok(())
    }

    fn unwritten(&self, source: std::io::Error) -> FileError {
        FileError::Io { path: self.path.clone(), source }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.is_whole {
            // On a full disk the half file would take the room that is missing.
            drop(disk::remove_file(&self.aside));
        }
    }
}

//! What the files of a finished run are: their SHA-256 in `digests.json`, with which each is held when it is opened.
//!
//! The list is written when all files are whole, and goes before any of them is written anew: a run that a crash left between
//! two results has none, and is taken as it is. Runs of earlier versions have none either. A checkpoint carries its own digest,
//! as it is written while training goes on.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;

use hsic_data::dataset::Content;
use hsic_data::disk;
use serde::{Deserialize, Serialize};

use crate::files::{FileError, write_atomically};
use crate::run::{CONFIG, DATA, DATA_CSV, DIGESTS, ENGINES, METRICS, RESULTS, Run};
use crate::state_files::CHECKPOINT;
use crate::tensor_file;

/// What is listed beside the results.
const BESIDE: &[&str] = &[CONFIG, DATA, DATA_CSV, ENGINES, METRICS];

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Digests {
    /// SHA-256 in hexadecimal by the name of a file.
    sha256: BTreeMap<String, String>,
}

/// What became of a file of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is what training left.
    Intact,
    /// It is another.
    Changed,
    /// It is gone.
    Missing,
    /// Nobody wrote down what it was.
    Unknown,
}

impl Verdict {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Intact => "intact",
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        }
    }
}

impl Run {
    /// Writes down what the files of the run are, all of which are whole.
    ///
    /// # Errors
    /// `Io`.
    ///
    /// # Cost
    /// Reads all of them once.
    pub fn seal(&self) -> Result<(), FileError> {
        let mut digests = Digests::default();
        self.synced_metrics_bytes()?;
        for name in BESIDE.iter().chain(RESULTS) {
            let path = self.file(name);
            match fs::read(&path) {
                Ok(bytes) => drop(digests.sha256.insert((*name).to_owned(), Content::of(&bytes).sha256)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(source) => return Err(FileError::Io { path, source }),
            }
        }
        let mut text = serde_json::to_string(&digests).map_err(|error| self.malformed(DIGESTS, error, "JSON"))?;
        text.push('\n');
        write_atomically(&self.path().join(DIGESTS), text.as_bytes())
    }

    /// Forgets what the files are, of which one is about to be written.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn unseal(&self) -> Result<(), FileError> {
        // What comes to be aside is no part of the run yet.
        if self.aside {
            return Ok(());
        }
        let path = self.path().join(DIGESTS);
        // A list that came back after a power cut would call the file that is about to be written a changed one.
        disk::remove(&path).map_err(|source| FileError::Io { path, source })
    }

    /// Whether it is written down what the files are.
    pub(crate) fn is_sealed(&self) -> bool {
        self.path().join(DIGESTS).exists()
    }

    fn digests(&self) -> Result<Digests, FileError> {
        let path = self.path().join(DIGESTS);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| FileError::malformed(&path, error, "the SHA-256 of the run's files")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Digests::default()),
            Err(source) => Err(FileError::Io { path, source }),
        }
    }

    /// The content of a file of the run.
    ///
    /// # Errors
    /// `Io`; `Changed` if it is not what training left.
    pub(crate) fn content(&self, name: &str) -> Result<Vec<u8>, FileError> {
        let path = self.file(name);
        let bytes = fs::read(&path).map_err(|source| FileError::Io { path: path.clone(), source })?;
        let listed = if self.aside { None } else { self.digests()?.sha256.remove(name) };
        match listed {
            Some(expected) if Content::of(&bytes).sha256 != expected => {
                Err(FileError::Changed { path, found: Content::of(&bytes).sha256, expected })
            }
            _ => Ok(bytes),
        }
    }

    /// Whether a file is there that may be missing.
    ///
    /// # Errors
    /// `Io`; `Malformed` if training left it and it is gone.
    pub(crate) fn has(&self, name: &str) -> Result<bool, FileError> {
        let there = self.file(name).exists();
        if !there && !self.aside && self.digests()?.sha256.contains_key(name) {
            return Err(self.malformed(name, "no such file", &format!("the one that {DIGESTS} tells of")));
        }
        Ok(there)
    }

    /// What became of the run's files since training left them, by name; of its checkpoint too. Networks of several sigmas
    /// are runs of their own.
    ///
    /// # Errors
    /// `Io`; `Malformed` for a list that is none.
    ///
    /// # Cost
    /// Reads all of them once.
    pub fn verify(&self) -> Result<Vec<(String, Verdict)>, FileError> {
        let mut listed = self.digests()?.sha256;
        let mut found = Vec::new();
        for name in BESIDE.iter().chain(RESULTS) {
            let path = self.file(name);
            let verdict = match (fs::read(&path), listed.remove(*name)) {
                (Ok(bytes), Some(expected)) if Content::of(&bytes).sha256 == expected => Verdict::Intact,
                (Ok(_), Some(_)) => Verdict::Changed,
                (Ok(_), None) => Verdict::Unknown,
                (Err(error), listed) if error.kind() == ErrorKind::NotFound => match listed {
                    Some(_) => Verdict::Missing,
                    None => continue,
                },
                (Err(source), _) => return Err(FileError::Io { path, source }),
            };
            found.push(((*name).to_owned(), verdict));
        }
        let checkpoint = self.file(CHECKPOINT);
        if checkpoint.exists() {
            let verdict = match tensor_file::load(&checkpoint) {
                Ok(stored) if stored.sealed => Verdict::Intact,
                Ok(_) => Verdict::Unknown,
                Err(error @ FileError::Io { .. }) => return Err(error),
                Err(_) => Verdict::Changed,
            };
            found.push((CHECKPOINT.to_owned(), verdict));
        }
        Ok(found)
    }
}

//! One process at a time works in a run's folder.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::Path;

use hsic_data::disk::{self, Opening, Output};
use thiserror::Error;

use crate::files::FileError;

/// The file that is held, in the folder.
pub(crate) const LOCK: &str = "lock";

/// Why a folder cannot be held.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process, or another part of this one, holds it.
    #[error("in use by {by}")]
    InUse {
        /// Which one.
        by: String,
    },
    /// The file cannot be made.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Holds a run's folder until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct RunLock(Option<Output>);

impl RunLock {
    /// Whether the system can lock files at that place; some that are shared by a network cannot.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.is_some()
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        if let Some(file) = &self.0 {
            // What is left is an empty file that nobody holds.
            drop(file.set_len(0));
            // Closing it frees it only once every copy is closed, and a process that another thread starts at this moment has
            // one until it executes its program. If this fails, closing does it.
            drop(file.file().unlock());
        }
    }
}

/// Whether a process works in a folder. Nothing is written, and one that only asks keeps nobody out for longer than the question
/// takes; where files cannot be locked nobody is known to.
pub(crate) fn is_held(folder: &Path) -> bool {
    let Ok(file) = File::open(folder.join(LOCK)) else { return false };
    // Who holds it is written in it; a lock that was let go is empty, and a process that was killed left its name.
    if file.metadata().is_ok_and(|found| found.len() == 0) {
        return false;
    }
    match file.try_lock_shared() {
        Ok(()) => {
            drop(file.unlock());
            false
        }
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(_)) => false,
    }
}

/// Keeps other processes out of a folder.
///
/// # Errors
/// `InUse` with what holds it; `File`.
pub(crate) fn lock(folder: &Path) -> Result<RunLock, LockError> {
    let path = folder.join(LOCK);
    let io = |source| LockError::from(FileError::Io { path: path.clone(), source });
    let mut file = match disk::open(&path, Opening::Kept) {
        Ok(file) => file,
        // Where nothing can be written no other process writes.
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            return Ok(RunLock(None));
        }
        Err(error) => return Err(io(error)),
    };
    match file.file().try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let by = fs::read_to_string(&path).unwrap_or_default();
            let by = if by.trim().is_empty() { "another process".to_owned() } else { by.trim().to_owned() };
            return Err(LockError::InUse { by });
        }
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => return Ok(RunLock(None)),
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    let command: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let told = format!("process {} ({})\n", std::process::id(), command.join(" "));
    file.set_len(0).and_then(|()| file.write_all(told.as_bytes())).map_err(io)?;
    Ok(RunLock(Some(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_by_one_at_a_time_and_who_holds_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        assert!(held.is_held() && is_held(folder.path()));
        let LockError::InUse { by } = lock(folder.path()).unwrap_err() else { panic!("expected a lock") };
        if cfg!(unix) {
            assert!(by.starts_with(&format!("process {} (", std::process::id())), "{by}");
        }
        drop(held);
        assert_eq!(fs::read(folder.path().join(LOCK)).unwrap(), b"");
        assert!(!is_held(folder.path()));
        // What a killed process leaves.
        fs::write(folder.path().join(LOCK), "process 1 (hsic train)\n").unwrap();
        assert!(!is_held(folder.path()));
        drop(lock(folder.path()).unwrap());
        // A copy of the file, as a process has that was started while the folder was held, keeps nobody out afterwards.
        let held = lock(folder.path()).unwrap();
        let copy = held.0.as_ref().map(|file| file.file().try_clone().unwrap());
        drop(held);
        drop(lock(folder.path()).unwrap());
        drop(copy);
        let missing = lock(&folder.path().join("none")).unwrap_err();
        assert!(matches!(missing, LockError::File(_)), "{missing}");
    }
}

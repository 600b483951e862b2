//! A file in parts, each of which has a checksum.
//!
//! A part of 4 MiB is read whole and checked when the first of its bytes is asked for; others of it are read alone, until the file's
//! length or one of its times is another: then all parts are checked again. What was cut or changed since it was written is so an
//! error and never a sample. The file is read and not mapped: a map of a file that another process cuts ends this one by a signal.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use super::error::DatasetError;
use super::packed_fault::PackedFault;

/// Bytes of a part.
pub(super) const PART_BYTES: u64 = 4 << 20;

/// What a system says of a file, and what is another as soon as somebody writes to it: its length, and when it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    /// Seconds and nanoseconds of the last change that no program can set back.
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        #[cfg(unix)]
        let changed = {
            use std::os::unix::fs::MetadataExt;
            (metadata.ctime(), metadata.ctime_nsec())
        };
        #[cfg(not(unix))]
        let changed = (0, 0);
        Ok(Self { length: metadata.len(), modified: metadata.modified().ok(), changed })
    }
}

/// Checksums of the parts, and which of them were looked at.
#[derive(Debug)]
struct Parts {
    sums: Vec<u32>,
    seen: Vec<AtomicBool>,
}

impl Parts {
    /// Lets all be checked again when they are next read.
    fn forget(&self) {
        self.seen.iter().for_each(|seen| seen.store(false, Ordering::Release));
    }
}

/// A file in parts.
#[derive(Debug)]
pub(super) struct PartedFile {
    /// The file's name once it is whole, for messages.
    path: PathBuf,
    file: File,
    /// Whether it is the user's own: then it is never to be deleted.
    given: bool,
    /// Where the first row begins, and how many bytes all rows have; unknown while they are written.
    span: OnceLock<(u64, u64)>,
    parts: OnceLock<Parts>,
    /// The file as it was when parts were last looked at.
    stamp: Mutex<Option<Stamp>>,
}

impl PartedFile {
    /// A file that is being written. What is read before it is [sealed](Self::seal) is not checked.
    pub(super) fn growing(path: &Path, file: File) -> Self {
        let (span, parts, stamp) = (OnceLock::new(), OnceLock::new(), Mutex::new(None));
        Self { path: path.to_owned(), file, given: false, span, parts, stamp }
    }

    /// A file of which `length` bytes from `start` on are rows whose parts have these checksums.
    pub(super) fn whole(path: &Path, file: File, (start, length): (u64, u64), sums: Vec<u32>) -> Self {
        let file = Self::growing(path, file);
        file.seal((start, length), sums);
        file
    }

    /// A file of the user's own, of which `length` bytes from `start` on are rows.
    pub(super) fn given(path: &Path, file: File, span: (u64, u64), sums: Vec<u32>) -> Self {
        Self { given: true, ..Self::whole(path, file, span, sums) }
    }

    /// Says where the rows are and which checksums their parts have.
    pub(super) fn seal(&self, span: (u64, u64), sums: Vec<u32>) {
        // Where the system does not say, it is asked again at the first reading, which then is done twice.
        *self.stamp.lock().unwrap_or_else(PoisonError::into_inner) = Stamp::of(&self.file).ok();
        debug_assert_eq!(sums.len() as u64, span.1.div_ceil(PART_BYTES));
        let seen = sums.iter().map(|_| AtomicBool::new(false)).collect();
        // A file is sealed once.
        let _ = self.span.set(span);
        let _ = self.parts.set(Parts { sums, seen });
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the first row begins, and how many bytes all rows have, once that is known.
    pub(super) fn span(&self) -> Option<(u64, u64)> {
        self.span.get().copied()
    }

    /// Lets all parts be checked again when they are next read.
    pub(super) fn check_again(&self) {
        if let Some(parts) = self.parts.get() {
            parts.forget();
        }
    }

    /// Whether the file is another than it was when this was last asked; then all parts are to be checked again.
    pub(super) fn was_touched(&self) -> Result<bool, DatasetError> {
        if self.parts.get().is_none() {
            return Ok(false);
        }
        let now = Stamp::of(&self.file).map_err(|source| DatasetError::Io { path: self.path.clone(), source })?;
        let mut stamp = self.stamp.lock().unwrap_or_else(PoisonError::into_inner);
        let before = stamp.replace(now);
        if before == Some(now) {
            return Ok(false);
        }
        self.check_again();
        Ok(true)
    }

    /// Reads bytes from `place` on, counted from the first row.
    pub(super) fn read(&self, place: u64, out: &mut [u8]) -> Result<(), DatasetError> {
        let (start, _) = self.span.get().copied().unwrap_or_default();
        if let Some(parts) = self.parts.get() {
            let last = (place + out.len() as u64).div_ceil(PART_BYTES);
            for part in place / PART_BYTES..last {
                // Two threads may both look at a part; both find the same.
                if !parts.seen[part as usize].load(Ordering::Acquire) {
                    self.check(part, parts)?;
                }
            }
        }
        read_exact_at(&self.file, out, start + place).map_err(|error| self.unread(place / PART_BYTES, error))
    }

    /// Reads a part whole and compares its checksum.
    fn check(&self, part: u64, parts: &Parts) -> Result<(), DatasetError> {
        let (start, length) = self.span.get().copied().unwrap_or_default();
        let place = part * PART_BYTES;
        let mut bytes = vec![0; (length - place).min(PART_BYTES) as usize];
        read_exact_at(&self.file, &mut bytes, start + place).map_err(|error| self.unread(part, error))?;
        if crc32fast::hash(&bytes) != parts.sums[part as usize] {
            return Err(self.fault(PackedFault::Changed { part, parts: parts.sums.len() as u64 }));
        }
        parts.seen[part as usize].store(true, Ordering::Release);
        Ok(())
    }

    fn fault(&self, fault: PackedFault) -> DatasetError {
        let path = self.path.clone();
        if self.given { DatasetError::ChangedData { path, fault } } else { DatasetError::Packed { path, fault } }
    }

    fn unread(&self, part: u64, error: io::Error) -> DatasetError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                let parts = self.parts.get().map_or(0, |parts| parts.sums.len() as u64);
                self.fault(PackedFault::Cut { part, parts })
            }
            _ => DatasetError::Io { path: self.path.clone(), source: error },
        }
    }
}

/// Checksums of the parts of rows that come piece by piece.
#[derive(Default)]
pub(super) struct GrowingSums {
    hasher: crc32fast::Hasher,
    /// Bytes of the last part so far.
    filled: u64,
    sums: Vec<u32>,
}

impl GrowingSums {
    pub(super) fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let fits = (bytes.len() as u64).min(PART_BYTES - self.filled) as usize;
            self.hasher.update(&bytes[..fits]);
            self.filled += fits as u64;
            bytes = &bytes[fits..];
            if self.filled == PART_BYTES {
                self.end_part();
            }
        }
    }

    fn end_part(&mut self) {
        self.sums.push(std::mem::take(&mut self.hasher).finalize());
        self.filled = 0;
    }

    /// One for each part.
    pub(super) fn sums(mut self) -> Vec<u32> {
        if self.filled > 0 {
            self.end_part();
        }
        self.sums
    }
}

/// Fills `out` with the bytes from `place` on, wherever the file's cursor is.
#[cfg(unix)]
fn read_exact_at(file: &File, out: &mut [u8], place: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, place)
}

/// Fills `out` with the bytes from `place` on. The cursor moves, and nothing else here reads by it.
#[cfg(windows)]
fn read_exact_at(file: &File, mut out: &mut [u8], mut place: u64) -> io::Result<()> {
    while !out.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, out, place) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => (out, place) = (&mut out[count..], place + count as u64),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

//! Rows that lie in a file and are read by their positions, where a data set does not fit into memory.
//!
//! A file is looked at in parts of 4 MiB, each of which has a CRC-32. A part is read whole and checked when the first of
//! its rows is asked for; rows of it that follow are read alone. What was cut or changed since it was written is so an error
//! and never a sample. The file is read and not mapped: a map of a file that another process cuts ends this one by a signal.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::error::DatasetError;
use super::packed_fault::PackedFault;

/// Bytes of a part.
pub(super) const PART_BYTES: u64 = 4 << 20;

/// What a value of a row is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Element {
    /// A byte, which stands for byte / 255.
    Byte,
    /// A number of 32 bits, the byte that counts least first.
    Float,
}

impl Element {
    /// Bytes of a value.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Float => size_of::<f32>(),
        }
    }
}

/// Checksums of the parts, and which of them were looked at.
#[derive(Debug)]
struct Parts {
    sums: Vec<u32>,
    seen: Vec<AtomicBool>,
}

/// A file in parts.
#[derive(Debug)]
pub(super) struct PartedFile {
    /// The file's name once it is whole, for messages.
    path: PathBuf,
    file: File,
    /// Where the first row begins, and how many bytes all rows have; unknown while they are written.
    span: OnceLock<(u64, u64)>,
    parts: OnceLock<Parts>,
}

impl PartedFile {
    /// A file that is being written. What is read before it is [sealed](Self::seal) is not checked.
    pub(super) fn growing(path: &Path, file: File) -> Self {
        Self { path: path.to_owned(), file, span: OnceLock::new(), parts: OnceLock::new() }
    }

    /// A file of which `length` bytes from `start` on are rows whose parts have these checksums.
    pub(super) fn whole(path: &Path, file: File, (start, length): (u64, u64), sums: Vec<u32>) -> Self {
        let file = Self::growing(path, file);
        file.seal((start, length), sums);
        file
    }

    /// Says where the rows are and which checksums their parts have.
    pub(super) fn seal(&self, span: (u64, u64), sums: Vec<u32>) {
        debug_assert_eq!(sums.len() as u64, span.1.div_ceil(PART_BYTES));
        let seen = sums.iter().map(|_| AtomicBool::new(false)).collect();
        // A file is sealed once.
        let _ = self.span.set(span);
        let _ = self.parts.set(Parts { sums, seen });
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn handle(&self) -> &File {
        &self.file
    }

    /// Reads bytes from `place` on, counted from the first row.
    fn read(&self, place: u64, out: &mut [u8]) -> Result<(), DatasetError> {
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
            let fault = PackedFault::Changed { part, parts: parts.sums.len() as u64 };
            return Err(DatasetError::Packed { path: self.path.clone(), fault });
        }
        parts.seen[part as usize].store(true, Ordering::Release);
        Ok(())
    }

    fn unread(&self, part: u64, error: io::Error) -> DatasetError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                let parts = self.parts.get().map_or(0, |parts| parts.sums.len() as u64);
                DatasetError::Packed { path: self.path.clone(), fault: PackedFault::Cut { part, parts } }
            }
            _ => DatasetError::Io { path: self.path.clone(), source: error },
        }
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

/// Which rows of a file, in which order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Chosen {
    /// So many from one on.
    Run {
        /// The first.
        first: u32,
        /// How many.
        count: u32,
    },
    /// Each by itself.
    List(Vec<u32>),
}

impl Chosen {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Run { count, .. } => *count as usize,
            Self::List(rows) => rows.len(),
        }
    }

    /// The row of the file that stands at a place.
    fn at(&self, place: usize) -> u32 {
        match self {
            Self::Run { first, count } => {
                assert!(place < *count as usize, "row {place} of {count}");
                first + place as u32
            }
            Self::List(rows) => rows[place],
        }
    }

    /// The largest row of the file that is named.
    pub(super) fn end(&self) -> u64 {
        match self {
            Self::Run { first, count } => u64::from(*first) + u64::from(*count),
            Self::List(rows) => rows.iter().max().map_or(0, |&row| u64::from(row) + 1),
        }
    }
}

/// Rows in a file, of which another data set may have others.
#[derive(Clone, Debug)]
pub struct StoredRows {
    file: Arc<PartedFile>,
    element: Element,
    columns: usize,
    chosen: Chosen,
}

impl PartialEq for StoredRows {
    /// Two are equal if they are the same rows of the same file.
    fn eq(&self, other: &Self) -> bool {
        let (file, others) = (self.file.path(), other.file.path());
        file == others && self.element == other.element && self.chosen == other.chosen
    }
}

impl StoredRows {
    pub(super) fn new(file: &Arc<PartedFile>, element: Element, columns: usize, chosen: Chosen) -> Self {
        Self { file: Arc::clone(file), element, columns, chosen }
    }

    /// The file that they lie in.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// What their values are.
    #[must_use]
    pub fn element(&self) -> Element {
        self.element
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.chosen.len()
    }

    /// Values in a row.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn chosen(&self) -> &Chosen {
        &self.chosen
    }

    /// Bytes of a row.
    fn width(&self) -> usize {
        self.columns * self.element.bytes()
    }

    /// The rows at these places, in that order.
    pub(super) fn select(&self, places: &[usize]) -> Self {
        let rows = places.iter().map(|&place| self.chosen.at(place)).collect();
        Self { chosen: Chosen::List(rows), ..self.clone() }
    }

    /// Keeps the first so many.
    pub(super) fn truncate(&mut self, rows: usize) {
        match &mut self.chosen {
            Chosen::Run { count, .. } => *count = (*count).min(u32::try_from(rows).unwrap_or(u32::MAX)),
            Chosen::List(list) => list.truncate(rows),
        }
    }

    /// These rows, then others of the same file.
    ///
    /// # Panics
    /// If the others lie in another file.
    pub(super) fn extend(&mut self, others: &Self) {
        assert!(Arc::ptr_eq(&self.file, &others.file), "both parts of a data set lie in one file");
        self.chosen = match (&self.chosen, &others.chosen) {
            (Chosen::Run { first, count }, Chosen::Run { first: next, count: more }) if first + count == *next => {
                Chosen::Run { first: *first, count: count + more }
            }
            (own, others) => {
                let each = |chosen: &Chosen| (0..chosen.len()).map(|place| chosen.at(place)).collect::<Vec<_>>();
                Chosen::List([each(own), each(others)].concat())
            }
        };
    }

    /// Reads the bytes of the rows at these places, one row after another. Rows that lie side by side are read at once.
    ///
    /// # Errors
    /// `Io`; `Packed` if the file was cut or changed.
    ///
    /// # Panics
    /// If a place is not below [`rows`](Self::rows), or `out` is not as long as the rows.
    pub(super) fn read(
        &self,
        places: impl ExactSizeIterator<Item = usize>,
        out: &mut [u8],
    ) -> Result<(), DatasetError> {
        let width = self.width();
        assert_eq!(out.len(), places.len() * width, "a place for each value");
        // Rows that were met and are not read yet, from which place of `out` on.
        let (mut first, mut count, mut begin) = (0u64, 0usize, 0usize);
        for place in places {
            let row = u64::from(self.chosen.at(place));
            if count > 0 && row != first + count as u64 {
                let end = begin + count * width;
                self.file.read(first * width as u64, &mut out[begin..end])?;
                (count, begin) = (0, end);
            }
            if count == 0 {
                first = row;
            }
            count += 1;
        }
        if count > 0 {
            self.file.read(first * width as u64, &mut out[begin..begin + count * width])?;
        }
        Ok(())
    }

    /// Reads the numbers of the rows at these places.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Panics
    /// As [`read`](Self::read), or if the values are bytes.
    pub(super) fn read_floats(
        &self,
        places: impl ExactSizeIterator<Item = usize>,
        out: &mut [f32],
    ) -> Result<(), DatasetError> {
        assert_eq!(self.element, Element::Float, "numbers are read as numbers");
        self.read(places, bytemuck::cast_slice_mut(out))?;
        if cfg!(target_endian = "big") {
            out.iter_mut().for_each(|value| *value = f32::from_bits(u32::from_le(value.to_bits())));
        }
        Ok(())
    }
}

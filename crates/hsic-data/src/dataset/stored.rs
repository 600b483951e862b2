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
    /// Whether it is the user's own: then it is never to be deleted.
    given: bool,
    /// Where the first row begins, and how many bytes all rows have; unknown while they are written.
    span: OnceLock<(u64, u64)>,
    parts: OnceLock<Parts>,
}

impl PartedFile {
    /// A file that is being written. What is read before it is [sealed](Self::seal) is not checked.
    pub(super) fn growing(path: &Path, file: File) -> Self {
        Self { path: path.to_owned(), file, given: false, span: OnceLock::new(), parts: OnceLock::new() }
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
        debug_assert_eq!(sums.len() as u64, span.1.div_ceil(PART_BYTES));
        let seen = sums.iter().map(|_| AtomicBool::new(false)).collect();
        // A file is sealed once.
        let _ = self.span.set(span);
        let _ = self.parts.set(Parts { sums, seen });
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
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
    /// These rows, in order.
    fn of(rows: Vec<u32>) -> Self {
        let (first, count) = (rows.first().copied().unwrap_or(0), rows.len() as u32);
        if rows.iter().zip(first..).all(|(&row, next)| row == next) {
            Self::Run { first, count }
        } else {
            Self::List(rows)
        }
    }

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

/// Rows of one file.
#[derive(Clone, Debug)]
struct Section {
    file: Arc<PartedFile>,
    chosen: Chosen,
}

/// Rows in a file, of which another data set may have others; or in two, one after the other.
#[derive(Clone, Debug)]
pub struct StoredRows {
    element: Element,
    columns: usize,
    /// One at the least.
    sections: Vec<Section>,
}

impl PartialEq for StoredRows {
    /// Two are equal if they are the same rows of the same files.
    fn eq(&self, other: &Self) -> bool {
        let same = |(own, other): (&Section, &Section)| {
            own.file.path() == other.file.path() && own.file.span == other.file.span && own.chosen == other.chosen
        };
        self.element == other.element
            && self.sections.len() == other.sections.len()
            && self.sections.iter().zip(&other.sections).all(same)
    }
}

impl StoredRows {
    pub(super) fn new(file: &Arc<PartedFile>, element: Element, columns: usize, chosen: Chosen) -> Self {
        Self { element, columns, sections: vec![Section { file: Arc::clone(file), chosen }] }
    }

    /// The file that they lie in, or the first of them.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.sections[0].file.path()
    }

    /// What their values are.
    #[must_use]
    pub fn element(&self) -> Element {
        self.element
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.sections.iter().map(|section| section.chosen.len()).sum()
    }

    /// Values in a row.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Which rows of the file they are, if it is one.
    pub(super) fn chosen(&self) -> Option<&Chosen> {
        match &self.sections[..] {
            [section] => Some(&section.chosen),
            _ => None,
        }
    }

    /// Lets all parts be checked again when they are next read.
    pub(super) fn check_again(&self) {
        for Section { file, .. } in &self.sections {
            if let Some(parts) = file.parts.get() {
                parts.seen.iter().for_each(|seen| seen.store(false, Ordering::Release));
            }
        }
    }

    /// Bytes of a row.
    fn width(&self) -> usize {
        self.columns * self.element.bytes()
    }

    /// The section in which the row at a place lies, and the row there.
    ///
    /// # Panics
    /// If the place is not below [`rows`](Self::rows).
    fn at(&self, mut place: usize) -> (usize, u32) {
        for (index, section) in self.sections.iter().enumerate() {
            let rows = section.chosen.len();
            if place < rows {
                return (index, section.chosen.at(place));
            }
            place -= rows;
        }
        panic!("row {place} beyond the last of {}", self.rows());
    }

    /// The rows at these places, in that order.
    pub(super) fn select(&self, places: &[usize]) -> Self {
        let mut sections: Vec<(usize, Vec<u32>)> = vec![(0, Vec::new())];
        for &place in places {
            let (index, row) = self.at(place);
            match sections.last_mut() {
                Some((last, rows)) if *last == index || rows.is_empty() => {
                    *last = index;
                    rows.push(row);
                }
                _ => sections.push((index, vec![row])),
            }
        }
        let section = |(index, rows): (usize, Vec<u32>)| Section {
            file: Arc::clone(&self.sections[index].file),
            chosen: Chosen::of(rows),
        };
        Self { sections: sections.into_iter().map(section).collect(), ..*self }
    }

    /// Keeps the first so many.
    pub(super) fn truncate(&mut self, mut rows: usize) {
        for Section { chosen, .. } in &mut self.sections {
            match chosen {
                Chosen::Run { count, .. } => *count = (*count).min(u32::try_from(rows).unwrap_or(u32::MAX)),
                Chosen::List(list) => list.truncate(rows),
            }
            rows -= chosen.len();
        }
    }

    /// These rows, then others.
    pub(super) fn extend(&mut self, others: &Self) {
        for Section { file, chosen } in &others.sections {
            match (self.sections.last_mut(), chosen) {
                (
                    Some(Section { file: own, chosen: Chosen::Run { first, count } }),
                    Chosen::Run { first: next, count: more },
                ) if Arc::ptr_eq(own, file) && *first + *count == *next => {
                    *count += more;
                }
                _ => self.sections.push(Section { file: Arc::clone(file), chosen: chosen.clone() }),
            }
        }
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
        // Rows that were met and are not read yet, of which section, and from which place of `out` on.
        let (mut section, mut first, mut count, mut begin) = (0, 0u64, 0usize, 0usize);
        for place in places {
            let (of, row) = self.at(place);
            if count > 0 && (of != section || u64::from(row) != first + count as u64) {
                let end = begin + count * width;
                self.sections[section].file.read(first * width as u64, &mut out[begin..end])?;
                (count, begin) = (0, end);
            }
            if count == 0 {
                (section, first) = (of, u64::from(row));
            }
            count += 1;
        }
        if count > 0 {
            self.sections[section].file.read(first * width as u64, &mut out[begin..begin + count * width])?;
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

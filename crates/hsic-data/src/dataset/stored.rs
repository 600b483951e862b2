//! Rows that lie in a file and are read by their positions, where a data set does not fit into memory.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::DatasetError;
use super::parted::PartedFile;

/// How often rows are read of a file that somebody writes to all the time.
const MOST_READINGS: usize = 8;

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
            own.file.path() == other.file.path() && own.file.span() == other.file.span() && own.chosen == other.chosen
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
            file.check_again();
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
    /// `Io`; `Packed` if the file was cut or changed, at any time; `ChangedMeanwhile` if somebody writes to it all the time.
    ///
    /// # Panics
    /// If a place is not below [`rows`](Self::rows), or `out` is not as long as the rows.
    pub(super) fn read(
        &self,
        places: impl ExactSizeIterator<Item = usize> + Clone,
        out: &mut [u8],
    ) -> Result<(), DatasetError> {
        assert_eq!(out.len(), places.len() * self.width(), "a place for each value");
        for _ in 0..MOST_READINGS {
            self.read_once(places.clone(), out)?;
            // Looked at behind the rows: what was changed while they were read is read again, and checked.
            let mut touched = false;
            for Section { file, .. } in &self.sections {
                touched |= file.was_touched()?;
            }
            if !touched {
                return Ok(());
            }
        }
        Err(DatasetError::ChangedMeanwhile { path: self.path().to_owned() })
    }

    fn read_once(&self, places: impl Iterator<Item = usize>, out: &mut [u8]) -> Result<(), DatasetError> {
        let width = self.width();
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
        places: impl ExactSizeIterator<Item = usize> + Clone,
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

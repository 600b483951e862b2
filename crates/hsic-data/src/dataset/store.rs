//! Where a loader leaves samples: in memory, or in a packed file where they would take too much of it.

use std::path::Path;

use super::cache::{Cache, Draft};
use super::data::{Dataset, Piece, Samples};
use super::error::DatasetError;
use super::notes::Note;
use super::packed::{self, Asked, Whole};
use super::packed_fault::PackedFault;
use super::packer::Packer;
use super::source::LoadOptions;
use super::stored::Element;

/// Samples stay in memory if they take no more than one of so many parts of what is free: training needs the rest.
const SHARE: u64 = 2;

/// Where samples go.
pub(super) struct Store<'c> {
    /// Where a file may be made; `None` where memory is all there is.
    cache: Option<Target<'c>>,
    /// Bytes of memory that were free before anything was read, where the system tells.
    free: Option<u64>,
    file: Option<Writing>,
}

/// What a file would be made of.
#[derive(Clone, Copy)]
struct Target<'c> {
    cache: &'c Cache,
    options: &'c LoadOptions,
    known: Option<&'c [String]>,
}

/// A file that is being written.
struct Writing {
    draft: Draft,
    asked: Asked,
    packer: Packer,
    /// Bytes of memory that were free, where that decided.
    free: Option<u64>,
}

/// Samples of one part of a data set, as they come.
pub(super) enum Collected<'s> {
    Memory(Vec<u8>),
    File {
        packer: &'s mut Packer,
        /// The first of the rows in the file.
        first: u32,
    },
}

impl Store<'_> {
    /// All samples stay in memory.
    pub(super) fn memory() -> Self {
        Self { cache: None, free: None, file: None }
    }
}

impl<'c> Store<'c> {
    /// Samples go to a packed file if the options say so, or if they would take too much memory.
    pub(super) fn of(cache: &'c Cache, options: &'c LoadOptions, known: Option<&'c [String]>) -> Self {
        Self { cache: Some(Target { cache, options, known }), free: hsic::memory::available(), file: None }
    }

    /// Bytes that samples in memory may have.
    pub(super) fn room(&self) -> u64 {
        match self.cache {
            None => u64::MAX,
            Some(Target { options, .. }) if options.cache.is_some() => 0,
            Some(_) => self.free.map_or(u64::MAX, |free| free / SHARE),
        }
    }

    /// Whether so many bytes of samples are not to go to memory.
    pub(super) fn wants(&self, bytes: u64) -> bool {
        self.cache.is_some() && bytes > self.room()
    }

    /// Bytes of memory that were free before anything was read, where that decides.
    pub(super) fn free(&self) -> Option<u64> {
        self.free.filter(|_| self.cache.is_some_and(|Target { options, .. }| options.cache.is_none()))
    }

    /// Decides where all samples go, of which there are at most so many bytes, by the memory that is free. Said again it
    /// changes nothing.
    ///
    /// # Errors
    /// `Io` if no file can be made.
    pub(super) fn decide(&mut self, bytes: u64, element: Element, columns: usize) -> Result<(), DatasetError> {
        let Some(Target { cache, options, known }) = self.cache else { return Ok(()) };
        if self.file.is_some() || (options.cache.is_none() && bytes <= self.room()) {
            return Ok(());
        }
        let asked = Asked::of(options, known, cache.stamp()?);
        let draft = cache.make(&asked)?;
        if draft.waited() && cache.find(options, known)?.is_some() {
            return Err(DatasetError::Packed { path: draft.path().to_owned(), fault: PackedFault::Meanwhile });
        }
        let packer = Packer::new(draft.path(), draft.empty()?, element, columns)?;
        let free = self.free();
        self.file = Some(Writing { draft, asked, packer, free });
        Ok(())
    }

    /// Takes samples of a part: bytes of whole rows of so many values, one after another.
    ///
    /// # Panics
    /// If rows of another part in a file have another number of values.
    pub(super) fn part(&mut self, columns: usize) -> Collected<'_> {
        match &mut self.file {
            None => Collected::Memory(Vec::new()),
            Some(Writing { packer, .. }) => {
                assert_eq!(packer.columns(), columns, "both parts have samples of one size");
                Collected::File { first: packer.next(), packer }
            }
        }
    }

    /// Moves samples that were read into memory to a file, where one is asked for, or where they take too much of it.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn take(&mut self, whole: &mut Whole) -> Result<(), DatasetError> {
        if self.file.is_some() || matches!(whole.train.samples, Samples::Stored(_)) {
            return Ok(());
        }
        let element = if whole.train.samples.are_pixels() { Element::Byte } else { Element::Float };
        let values = whole.train.samples.len() + whole.test.as_ref().map_or(0, |test| test.samples.len());
        self.decide((values * element.bytes()) as u64, element, whole.train.columns())?;
        let Some(Writing { packer, .. }) = &mut self.file else { return Ok(()) };
        for part in [&mut whole.train].into_iter().chain(&mut whole.test) {
            moved(part, packer)?;
        }
        Ok(())
    }

    /// The end of the rows: from now on they can be read.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn seal(&mut self) -> Result<(), DatasetError> {
        self.file.as_mut().map_or(Ok(()), |writing| writing.packer.seal())
    }

    /// Describes what lies in the file, gives it its name, and says so.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn finish(self, whole: &mut Whole) -> Result<(), DatasetError> {
        let Some(Writing { draft, asked, mut packer, free }) = self.file else { return Ok(()) };
        packed::describe(&mut packer, whole, asked)?;
        let file = draft.path().to_owned();
        draft.keep()?;
        whole.origin.notes.push(Note::Packed { file, bytes: packer.bytes(), free, made: true });
        Ok(())
    }
}

/// Whether so many bytes leave enough of what is free; where the system does not tell, they are taken to.
fn fits(bytes: u64, free: Option<u64>) -> bool {
    free.is_none_or(|free| bytes <= free / SHARE)
}

/// Whether a packed file of so many bytes is read although it may be kept in memory; what was free if that decides.
pub(super) fn stays(bytes: u64, options: &LoadOptions) -> Option<Option<u64>> {
    if options.cache.is_some() {
        return Some(None);
    }
    let free = hsic::memory::available();
    (!fits(bytes, free)).then_some(free)
}

fn moved(part: &mut Dataset, packer: &mut Packer) -> Result<(), DatasetError> {
    let first = packer.next();
    let mut failed = None;
    part.pass(|piece| {
        let added = match piece {
            Piece::Bytes(bytes) => packer.add(bytes),
            Piece::Floats(floats) => packer.add_floats(floats),
        };
        failed = failed.take().or(added.err());
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    part.samples = Samples::Stored(packer.rows_from(first));
    Ok(())
}

impl Collected<'_> {
    /// Adds whole rows; `path` is where they come from, for messages.
    ///
    /// # Errors
    /// `TooLarge` if memory does not hold them; `Io` of a file.
    pub(super) fn add(&mut self, path: &Path, rows: &[u8]) -> Result<(), DatasetError> {
        match self {
            Self::Memory(bytes) => {
                if bytes.try_reserve(rows.len()).is_err() {
                    let found = (bytes.len() + rows.len()) as u64;
                    return Err(DatasetError::TooLarge { path: path.to_owned(), found, limit: bytes.len() as u64 });
                }
                bytes.extend_from_slice(rows);
                Ok(())
            }
            Self::File { packer, .. } => packer.add(rows),
        }
    }

    /// The samples of the part.
    pub(super) fn samples(self) -> Samples {
        match self {
            Self::Memory(mut bytes) => {
                bytes.shrink_to_fit();
                Samples::Bytes(bytes)
            }
            Self::File { packer, first } => Samples::Stored(packer.rows_from(first)),
        }
    }
}

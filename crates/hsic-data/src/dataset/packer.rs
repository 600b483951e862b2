//! Writes rows to a file, from which they are read by their positions.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::DatasetError;
use super::parted::{PART_BYTES, PartedFile};
use super::stored::{Chosen, Element, StoredRows};
use crate::disk::{self, Opening, Output};

/// A file that rows are added to.
#[derive(Debug)]
pub(super) struct Packer {
    out: Output,
    file: Arc<PartedFile>,
    element: Element,
    columns: usize,
    /// What the last part has so far.
    part: Vec<u8>,
    /// Checksums of the parts before it.
    sums: Vec<u32>,
    /// Rows that were added.
    rows: u32,
}

impl Packer {
    /// Rows of so many values go into a file that is empty; `path` is what messages call it.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn new(path: &Path, out: Output, element: Element, columns: usize) -> Result<Self, DatasetError> {
        let file = out.file().try_clone().map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
        let file = Arc::new(PartedFile::growing(path, file));
        let part = Vec::with_capacity(PART_BYTES as usize);
        Ok(Self { out, file, element, columns, part, sums: Vec::new(), rows: 0 })
    }

    /// The row that is added next.
    pub(super) fn next(&self) -> u32 {
        self.rows
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Bytes of all rows.
    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.rows) * self.width() as u64
    }

    /// Bytes of a row.
    fn width(&self) -> usize {
        self.columns * self.element.bytes()
    }

    pub(super) fn element(&self) -> Element {
        self.element
    }

    pub(super) fn sums(&self) -> &[u32] {
        &self.sums
    }

    /// Adds whole rows of bytes.
    ///
    /// # Errors
    /// `Io`; `TooLarge` for more rows than 32 bits count.
    pub(super) fn add(&mut self, mut bytes: &[u8]) -> Result<(), DatasetError> {
        let width = self.width();
        assert!(bytes.len().is_multiple_of(width), "rows are added whole");
        let rows = u64::from(self.rows) + (bytes.len() / width) as u64;
        let (found, limit) = (rows.saturating_mul(width as u64), u64::from(u32::MAX).saturating_mul(width as u64));
        let large = |_| DatasetError::TooLarge { path: self.file.path().to_owned(), found, limit };
        self.rows = u32::try_from(rows).map_err(large)?;
        while !bytes.is_empty() {
            let fits = bytes.len().min(PART_BYTES as usize - self.part.len());
            self.part.extend_from_slice(&bytes[..fits]);
            bytes = &bytes[fits..];
            if self.part.len() as u64 == PART_BYTES {
                self.end_part()?;
            }
        }
        Ok(())
    }

    /// Adds whole rows of numbers.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub(super) fn add_floats(&mut self, floats: &[f32]) -> Result<(), DatasetError> {
        if cfg!(target_endian = "little") {
            return self.add(bytemuck::cast_slice(floats));
        }
        for row in floats.chunks(self.columns) {
            let bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
            self.add(&bytes)?;
        }
        Ok(())
    }

    /// The rows from `first` on, as a data set has them once all are [added](Self::seal).
    pub(super) fn rows_from(&self, first: u32) -> StoredRows {
        StoredRows::new(&self.file, self.element, self.columns, Chosen::Run { first, count: self.rows - first })
    }

    /// Writes what is left of the rows; from now on they are read, and what is read is checked.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn seal(&mut self) -> Result<(), DatasetError> {
        if !self.part.is_empty() {
            self.end_part()?;
        }
        self.file.seal((0, self.bytes()), self.sums.clone());
        Ok(())
    }

    /// Writes what follows the rows.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn end(&mut self, tail: &[u8]) -> Result<(), DatasetError> {
        let out = &mut self.out;
        let written = out.seek(SeekFrom::End(0)).and_then(|_| out.write_all(tail)).and_then(|()| out.sync());
        written.map_err(|source| self.unwritten(source))
    }

    fn end_part(&mut self) -> Result<(), DatasetError> {
        self.sums.push(crc32fast::hash(&self.part));
        let written = self.out.write_all(&self.part);
        written.map_err(|source| self.unwritten(source))?;
        self.part.clear();
        Ok(())
    }

    fn unwritten(&self, source: std::io::Error) -> DatasetError {
        DatasetError::Io { path: self.file.path().to_owned(), source }
    }
}

/// Numbers that are kept in a file for as long as they are needed, where memory is short.
#[derive(Debug)]
pub struct Aside {
    packer: Packer,
    named: Named,
}

impl Aside {
    /// A file beside one in which samples lie, for rows of so many numbers.
    ///
    /// # Errors
    /// `Io` if it cannot be made.
    pub fn beside(samples: &StoredRows, columns: usize) -> Result<Self, DatasetError> {
        // Several may be open at once, in this process and in others.
        let numbers =
            (0u32..).map(|number| samples.path().with_extension(format!("{}-{number}.features", std::process::id())));
        for path in numbers {
            match disk::open(&path, Opening::New) {
                Ok(file) => {
                    // Where the system allows it the name goes at once, and the file with the process, however that ends.
                    let named =
                        Named(if cfg!(unix) && disk::remove_file(&path).is_ok() { None } else { Some(path.clone()) });
                    return Ok(Self { packer: Packer::new(&path, file, Element::Float, columns)?, named });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(DatasetError::Io { path, source }),
            }
        }
        unreachable!("one of all numbers is free")
    }

    /// Adds whole rows.
    ///
    /// # Errors
    /// `Io`, as on a full disk.
    pub fn add(&mut self, rows: &[f32]) -> Result<(), DatasetError> {
        self.packer.add_floats(rows)
    }

    /// The end of writing: from now on rows are read.
    ///
    /// # Errors
    /// `Io`.
    pub fn read(mut self) -> Result<AsideRows, DatasetError> {
        self.packer.seal()?;
        let rows = self.packer.rows_from(0);
        Ok(AsideRows { rows, _named: self.named })
    }
}

/// Rows of numbers in a file that goes with them.
#[derive(Debug)]
pub struct AsideRows {
    rows: StoredRows,
    _named: Named,
}

impl AsideRows {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.rows()
    }

    /// Reads rows, one after another; those that lie side by side at once.
    ///
    /// # Errors
    /// `Io`; `Packed` if the file was cut or changed.
    ///
    /// # Panics
    /// If one of them is not below [`rows`](Self::rows), or `out` is not as long as they are.
    pub fn read(
        &self,
        rows: impl ExactSizeIterator<Item = usize> + Clone,
        out: &mut [f32],
    ) -> Result<(), DatasetError> {
        self.rows.read_floats(rows, out)
    }
}

/// A file that is deleted when it is no longer needed, if it has a name.
#[derive(Debug)]
struct Named(Option<PathBuf>);

impl Drop for Named {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // If this fails, a file is left that nobody reads.
            drop(disk::remove_file(path));
        }
    }
}

//! A text that stays in its file: checked once, and read again by whoever works on it.

use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use encoding_rs::{Encoding, UTF_8};

use crate::dataset::error::DatasetError;
use crate::dataset::gzip;
use crate::dataset::table_fault::TableFault;

/// Bytes that are looked at at once.
const AT_ONCE: usize = 1 << 16;

/// What bytes come to: how many there are, and their CRC-32.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum {
    length: u64,
    hasher: crc32fast::Hasher,
}

impl Sum {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.hasher.update(bytes);
    }

    fn told(&self) -> (u64, u32) {
        (self.length, self.hasher.clone().finalize())
    }
}

/// A text in UTF-8 in a file, perhaps compressed.
pub(super) struct StoredText {
    pub(super) path: PathBuf,
    /// What all of it came to when it was checked.
    pub(super) sum: (u64, u32),
}

impl StoredText {
    /// The first bytes of a file, decompressed.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn first(path: &Path) -> Result<Vec<u8>, DatasetError> {
        let mut bytes = vec![0; 2];
        let read = read_up_to(&mut gzip::open(path)?.reader, &mut bytes);
        let count = read.map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Reads a file whole and checks it; gives its beginning, up to the first line that is not empty.
    ///
    /// # Errors
    /// `Io`; `Table` with the first line that is not in UTF-8.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<u8>), DatasetError> {
        let error = |source| DatasetError::Io { path: path.to_owned(), source };
        let mut reader = gzip::open(path)?.reader;
        let (mut sum, mut head, mut ends) = (Sum::default(), Head::default(), 0);
        let ends_of = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
        // Bytes of a letter that the last ones broke off stand before the next ones.
        let (mut bytes, mut kept) = (vec![0; AT_ONCE + 4], 0);
        loop {
            let count = read_up_to(&mut reader, &mut bytes[kept..]).map_err(error)?;
            let found = &bytes[..kept + count];
            sum.add(&found[kept..]);
            let whole = match std::str::from_utf8(found) {
                Ok(_) => found.len(),
                Err(fault) if fault.error_len().is_none() && count > 0 => fault.valid_up_to(),
                Err(fault) => return Err(not_in(path, 1 + ends + ends_of(&found[..fault.valid_up_to()]), UTF_8)),
            };
            // Text has no such byte, and UTF-16 without a mark has one beside most letters.
            if let Some(before) = found[..whole].iter().position(|&byte| byte == 0) {
                return Err(not_in(path, 1 + ends + ends_of(&found[..before]), UTF_8));
            }
            head.add(&found[..whole]);
            ends += ends_of(&found[..whole]);
            if count == 0 {
                return Ok((Self { path: path.to_owned(), sum: sum.told() }, head.bytes));
            }
            let end = found.len();
            bytes.copy_within(whole..end, 0);
            kept = end - whole;
        }
    }

    /// All of it from the first byte on.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn reader(&self) -> Result<Box<dyn Read>, DatasetError> {
        Ok(Box::new(BufReader::with_capacity(AT_ONCE, gzip::open(&self.path)?.reader)))
    }
}

/// The beginning of a text, up to the end of the first line that is not empty: what tells the separator.
#[derive(Default)]
struct Head {
    bytes: Vec<u8>,
    is_whole: bool,
}

impl Head {
    fn add(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.is_whole {
                return;
            }
            self.bytes.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = self.bytes[..self.bytes.len() - 1].rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
                self.is_whole = !line.trim_ascii().is_empty();
            }
        }
    }
}

/// Bytes in memory that are read, and that others may read as well.
pub(super) struct Shared {
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) place: usize,
}

impl Read for Shared {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = (self.bytes.len() - self.place).min(out.len());
        out[..count].copy_from_slice(&self.bytes[self.place..][..count]);
        self.place += count;
        Ok(count)
    }
}

/// Bytes that are read, and what they came to.
pub(super) struct Input<'b> {
    pub(super) reader: Box<dyn Read + 'b>,
    pub(super) sum: Sum,
    /// What they have to come to, where they may change.
    pub(super) expected: Option<(u64, u32)>,
}

impl Input<'_> {
    /// Whether what was read is not what it had to be.
    pub(super) fn is_another(&self) -> bool {
        self.expected.is_some_and(|expected| expected != self.sum.told())
    }
}

impl Read for Input<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(out)?;
        if self.expected.is_some() {
            self.sum.add(&out[..count]);
        }
        Ok(count)
    }
}

/// Fills `out` as far as there are bytes, and says how far.
pub(super) fn read_up_to(reader: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < out.len() {
        match reader.read(&mut out[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A line that is not in an encoding.
pub(super) fn not_in(path: &Path, line: u64, encoding: &'static Encoding) -> DatasetError {
    let fault = TableFault::Encoding { line, encoding: encoding.name().to_owned() };
    DatasetError::Table { path: path.to_owned(), fault }
}

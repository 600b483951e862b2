//! Files that may be compressed by gzip, whatever their names.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::error::DatasetError;

/// Deflate encodes at most 258 bytes in two bits: no more than 1032 bytes come from one (RFC 1951, 3.2.5).
pub(super) const DEFLATE_RATIO: u64 = 1032;

/// The bytes of a file, decompressed if it begins as gzip does, whatever its name, and the most that there can be.
pub(super) struct Bytes<'a> {
    pub(super) reader: Box<dyn Read + 'a>,
    /// Most bytes that there can be.
    pub(super) possible: u64,
    /// Whether they are compressed in the file.
    pub(super) compressed: bool,
}

pub(super) fn open(path: &Path) -> Result<Bytes<'static>, DatasetError> {
    let error = |source| DatasetError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(error)?;
    let length = file.metadata().map_err(error)?.len();
    decompress(BufReader::with_capacity(1 << 16, file), length).map_err(error)
}

pub(super) fn decompress<'a>(mut reader: impl BufRead + 'a, length: u64) -> std::io::Result<Bytes<'a>> {
    Ok(if reader.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        Bytes {
            reader: Box::new(MultiGzDecoder::new(reader)),
            possible: length.saturating_mul(DEFLATE_RATIO),
            compressed: true,
        }
    } else {
        Bytes { reader: Box::new(reader), possible: length, compressed: false }
    })
}

//! The bytes of a table of text, from a file or from standard input, which is read once however often it is asked for.

use std::io::{Read, stdin};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::error::DatasetError;
use super::gzip;

/// The path that stands for standard input.
pub const STANDARD_INPUT: &str = "-";

/// What was read of it.
static READ: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// Whether a path stands for standard input.
pub(super) fn is_standard_input(path: &Path) -> bool {
    path == Path::new(STANDARD_INPUT)
}

/// All bytes of standard input.
///
/// # Errors
/// `Io`.
pub fn standard_input() -> Result<Vec<u8>, DatasetError> {
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bytes) = &*read {
        return Ok(bytes.clone());
    }
    let mut bytes = Vec::new();
    stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|source| DatasetError::Io { path: STANDARD_INPUT.into(), source })?;
    *read = Some(bytes.clone());
    Ok(bytes)
}

/// The bytes of a file of text, decompressed.
///
/// # Errors
/// `Io`; `TooLarge` for a compressed file of more bytes than memory has room for.
pub(super) fn text_bytes(path: &Path) -> Result<Vec<u8>, DatasetError> {
    if is_standard_input(path) {
        return text_of(path, &standard_input()?);
    }
    gzip::open(path)?.all(path)
}

/// [`text_bytes`] of what a file holds.
///
/// # Errors
/// `Io`; `TooLarge`.
pub(super) fn text_of(path: &Path, bytes: &[u8]) -> Result<Vec<u8>, DatasetError> {
    let input = gzip::decompress(bytes, bytes.len() as u64);
    input.map_err(|source| DatasetError::Io { path: path.to_owned(), source })?.all(path)
}

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
/// `Io`.
pub(super) fn text_bytes(path: &Path) -> Result<Vec<u8>, DatasetError> {
    let io = |source| DatasetError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    if is_standard_input(path) {
        let read = standard_input()?;
        gzip::decompress(&read[..], read.len() as u64)
            .and_then(|mut all| all.reader.read_to_end(&mut bytes))
            .map_err(io)?;
    } else {
        let mut file = gzip::open(path)?;
        if !file.compressed {
            bytes.reserve_exact(file.possible as usize);
        }
        file.reader.read_to_end(&mut bytes).map_err(io)?;
    }
    Ok(bytes)
}

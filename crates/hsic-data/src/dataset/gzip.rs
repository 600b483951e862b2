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

/// What is as small is decompressed without asking how much memory is free.
pub(super) const SMALL: u64 = 64 << 20;

/// Most bytes that are decompressed into memory, where rows are made of them: a half of what is free.
pub(super) fn room() -> u64 {
    hsic::memory::available().map_or(u64::MAX, |free| (free / 2).max(SMALL))
}

impl Bytes<'_> {
    /// All of them.
    ///
    /// # Errors
    /// `Io`; `TooLarge` for a compressed file of more bytes than memory has room for.
    pub(super) fn all(self, path: &Path) -> Result<Vec<u8>, DatasetError> {
        let limit = if self.compressed && self.possible > SMALL { room() } else { u64::MAX };
        self.up_to(path, limit)
    }

    fn up_to(mut self, path: &Path, limit: u64) -> Result<Vec<u8>, DatasetError> {
        // The vector grows with what arrives; only what is not compressed has a length before it is read.
        let mut bytes = Vec::with_capacity(if self.compressed { 0 } else { self.possible as usize });
        let read = (&mut self.reader).take(limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
        if bytes.len() as u64 > limit {
            return Err(DatasetError::TooLarge { path: path.to_owned(), found: bytes.len() as u64, limit });
        }
        Ok(bytes)
    }
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn what_memory_has_no_room_for_is_refused_and_not_cut() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&vec![b'1'; 1 << 20]).unwrap();
        let bytes = encoder.finish().unwrap();
        let read = |limit| decompress(&bytes[..], bytes.len() as u64).unwrap().up_to(Path::new("f.csv.gz"), limit);
        assert_eq!(read(1 << 20).unwrap().len(), 1 << 20);
        let told = read((1 << 20) - 1).unwrap_err().to_string();
        assert_eq!(told, "f.csv.gz: 1048576 bytes, expected at most 1048575: make it smaller, or compress it less");
        assert!(room() >= SMALL);
    }
}

//! Archives of NumPy arrays, `.npz`: a zip archive with a `.npy` file for each array.

use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use zip::{CompressionMethod, ZipArchive};

use super::DatasetError;
use super::gzip::{DEFLATE_RATIO, SMALL, room};
use super::npy::{self, ByteRows, MOST_HEADER, Stored};

/// Bytes that are given on at a time, or one sample if that has more.
const AT_ONCE: usize = 1 << 20;

/// An array of bytes in an archive.
pub(super) struct Member {
    pub(super) rows: ByteRows,
    /// Where the file of the array begins within the archive, if it is not compressed.
    pub(super) start: Option<u64>,
    /// Its length, header and all.
    pub(super) length: u64,
    /// Its CRC-32, as the archive has it.
    pub(super) sum: u32,
}

/// A `.npz` archive.
pub(super) struct Archive<R> {
    path: PathBuf,
    zip: ZipArchive<R>,
}

impl<R: Read + Seek> Archive<R> {
    /// Opens an archive; reads its directory only. `path` is for messages.
    pub(super) fn open(path: &Path, file: R) -> Result<Self, DatasetError> {
        let zip = ZipArchive::new(file).map_err(|source| DatasetError::Zip { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), zip })
    }

    /// Names of the arrays, sorted, without `.npy`.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.zip.file_names().filter_map(|name| Some(name.ok()?.strip_suffix(".npy")?.to_owned())).collect();
        names.sort();
        names
    }

    /// Path of an array for messages: the archive's, then the member's.
    pub(super) fn member(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.npy"))
    }

    /// Where an array lies, if it is one of bytes whose rows follow one another.
    pub(super) fn byte_rows(&mut self, name: &str) -> Result<Option<Member>, DatasetError> {
        let path = self.member(name);
        let mut member = self
            .zip
            .by_name(&format!("{name}.npy"))
            .map_err(|source| DatasetError::Zip { path: path.clone(), source })?;
        let (length, sum) = (member.size(), member.crc32());
        let plain = member.compression() == CompressionMethod::Stored && !member.encrypted();
        let start = if plain { member.data_start() } else { None };
        let mut head = Vec::new();
        let read = (&mut member).take(MOST_HEADER).read_to_end(&mut head);
        read.map_err(|source| DatasetError::Io { path, source })?;
        Ok(ByteRows::of(&head, length).map(|rows| Member { rows, start, length, sum }))
    }

    /// Gives the bytes of an array behind its header to `each`, some whole samples of so many bytes at a time.
    ///
    /// # Errors
    /// Those of `each`; `Zip`, `Io` of the archive, whose checksum is verified at the end.
    pub(super) fn stream(
        &mut self,
        name: &str,
        member: &Member,
        sample: usize,
        mut each: impl FnMut(&[u8]) -> Result<(), DatasetError>,
    ) -> Result<(), DatasetError> {
        let path = self.member(name);
        let io = |source| DatasetError::Io { path: path.clone(), source };
        let mut reader = self
            .zip
            .by_name(&format!("{name}.npy"))
            .map_err(|source| DatasetError::Zip { path: path.clone(), source })?;
        io::copy(&mut (&mut reader).take(member.rows.header), &mut io::sink()).map_err(io)?;
        let (mut left, at_once) = (member.rows.bytes, ((AT_ONCE / sample).max(1) * sample) as u64);
        let mut bytes = Vec::new();
        while left > 0 {
            bytes.resize(left.min(at_once) as usize, 0);
            reader.read_exact(&mut bytes).map_err(io)?;
            each(&bytes)?;
            left -= bytes.len() as u64;
        }
        // The end of the member makes the archive check its sum.
        io::copy(&mut reader, &mut io::sink()).map_err(io)?;
        Ok(())
    }

    /// Reads one array.
    pub(super) fn array(&mut self, name: &str) -> Result<Stored, DatasetError> {
        let path = self.member(name);
        let member = self
            .zip
            .by_name(&format!("{name}.npy"))
            .map_err(|source| DatasetError::Zip { path: path.clone(), source })?;
        let (claimed, possible) = (member.size(), member.compressed_size().saturating_mul(DEFLATE_RATIO));
        if claimed > possible {
            return Err(DatasetError::Oversized { path, claimed, possible });
        }
        let limit = if claimed > SMALL { room() } else { SMALL };
        if claimed > limit {
            return Err(DatasetError::TooLarge { path, found: claimed, limit });
        }
        // The vector grows with what arrives; the checksum is verified at the end.
        let mut bytes = Vec::new();
        let read = member.take(limit).read_to_end(&mut bytes);
        read.map_err(|source| DatasetError::Io { path: path.clone(), source })?;
        npy::parse(&path, &bytes)
    }
}

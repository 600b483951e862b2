//! Archives of NumPy arrays, `.npz`: a zip archive with a `.npy` file for each array.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::DatasetError;
use super::gzip::DEFLATE_RATIO;
use super::npy::{self, Stored};

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
        // The vector grows with what arrives; the checksum is verified at the end.
        let mut bytes = Vec::new();
        let read = member.take(possible).read_to_end(&mut bytes);
        read.map_err(|source| DatasetError::Io { path: path.clone(), source })?;
        npy::parse(&path, &bytes)
    }
}

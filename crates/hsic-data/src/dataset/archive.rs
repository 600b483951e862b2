//! Folders of images that are still in an archive: `.tar`, `.tar.gz`, `.tar.xz`, read in memory.
//!
//! What the archive holds becomes a [`Tree`], read as a folder on disk is: the same samples in the same order. Nothing is
//! written, so an entry can overwrite nothing; one that is no plain file, or whose path leads out, is refused all the same,
//! for then the archive is not what its user takes it for.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use super::DatasetError;
use super::folder::{Images, Tree, is_hidden};
use super::picture::is_image;

/// Most bytes of an archive after decompression. A few kilobytes can claim any number of them, and images are kept until
/// all are decoded; what is larger is unpacked first and loaded as a folder.
const MOST_BYTES: u64 = 1 << 32;

/// Most bytes of one image file in an archive.
const MOST_IMAGE_BYTES: u64 = 1 << 26;

/// Most KiB that an xz decoder may take, of which nearly all is the dictionary: `xz -9` asks for 64 MiB.
const MOST_MEMORY_KIB: u32 = 1 << 18;

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tar,
    Gz,
    Xz,
}

/// Endings of the names of archives.
const ENDINGS: [(&str, Kind); 5] =
    [(".tar", Kind::Tar), (".tar.gz", Kind::Gz), (".tgz", Kind::Gz), (".tar.xz", Kind::Xz), (".txz", Kind::Xz)];

/// The kind that a file's name claims, and the name without that ending.
pub(super) fn kind(path: &Path) -> Option<(Kind, String)> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    let lower = name.to_ascii_lowercase();
    let (ending, kind) = ENDINGS.into_iter().find(|(ending, _)| lower.ends_with(ending))?;
    Some((kind, name[..name.len() - ending.len()].to_owned()))
}

/// The images of an archive of a folder; the folder may be the archive's only entry at the top.
pub(super) fn images(path: &Path, kind: Kind, name: String) -> Result<Images<impl Tree>, DatasetError> {
    let tree = Archive::read(path, kind)?;
    let mut root = path.to_owned();
    if let [only] = tree.folders_in(&root).as_slice()
        && !only.ends_with("train")
        && !tree.folders_in(only).is_empty()
    {
        root.clone_from(only);
    }
    Ok(Images { tree, root, name })
}

/// Folders and images of an archive; every path begins with that of the archive.
struct Archive {
    /// What lies directly in each folder, hidden entries left out.
    folders: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// Content of each image file, not decoded.
    images: BTreeMap<PathBuf, Vec<u8>>,
}

impl Archive {
    fn read(path: &Path, kind: Kind) -> Result<Self, DatasetError> {
        let io = |source| DatasetError::Io { path: path.to_owned(), source };
        let file = BufReader::with_capacity(1 << 16, File::open(path).map_err(io)?);
        let reader: Box<dyn Read> = match kind {
            Kind::Tar => Box::new(file),
            Kind::Gz => Box::new(MultiGzDecoder::new(file)),
            Kind::Xz => Box::new(XzReader::new_mem_limit(file, true, MOST_MEMORY_KIB)),
        };
        let mut archive = tar::Archive::new(Metered { reader, left: MOST_BYTES, ended: false });
        let mut tree = Self { folders: BTreeMap::from([(path.to_owned(), BTreeSet::new())]), images: BTreeMap::new() };
        let result = tree.take(path, kind, &mut archive);
        let mut reader = archive.into_inner();
        match result {
            Err(DatasetError::Archive { .. }) if reader.left == 0 => {
                Err(DatasetError::TooLarge { path: path.to_owned(), found: MOST_BYTES + 1, limit: MOST_BYTES })
            }
            // Entries end at a block of zeros; an archive that is cut between two entries lacks it.
            Ok(()) | Err(DatasetError::Archive { .. }) if reader.ended => {
                Err(DatasetError::ArchiveEnd { path: path.to_owned(), found: MOST_BYTES - reader.left })
            }
            Ok(()) => {
                // The checksums of a compressed file come last.
                let rest = io::copy(&mut reader, &mut io::sink());
                rest.map_err(|source| DatasetError::Archive { path: path.to_owned(), kind: kind.name(), source })?;
                Ok(tree)
            }
            Err(error) => Err(error),
        }
    }

    fn take(
        &mut self,
        path: &Path,
        kind: Kind,
        archive: &mut tar::Archive<Metered<Box<dyn Read>>>,
    ) -> Result<(), DatasetError> {
        let wrong = |source| DatasetError::Archive { path: path.to_owned(), kind: kind.name(), source };
        for entry in archive.entries().map_err(wrong)? {
            let mut entry = entry.map_err(wrong)?;
            let name = entry.path().map_err(wrong)?.into_owned();
            let refuse = |reason| DatasetError::Entry { path: path.to_owned(), entry: name.clone(), reason };
            if !name.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
                return Err(refuse("a path that leads out of the archive"));
            }
            let entry_type = entry.header().entry_type();
            if entry_type.is_pax_global_extensions() {
                continue;
            }
            if !entry_type.is_file() && !entry_type.is_dir() {
                return Err(refuse("neither a file nor a folder"));
            }
            let parts = || name.components().filter(|part| matches!(part, Component::Normal(_)));
            if parts().any(|part| is_hidden(part.as_os_str())) {
                continue;
            }
            let mut place = path.to_owned();
            for part in parts() {
                let inner = place.join(part);
                self.folders.entry(place).or_default().insert(inner.clone());
                place = inner;
            }
            if entry_type.is_dir() {
                self.folders.entry(place).or_default();
                continue;
            }
            if !is_image(&place) {
                continue;
            }
            let expected = entry.size();
            if expected > MOST_IMAGE_BYTES {
                return Err(DatasetError::TooLarge { path: place, found: expected, limit: MOST_IMAGE_BYTES });
            }
            let mut bytes = Vec::with_capacity(expected as usize);
            entry.read_to_end(&mut bytes).map_err(wrong)?;
            let found = bytes.len() as u64;
            if found < expected {
                return Err(DatasetError::Truncated { path: place, what: "data", found, expected });
            }
            if self.images.insert(place, bytes).is_some() {
                return Err(refuse("a name that comes twice"));
            }
        }
        Ok(())
    }

    /// Folders that lie directly in a folder.
    fn folders_in(&self, folder: &Path) -> Vec<PathBuf> {
        let inside = self.folders.get(folder).into_iter().flatten();
        inside.filter(|path| self.folders.contains_key(*path)).cloned().collect()
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Tar => "a tar archive",
            Self::Gz => "a tar archive compressed by gzip",
            Self::Xz => "a tar archive compressed by xz",
        }
    }
}

impl Tree for Archive {
    fn is_folder(&self, path: &Path) -> bool {
        self.folders.contains_key(path)
    }

    fn entries(&self, folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
        Ok(self.folders.get(folder).into_iter().flatten().cloned().collect())
    }

    fn bytes(&self, path: &Path) -> Result<Cow<'_, [u8]>, DatasetError> {
        Ok(self.images.get(path).map_or(&[][..], Vec::as_slice).into())
    }
}

/// Counts what is read, ends it at a limit, and remembers whether there was an end.
struct Metered<R> {
    reader: R,
    left: u64,
    ended: bool,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let result = self.reader.read(&mut buffer[..most]);
        match &result {
            Ok(count) => {
                self.left -= *count as u64;
                self.ended |= *count == 0;
            }
            Err(error) => self.ended |= error.kind() == io::ErrorKind::UnexpectedEof,
        }
        result
    }
}

//! Folders of images that are still in an archive: `.zip`, `.tar`, `.tar.gz`, `.tar.xz`, read in memory.
//!
//! What the archive holds becomes a [`Tree`], read as a folder on disk is: the same samples in the same order. Nothing is
//! written, so an entry can overwrite nothing; one that is neither a file nor a link to one, or whose path leads out, is
//! refused all the same, for then the archive is not what its user takes it for.

mod held;
mod zipped;

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use super::DatasetError;
use super::folder::Images;
use super::part_folders::unwrapped;
use super::picture::is_image;
use held::{Held, MOST_BYTES, MOST_IMAGE_BYTES};

/// Most KiB that an xz decoder may take, of which nearly all is the dictionary: `xz -9` asks for 64 MiB.
const MOST_MEMORY_KIB: u32 = 1 << 18;

/// Most bytes of an entry's headers, of its name and of the notes on it.
const MOST_AHEAD: u64 = 1 << 20;

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tar,
    Gz,
    Xz,
    Zip,
}

/// Endings of the names of archives.
const ENDINGS: [(&str, Kind); 6] = [
    (".tar", Kind::Tar),
    (".tar.gz", Kind::Gz),
    (".tgz", Kind::Gz),
    (".tar.xz", Kind::Xz),
    (".txz", Kind::Xz),
    (".zip", Kind::Zip),
];

/// The kind that a file's name claims, and the name without that ending.
pub(super) fn kind(path: &Path) -> Option<(Kind, String)> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    let lower = name.to_ascii_lowercase();
    let (ending, kind) = ENDINGS.into_iter().find(|(ending, _)| lower.ends_with(ending))?;
    Some((kind, name[..name.len() - ending.len()].to_owned()))
}

/// The images of an archive of a folder; the folder may be the archive's only entry at the top.
pub(super) fn images(path: &Path, kind: Kind, name: String) -> Result<Images<Held>, DatasetError> {
    let file = File::open(path).map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
    images_of(path, kind, name, BufReader::with_capacity(1 << 16, file))
}

/// [`images`] of what a file holds.
pub(super) fn images_of(
    path: &Path,
    kind: Kind,
    name: String,
    file: impl BufRead + Seek,
) -> Result<Images<Held>, DatasetError> {
    let tree = match kind {
        Kind::Zip => zipped::read(path, file)?,
        kind => read(path, kind, file)?,
    };
    Ok(Images { root: unwrapped(&tree, path)?, tree, name })
}

/// Reads all images of a tar archive into memory.
fn read<'f>(path: &Path, kind: Kind, mut file: impl BufRead + Seek + 'f) -> Result<Held, DatasetError> {
    let length = file.seek(SeekFrom::End(0)).and_then(|length| file.rewind().map(|()| length));
    let length = length.map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
    let reader: Box<dyn Read + 'f> = match kind {
        Kind::Gz => Box::new(MultiGzDecoder::new(file)),
        Kind::Xz => Box::new(XzReader::new_mem_limit(file, true, MOST_MEMORY_KIB)),
        Kind::Tar | Kind::Zip => Box::new(file),
    };
    let ahead = Rc::new(Cell::new(u64::MAX));
    let mut archive = tar::Archive::new(Metered { reader, left: MOST_BYTES, ended: false, ahead: ahead.clone() });
    let mut held = Held::new(path, length);
    let result = take(&mut held, path, kind, &mut archive, &ahead);
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
            ahead.set(u64::MAX);
            // The checksums of a compressed file come last.
            let rest = io::copy(&mut reader, &mut io::sink());
            rest.map_err(|source| DatasetError::Archive { path: path.to_owned(), kind: kind.name(), source })?;
            held.follow_links()?;
            Ok(held)
        }
        Err(error) => Err(error),
    }
}

fn take(
    held: &mut Held,
    path: &Path,
    kind: Kind,
    archive: &mut tar::Archive<Metered<Box<dyn Read + '_>>>,
    ahead: &Cell<u64>,
) -> Result<(), DatasetError> {
    let wrong = |source| DatasetError::Archive { path: path.to_owned(), kind: kind.name(), source };
    let mut entries = archive.entries().map_err(wrong)?;
    let mut before = PathBuf::new();
    loop {
        let Some(entry) = entries.next() else { return Ok(()) };
        let mut entry = match entry {
            Err(_) if ahead.get() == 0 => {
                return Err(held.refuse(&before, "behind it a name or notes of more than a megabyte"));
            }
            entry => entry.map_err(wrong)?,
        };
        ahead.set(u64::MAX);
        let name = entry.path().map_err(wrong)?.into_owned();
        let rest = entry.size().saturating_add(MOST_AHEAD);
        take_one(held, &name, &mut entry, wrong)?;
        // What is left of the entry is skipped on the way to the next.
        ahead.set(rest);
        before = name;
    }
}

/// Takes an entry, if it is an image or a link to one.
fn take_one<R: Read>(
    held: &mut Held,
    name: &Path,
    entry: &mut tar::Entry<'_, R>,
    wrong: impl Fn(io::Error) -> DatasetError,
) -> Result<(), DatasetError> {
    let entry_type = entry.header().entry_type();
    if entry_type.is_pax_global_extensions() {
        return Ok(());
    }
    let is_link = entry_type.is_hard_link() || entry_type.is_symlink();
    if !entry_type.is_file() && !entry_type.is_dir() && !is_link {
        return Err(held.refuse(name, "neither a file nor a folder"));
    }
    let Some(place) = held.enter(name, entry_type.is_dir())? else { return Ok(()) };
    if entry_type.is_dir() || !is_image(&place) {
        return Ok(());
    }
    if is_link {
        let target = entry.link_name().map_err(wrong)?.unwrap_or_default().into_owned();
        // A hard link names the file from the archive's top, a symbolic one from where it lies.
        let from = if entry_type.is_symlink() { name.parent().map(PathBuf::from) } else { None };
        return held.link(name, place, &from.unwrap_or_default(), &target);
    }
    let (expected, limit) = (entry.size(), MOST_IMAGE_BYTES.min(held.left()));
    if expected > limit {
        return Err(DatasetError::TooLarge { path: place, found: expected, limit });
    }
    // The vector grows with what arrives.
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(wrong)?;
    let found = bytes.len() as u64;
    if found < expected {
        return Err(DatasetError::Truncated { path: place, what: "data", found, expected });
    }
    bytes.shrink_to_fit();
    held.keep(name, place, bytes)
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Tar => "a tar archive",
            Self::Gz => "a tar archive compressed by gzip",
            Self::Xz => "a tar archive compressed by xz",
            Self::Zip => "a zip archive",
        }
    }
}

/// Counts what is read, ends it at a limit, and remembers whether there was an end.
struct Metered<R> {
    reader: R,
    left: u64,
    ended: bool,
    /// What may be read before the next entry is there: names and notes that stand before one are taken into memory.
    ahead: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let most = self.left.min(self.ahead.get());
        if most == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let most = buffer.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        let result = self.reader.read(&mut buffer[..most]);
        match &result {
            Ok(count) => {
                self.left -= *count as u64;
                self.ahead.set(self.ahead.get() - *count as u64);
                self.ended |= *count == 0;
            }
            Err(error) => self.ended |= error.kind() == io::ErrorKind::UnexpectedEof,
        }
        result
    }
}

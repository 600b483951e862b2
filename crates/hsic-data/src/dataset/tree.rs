//! Folders and image files, on disk or in an archive.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::DatasetError;
use super::picture::read_bytes;

/// Folders and image files, on disk or in an archive.
pub(super) trait Tree: Sync {
    /// Whether there is a folder at that path.
    fn is_folder(&self, path: &Path) -> bool;

    /// What lies directly in a folder and is not hidden, sorted by name.
    fn entries(&self, folder: &Path) -> Result<Vec<PathBuf>, DatasetError>;

    /// The file of the image at that path.
    fn bytes(&self, path: &Path) -> Result<Cow<'_, [u8]>, DatasetError>;

    /// A folder's own path, whichever way it was come by: what tells a link back to a folder above.
    fn own_path(&self, folder: &Path) -> Result<PathBuf, DatasetError> {
        Ok(folder.to_owned())
    }

    /// Names of the folders in a folder, sorted.
    fn class_folders(&self, root: &Path) -> Result<Vec<String>, DatasetError> {
        let folders = self.entries(root)?.into_iter().filter(|path| self.is_folder(path));
        folders
            .map(|path| {
                let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
                name.ok_or(DatasetError::FolderName { path })
            })
            .collect()
    }
}

/// The disk's folders.
pub(super) struct Disk;

impl Tree for Disk {
    fn is_folder(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn entries(&self, folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
        let error = |source| DatasetError::Io { path: folder.to_owned(), source };
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).map_err(error)? {
            let entry = entry.map_err(error)?;
            if !is_hidden(&entry.file_name()) {
                entries.push(entry.path());
            }
        }
        entries.sort();
        Ok(entries)
    }

    fn bytes(&self, path: &Path) -> Result<Cow<'_, [u8]>, DatasetError> {
        Ok(read_bytes(path)?.into())
    }

    fn own_path(&self, folder: &Path) -> Result<PathBuf, DatasetError> {
        fs::canonicalize(folder).map_err(|source| DatasetError::Io { path: folder.to_owned(), source })
    }
}

/// What operating systems and file servers leave among their users' files: resource forks and small pictures of pictures.
const OF_SYSTEMS: [&str; 7] =
    ["__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "@eadir", "lost+found"];

/// Whether a name begins with a dot, or is one that operating systems use.
pub(super) fn is_hidden(name: &OsStr) -> bool {
    let lower = name.to_ascii_lowercase();
    name.as_encoded_bytes().starts_with(b".") || OF_SYSTEMS.iter().any(|system| lower == *system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systems_leave_is_hidden() {
        for name in [".DS_Store", "._cat.png", "__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir", ".ipynb_checkpoints"] {
            assert!(is_hidden(OsStr::new(name)), "{name}");
        }
        assert!(!is_hidden(OsStr::new("cat.png")) && !is_hidden(OsStr::new("macosx")));
    }
}

//! What an archive holds, in memory: folders, and image files that are not decoded.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::dataset::DatasetError;
use crate::dataset::tree::{Tree, is_hidden};

/// Most bytes of an archive after decompression. A few kilobytes can claim any number of them, and images are kept until
/// all are decoded; what is larger is unpacked first and loaded as a folder.
pub(super) const MOST_BYTES: u64 = 1 << 32;

/// Most bytes of one image file in an archive.
pub(super) const MOST_IMAGE_BYTES: u64 = 1 << 26;

/// So many bytes are held of any archive, and of one that is larger so many for each of its own: images are compressed in
/// themselves, and an archive that gives more has been made to.
const SMALL: u64 = 64 << 20;
const MOST_RATIO: u64 = 40;

/// Most parts of a path: folders are gone through one within the other.
const DEEPEST: usize = 100;

/// Bytes that a name in a list takes, beside its letters.
const NAME: u64 = 64;

fn of_name(path: &Path) -> u64 {
    path.as_os_str().len() as u64 + NAME
}

/// Links that lead to one another are followed so many times.
const MOST_LINKS: usize = 40;

/// Folders and images of an archive; every path begins with that of the archive.
pub(crate) struct Held {
    archive: PathBuf,
    /// What lies directly in each folder, hidden entries left out.
    folders: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// Content of each image file; a link shares it.
    images: BTreeMap<PathBuf, Arc<Vec<u8>>>,
    /// Links to files: place and target.
    links: BTreeMap<PathBuf, PathBuf>,
    /// Bytes that may be held, names among them, and how many of them are left.
    limit: u64,
    left: u64,
}

impl Held {
    /// Of an archive of so many bytes.
    pub(super) fn new(archive: &Path, bytes: u64) -> Self {
        let folders = BTreeMap::from([(archive.to_owned(), BTreeSet::new())]);
        let limit = bytes.saturating_mul(MOST_RATIO).saturating_add(SMALL).min(MOST_BYTES);
        let (images, links) = (BTreeMap::new(), BTreeMap::new());
        Self { archive: archive.to_owned(), folders, images, links, limit, left: limit }
    }

    /// Bytes that may still be held.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Counts bytes that are held from now on.
    fn take(&mut self, bytes: u64) -> Result<(), DatasetError> {
        let Some(left) = self.left.checked_sub(bytes) else {
            let found = self.limit - self.left + bytes;
            return Err(DatasetError::TooLarge { path: self.archive.clone(), found, limit: self.limit });
        };
        self.left = left;
        Ok(())
    }

    /// The error of an entry that is not taken.
    pub(super) fn refuse(&self, entry: &Path, reason: &'static str) -> DatasetError {
        DatasetError::Entry { path: self.archive.clone(), entry: entry.to_owned(), reason }
    }

    /// Notes an entry by its name; its place, unless it is hidden.
    pub(super) fn enter(&mut self, entry: &Path, is_folder: bool) -> Result<Option<PathBuf>, DatasetError> {
        if !entry.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(self.refuse(entry, "a path that leads out of the archive"));
        }
        let parts = || entry.components().filter(|part| matches!(part, Component::Normal(_)));
        if parts().any(|part| is_hidden(part.as_os_str())) {
            return Ok(None);
        }
        if parts().count() > DEEPEST {
            return Err(self.refuse(entry, "a path of more than 100 parts"));
        }
        let mut place = self.archive.clone();
        for part in parts() {
            let inner = place.join(part);
            self.open(&place)?;
            if self.folders.get_mut(&place).is_some_and(|names| names.insert(inner.clone())) {
                self.take(of_name(&inner))?;
            }
            place = inner;
        }
        if is_folder {
            self.open(&place)?;
        }
        Ok(Some(place))
    }

    /// Notes a folder, if it is a new one.
    fn open(&mut self, folder: &Path) -> Result<(), DatasetError> {
        if !self.folders.contains_key(folder) {
            self.take(of_name(folder))?;
            self.folders.insert(folder.to_owned(), BTreeSet::new());
        }
        Ok(())
    }

    /// Keeps the content of an image.
    pub(super) fn keep(&mut self, entry: &Path, place: PathBuf, bytes: Vec<u8>) -> Result<(), DatasetError> {
        self.take(of_name(&place) + bytes.len() as u64)?;
        match self.images.insert(place, Arc::new(bytes)) {
            None => Ok(()),
            Some(_) => Err(self.refuse(entry, "a name that comes twice")),
        }
    }

    /// Notes a link to a file, which may come later. The target is a path from the folder `from`, within the archive.
    pub(super) fn link(
        &mut self,
        entry: &Path,
        place: PathBuf,
        from: &Path,
        target: &Path,
    ) -> Result<(), DatasetError> {
        let mut end = self.archive.clone();
        for part in from.components().chain(target.components()) {
            match part {
                Component::Normal(name) => end.push(name),
                Component::CurDir => {}
                Component::ParentDir if end != self.archive => {
                    end.pop();
                }
                _ => return Err(self.refuse(entry, "a link that leads out of the archive")),
            }
        }
        self.take(of_name(&place) + of_name(&end))?;
        match self.links.insert(place, end) {
            None => Ok(()),
            Some(_) => Err(self.refuse(entry, "a name that comes twice")),
        }
    }

    /// Puts the files in the place of the links that lead to them.
    pub(super) fn follow_links(&mut self) -> Result<(), DatasetError> {
        for (place, target) in &self.links {
            let mut end = target;
            for _ in 0..MOST_LINKS {
                end = self.links.get(end).unwrap_or(end);
            }
            let Some(image) = self.images.get(end).cloned() else {
                let entry = place.strip_prefix(&self.archive).unwrap_or(place);
                return Err(self.refuse(entry, "a link to no image file of the archive"));
            };
            if self.images.insert(place.clone(), image).is_some() {
                let entry = place.strip_prefix(&self.archive).unwrap_or(place);
                return Err(self.refuse(entry, "a name that comes twice"));
            }
        }
        Ok(())
    }
}

impl Tree for Held {
    fn is_folder(&self, path: &Path) -> bool {
        self.folders.contains_key(path)
    }

    fn entries(&self, folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
        Ok(self.folders.get(folder).into_iter().flatten().cloned().collect())
    }

    fn bytes(&self, path: &Path) -> Result<Cow<'_, [u8]>, DatasetError> {
        Ok(self.images.get(path).map_or(&[][..], |image| image.as_slice()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the place of a link holds, or what is told.
    fn linked(from: &str, target: &str) -> Result<Vec<u8>, String> {
        let mut held = Held::new(Path::new("f.tar"), 1000);
        for (name, byte) in [("train/cat/1.png", 1), ("train/dog/1.png", 2)] {
            let place = held.enter(Path::new(name), false).unwrap().unwrap();
            held.keep(Path::new(name), place, vec![byte]).unwrap();
        }
        let mut link = |entry: &str, from: &str, target: &str| {
            let place = held.enter(Path::new(entry), false).unwrap().unwrap();
            held.link(Path::new(entry), place, Path::new(from), Path::new(target)).map_err(|error| error.to_string())
        };
        link("train/cat/again.png", "train/cat", "1.png")?;
        link("train/cat/link.png", from, target)?;
        held.follow_links().map_err(|error| error.to_string())?;
        Ok(held.bytes(Path::new("f.tar/train/cat/link.png")).unwrap().into_owned())
    }

    #[test]
    fn links_are_followed_within_the_archive_alone() {
        assert_eq!(linked("", "train/dog/1.png").unwrap(), [2]);
        assert_eq!(linked("train/cat", "../dog/1.png").unwrap(), [2]);
        assert_eq!(linked("train/cat", "./again.png").unwrap(), [1]);
        let rest = "expected plain files below the folder";
        for (from, target) in [("", "../x.png"), ("train/cat", "../../../x.png"), ("", "/etc/x.png")] {
            let told = format!("f.tar: train/cat/link.png: a link that leads out of the archive, {rest}");
            assert_eq!(linked(from, target).unwrap_err(), told);
        }
        for target in ["train/cat/link.png", "train/dog", "none.png"] {
            let told = format!("f.tar: train/cat/link.png: a link to no image file of the archive, {rest}");
            assert_eq!(linked("", target).unwrap_err(), told);
        }
    }
}

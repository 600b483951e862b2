//! The images of a class: those in its folder, and in folders below that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::DatasetError;
use super::notes::Note;
use super::picture::is_image;
use super::tree::Tree;

/// Files that are left out since their names have no ending of images.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    endings: BTreeMap<String, usize>,
    first: Option<PathBuf>,
}

impl Strangers {
    fn add(&mut self, path: PathBuf) {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        *self.endings.entry(ending.unwrap_or_default()).or_default() += 1;
        self.first.get_or_insert(path);
    }

    /// What is to be said of them, the most frequent ending first.
    pub(super) fn note(self) -> Option<Note> {
        let first = self.first?;
        let mut endings: Vec<(String, usize)> = self.endings.into_iter().collect();
        endings.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        Some(Note::Strangers { endings, first })
    }
}

/// The image files of a folder and of those below it, whatever these are called: first its own, sorted by name, then
/// those of each folder in it, as torchvision's `ImageFolder` lists them.
pub(super) fn images_below(
    tree: &impl Tree,
    folder: &Path,
    strangers: &mut Strangers,
) -> Result<Vec<PathBuf>, DatasetError> {
    let mut images = Vec::new();
    descend(tree, folder, &mut Vec::new(), &mut images, strangers)?;
    Ok(images)
}

fn descend(
    tree: &impl Tree,
    folder: &Path,
    above: &mut Vec<PathBuf>,
    images: &mut Vec<PathBuf>,
    strangers: &mut Strangers,
) -> Result<(), DatasetError> {
    let own = tree.own_path(folder)?;
    // A link to a folder that this one lies in has no end.
    if above.contains(&own) {
        return Err(DatasetError::Circle { path: folder.to_owned(), to: own });
    }
    above.push(own);
    let mut folders = Vec::new();
    for path in tree.entries(folder)? {
        if tree.is_folder(&path) {
            folders.push(path);
        } else if is_image(&path) {
            images.push(path);
        } else {
            strangers.add(path);
        }
    }
    for folder in folders {
        descend(tree, &folder, above, images, strangers)?;
    }
    above.pop();
    Ok(())
}

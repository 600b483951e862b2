//! The folders of the parts of a data set, by their usual names: `train`, `valid`, `test`.

use std::path::{Path, PathBuf};

use super::DatasetError;
use super::listing::images_below;
use super::notes::Note;
use super::picture::is_image;
use super::tree::Tree;

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Train,
    Validation,
    Test,
}

/// What folders of parts are called, in any case.
const NAMES: [(&str, Part); 7] = [
    ("train", Part::Train),
    ("training", Part::Train),
    ("val", Part::Validation),
    ("valid", Part::Validation),
    ("validation", Part::Validation),
    ("test", Part::Test),
    ("testing", Part::Test),
];

/// The part that a folder's name stands for.
fn part_of(folder: &Path) -> Option<Part> {
    let name = folder.file_name()?.to_string_lossy().to_lowercase();
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, part)| *part)
}

/// The folders of the parts.
#[derive(Debug, PartialEq)]
pub(super) struct PartFolders {
    pub(super) train: PathBuf,
    /// The test part; without one, the validation part.
    pub(super) test: Option<PathBuf>,
    /// The validation part beside a test part.
    pub(super) validation: Option<PathBuf>,
}

impl PartFolders {
    /// Finds the parts in a folder, and notes what else is in it; `None` if there are no parts.
    ///
    /// A folder of the name of a part that holds images and no folders is one of a class of that name: a set of vehicles
    /// may have trains.
    pub(super) fn find(tree: &impl Tree, root: &Path, notes: &mut Vec<Note>) -> Result<Option<Self>, DatasetError> {
        let entries = tree.entries(root)?;
        let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.into_iter().partition(|path| tree.is_folder(path));
        let (mut parts, mut others) = (Vec::new(), Vec::new());
        for folder in folders {
            match part_of(&folder) {
                Some(part) if !holds_images_alone(tree, &folder)? => parts.push((part, folder)),
                _ => others.push(folder),
            }
        }
        if parts.is_empty() {
            return Ok(None);
        }
        let of = |wanted: Part| parts.iter().filter(move |(part, _)| *part == wanted).map(|(_, folder)| folder.clone());
        let twice = [Part::Train, Part::Validation, Part::Test].into_iter().any(|part| of(part).count() > 1);
        let Some(train) = of(Part::Train).next().filter(|_| !twice) else {
            let name =
                |(_, folder): &(Part, PathBuf)| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Err(DatasetError::PartFolders { path: root.to_owned(), found: parts.iter().map(name).collect() });
        };
        let loose: Vec<PathBuf> = files.into_iter().filter(|file| is_image(file)).collect();
        if let Some(first) = loose.first() {
            notes.push(Note::Loose { images: loose.len(), first: first.clone() });
        }
        let mut images = 0;
        for folder in &others {
            images += images_below(tree, folder, &mut Default::default())?.len();
        }
        if images > 0 {
            notes.push(Note::OtherFolders { folders: others, images });
        }
        let (test, validation) = (of(Part::Test).next(), of(Part::Validation).next());
        Ok(Some(match (test, validation) {
            (None, Some(folder)) => {
                notes.push(Note::ValidationIsTest { folder: folder.clone() });
                Self { train, test: Some(folder), validation: None }
            }
            (test, validation) => Self { train, test, validation },
        }))
    }
}

/// Whether images lie directly in a folder, and no folder does.
fn holds_images_alone(tree: &impl Tree, folder: &Path) -> Result<bool, DatasetError> {
    let entries = tree.entries(folder)?;
    Ok(entries.iter().any(|path| is_image(path)) && !entries.iter().any(|path| tree.is_folder(path)))
}

/// The folder that holds the parts or classes: the one given, or the only folder in it, as archives are made.
pub(super) fn unwrapped(tree: &impl Tree, root: &Path) -> Result<PathBuf, DatasetError> {
    /// Folders within each other; more are made by links that lead in a circle.
    const DEEPEST: usize = 8;
    let mut root = root.to_owned();
    for _ in 0..DEEPEST {
        let entries = tree.entries(&root)?;
        let folders: Vec<&PathBuf> = entries.iter().filter(|path| tree.is_folder(path)).collect();
        let [only] = folders.as_slice() else { break };
        let inside = tree.entries(only)?;
        let holds_folders = inside.iter().any(|path| tree.is_folder(path));
        let holds_images = inside.iter().chain(&entries).any(|path| is_image(path));
        if part_of(only).is_some() || !holds_folders || holds_images {
            break;
        }
        root = (*only).clone();
    }
    Ok(root)
}

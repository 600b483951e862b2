//! Folders of images: `train/<class>/*.png` and `test/<class>/*.png`, the layout of torchvision's `ImageFolder`.
//!
//! Classes are the names of the folders, sorted; in each the files are sorted by name. The rows of a part go through
//! the classes in turn (the first file of each, then the second of each), so that its first rows are a fair sample.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use rayon::prelude::*;

use super::content::Content;
use super::listing::{Strangers, images_below};
use super::notes::Note;
use super::part_folders::{PartFolders, unwrapped};
use super::parts::{Drawn, first, hold_out, split};
use super::picture::is_image;
use super::store::Store;
use super::stored::Element;
use super::survey::{Contents, Frame, Image, Survey};
use super::table;
use super::tree::{Disk, Tree};
use super::{Dataset, DatasetError, Given, LoadOptions, Origin, Split, Targets};

/// Classes that labels of 16 bits tell apart.
const MOST_CLASSES: usize = 1 << 16;

/// The image files in a folder and in those below it, in the order in which they are listed of a class: its own, sorted by
/// name, then those of each folder. Hidden files, and those whose names have no ending of images, are left out.
///
/// # Errors
/// `Io`; `NoImages` if there are none.
pub fn image_files(path: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let images = images_below(&Disk, path, &mut Strangers::default())?;
    if images.is_empty() { Err(DatasetError::NoImages { path: path.to_owned() }) } else { Ok(images) }
}

/// Whether a folder on disk has a test part; one that cannot be read is told when it is loaded.
pub(super) fn has_test_part(path: &Path) -> bool {
    let parts = unwrapped(&Disk, path).and_then(|root| PartFolders::find(&Disk, &root, &mut Vec::new()));
    parts.is_ok_and(|parts| parts.is_some_and(|parts| parts.test.is_some()))
}

/// The images of a folder on disk.
pub(super) fn images(path: &Path) -> Result<Images<impl Tree>, DatasetError> {
    let name = fs::canonicalize(path).map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
    let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Images { tree: Disk, root: unwrapped(&Disk, path)?, name })
}

/// A folder with a folder of images for each class, or with such folders for each part ([`PartFolders`]).
pub(super) struct Images<T> {
    pub(super) tree: T,
    /// The folder.
    pub(super) root: PathBuf,
    /// Name of the data set.
    pub(super) name: String,
}

/// The files of a folder, none of them opened.
struct Files {
    names: Vec<String>,
    /// Those of the names that the training part has a folder of, by label.
    own: Vec<bool>,
    /// Folder of the training part.
    root: PathBuf,
    /// All images, or those of the training part.
    train: Vec<Image>,
    /// The images of the test part, if there is one.
    test: Option<Vec<Image>>,
    /// The validation part beside a test part: its folder and its images.
    validation: Option<(PathBuf, Vec<Image>)>,
    notes: Vec<Note>,
}

impl Files {
    /// All files, by their places.
    fn paths(&self) -> Vec<PathBuf> {
        let validation = self.validation.iter().flat_map(|(_, images)| images);
        let all = self.train.iter().chain(self.test.iter().flatten()).chain(validation);
        all.map(|image| image.path.clone()).collect()
    }
}

impl<T: Tree> Images<T> {
    /// Training and test part; without a test part, some of each class become one. A validation part of the folder stands
    /// in the place of the test part where one is asked for.
    pub(super) fn load(&self, options: &LoadOptions, store: &mut Store<'_>) -> Result<Split, DatasetError> {
        let files = self.files()?;
        let all = files.paths();
        let Files { names, own, root, train, mut test, validation, notes } = files;
        let mut origin = Origin { notes, ..Origin::default() };
        let mut share = options.validation;
        if let Some((folder, images)) = validation {
            origin.notes.push(Note::ValidationPart { folder, images: images.len(), used: share > 0.0 });
            if share > 0.0 {
                (test, share) = (Some(images), 0.0);
            }
        }
        let mut survey = Survey::new(&self.tree, all.len(), store.room());
        let train = self.sound(&mut survey, train, options)?;
        let test = test.map(|test| self.sound(&mut survey, test, options)).transpose()?;
        if let Some(name) = missing(&train, &own).and_then(|label| names.get(label)) {
            return Err(DatasetError::NoImages { path: root.join(name) });
        }
        let (train, test) = match test {
            Some(test) => (train, test),
            None => {
                let drawn = Drawn { seed: options.split_seed, fraction: options.test_fraction, rows: train.len() };
                origin.split = Some(drawn);
                let rows = split(&labels(&train), names.len(), drawn)?;
                picked(train, rows)
            }
        };
        let train = first(train, "training", options.train_size)?;
        let test = first(test, "test", options.test_size)?;
        // Before anything is chosen by the training part.
        let (train, test) = if share > 0.0 {
            let drawn = Drawn { seed: options.split_seed, fraction: share, rows: train.len() };
            origin.validation = Some(drawn);
            let rows = hold_out(&labels(&train), names.len(), drawn)?;
            picked(train, rows)
        } else {
            (train, test)
        };
        let (train, test) = (survey.look(train)?, survey.look(test)?);
        let frame = Frame::of(&options.images, &train);
        origin.notes.extend(survey.notes(&[&train, &test], &frame, &options.images));
        let columns = frame.shape.columns();
        store.decide(((train.len() + test.len()) as u64).saturating_mul(columns as u64), Element::Byte, columns)?;
        let train = self.part(train, &survey, &frame, &names, store)?;
        let test = self.part(test, &survey, &frame, &names, store)?;
        origin.reading = frame.reading;
        origin.content = Some(self.content_of(&all, survey.contents)?);
        Ok(Split { train, test, standardization: None, origin })
    }

    /// The images as they are, of one class or more; the first so many of a part where sizes say so.
    pub(super) fn given(&self, options: &LoadOptions, store: &mut Store<'_>) -> Result<Given, DatasetError> {
        let files = self.listed(1, true)?;
        let all = files.paths();
        let Files { names, train, test, validation, mut notes, .. } = files;
        if let Some((folder, images)) = validation {
            notes.push(Note::ValidationPart { folder, images: images.len(), used: false });
        }
        let mut survey = Survey::new(&self.tree, all.len(), store.room());
        let train = self.sound(&mut survey, train, options)?;
        let test = test.map(|test| self.sound(&mut survey, test, options)).transpose()?;
        let (train, test) = match test {
            Some(test) => {
                (first(train, "training", options.train_size)?, Some(first(test, "test", options.test_size)?))
            }
            None => (first(train, "test", options.test_size)?, None),
        };
        let train = survey.look(train)?;
        let test = test.map(|test| survey.look(test)).transpose()?;
        let frame = Frame::of(&options.images, &train);
        notes.extend(survey.notes(&[&train, test.as_deref().unwrap_or_default()], &frame, &options.images));
        let columns = frame.shape.columns();
        let images = train.len() + test.as_ref().map_or(0, Vec::len);
        store.decide((images as u64).saturating_mul(columns as u64), Element::Byte, columns)?;
        let train = self.part(train, &survey, &frame, &names, store)?;
        let test = test.map(|test| self.part(test, &survey, &frame, &names, store)).transpose()?;
        Ok(Given { train, test, content: Some(self.content_of(&all, survey.contents)?), notes })
    }

    /// The images of a part without those that cannot be read, if these are to be left out.
    fn sound(
        &self,
        survey: &mut Survey<'_, T>,
        images: Vec<Image>,
        options: &LoadOptions,
    ) -> Result<Vec<Image>, DatasetError> {
        if !options.skip_broken {
            return Ok(images);
        }
        let sound = survey.sound(images)?;
        if sound.is_empty() { Err(DatasetError::NoImages { path: self.root.clone() }) } else { Ok(sound) }
    }

    /// What the images are, none of them decoded.
    pub(super) fn content(&self) -> Result<Content, DatasetError> {
        let all = self.files()?.paths();
        self.content_of(&all, vec![None; all.len()])
    }

    fn files(&self) -> Result<Files, DatasetError> {
        self.listed(2, false)
    }

    /// The files of at least so many classes; the test part may have others than the training part where `others` says so.
    fn listed(&self, fewest: usize, others: bool) -> Result<Files, DatasetError> {
        let Self { tree, root: path, .. } = self;
        let mut notes = Vec::new();
        let (root, test, validation) = match PartFolders::find(tree, path, &mut notes)? {
            Some(PartFolders { train, test, validation }) => (train, test, validation),
            None => (path.clone(), None, None),
        };
        let own: BTreeSet<String> = tree.class_folders(&root)?.into_iter().collect();
        let mut all = own.clone();
        if own.len() < fewest {
            return Err(DatasetError::ClassFolders { table: a_table(tree, &root)?, path: root, found: own.len() });
        }
        for part in test.iter().chain(&validation) {
            for label in tree.class_folders(part)? {
                if !others && !own.contains(&label) {
                    return Err(DatasetError::UnknownClass { path: part.clone(), label });
                }
                all.insert(label);
            }
        }
        if all.len() > MOST_CLASSES {
            return Err(DatasetError::ClassFolders { path: root, found: all.len(), table: None });
        }
        let names: Vec<String> = all.into_iter().collect();
        let own: Vec<bool> = names.iter().map(|name| own.contains(name)).collect();
        let mut strangers = Strangers::default();
        for part in [Some(&root), test.as_ref(), validation.as_ref()].into_iter().flatten() {
            let loose = loose(tree, part)?;
            if let Some(first) = loose.first() {
                notes.push(Note::Loose { images: loose.len(), first: first.clone() });
            }
        }
        let mut train = list(tree, &root, &names, |label| own[label], &mut strangers)?;
        let mut test = test.map(|test| list(tree, &test, &names, |_| false, &mut strangers)).transpose()?;
        let mut validation =
            match validation.map(|folder| (list(tree, &folder, &names, |_| false, &mut strangers), folder)) {
                // Nothing is missed without it.
                None | Some((Err(DatasetError::NoImages { .. }), _)) => None,
                Some((images, folder)) => Some((folder, images?)),
            };
        notes.extend(strangers.note());
        let held = validation.iter_mut().flat_map(|(_, images)| images);
        for (file, image) in train.iter_mut().chain(test.iter_mut().flatten()).chain(held).enumerate() {
            image.file = file;
        }
        Ok(Files { names, own, root, train, test, validation, notes })
    }

    fn part(
        &self,
        images: Vec<Image>,
        survey: &Survey<'_, T>,
        frame: &Frame,
        names: &[String],
        store: &mut Store<'_>,
    ) -> Result<Dataset, DatasetError> {
        let targets = Targets::classes(labels(&images), names.to_vec());
        let mut samples = store.part(frame.shape.columns());
        survey.collect(images, frame, &mut samples)?;
        Ok(Dataset {
            name: self.name.clone(),
            targets,
            samples: samples.samples(),
            shape: frame.shape,
            normalization: None,
        })
    }

    /// The content of all files; those that were not decoded are read for it.
    fn content_of(&self, files: &[PathBuf], contents: Contents) -> Result<Content, DatasetError> {
        let named: Vec<Result<(Vec<u8>, Content), DatasetError>> = files
            .par_iter()
            .zip(contents)
            .map(|(path, content)| {
                let content = content.map_or_else(|| Ok(Content::of(&self.tree.bytes(path)?)), Ok)?;
                Ok((name_within(&self.root, path), content))
            })
            .collect();
        Ok(Content::of_list(named.into_iter().collect::<Result<_, _>>()?))
    }
}

/// A file's name within a folder, with the same separators everywhere.
fn name_within(root: &Path, path: &Path) -> Vec<u8> {
    let inside = path.strip_prefix(root).unwrap_or(path);
    let parts = inside.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.as_encoded_bytes()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join(&b'/')
}

fn labels(images: &[Image]) -> Vec<u16> {
    images.iter().map(|image| image.label).collect()
}

/// The images of the rows of two parts.
fn picked(images: Vec<Image>, (first, second): (Vec<usize>, Vec<usize>)) -> (Vec<Image>, Vec<Image>) {
    let mut images: Vec<Option<Image>> = images.into_iter().map(Some).collect();
    let mut part = |rows: Vec<usize>| rows.into_iter().filter_map(|row| images[row].take()).collect();
    (part(first), part(second))
}

/// The first label that should be there and is not.
fn missing(images: &[Image], needed: &[bool]) -> Option<usize> {
    let mut found = vec![false; needed.len()];
    images.iter().for_each(|image| found[usize::from(image.label)] = true);
    needed.iter().zip(found).position(|(&needed, found)| needed && !found)
}

/// The name of a table that lies in a folder, or that an archive is called after.
fn a_table(tree: &impl Tree, root: &Path) -> Result<Option<String>, DatasetError> {
    let inside = tree.entries(root)?.into_iter();
    // An archive of one table is called after it, as `data.csv.zip`.
    let found = inside.chain([root.with_extension("")]).find(|path| table::kind(path).is_some());
    Ok(found.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned())))
}

/// Images that lie directly in a folder of classes.
fn loose(tree: &impl Tree, folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let entries = tree.entries(folder)?;
    Ok(entries.into_iter().filter(|path| is_image(path) && !tree.is_folder(path)).collect())
}

/// The images of a part with their classes, through the classes in turn. Those of which one is `needed` must have one.
fn list(
    tree: &impl Tree,
    root: &Path,
    names: &[String],
    needed: impl Fn(usize) -> bool,
    strangers: &mut Strangers,
) -> Result<Vec<Image>, DatasetError> {
    let mut found = Vec::new();
    for (label, name) in (0..=u16::MAX).zip(names) {
        let (folder, needed) = (root.join(name), needed(usize::from(label)));
        if !tree.is_folder(&folder) && !needed {
            continue;
        }
        let images = images_below(tree, &folder, strangers)?;
        if images.is_empty() && needed {
            return Err(DatasetError::NoImages { path: folder });
        }
        found.extend(images.into_iter().enumerate().map(|(index, path)| (index, label, path)));
    }
    if found.is_empty() {
        return Err(DatasetError::NoImages { path: root.to_owned() });
    }
    found.sort_by_key(|&(index, label, _)| (index, label));
    Ok(found.into_iter().map(|(_, label, path)| Image::new(label, path)).collect())
}

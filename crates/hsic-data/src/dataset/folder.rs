//! Folders of images: `train/<class>/*.png` and `test/<class>/*.png`, the layout of torchvision's `ImageFolder`.
//!
//! Classes are the names of the folders, sorted; in each the files are sorted by name. The rows of a part go through
//! the classes in turn (the first file of each, then the second of each), so that its first rows are a fair sample.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use rayon::prelude::*;

use super::content::Content;
use super::parts::{Drawn, first, split};
use super::picture::{decode, is_image, read_bytes};
use super::{Dataset, DatasetError, Given, LoadOptions, Origin, Samples, Shape, Split};

/// Images that are decoded before more memory is taken.
const BLOCK: usize = 2048;

/// Classes that labels of 16 bits tell apart.
const MOST_CLASSES: usize = 1 << 16;

/// Folders and image files, on disk or in an archive.
pub(super) trait Tree: Sync {
    /// Whether there is a folder at that path.
    fn is_folder(&self, path: &Path) -> bool;

    /// What lies directly in a folder and is not hidden, sorted by name.
    fn entries(&self, folder: &Path) -> Result<Vec<PathBuf>, DatasetError>;

    /// The file of the image at that path.
    fn bytes(&self, path: &Path) -> Result<Cow<'_, [u8]>, DatasetError>;

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
struct Disk;

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
}

/// The images of a folder on disk.
pub(super) fn images(path: &Path) -> Result<Images<impl Tree>, DatasetError> {
    let name = fs::canonicalize(path).map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
    let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Images { tree: Disk, root: path.to_owned(), name })
}

/// A folder with a folder of images for each class, or with two such folders: `train`, and `test` or `val`.
pub(super) struct Images<T> {
    pub(super) tree: T,
    /// The folder.
    pub(super) root: PathBuf,
    /// Name of the data set.
    pub(super) name: String,
}

/// An image file.
#[derive(Clone)]
struct Image {
    /// Its class.
    label: u16,
    /// Its place among all of the folder.
    file: usize,
    path: PathBuf,
}

/// What each image file holds, by its place; `None` of one that was not read.
type Contents = Vec<Option<Content>>;

/// The files of a folder, none of them opened.
struct Files {
    names: Vec<String>,
    /// All images, or those of the training part.
    train: Vec<Image>,
    /// The images of the test part, if there is one.
    test: Option<Vec<Image>>,
}

impl Files {
    /// All files, by their places.
    fn paths(&self) -> Vec<PathBuf> {
        self.train.iter().chain(self.test.iter().flatten()).map(|image| image.path.clone()).collect()
    }
}

impl<T: Tree> Images<T> {
    /// Training and test part; without a test part, some of each class become one.
    pub(super) fn load(&self, options: &LoadOptions) -> Result<Split, DatasetError> {
        let files = self.files()?;
        let all = files.paths();
        let Files { names, train: files, test } = files;
        let mut origin = Origin::default();
        let (train, test) = match test {
            Some(test) => (files, test),
            None => {
                let labels: Vec<u16> = files.iter().map(|image| image.label).collect();
                let drawn = Drawn { seed: options.split_seed, fraction: options.test_fraction, rows: files.len() };
                let (train, test) = split(&labels, names.len(), drawn)?;
                origin.split = Some(drawn);
                let part = |rows: Vec<usize>| rows.into_iter().map(|row| files[row].clone()).collect();
                (part(train), part(test))
            }
        };
        let train = first(train, "training", options.train_size)?;
        let test = first(test, "test", options.test_size)?;
        let like = self.like(&train)?;
        let mut contents = vec![None; all.len()];
        let train = self.part(train, &like, &names, &mut contents)?;
        let test = self.part(test, &like, &names, &mut contents)?;
        origin.content = Some(self.content_of(&all, contents)?);
        Ok(Split { train, test, standardization: None, origin })
    }

    /// The images as they are, of one class or more; the first so many of a part where sizes say so.
    pub(super) fn given(&self, options: &LoadOptions) -> Result<Given, DatasetError> {
        let files = self.listed(1, true)?;
        let all = files.paths();
        let Files { names, train, test } = files;
        let (train, test) = match test {
            Some(test) => {
                (first(train, "training", options.train_size)?, Some(first(test, "test", options.test_size)?))
            }
            None => (first(train, "test", options.test_size)?, None),
        };
        let like = self.like(&train)?;
        let mut contents = vec![None; all.len()];
        let train = self.part(train, &like, &names, &mut contents)?;
        let test = test.map(|test| self.part(test, &like, &names, &mut contents)).transpose()?;
        Ok(Given { train, test, content: Some(self.content_of(&all, contents)?) })
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
        let inside = |name: &str| Some(path.join(name)).filter(|folder| tree.is_folder(folder));
        let train = inside("train");
        let test = train.as_ref().and_then(|_| inside("test").or_else(|| inside("val")));
        let root = train.unwrap_or_else(|| path.clone());
        let own: BTreeSet<String> = tree.class_folders(&root)?.into_iter().collect();
        let mut all = own.clone();
        if own.len() < fewest {
            return Err(DatasetError::ClassFolders { path: root, found: own.len() });
        }
        if let Some(test) = &test {
            for label in tree.class_folders(test)? {
                if !others && !own.contains(&label) {
                    return Err(DatasetError::UnknownClass { path: test.clone(), label });
                }
                all.insert(label);
            }
        }
        if all.len() > MOST_CLASSES {
            return Err(DatasetError::ClassFolders { path: root, found: all.len() });
        }
        let names: Vec<String> = all.into_iter().collect();
        let mut train = list(tree, &root, &names, |name| own.contains(name))?;
        let mut test = test.map(|test| list(tree, &test, &names, |_| false)).transpose()?;
        for (file, image) in train.iter_mut().chain(test.iter_mut().flatten()).enumerate() {
            image.file = file;
        }
        Ok(Files { names, train, test })
    }

    fn like(&self, train: &[Image]) -> Result<Like, DatasetError> {
        let path = train[0].path.clone();
        Ok(Like { shape: decode(&path, &self.tree.bytes(&path)?)?.0, path })
    }

    fn part(
        &self,
        files: Vec<Image>,
        like: &Like,
        names: &[String],
        contents: &mut [Option<Content>],
    ) -> Result<Dataset, DatasetError> {
        Ok(Dataset {
            name: self.name.clone(),
            samples: Samples::Bytes(decode_all(&self.tree, &files, like, contents)?),
            shape: like.shape,
            labels: files.into_iter().map(|image| image.label).collect(),
            class_names: names.to_vec(),
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

/// The image that all others must be like.
struct Like {
    shape: Shape,
    path: PathBuf,
}

/// The images of a part, through the classes in turn. Those of which one is `needed` must have one.
fn list(
    tree: &impl Tree,
    root: &Path,
    names: &[String],
    needed: impl Fn(&String) -> bool,
) -> Result<Vec<Image>, DatasetError> {
    let mut found = Vec::new();
    for (label, name) in (0..=u16::MAX).zip(names) {
        let folder = root.join(name);
        if !tree.is_folder(&folder) && !needed(name) {
            continue;
        }
        let images: Vec<_> = tree.entries(&folder)?.into_iter().filter(|path| is_image(path)).collect();
        if images.is_empty() && needed(name) {
            return Err(DatasetError::NoImages { path: folder });
        }
        found.extend(images.into_iter().enumerate().map(|(index, path)| (index, label, path)));
    }
    if found.is_empty() {
        return Err(DatasetError::NoImages { path: root.to_owned() });
    }
    found.sort_by_key(|&(index, label, _)| (index, label));
    Ok(found.into_iter().map(|(_, label, path)| Image { label, file: 0, path }).collect())
}

/// Whether a name begins with a dot.
pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Decodes files in order and notes what each holds. A block is decoded before memory is taken for the next, so that no
/// claim takes more than what was found to be there; of several wrong files the first is named, whichever thread met it.
fn decode_all(
    tree: &impl Tree,
    files: &[Image],
    like: &Like,
    contents: &mut [Option<Content>],
) -> Result<Vec<u8>, DatasetError> {
    let columns = like.shape.columns();
    let mut pixels = Vec::new();
    for block in files.chunks(BLOCK) {
        let start = pixels.len();
        let more = block.len() * columns;
        if pixels.try_reserve_exact(more).is_err() {
            let found = (files.len() as u64).saturating_mul(columns as u64);
            return Err(DatasetError::TooLarge { path: block[0].path.clone(), found, limit: start as u64 });
        }
        pixels.resize(start + more, 0);
        let decoded: Vec<Result<Content, DatasetError>> = pixels[start..]
            .par_chunks_exact_mut(columns)
            .zip(block)
            .map(|(out, Image { path, .. })| {
                let file = tree.bytes(path)?;
                let (shape, bytes) = decode(path, &file)?;
                if shape != like.shape {
                    let (expected, like) = (like.shape, like.path.clone());
                    return Err(DatasetError::ImageShape {
                        path: path.clone(),
                        found: shape,
                        expected,
                        like: like.into(),
                    });
                }
                out.copy_from_slice(&bytes);
                Ok(Content::of(&file))
            })
            .collect();
        for (image, content) in block.iter().zip(decoded) {
            contents[image.file] = Some(content?);
        }
    }
    Ok(pixels)
}

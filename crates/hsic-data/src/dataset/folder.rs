//! Folders of images: `train/<class>/*.png` and `test/<class>/*.png`, the layout of torchvision's `ImageFolder`.
//!
//! Classes are the names of the folders, sorted; in each the files are sorted by name. The rows of a part go through
//! the classes in turn (the first file of each, then the second of each), so that its first rows are a fair sample.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::labeled::{first, split};
use super::picture::{is_image, read_image};
use super::{Dataset, DatasetError, LoadOptions, Samples, Shape, Split};

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

    /// The image at that path, decoded.
    fn image(&self, path: &Path) -> Result<(Shape, Vec<u8>), DatasetError>;

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

    fn image(&self, path: &Path) -> Result<(Shape, Vec<u8>), DatasetError> {
        read_image(path)
    }
}

/// Loads a folder on disk.
pub(super) fn load(path: &Path, options: &LoadOptions) -> Result<Split, DatasetError> {
    let name = fs::canonicalize(path).map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
    let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
    load_tree(&Disk, path, name, options)
}

/// Loads a folder with a folder for each class, or with two such folders: `train`, and `test` or `val`.
pub(super) fn load_tree(
    tree: &impl Tree,
    path: &Path,
    name: String,
    options: &LoadOptions,
) -> Result<Split, DatasetError> {
    let inside = |name: &str| Some(path.join(name)).filter(|folder| tree.is_folder(folder));
    let train = inside("train");
    let test = train.as_ref().and_then(|_| inside("test").or_else(|| inside("val")));
    let root = train.unwrap_or_else(|| path.to_owned());
    let names = tree.class_folders(&root)?;
    if !(2..=MOST_CLASSES).contains(&names.len()) {
        return Err(DatasetError::ClassFolders { path: root, found: names.len() });
    }
    let files = list(tree, &root, &names, true)?;
    let (train, test) = match test {
        Some(test) => {
            if let Some(label) = tree.class_folders(&test)?.into_iter().find(|name| !names.contains(name)) {
                return Err(DatasetError::UnknownClass { path: test, label });
            }
            (files, list(tree, &test, &names, false)?)
        }
        None => {
            let labels: Vec<u16> = files.iter().map(|&(label, _)| label).collect();
            let (train, test) = split(&labels, names.len(), options)?;
            let part = |rows: Vec<usize>| rows.into_iter().map(|row| files[row].clone()).collect();
            (part(train), part(test))
        }
    };
    let train = first(train, "training", options.train_size)?;
    let test = first(test, "test", options.test_size)?;
    let like = Like { shape: tree.image(&train[0].1)?.0, path: train[0].1.clone() };
    let part = |files: Vec<(u16, PathBuf)>| -> Result<Dataset, DatasetError> {
        Ok(Dataset {
            name: name.clone(),
            samples: Samples::Bytes(decode(tree, &files, &like)?),
            shape: like.shape,
            labels: files.into_iter().map(|(label, _)| label).collect(),
            class_names: names.clone(),
            normalization: None,
        })
    };
    Ok(Split { train: part(train)?, test: part(test)?, standardization: None })
}

/// The image that all others must be like.
struct Like {
    shape: Shape,
    path: PathBuf,
}

/// Class and path of the images of a part, through the classes in turn. In the training part each class has one.
fn list(tree: &impl Tree, root: &Path, names: &[String], every: bool) -> Result<Vec<(u16, PathBuf)>, DatasetError> {
    let mut found = Vec::new();
    for (label, name) in (0..=u16::MAX).zip(names) {
        let folder = root.join(name);
        if !tree.is_folder(&folder) && !every {
            continue;
        }
        let images: Vec<_> = tree.entries(&folder)?.into_iter().filter(|path| is_image(path)).collect();
        if images.is_empty() && every {
            return Err(DatasetError::NoImages { path: folder });
        }
        found.extend(images.into_iter().enumerate().map(|(index, path)| (index, label, path)));
    }
    if found.is_empty() {
        return Err(DatasetError::NoImages { path: root.to_owned() });
    }
    found.sort_by_key(|&(index, label, _)| (index, label));
    Ok(found.into_iter().map(|(_, label, path)| (label, path)).collect())
}

/// Whether a name begins with a dot.
pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Decodes files in order. A block is decoded before memory is taken for the next, so that no claim takes more than
/// what was found to be there; of several wrong files the first is named, whichever thread met it.
fn decode(tree: &impl Tree, files: &[(u16, PathBuf)], like: &Like) -> Result<Vec<u8>, DatasetError> {
    let columns = like.shape.columns();
    let mut pixels = Vec::new();
    for block in files.chunks(BLOCK) {
        let start = pixels.len();
        let more = block.len() * columns;
        if pixels.try_reserve_exact(more).is_err() {
            let found = (files.len() as u64).saturating_mul(columns as u64);
            return Err(DatasetError::TooLarge { path: block[0].1.clone(), found, limit: start as u64 });
        }
        pixels.resize(start + more, 0);
        let decoded: Vec<Result<(), DatasetError>> = pixels[start..]
            .par_chunks_exact_mut(columns)
            .zip(block)
            .map(|(out, (_, path))| {
                let (shape, bytes) = tree.image(path)?;
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
                Ok(())
            })
            .collect();
        decoded.into_iter().collect::<Result<(), _>>()?;
    }
    Ok(pixels)
}

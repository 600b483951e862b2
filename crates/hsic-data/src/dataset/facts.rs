//! What is known of a data set before a file is opened, where its files are looked for, and whether they are the ones
//! that their authors published.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::content::Content;
use super::error::DatasetError;
use crate::shape::Shape;

/// What is known of a data set.
#[derive(Debug)]
pub struct Facts {
    /// Sizes of a sample.
    pub shape: Shape,
    /// Number of classes.
    pub classes: usize,
    /// Samples of the training and of the test part.
    pub rows: [usize; 2],
    /// The files that it consists of; none if it is drawn.
    pub files: &'static [KnownFile],
    /// What is fetched from a mirror.
    pub downloads: &'static [Download],
    /// Addresses of folders that hold the downloads, in the order in which they are tried.
    pub mirrors: &'static [&'static str],
    /// A folder inside the data set's own, which its archive makes.
    pub inner: Option<&'static str>,
    /// A folder where a distribution's package puts the files.
    pub package: Option<&'static str>,
}

impl Facts {
    /// What a data set is whose files, in their order, have these contents.
    pub(super) fn content(&self, contents: Vec<Content>) -> Content {
        let names = self.files.iter().map(|file| file.name.as_bytes().to_vec());
        Content::of_list(names.zip(contents).collect())
    }
}

/// A file of a data set, without `.gz`.
#[derive(Debug)]
pub struct KnownFile {
    /// Its name.
    pub name: &'static str,
    /// SHA-256 of its content, after decompression; `None` if only that of the download is published.
    pub sha256: Option<&'static str>,
}

/// A file that is fetched.
#[derive(Clone, Copy, Debug)]
pub struct Download {
    /// Its name; `.tar.gz` is unpacked.
    pub name: &'static str,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 as it is fetched.
    pub sha256: &'static str,
}

/// The folders to look at, in order. A folder with the data set's name comes before the one that holds it, because
/// data sets share file names.
pub(super) fn folders(
    name: &str,
    facts: &Facts,
    data_dir: Option<&Path>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Vec<PathBuf> {
    if let Some(folder) = data_dir {
        return vec![folder.join(name), folder.to_owned()];
    }
    let mut folders = Vec::new();
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = set("HSIC_DATA") {
        folders.extend([folder.join(name), folder]);
    }
    if let Some(home) = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share"))) {
        folders.push(home.join("hsic").join(name));
    }
    folders.extend(facts.package.map(PathBuf::from));
    folders
}

/// The folder into which a data set is fetched: the first of those looked at.
pub(super) fn home(name: &str, facts: &Facts, data_dir: Option<&Path>) -> Option<PathBuf> {
    let home = Facts { package: None, ..*facts };
    folders(name, &home, data_dir, |variable| env::var_os(variable)).into_iter().next()
}

/// Where the files of a data set are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Each for itself, in the order of [`Facts::files`], plain or with `.gz`.
    Files(Vec<PathBuf>),
    /// Still in the archive that they are fetched in.
    Archive(PathBuf),
}

/// Looks for a data set's files: the first folder that has one of them must have all.
pub(super) fn find(name: &'static str, facts: &Facts, data_dir: Option<&Path>) -> Result<Found, DatasetError> {
    find_in(name, facts, folders(name, facts, data_dir, |variable| env::var_os(variable)))
}

pub(super) fn find_in(name: &'static str, facts: &Facts, folders: Vec<PathBuf>) -> Result<Found, DatasetError> {
    let missing = |files, directories| DatasetError::FilesMissing { name, files, directories };
    let places = |folder: &PathBuf| -> Vec<PathBuf> {
        facts.inner.map(|inner| folder.join(inner)).into_iter().chain([folder.clone()]).collect()
    };
    for folder in folders.iter().flat_map(places) {
        let found: Vec<Option<PathBuf>> = facts.files.iter().map(|file| present(&folder, file.name)).collect();
        if found.iter().all(Option::is_none) {
            continue;
        }
        let lacking = facts.files.iter().zip(&found).filter(|(_, path)| path.is_none());
        let lacking: Vec<&'static str> = lacking.map(|(file, _)| file.name).collect();
        if !lacking.is_empty() {
            return Err(missing(lacking, vec![folder]));
        }
        return Ok(Found::Files(found.into_iter().flatten().collect()));
    }
    let archives = facts.downloads.iter().filter(|download| is_archive(download.name));
    for download in archives {
        if let Some(path) = folders.iter().map(|folder| folder.join(download.name)).find(|path| path.is_file()) {
            return Ok(Found::Archive(path));
        }
    }
    Err(missing(facts.files.iter().map(|file| file.name).collect(), folders))
}

/// The file in a folder, plain or with `.gz`. The files of MNIST are published as `train-images-idx3-ubyte` and, unpacked,
/// as `train-images.idx3-ubyte`.
pub(super) fn present(folder: &Path, name: &str) -> Option<PathBuf> {
    let dotted = name.replacen("-idx", ".idx", 1);
    let names = [name, dotted.as_str()].into_iter().flat_map(|name| [name.to_owned(), format!("{name}.gz")]);
    names.map(|name| folder.join(name)).find(|path| path.is_file())
}

pub(super) fn is_archive(name: &str) -> bool {
    name.ends_with(".tar.gz")
}

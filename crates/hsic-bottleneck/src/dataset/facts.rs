//! What is known of a data set before a file is opened, where its files are looked for, and whether they are the ones
//! that their authors published.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{DatasetError, DatasetSource, Shape, idx};

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

/// The file in a folder, plain or with `.gz`.
pub(super) fn present(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join(format!("{name}.gz"))].into_iter().find(|path| path.is_file())
}

pub(super) fn is_archive(name: &str) -> bool {
    name.ends_with(".tar.gz")
}

/// A file beside what is published of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedFile {
    /// The file.
    pub path: PathBuf,
    /// Its length on disk.
    pub bytes: u64,
    /// SHA-256: of its content where that is published, else of the file as it is.
    pub sha256: String,
    /// What that should be; `None` if nothing is published for a file of this form.
    pub expected: Option<&'static str>,
    /// Whether they agree; `None` if nothing is published.
    pub matches: Option<bool>,
}

/// Where a data set's files are, without opening them; empty if it is drawn.
///
/// # Errors
/// `FilesMissing`.
pub fn files(source: &dyn DatasetSource, data_dir: Option<&Path>) -> Result<Vec<PathBuf>, DatasetError> {
    let facts = source.facts();
    if facts.files.is_empty() {
        return Ok(Vec::new());
    }
    Ok(match find(source.name(), facts, data_dir)? {
        Found::Files(paths) => paths,
        Found::Archive(path) => vec![path],
    })
}

/// Compares the SHA-256 of a data set's files with the published ones; empty if it is drawn.
///
/// A file may be compressed anew: its content counts where the content's SHA-256 is known.
///
/// # Errors
/// `FilesMissing`; `Io`.
pub fn verify(source: &dyn DatasetSource, data_dir: Option<&Path>) -> Result<Vec<CheckedFile>, DatasetError> {
    let facts = source.facts();
    if facts.files.is_empty() {
        return Ok(Vec::new());
    }
    match find(source.name(), facts, data_dir)? {
        Found::Files(paths) => facts.files.iter().zip(&paths).map(|(file, path)| check(facts, file, path)).collect(),
        Found::Archive(path) => {
            let name = path.file_name().unwrap_or_default();
            let expected = facts.downloads.iter().find(|download| name == download.name).map(|known| known.sha256);
            Ok(vec![compare(&path, hash_file(&path)?, expected)?])
        }
    }
}

/// One file beside what is published of it.
pub(super) fn check(facts: &Facts, file: &KnownFile, path: &Path) -> Result<CheckedFile, DatasetError> {
    let (found, expected) = if file.sha256.is_some() {
        (hash(path, idx::open(path)?.reader)?, file.sha256)
    } else {
        let name = path.file_name().unwrap_or_default();
        let download = facts.downloads.iter().find(|download| name == download.name);
        (hash_file(path)?, download.map(|download| download.sha256))
    };
    compare(path, found, expected)
}

fn compare(path: &Path, sha256: String, expected: Option<&'static str>) -> Result<CheckedFile, DatasetError> {
    let metadata = path.metadata().map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
    let matches = expected.map(|expected| expected == sha256);
    Ok(CheckedFile { path: path.to_owned(), bytes: metadata.len(), sha256, expected, matches })
}

/// SHA-256 of a file as it is, in hexadecimal.
pub(super) fn hash_file(path: &Path) -> Result<String, DatasetError> {
    let file = File::open(path).map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
    hash(path, file)
}

fn hash(path: &Path, mut reader: impl Read) -> Result<String, DatasetError> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => digest.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What is cut off has another checksum, and that is all to be said of it here.
            Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput) => break,
            Err(source) => return Err(DatasetError::Io { path: path.to_owned(), source }),
        }
    }
    Ok(hexadecimal(&digest.finalize()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::SOURCES;

    #[test]
    fn every_published_number_has_its_form() {
        for source in SOURCES {
            let facts = source.facts();
            let sums = facts.files.iter().filter_map(|file| file.sha256);
            for sum in sums.chain(facts.downloads.iter().map(|download| download.sha256)) {
                assert!(
                    sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
                    "{sum}"
                );
            }
            assert!(facts.mirrors.iter().all(|mirror| mirror.ends_with('/')));
            assert_eq!(facts.files.is_empty(), facts.downloads.is_empty(), "{}", source.name());
        }
    }

    #[test]
    fn the_checksum_is_the_one_of_the_standard() {
        // FIPS 180-4, appendix of examples: "abc".
        let sum = hash(Path::new("f"), &b"abc"[..]).unwrap();
        assert_eq!(sum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}

//! Whether the files of a data set are the ones that its authors published.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::content::hexadecimal;
use super::facts::{Facts, Found, KnownFile, find};
use super::source::DatasetSource;
use super::{DatasetError, gzip};

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
        (hash(path, gzip::open(path)?.reader)?, file.sha256)
    } else {
        // Published as train-images-idx3-ubyte, though it may lie here as train-images.idx3-ubyte.
        let name = path.file_name().unwrap_or_default().to_string_lossy().replacen(".idx", "-idx", 1);
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

//! Fetching a data set: mirrors in turn, taken up where a transfer was cut, checked, unpacked, renamed into place.
//!
//! A download grows in `NAME.part` and gets its name only when its SHA-256 is the published one. An archive is unpacked
//! into a folder aside; an entry that is neither a file nor a folder, or whose path climbs out of it, is refused.
//!
//! How a file comes is a [`Transport`]: the system's `curl`, or with the feature `tls` a client within the program.

#[cfg(any(test, not(feature = "tls")))]
mod curl;
#[cfg(feature = "tls")]
mod tls;
mod transport;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use serde::Serialize;

use super::facts::{home, is_archive, present};
use super::gzip::DEFLATE_RATIO;
use super::verify::{check, hash_file};
use super::{DatasetError, DatasetSource, Download};
use crate::disk::{self, Opening};
use transport::{Failure, Transport};

/// What a fetch has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fetched {
    /// The data set's folder.
    pub folder: PathBuf,
    /// Its files.
    pub files: Vec<PathBuf>,
    /// Bytes that were transferred; 0 if everything was there.
    pub bytes: u64,
}

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer<'a> {
    /// The file.
    pub file: &'a str,
    /// Bytes there are, those of an earlier attempt included.
    pub done: u64,
    /// Bytes there will be.
    pub total: u64,
}

/// Fetches what is missing of a data set into its folder: `NAME` in `data_dir`, in the folder that the environment
/// variable `HSIC_DATA` names, or in the user's data folder.
///
/// `mirror`, the address of a folder, takes the place of the known ones. `progress` is called as bytes arrive.
///
/// # Errors
/// `NoDownload` for a data set that the program draws; `Differs` for a file that is there and is another;
/// `NoDownloader` without the system's `curl`, in a build without the feature `tls`; `Fetch` with every mirror's reason and what to do by hand; `Entry` for an archive that must not be unpacked; `Io`.
pub fn fetch(
    source: &dyn DatasetSource,
    data_dir: Option<&Path>,
    mirror: Option<&str>,
    progress: &mut dyn FnMut(Transfer<'_>),
) -> Result<Fetched, DatasetError> {
    #[cfg(feature = "tls")]
    let transport = tls::Client::default();
    #[cfg(not(feature = "tls"))]
    let transport = curl::Curl::default();
    fetch_by(&transport, source, data_dir, mirror, progress)
}

fn fetch_by(
    transport: &dyn Transport,
    source: &dyn DatasetSource,
    data_dir: Option<&Path>,
    mirror: Option<&str>,
    progress: &mut dyn FnMut(Transfer<'_>),
) -> Result<Fetched, DatasetError> {
    let facts = source.facts();
    if facts.downloads.is_empty() {
        return Err(DatasetError::NoDownload { name: source.name() });
    }
    let folder = home(source.name(), facts, data_dir).ok_or(DatasetError::NoFolder { name: source.name() })?;
    let place = facts.inner.map_or_else(|| folder.clone(), |inner| folder.join(inner));
    // What is there must be right; it is neither fetched again nor replaced.
    let mut here = Vec::new();
    for file in facts.files {
        if let Some(path) = present(&place, file.name) {
            let checked = check(facts, file, &path)?;
            if checked.matches == Some(false) {
                let expected = checked.expected.unwrap_or_default();
                return Err(DatasetError::Differs { path, found: checked.sha256, expected });
            }
            here.push(file.name);
        }
    }
    let chosen = mirror.map(|mirror| [mirror]);
    let fetcher = Fetcher {
        name: source.name(),
        folder: &folder,
        mirrors: chosen.as_ref().map_or(facts.mirrors, |chosen| &chosen[..]),
        transport,
    };
    let lacking = facts.downloads.iter().filter(|download| {
        if is_archive(download.name) {
            here.len() < facts.files.len()
        } else {
            !here.iter().any(|name| download.name.strip_suffix(".gz") == Some(name))
        }
    });
    let lacking: Vec<Download> = lacking.copied().collect();
    let mut bytes = 0;
    for (index, download) in lacking.iter().enumerate() {
        bytes += fetcher.fetch(&lacking[index..], progress)?;
        if is_archive(download.name) {
            let path = folder.join(download.name);
            unpack(&path, &folder)?;
            disk::remove_file(&path).map_err(io_at(&path))?;
        }
    }
    let files = facts.files.iter().filter_map(|file| present(&place, file.name)).collect();
    Ok(Fetched { folder, files, bytes })
}

fn io_at(path: &Path) -> impl Fn(io::Error) -> DatasetError + '_ {
    |source| DatasetError::Io { path: path.to_owned(), source }
}

/// Fetches single files of a data set.
struct Fetcher<'a> {
    name: &'static str,
    folder: &'a Path,
    mirrors: &'a [&'a str],
    transport: &'a dyn Transport,
}

/// Why an attempt at a mirror ended.
enum Attempt {
    /// The file is there, whole.
    Whole,
    /// The transfer was cut; so many bytes are there.
    Cut(u64, String),
    /// This mirror does not have it.
    Refused(String),
    /// The program of that name, which brings files, is not on this machine.
    NoProgram(&'static str),
}

impl Fetcher<'_> {
    /// Fetches the first of the files that are lacking; returns the bytes that were transferred.
    fn fetch(&self, lacking: &[Download], progress: &mut dyn FnMut(Transfer<'_>)) -> Result<u64, DatasetError> {
        let Some(download) = lacking.first() else { return Ok(0) };
        disk::create_dir_all(self.folder).map_err(io_at(self.folder))?;
        let path = self.folder.join(download.name);
        let part = self.folder.join(format!("{}.part", download.name));
        if path.is_file() {
            let found = hash_file(&path)?;
            let expected = download.sha256;
            return if found == expected { Ok(0) } else { Err(DatasetError::Differs { path, found, expected }) };
        }
        let mut transferred = 0;
        let mut reasons = Vec::new();
        // What an earlier process left may have lost bytes in a power cut, for which no mirror is to be blamed.
        let mut inherited = part.is_file();
        for mirror in self.mirrors {
            let address = format!("{}/{}", mirror.trim_end_matches('/'), download.name);
            // A mirror that gives more than there was is asked for the rest: each turn adds a byte, so that turns end.
            let mut most = part.metadata().map_or(0, |metadata| metadata.len());
            loop {
                match self.attempt(&address, &part, download, &mut transferred, progress)? {
                    Attempt::Whole => {}
                    Attempt::Cut(done, _) if done > most => {
                        most = done;
                        continue;
                    }
                    Attempt::Cut(_, reason) | Attempt::Refused(reason) => {
                        reasons.push(format!("{address}: {reason}"));
                        break;
                    }
                    // Nor would another mirror be reached.
                    Attempt::NoProgram(program) => {
                        let (folder, lacking) = (self.folder.to_owned(), names(lacking));
                        let (name, file) = (self.name, download.name);
                        return Err(DatasetError::NoDownloader {
                            name,
                            file,
                            program,
                            lacking: lacking.into(),
                            folder,
                        });
                    }
                }
                let found = hash_file(&part)?;
                if found == download.sha256 {
                    disk::open(&part, Opening::Present).and_then(|file| file.sync()).map_err(io_at(&part))?;
                    disk::rename(&part, &path).map_err(io_at(&path))?;
                    return Ok(transferred);
                }
                disk::remove_file(&part).map_err(io_at(&part))?;
                if std::mem::take(&mut inherited) {
                    most = 0;
                    continue;
                }
                reasons.push(format!("{address}: SHA-256 {found}, expected {}", download.sha256));
                break;
            }
        }
        let (folder, lacking) = (self.folder.to_owned(), names(lacking));
        Err(DatasetError::Fetch {
            name: self.name,
            file: download.name,
            reasons: reasons.into(),
            lacking: lacking.into(),
            folder,
        })
    }

    /// Asks one address for what is missing of a file. Errors are those of our own disk; the others' are reasons.
    fn attempt(
        &self,
        address: &str,
        part: &Path,
        download: &Download,
        transferred: &mut u64,
        progress: &mut dyn FnMut(Transfer<'_>),
    ) -> Result<Attempt, DatasetError> {
        let mut done = part.metadata().map_or(0, |metadata| metadata.len());
        if done == download.bytes {
            return Ok(Attempt::Whole);
        }
        if done > download.bytes {
            disk::remove_file(part).map_err(io_at(part))?;
            done = 0;
        }
        let web = ["http://", "https://"]
            .iter()
            .any(|lead| address.get(..lead.len()).is_some_and(|start| start.eq_ignore_ascii_case(lead)));
        if !web {
            return Ok(Attempt::Refused("expected an address that begins with http:// or https://".to_owned()));
        }
        let mut reply = match self.transport.get(address, done) {
            Ok(reply) => reply,
            Err(Failure::NoProgram(program)) => return Ok(Attempt::NoProgram(program)),
            Err(Failure::Reason(reason)) => return Ok(Attempt::Cut(0, reason)),
        };
        let resumed = reply.content_range.as_ref().is_some_and(|range| range.starts_with(&format!("bytes {done}-")));
        match reply.status {
            206 if resumed => {}
            // The whole file, though only its rest was asked for.
            200 => done = 0,
            status => return Ok(Attempt::Refused(format!("HTTP status {status}"))),
        }
        let file = disk::open(part, if done > 0 { Opening::Appended } else { Opening::Emptied });
        let mut file = file.map_err(io_at(part))?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            progress(Transfer { file: download.name, done, total: download.bytes });
            let count = match reply.body.read(&mut buffer) {
                Ok(0) if done == download.bytes => return Ok(Attempt::Whole),
                Ok(0) => {
                    return Ok(Attempt::Cut(done, format!("{done} bytes, expected {}", download.bytes)));
                }
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Ok(Attempt::Cut(done, error.to_string())),
            };
            done += count as u64;
            *transferred += count as u64;
            if done > download.bytes {
                drop(file);
                disk::remove_file(part).map_err(io_at(part))?;
                return Ok(Attempt::Refused(format!("more than the expected {} bytes", download.bytes)));
            }
            file.write_all(&buffer[..count]).map_err(io_at(part))?;
        }
    }
}

/// Names of files.
fn names(downloads: &[Download]) -> Vec<&'static str> {
    downloads.iter().map(|download| download.name).collect()
}

/// Unpacks a `.tar.gz` into `folder`: all of it aside first, then each file is renamed into place.
fn unpack(path: &Path, folder: &Path) -> Result<(), DatasetError> {
    let aside = folder.join(".unpacking");
    if aside.exists() {
        disk::remove_dir_all(&aside).map_err(io_at(&aside))?;
    }
    let files = unpack_aside(path, &aside);
    let moved = files.and_then(|files| {
        for file in files {
            let target = folder.join(&file);
            if let Some(parent) = target.parent() {
                disk::create_dir_all(parent).map_err(io_at(parent))?;
            }
            disk::rename(&aside.join(&file), &target).map_err(io_at(&target))?;
        }
        Ok(())
    });
    // Nothing is left of an archive that is refused.
    let cleared = disk::remove_dir_all(&aside).map_err(io_at(&aside));
    moved.and(cleared)
}

/// Writes the files of an archive below `aside`; returns their paths in it.
fn unpack_aside(path: &Path, aside: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    disk::create_dir_all(aside).map_err(io_at(aside))?;
    let file = File::open(path).map_err(io_at(path))?;
    let mut room = file.metadata().map_err(io_at(path))?.len().saturating_mul(DEFLATE_RATIO);
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    let mut files = Vec::new();
    for entry in archive.entries().map_err(io_at(path))? {
        let mut entry = entry.map_err(io_at(path))?;
        let name = entry.path().map_err(io_at(path))?.into_owned();
        let refuse = |reason| DatasetError::Entry { path: path.to_owned(), entry: name.clone(), reason };
        if !name.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(refuse("a path that leads out of the folder"));
        }
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            continue;
        }
        if !kind.is_file() {
            return Err(refuse("neither a file nor a folder"));
        }
        room = room.checked_sub(entry.size()).ok_or_else(|| refuse("more bytes than the archive can hold"))?;
        let target = aside.join(&name);
        if let Some(parent) = target.parent() {
            disk::create_dir_all(parent).map_err(io_at(parent))?;
        }
        // A name that comes twice would be written through the first.
        let file = disk::open(&target, Opening::New);
        let mut file = file.map_err(io_at(&target))?;
        let written = io::copy(&mut entry, &mut file).map_err(io_at(path))?;
        if written < entry.size() {
            let expected = entry.size();
            return Err(DatasetError::Truncated { path: path.join(&name), what: "data", found: written, expected });
        }
        file.sync().map_err(io_at(&target))?;
        files.push(name);
    }
    Ok(files)
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;

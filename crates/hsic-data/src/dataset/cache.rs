//! Where packed files lie: in the folder that is asked for, else beside the data, else in the platform's cache folder.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::content::Content;
use super::error::DatasetError;
use super::packed::{self, Asked, Whole};
use super::source::LoadOptions;
use crate::disk::{self, Opening, Output};

/// Ends the name of a packed file.
const ENDING: &str = "packed";

/// Ends the name of one that is being written.
const ASIDE: &str = "packed.part";

/// What a data set is read from.
#[derive(Clone, Debug)]
pub(super) enum ReadFrom {
    /// Nothing that lies on disk: it is drawn.
    Nothing,
    /// Standard input.
    Input,
    /// These files.
    Files(Vec<PathBuf>),
    /// All that is in a folder.
    Folder(PathBuf),
}

/// The packed files of one data set.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    /// What all names begin with.
    begin: String,
    /// Folders in which one may lie, in the order in which they are tried.
    folders: Vec<PathBuf>,
    from: ReadFrom,
}

/// A packed file that there is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PackedFile {
    /// Where.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Whether it is whole: else it is being written, or its writing was broken off.
    pub whole: bool,
}

impl Cache {
    /// Of the data set `name` that is read from there; `asked` is the folder that is asked for.
    pub(super) fn of(name: &str, from: ReadFrom, asked: Option<&Path>) -> Self {
        // The same files have the same place, from whichever folder they are named.
        let absolute = |path: PathBuf| fs::canonicalize(&path).unwrap_or(path);
        let from = match from {
            ReadFrom::Files(files) => ReadFrom::Files(files.into_iter().map(absolute).collect()),
            ReadFrom::Folder(folder) => ReadFrom::Folder(absolute(folder)),
            from => from,
        };
        let place = match &from {
            ReadFrom::Nothing | ReadFrom::Input => Path::new(name),
            ReadFrom::Files(files) => files.first().map_or(Path::new(name), PathBuf::as_path),
            ReadFrom::Folder(folder) => folder,
        };
        let beside = match &from {
            ReadFrom::Nothing | ReadFrom::Input => None,
            ReadFrom::Files(_) | ReadFrom::Folder(_) => place.parent().map(Path::to_owned),
        };
        let stem: String = name.chars().map(|c| if c.is_alphanumeric() || c == '.' { c } else { '-' }).collect();
        let begin = format!("{stem}-{}-", Content::of(place.as_os_str().as_encoded_bytes()).short());
        let folders = match asked {
            Some(folder) => vec![folder.to_owned()],
            None => beside.into_iter().chain(platform_folder(|name| env::var_os(name))).collect(),
        };
        Self { begin, folders, from }
    }

    /// Names, lengths and times of the files that the data are read from, as one number.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn stamp(&self) -> Result<String, DatasetError> {
        let mut lines = Vec::new();
        match &self.from {
            // Drawn by the options alone, which are compared.
            ReadFrom::Nothing => {}
            // What comes by standard input is read once: another process has other data.
            ReadFrom::Input => lines.push(format!("process {}", std::process::id())),
            ReadFrom::Files(files) => files.iter().try_for_each(|file| line(file, &mut lines))?,
            ReadFrom::Folder(folder) => walk(folder, &mut Vec::new(), &mut lines)?,
        }
        lines.sort_unstable();
        Ok(Content::of(lines.join("\n").as_bytes()).sha256)
    }

    /// A packed file of these rows, if there is one; `known` are the classes of a training by which they are to be judged.
    ///
    /// # Errors
    /// As those of [`packed::read`], of the first file that may be the one.
    pub(super) fn find(
        &self,
        options: &LoadOptions,
        known: Option<&[String]>,
    ) -> Result<Option<(Whole, PathBuf, u64)>, DatasetError> {
        let whole = |file: &PackedFile| file.whole;
        let files: Vec<PackedFile> = self.files().into_iter().filter(whole).collect();
        if files.is_empty() {
            return Ok(None);
        }
        let wanted = Asked::of(options, known, self.stamp()?);
        for PackedFile { path, .. } in files {
            if let Some((whole, bytes)) = packed::read(&path, &wanted, options)? {
                return Ok(Some((whole, path, bytes)));
            }
        }
        Ok(None)
    }

    /// What the data are, as a packed file says that was made of the same files; `None` if there is none.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub(super) fn content(&self) -> Result<Option<Content>, DatasetError> {
        let mut whole = self.files().into_iter().filter(|file| file.whole).peekable();
        if matches!(self.from, ReadFrom::Nothing) || whole.peek().is_none() {
            return Ok(None);
        }
        let stamp = self.stamp()?;
        for PackedFile { path, .. } in whole {
            if let Some(content) = packed::content(&path, &stamp)? {
                return Ok(Some(content));
            }
        }
        Ok(None)
    }

    /// All packed files of this data set, whatever options they were made by.
    pub(super) fn files(&self) -> Vec<PackedFile> {
        let mut found = Vec::new();
        for folder in &self.folders {
            // A folder that is not there has none.
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let Some(rest) = name.strip_prefix(&self.begin) else { continue };
                let whole = match rest.split_once('.') {
                    Some((_, ENDING)) => true,
                    Some((_, ASIDE)) => false,
                    _ => continue,
                };
                let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
                found.push(PackedFile { path: entry.path(), bytes, whole });
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    /// Makes a file to be written, in the first folder where that is possible.
    ///
    /// # Errors
    /// `Io` of the last folder.
    pub(super) fn make(&self, asked: &Asked) -> Result<Draft, DatasetError> {
        let name = format!("{}{}.{ENDING}", self.begin, Content::of(asked.text().as_bytes()).short());
        let mut last = None;
        for folder in &self.folders {
            let path = folder.join(&name);
            match disk::create_dir_all(folder).and_then(|()| Draft::open(&path)) {
                Ok(draft) => return Ok(draft),
                Err(source) => last = Some(DatasetError::Io { path, source }),
            }
        }
        Err(last.unwrap_or_else(|| DatasetError::Io { path: name.into(), source: ErrorKind::NotFound.into() }))
    }
}

/// A file that is being written, under a name of its own; it is deleted if it is never given its name.
#[derive(Debug)]
pub(super) struct Draft {
    aside: PathBuf,
    path: PathBuf,
    file: Output,
    kept: bool,
    waited: bool,
}

impl Draft {
    /// Waits for whoever else writes it.
    fn open(path: &Path) -> io::Result<Self> {
        let aside = path.with_extension(ASIDE);
        let mut waited = false;
        loop {
            let file = disk::open(&aside, Opening::Kept)?;
            match file.file().try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    file.file().lock()?;
                    waited = true;
                }
                // Some file systems cannot lock; two that write at once there leave a file whose checksums do not hold.
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
            if is_at(file.file(), &aside) {
                return Ok(Self { aside, path: path.to_owned(), file, kept: false, waited });
            }
            // Whoever had it has given it its name, or deleted it: it is no longer the file aside.
        }
    }

    /// Whether somebody else was writing it before.
    pub(super) fn waited(&self) -> bool {
        self.waited
    }

    /// The name that it is to have.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file, emptied.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn empty(&self) -> Result<Output, DatasetError> {
        let io = |source| DatasetError::Io { path: self.aside.clone(), source };
        self.file.set_len(0).map(|()| self.file.shared()).map_err(io)
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn keep(mut self) -> Result<(), DatasetError> {
        disk::rename(&self.aside, &self.path).map_err(|source| DatasetError::Io { path: self.path.clone(), source })?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            // On a full disk the half file would take the room that is missing.
            drop(disk::remove_file(&self.aside));
        }
        // A copy of the handle reads on: closing this one does not unlock.
        drop(self.file.file().unlock());
    }
}

/// Whether an open file is the one that lies at a path.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let place = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        match (file.metadata(), fs::metadata(path)) {
            (Ok(file), Ok(there)) => place(file) == place(there),
            _ => false,
        }
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

/// The folder of the platform for what can be made anew.
fn platform_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = if cfg!(windows) {
        set("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        Some(set("HOME")?.join("Library/Caches"))
    } else {
        set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))
    };
    folder.map(|folder| folder.join("hsic"))
}

fn line(path: &Path, lines: &mut Vec<String>) -> Result<(), DatasetError> {
    let metadata = fs::metadata(path).map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
    let time = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    lines.push(format!("{} {} {}", path.display(), metadata.len(), time.as_nanos()));
    Ok(())
}

/// Whether a file is of packed samples by its name: such files may lie among the data and are none of them.
fn is_packed(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    [ENDING, ASIDE].iter().any(|ending| name.strip_suffix(ending).is_some_and(|name| name.ends_with('.')))
}

fn walk(folder: &Path, above: &mut Vec<PathBuf>, lines: &mut Vec<String>) -> Result<(), DatasetError> {
    let io = |source| DatasetError::Io { path: folder.to_owned(), source };
    let own = fs::canonicalize(folder).map_err(io)?;
    // A link to a folder that it lies in: what is read of it is refused where it is listed.
    if above.contains(&own) {
        return Ok(());
    }
    above.push(own);
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.is_dir() {
            walk(&path, above, lines)?;
        } else if path.exists() && !is_packed(&path) {
            line(&path, lines)?;
        }
    }
    above.pop();
    Ok(())
}

//! All that is written to files and folders goes through here, so that it can be recorded, or made to fail, in tests.
//!
//! [`FileSystem`] is what a disk is asked for; [`System`] asks the system. [`mount`] has everything below a folder go through
//! another one until its guard is dropped. A mount belongs to a folder and not to a thread or to the process: tests that run side
//! by side, each in a folder of its own, do not see each other's, and a training that works on many threads goes through one.
//!
//! Names last through a power cut once the folder that they are in is on disk. [`rename`], [`remove`], [`create_dir`] and
//! [`create_dir_all`] see to that before they return; what is written to a file lasts once it is [synced](Output::sync). Reading
//! is not the business of this module.

mod recorder;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

pub use recorder::{Fate, Fault, Journal, Operation, Recorder, Tree, Trouble};

/// How a file is opened to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Made, or emptied where it is there.
    Emptied,
    /// Made, to be read too; `AlreadyExists` where it is there.
    New,
    /// Made where it is not there, to be read too; what is in it stays.
    Kept,
    /// As [`Kept`](Self::Kept); every write goes to the end.
    Appended,
    /// There already; every write goes to the end.
    Present,
}

/// A file that a file system has opened.
#[derive(Debug)]
pub struct Opened {
    file: File,
    number: u64,
}

impl Opened {
    fn new(file: File) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { file, number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// Tells one opening from all others of this process.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// What a disk is asked for. Each call is one operation of the system's, or fails as one.
pub trait FileSystem: Send + Sync {
    /// Opens a file to be written.
    ///
    /// # Errors
    /// The system's.
    fn open(&self, path: &Path, opening: Opening) -> io::Result<Opened>;

    /// Writes some bytes, at least one, and says how many.
    ///
    /// # Errors
    /// The system's.
    fn write(&self, to: &Opened, bytes: &[u8]) -> io::Result<usize>;

    /// Cuts a file, or fills it with zeros, to so many bytes.
    ///
    /// # Errors
    /// The system's.
    fn set_len(&self, of: &Opened, length: u64) -> io::Result<()>;

    /// Waits until a file's bytes are on disk.
    ///
    /// # Errors
    /// The system's.
    fn sync(&self, of: &Opened) -> io::Result<()>;

    /// Gives a file another name, in place of one that has it.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Waits until the names in a folder are on disk.
    ///
    /// # Errors
    /// The system's.
    fn sync_dir(&self, folder: &Path) -> io::Result<()>;

    /// Makes a folder.
    ///
    /// # Errors
    /// The system's; `AlreadyExists`.
    fn create_dir(&self, folder: &Path) -> io::Result<()>;

    /// Removes a file's name.
    ///
    /// # Errors
    /// The system's; `NotFound`.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty folder.
    ///
    /// # Errors
    /// The system's; `NotFound`.
    fn remove_dir(&self, folder: &Path) -> io::Result<()>;
}

/// The system's own files.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl FileSystem for System {
    fn open(&self, path: &Path, opening: Opening) -> io::Result<Opened> {
        let mut options = File::options();
        let options = match opening {
            Opening::Emptied => options.write(true).create(true).truncate(true),
            Opening::New => options.read(true).write(true).create_new(true),
            Opening::Kept => options.read(true).write(true).create(true).truncate(false),
            Opening::Appended => options.read(true).append(true).create(true),
            Opening::Present => options.append(true),
        };
        Ok(Opened::new(options.open(path)?))
    }

    fn write(&self, to: &Opened, bytes: &[u8]) -> io::Result<usize> {
        (&to.file).write(bytes)
    }

    fn set_len(&self, of: &Opened, length: u64) -> io::Result<()> {
        of.file.set_len(length)
    }

    fn sync(&self, of: &Opened) -> io::Result<()> {
        of.file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        if !cfg!(unix) {
            return Ok(());
        }
        // Not every folder can be opened by those who may write into it, and not every system lets folders be synced: names then
        // last as well as they do there.
        let folder = match File::open(folder) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(()),
            folder => folder?,
        };
        match folder.sync_all() {
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
            synced => synced,
        }
    }

    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir(folder)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, folder: &Path) -> io::Result<()> {
        fs::remove_dir(folder)
    }
}

/// The folders that go through another file system.
static MOUNTS: RwLock<Vec<(PathBuf, Arc<dyn FileSystem>)>> = RwLock::new(Vec::new());

/// How many there are: where there is none, as in every program but tests, nobody waits for the lock.
static MOUNTED: AtomicUsize = AtomicUsize::new(0);

/// Ends a mount when it is dropped. Files that are open then stay with their file system.
#[must_use = "the mount ends where this is dropped"]
pub struct Mount(Arc<dyn FileSystem>);

/// Has all that is written below a folder, and the folder itself, go through a file system. Of two mounts for one place the
/// later one is asked.
pub fn mount(folder: &Path, on: Arc<dyn FileSystem>) -> Mount {
    MOUNTS.write().unwrap_or_else(PoisonError::into_inner).push((folder.to_owned(), Arc::clone(&on)));
    MOUNTED.fetch_add(1, Ordering::Release);
    Mount(on)
}

impl Drop for Mount {
    fn drop(&mut self) {
        let mut mounts = MOUNTS.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = mounts.iter().rposition(|(_, on)| Arc::ptr_eq(on, &self.0)) {
            mounts.remove(place);
            MOUNTED.fetch_sub(1, Ordering::Release);
        }
    }
}

/// The file system of a path.
fn of(path: &Path) -> Arc<dyn FileSystem> {
    if MOUNTED.load(Ordering::Acquire) > 0 {
        let mounts = MOUNTS.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, on)) = mounts.iter().rev().find(|(folder, _)| path.starts_with(folder)) {
            return Arc::clone(on);
        }
    }
    Arc::new(System)
}

/// Makes a call again for as long as a signal interrupts it.
fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// The folder that a name is in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A file that is written.
pub struct Output {
    opened: Arc<Opened>,
    on: Arc<dyn FileSystem>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Output").field(&self.opened).finish()
    }
}

impl Output {
    /// Waits until all that was written is on disk. The name of a file that is new is there once its folder is
    /// [synced](sync_name).
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&self) -> io::Result<()> {
        again(|| self.on.sync(&self.opened))
    }

    /// Cuts the file, or fills it with zeros, to so many bytes.
    ///
    /// # Errors
    /// The system's.
    pub fn set_len(&self, length: u64) -> io::Result<()> {
        again(|| self.on.set_len(&self.opened, length))
    }

    /// The file, to be locked and read.
    #[must_use]
    pub fn file(&self) -> &File {
        self.opened.file()
    }

    /// The same file with the same place in it, written from elsewhere.
    #[must_use]
    pub fn shared(&self) -> Self {
        Self { opened: Arc::clone(&self.opened), on: Arc::clone(&self.on) }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.on.write(&self.opened, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Output {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file().seek(to)
    }
}

/// Opens a file to be written.
///
/// # Errors
/// The system's.
pub fn open(path: &Path, opening: Opening) -> io::Result<Output> {
    let on = of(path);
    let opened = Arc::new(again(|| on.open(path, opening))?);
    Ok(Output { opened, on })
}

/// Gives a file another name, in place of one that has it; the new name is on disk when this returns.
///
/// # Errors
/// The system's.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let on = of(to);
    again(|| on.rename(from, to))?;
    if parent(from) != parent(to) {
        again(|| on.sync_dir(parent(from)))?;
    }
    again(|| on.sync_dir(parent(to)))
}

/// Waits until a name, that it is there or that it is gone, is on disk.
///
/// # Errors
/// The system's.
pub fn sync_name(path: &Path) -> io::Result<()> {
    let on = of(path);
    again(|| on.sync_dir(parent(path)))
}

/// Makes a folder in one that is there; its name is on disk when this returns.
///
/// # Errors
/// The system's; `AlreadyExists`.
pub fn create_dir(folder: &Path) -> io::Result<()> {
    let on = of(folder);
    again(|| on.create_dir(folder))?;
    again(|| on.sync_dir(parent(folder)))
}

/// Makes a folder and those above it, as far as they are not there; their names are on disk when this returns.
///
/// # Errors
/// The system's.
pub fn create_dir_all(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    match create_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) else { return Err(error) };
            create_dir_all(above)?;
            // Another process may have made it meanwhile.
            there(create_dir(folder), folder)
        }
        made => there(made, folder),
    }
}

/// Forgives that a folder was there already.
fn there(made: io::Result<()>, folder: &Path) -> io::Result<()> {
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made,
    }
}

/// Removes a file that may not be there; that it is gone is on disk when this returns.
///
/// # Errors
/// The system's.
pub fn remove(path: &Path) -> io::Result<()> {
    match remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_name(path),
    }
}

/// Removes a file whose name may come back after a power cut: one that nobody takes for more than a leftover, or one of several
/// in a folder that is [synced](sync_name) afterwards.
///
/// # Errors
/// The system's; `NotFound`.
pub fn remove_file(path: &Path) -> io::Result<()> {
    let on = of(path);
    again(|| on.remove_file(path))
}

/// Removes an empty folder, whose name may come back as that of [`remove_file`].
///
/// # Errors
/// The system's; `NotFound`.
pub fn remove_dir(folder: &Path) -> io::Result<()> {
    let on = of(folder);
    again(|| on.remove_dir(folder))
}

/// Removes a folder with all that is in it, following no link.
///
/// # Errors
/// The system's; `NotFound`.
pub fn remove_dir_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { remove_dir_all(&entry.path()) } else { remove_file(&entry.path()) }?;
    }
    remove_dir(folder)
}

#[cfg(test)]
#[path = "disk/tests.rs"]
mod tests;

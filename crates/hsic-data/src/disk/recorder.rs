//! A file system that writes down what it is asked for, or fails at a call, and what a power cut could have left.
//!
//! The model. Bytes of a file last once the file is synced, names once their folder is: both of them for a file that goes from one
//! folder to another. Until then each operation may be lost by itself, whatever came after it, and of a write any sectors.
//! Renames are whole or not at all. This is less than what journalling file systems promise.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{FileSystem, Opened, Opening, System, parent};

/// What was done. Files are told by numbers, since names come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A new file got a name.
    Created {
        /// The name.
        path: PathBuf,
        /// The file.
        file: usize,
    },
    /// Bytes went into a file.
    Written {
        /// The file.
        file: usize,
        /// Where the first of them lies.
        at: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A file was cut, or filled with zeros.
    Sized {
        /// The file.
        file: usize,
        /// Its bytes from then on.
        length: u64,
    },
    /// A file was synced.
    Synced {
        /// The file.
        file: usize,
    },
    /// A file got another name.
    Renamed {
        /// The name that it had.
        from: PathBuf,
        /// The name that it has.
        to: PathBuf,
        /// The file.
        file: usize,
    },
    /// A folder's names were synced.
    DirSynced {
        /// The folder.
        path: PathBuf,
    },
    /// A folder was made.
    DirCreated {
        /// The folder.
        path: PathBuf,
    },
    /// A file's name was removed.
    Removed {
        /// The name.
        path: PathBuf,
    },
    /// A folder was removed.
    DirRemoved {
        /// The folder.
        path: PathBuf,
    },
}

/// What a power cut did to an operation that was on no disk yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It came through.
    Kept,
    /// It is gone.
    Lost,
    /// Of a write those sectors came through whose number the bits of `sectors` name, repeated every 64; anything else is kept.
    Torn {
        /// Bytes of a sector.
        size: u64,
        /// Bit by sector.
        sectors: u64,
    },
}

/// A folder as it is found: files with their bytes and folders, by their paths in it.
pub type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// What was done below a folder, from what there was at first.
#[derive(Clone, Debug)]
pub struct Journal {
    root: PathBuf,
    /// The files that there were, numbered from 0.
    first: Tree,
    /// In their order.
    pub operations: Vec<Operation>,
}

impl Journal {
    /// Which of the first `done` operations are on no disk yet when power goes.
    #[must_use]
    pub fn pending(&self, done: usize) -> Vec<usize> {
        let synced = |index: usize, wanted: &Operation| self.operations[index + 1..done].contains(wanted);
        let in_folder = |index, path: &Path| synced(index, &Operation::DirSynced { path: parent(path).to_owned() });
        let lasts = |index: usize| match &self.operations[index] {
            Operation::Written { file, .. } | Operation::Sized { file, .. } => {
                synced(index, &Operation::Synced { file: *file })
            }
            Operation::Renamed { from, to, .. } => in_folder(index, from) && in_folder(index, to),
            Operation::Created { path, .. }
            | Operation::DirCreated { path }
            | Operation::Removed { path }
            | Operation::DirRemoved { path } => in_folder(index, path),
            Operation::Synced { .. } | Operation::DirSynced { .. } => true,
        };
        (0..done).filter(|&index| !lasts(index)).collect()
    }

    /// What is found after a power cut behind the first `done` operations; of those that are [pending](Self::pending) `fate` says
    /// what became of them.
    pub fn found(&self, done: usize, mut fate: impl FnMut(usize) -> Fate) -> Tree {
        let pending = self.pending(done);
        let mut bytes: HashMap<usize, Vec<u8>> = HashMap::new();
        let (mut names, mut folders) = (BTreeMap::new(), BTreeMap::new());
        for (path, content) in &self.first {
            match content {
                Some(content) => {
                    bytes.insert(names.len(), content.clone());
                    names.insert(self.root.join(path), names.len());
                }
                None => drop(folders.insert(self.root.join(path), ())),
            }
        }
        for (index, operation) in self.operations[..done].iter().enumerate() {
            let fate = if pending.contains(&index) { fate(index) } else { Fate::Kept };
            match operation {
                _ if fate == Fate::Lost => {}
                Operation::Created { path, file } => drop(names.insert(path.clone(), *file)),
                Operation::Written { file, at, bytes: written } => {
                    write(bytes.entry(*file).or_default(), *at, written, fate);
                }
                Operation::Sized { file, length } => bytes.entry(*file).or_default().resize(*length as usize, 0),
                Operation::Renamed { from, to, file } => {
                    if names.get(from) == Some(file) {
                        names.remove(from);
                    }
                    names.insert(to.clone(), *file);
                }
                Operation::DirCreated { path } => drop(folders.insert(path.clone(), ())),
                Operation::Removed { path } => drop(names.remove(path)),
                Operation::DirRemoved { path } => {
                    folders.remove(path);
                    names.retain(|name: &PathBuf, _| !name.starts_with(path));
                }
                Operation::Synced { .. } | Operation::DirSynced { .. } => {}
            }
        }
        // What lies in a folder whose name is gone is found by nobody.
        let inside = |path: &Path| {
            let above = path.ancestors().skip(1).take_while(|above| *above != self.root);
            above.into_iter().all(|above| folders.contains_key(above))
        };
        let own = |path: &Path| path.strip_prefix(&self.root).map_or_else(|_| path.to_owned(), Path::to_owned);
        let mut tree = Tree::new();
        for folder in folders.keys().filter(|folder| inside(folder)) {
            tree.insert(own(folder), None);
        }
        for (path, file) in names.iter().filter(|(path, _)| inside(path)) {
            tree.insert(own(path), Some(bytes.get(file).cloned().unwrap_or_default()));
        }
        tree
    }
}

/// Puts what came through of a write into a file; what lies before it and was never written is zeros.
fn write(file: &mut Vec<u8>, at: u64, written: &[u8], fate: Fate) {
    for (offset, &byte) in written.iter().enumerate() {
        let place = at + offset as u64;
        if let Fate::Torn { size, sectors } = fate
            && sectors >> (place / size % 64) & 1 == 0
        {
            continue;
        }
        let place = place as usize;
        if file.len() <= place {
            file.resize(place + 1, 0);
        }
        file[place] = byte;
    }
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No space is left on the device.
    NoSpace,
    /// The device does not answer.
    InputOutput,
    /// The file system can be read only.
    ReadOnly,
    /// A signal came.
    Interrupted,
    /// A write wrote the first of its bytes alone; no other call is troubled.
    ShortWrite,
    /// The process has too many open files; no call is troubled but those that open one.
    TooManyFiles,
}

impl Trouble {
    /// All there are.
    pub const ALL: [Self; 6] =
        [Self::NoSpace, Self::InputOutput, Self::ReadOnly, Self::Interrupted, Self::ShortWrite, Self::TooManyFiles];

    /// The error, with the system's number on Linux.
    fn error(self) -> io::Error {
        let number = match self {
            Self::NoSpace => 28,
            Self::InputOutput => 5,
            Self::ReadOnly => 30,
            Self::Interrupted | Self::ShortWrite => 4,
            Self::TooManyFiles => 24,
        };
        io::Error::from_raw_os_error(number)
    }
}

/// Which call goes wrong, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Number of the call, from 0.
    pub call: usize,
    /// What is wrong with it.
    pub trouble: Trouble,
    /// Whether every later call that makes or writes something goes wrong too, as on a full disk.
    pub lasting: bool,
}

/// Writes down what goes through it to the system's files.
#[derive(Debug)]
pub struct Recorder {
    state: Mutex<State>,
    fault: Option<Fault>,
}

#[derive(Debug)]
struct State {
    journal: Journal,
    calls: usize,
    troubled: usize,
    files: usize,
    names: HashMap<PathBuf, usize>,
    opened: HashMap<u64, usize>,
}

/// What a call does to a disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Open,
    Write,
    Make,
    Sync,
    SyncDir,
    Remove,
}

impl Recorder {
    /// Of what is written below a folder, all of which is on disk as it is found.
    ///
    /// # Errors
    /// What reading the folder says.
    pub fn of(root: &Path) -> io::Result<Self> {
        Self::failing(root, None)
    }

    /// [`of`](Self::of), with a call that goes wrong.
    ///
    /// # Errors
    /// What reading the folder says.
    pub fn failing(root: &Path, fault: Option<Fault>) -> io::Result<Self> {
        let first = tree(root)?;
        let files = first.iter().filter(|(_, content)| content.is_some()).map(|(path, _)| root.join(path));
        let names: HashMap<PathBuf, usize> = files.zip(0..).collect();
        let journal = Journal { root: root.to_owned(), first, operations: Vec::new() };
        let (files, opened) = (names.len(), HashMap::new());
        Ok(Self { state: Mutex::new(State { journal, calls: 0, troubled: 0, files, names, opened }), fault })
    }

    /// What was done until now.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.state().journal.clone()
    }

    /// How many operations were done until now.
    #[must_use]
    pub fn done(&self) -> usize {
        self.state().journal.operations.len()
    }

    /// How many calls were made until now.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.state().calls
    }

    /// How many calls went wrong until now.
    #[must_use]
    pub fn troubled(&self) -> usize {
        self.state().troubled
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, and says what is wrong with it.
    fn count(&self, call: Call) -> Option<Trouble> {
        let mut state = self.state();
        let number = state.calls;
        state.calls += 1;
        let fault = self.fault?;
        let again = fault.lasting && matches!(call, Call::Open | Call::Write | Call::Make);
        let hit = number == fault.call || number > fault.call && again;
        let fits = match fault.trouble {
            Trouble::ShortWrite => call == Call::Write,
            Trouble::TooManyFiles => matches!(call, Call::Open | Call::SyncDir),
            _ => true,
        };
        let trouble = (hit && fits).then_some(fault.trouble);
        state.troubled += usize::from(trouble.is_some());
        trouble
    }

    /// Fails, or lets the system carry a call out and notes what it was.
    fn call(&self, call: Call, carry_out: impl FnOnce() -> io::Result<()>, done: Operation) -> io::Result<()> {
        if let Some(trouble) = self.count(call) {
            return Err(trouble.error());
        }
        carry_out()?;
        self.state().journal.operations.push(done);
        Ok(())
    }

    fn file(&self, opened: &Opened) -> usize {
        self.state().opened.get(&opened.number()).copied().unwrap_or(usize::MAX)
    }
}

impl FileSystem for Recorder {
    fn open(&self, path: &Path, opening: Opening) -> io::Result<Opened> {
        if let Some(trouble) = self.count(Call::Open) {
            return Err(trouble.error());
        }
        let opened = System.open(path, opening)?;
        let mut state = self.state();
        let file = match state.names.get(path) {
            Some(&file) => {
                if opening == Opening::Emptied {
                    state.journal.operations.push(Operation::Sized { file, length: 0 });
                }
                file
            }
            None => {
                let file = state.files;
                state.files += 1;
                state.names.insert(path.to_owned(), file);
                state.journal.operations.push(Operation::Created { path: path.to_owned(), file });
                file
            }
        };
        state.opened.insert(opened.number(), file);
        Ok(opened)
    }

    fn write(&self, to: &Opened, bytes: &[u8]) -> io::Result<usize> {
        let bytes = match self.count(Call::Write) {
            Some(Trouble::ShortWrite) => &bytes[..bytes.len().min(1)],
            Some(trouble) => return Err(trouble.error()),
            None => bytes,
        };
        let count = System.write(to, bytes)?;
        // Where a file is appended to, the system has moved the place to its end as well.
        let at = to.file().stream_position()? - count as u64;
        let file = self.file(to);
        self.state().journal.operations.push(Operation::Written { file, at, bytes: bytes[..count].to_vec() });
        Ok(count)
    }

    fn set_len(&self, of: &Opened, length: u64) -> io::Result<()> {
        self.call(Call::Write, || System.set_len(of, length), Operation::Sized { file: self.file(of), length })
    }

    fn sync(&self, of: &Opened) -> io::Result<()> {
        self.call(Call::Sync, || System.sync(of), Operation::Synced { file: self.file(of) })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let file = self.state().names.get(from).copied().unwrap_or(usize::MAX);
        let done = Operation::Renamed { from: from.to_owned(), to: to.to_owned(), file };
        self.call(Call::Make, || System.rename(from, to), done)?;
        let mut state = self.state();
        state.names.remove(from);
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        self.call(Call::SyncDir, || System.sync_dir(folder), Operation::DirSynced { path: folder.to_owned() })
    }

    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        self.call(Call::Make, || System.create_dir(folder), Operation::DirCreated { path: folder.to_owned() })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.call(Call::Remove, || System.remove_file(path), Operation::Removed { path: path.to_owned() })?;
        self.state().names.remove(path);
        Ok(())
    }

    fn remove_dir(&self, folder: &Path) -> io::Result<()> {
        self.call(Call::Remove, || System.remove_dir(folder), Operation::DirRemoved { path: folder.to_owned() })
    }
}

/// What lies below a folder.
fn tree(root: &Path) -> io::Result<Tree> {
    let (mut tree, mut open) = (Tree::new(), vec![root.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let own = path.strip_prefix(root).map_or_else(|_| path.clone(), Path::to_owned);
            if path.is_dir() {
                tree.insert(own, None);
                open.push(path);
            } else {
                tree.insert(own, Some(fs::read(&path)?));
            }
        }
    }
    Ok(tree)
}

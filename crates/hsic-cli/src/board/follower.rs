//! The records of a run as they are written.
//!
//! A run that is taken up again cuts its file to the last checkpoint and goes on from there, and one that is overwritten begins a
//! new one. Both are noticed: the file is shorter than what was read, or what was read last no longer lies where it lay.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use hsic_bottleneck::files::FileError;
use hsic_bottleneck::log::Record;

/// Bytes before the end of what was read that are compared: a record has its seconds among them, which differ whenever an epoch
/// is trained anew.
const REMEMBERED: usize = 2048;

/// What has come to a file since it was looked at last.
#[derive(Debug, PartialEq)]
pub(super) struct Growth {
    /// What was read before no longer counts.
    pub(super) anew: bool,
    /// Records, in their order.
    pub(super) records: Vec<Record>,
}

/// One who reads a run's records again and again.
#[derive(Debug)]
pub(super) struct Follower {
    path: PathBuf,
    /// Bytes that were read, up to the end of a line.
    read: u64,
    /// Lines in them.
    lines: usize,
    /// The last of them.
    last: Vec<u8>,
    /// What was told before no longer counts, and nobody was told yet.
    anew: bool,
}

impl Follower {
    /// Nothing is read yet.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.into(), read: 0, lines: 0, last: Vec::new(), anew: false }
    }

    /// What has come since the last look; a line that is still being written comes with a later one. A file that is not there
    /// yet is an empty one.
    ///
    /// # Errors
    /// `Io`; `Malformed` with the line, at each look until the file is another.
    ///
    /// # Cost
    /// What is new of the file.
    pub(super) fn look(&mut self) -> Result<Growth, FileError> {
        let path = self.path.clone();
        let io = |source| FileError::Io { path: path.clone(), source };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.forget();
                return Ok(Growth { anew: std::mem::take(&mut self.anew), records: Vec::new() });
            }
            Err(source) => return Err(io(source)),
        };
        let length = file.metadata().map_err(io)?.len();
        let mut again = vec![0; self.last.len()];
        let same = length >= self.read && {
            let begin = self.read - self.last.len() as u64;
            let found = file.seek(SeekFrom::Start(begin)).and_then(|_| file.read_exact(&mut again));
            match found {
                Ok(()) => again == self.last,
                // It was cut in this moment.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => false,
                Err(source) => return Err(io(source)),
            }
        };
        if !same {
            self.forget();
        }
        file.seek(SeekFrom::Start(self.read)).map_err(io)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        bytes.truncate(whole);
        let mut records = Vec::new();
        for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
            let record = serde_json::from_slice(line).map_err(|error| FileError::Malformed {
                path: path.clone(),
                found: format!("line {}: {error}", self.lines + index + 1),
                expected: "a record a line".to_owned(),
            });
            records.push(record?);
        }
        self.read += whole as u64;
        self.lines += bytes.iter().filter(|&&byte| byte == b'\n').count();
        self.last.extend_from_slice(&bytes);
        self.last.drain(..self.last.len().saturating_sub(REMEMBERED));
        Ok(Growth { anew: std::mem::take(&mut self.anew), records })
    }

    fn forget(&mut self) {
        self.anew |= self.read > 0;
        (self.read, self.lines) = (0, 0);
        self.last.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn line(epoch: u64, seconds: f64) -> String {
        format!(
            r#"{{"type":"epoch","epoch":{epoch},"step":1,"seconds":{seconds},"learning_rate":0.1,"loss":[1.0],"nhsic_x":[],"nhsic_y":[],"train_accuracy":0.5,"test_accuracy":0.5}}"#
        ) + "\n"
    }

    fn append(path: &Path, text: &str) {
        File::options().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Whether it began anew, and the epochs that came.
    fn look(follower: &mut Follower) -> (bool, Vec<u64>) {
        let Growth { anew, records } = follower.look().unwrap();
        let epoch = |record| match record {
            Record::Epoch(report) => report.epoch,
            other => panic!("{other:?}"),
        };
        (anew, records.into_iter().map(epoch).collect())
    }

    #[test]
    fn each_record_comes_once_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut follower = Follower::new(&path);
        assert_eq!(look(&mut follower), (false, vec![]), "no file yet");
        append(&path, &(line(1, 1.0) + &line(2, 2.0)));
        assert_eq!(look(&mut follower), (false, vec![1, 2]));
        assert_eq!(look(&mut follower), (false, vec![]));
        let third = line(3, 3.0);
        append(&path, &third[..20]);
        assert_eq!(look(&mut follower), (false, vec![]), "half a line");
        append(&path, &third[20..]);
        assert_eq!(look(&mut follower), (false, vec![3]));
    }

    #[test]
    fn a_file_that_was_cut_replaced_or_removed_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut follower = Follower::new(&path);
        let three = line(1, 1.0) + &line(2, 2.0) + &line(3, 3.0);
        append(&path, &three);
        look(&mut follower);
        // Cut to its first two records, as by a resume.
        File::options().write(true).open(&path).unwrap().set_len((line(1, 1.0) + &line(2, 2.0)).len() as u64).unwrap();
        assert_eq!(look(&mut follower), (true, vec![1, 2]));
        // Cut and grown beyond what was read before the next look: the length alone says nothing.
        append(&path, &(line(3, 3.0) + &line(4, 4.0)));
        look(&mut follower);
        File::options().write(true).open(&path).unwrap().set_len((line(1, 1.0) + &line(2, 2.0)).len() as u64).unwrap();
        append(&path, &(line(3, 3.5) + &line(4, 4.5) + &line(5, 5.5)));
        assert_eq!(look(&mut follower), (true, vec![1, 2, 3, 4, 5]));
        // Records beyond what is remembered of them are compared by their end.
        append(&path, &(6..40).map(|epoch| line(epoch, 1.0)).collect::<String>());
        assert_eq!(look(&mut follower).1.len(), 34);
        assert_eq!(look(&mut follower), (false, vec![]));
        fs::remove_file(&path).unwrap();
        assert_eq!(look(&mut follower), (true, vec![]));
        assert_eq!(look(&mut follower), (false, vec![]));
    }

    #[test]
    fn a_line_that_is_no_record_is_named_until_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut follower = Follower::new(&path);
        append(&path, &line(1, 1.0));
        look(&mut follower);
        append(&path, &(line(2, 2.0) + "{}\n"));
        for _ in 0..2 {
            let error = follower.look().unwrap_err().to_string();
            assert!(
                error.contains("metrics.jsonl: line 3: ") && error.ends_with("expected a record a line"),
                "{error}"
            );
        }
        fs::write(&path, line(7, 1.5)).unwrap();
        assert_eq!(look(&mut follower), (true, vec![7]));
    }
}

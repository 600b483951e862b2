//! A finished run that is trained further. Its result stays until the new one is whole: what the new one is made of lies in
//! a folder beside it and takes its place in the end.

use std::path::PathBuf;

use hsic_data::disk;
use hsic_data::fault::Fault;

use crate::config::{ConfigError, Restarts};
use crate::error::Error;
use crate::files::{FileError, write_atomically};
use crate::run::{CONFIG, NEXT, RESULTS, Run, RunError, SUMMARY, WHOLE};
use crate::state_files::CHECKPOINT;
use crate::summary::Summary;

impl Run {
    /// From now on the training takes `epochs` epochs in all, more than it has; the course of the learning rate begins anew
    /// after those that are done. What the run has come to stays until the longer training is finished. Nothing is changed
    /// where the run is being trained to so many already.
    ///
    /// # Errors
    /// `Unfinished`; `Faults` for a number of epochs that is not more than there are, or other than that which the run is
    /// being trained to, and for a run of several sigmas; `Malformed` without a checkpoint to go on from; `Io`.
    pub fn extend(&self, epochs: u64) -> Result<(), Error> {
        self.settle()?;
        let mut options = self.options()?.as_stored();
        let config = options.clone().resolve()?;
        if !self.is_finished() {
            return Err(RunError::Unfinished { path: self.path.clone() }.into());
        }
        let done = self.summary()?.epochs;
        if done < config.epochs && epochs == config.epochs {
            return Ok(());
        }
        let expected = if done < config.epochs {
            Some(format!("{}, to which the run is being trained", config.epochs))
        } else if epochs <= done {
            Some(format!("more than {done}, which the run has"))
        } else {
            (config.sigmas.len() > 1).then(|| "a run of one sigma".to_owned())
        };
        if let Some(expected) = expected {
            let fault = Fault { key: "epochs".to_owned(), value: epochs.to_string(), expected };
            return Err(ConfigError::Faults(vec![fault]).into());
        }
        let checkpoint = self.file(CHECKPOINT);
        if !checkpoint.is_file() && self.stage_list()?.is_none() {
            return Err(FileError::malformed(&checkpoint, "nothing", "the state at the end of training").into());
        }
        let Restarts(mut restarts) = config.restarts;
        restarts.push(done);
        options.training.restarts = Some(Restarts(restarts));
        options.training.epochs = Some(epochs);
        let text = toml::to_string(&options).map_err(|error| self.malformed(CONFIG, error, "valid settings"))?;
        self.unseal()?;
        Ok(write_atomically(&self.file(CONFIG), text.as_bytes())?)
    }

    /// What the finished training came to.
    ///
    /// # Errors
    /// `Io`; `Malformed`.
    pub fn summary(&self) -> Result<Summary, FileError> {
        self.read_json(SUMMARY, "the summary of a finished run")
    }

    /// What the run came to before it was trained further.
    pub(crate) fn earlier(&self) -> Option<Summary> {
        Self { aside: false, ..self.clone() }.summary().ok().filter(|_| self.aside)
    }

    /// This run, with its results aside of those that it has, and none there yet: what an earlier process left there came to
    /// no end, and may be of something else.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn aside(&self) -> Result<Self, FileError> {
        let folder = self.path.join(NEXT);
        let emptied = if folder.is_dir() { disk::remove_dir_all(&folder) } else { Ok(()) };
        let made = emptied.and_then(|()| disk::create_dir_all(&folder));
        made.map_err(|source| FileError::Io { path: folder, source })?;
        Ok(Self { aside: true, ..self.clone() })
    }

    /// Gives the results that lie aside, which are whole, the place of those that the run has, of which those of the names
    /// `kept` stay. Once begun it can be carried out at any later time: a list of the files says so.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn take_aside(&self, kept: &[&str]) -> Result<(), FileError> {
        let aside = Self { aside: true, ..self.clone() };
        let stays = |name: &str| kept.contains(&name) && self.file(name).is_file();
        let names: Vec<&str> =
            RESULTS.iter().copied().filter(|name| aside.file(name).is_file() || stays(name)).collect();
        self.write_json(WHOLE, &names)?;
        self.settle()
    }

    /// Goes on with taking results from aside, if it was begun; the summary comes last.
    ///
    /// # Errors
    /// `Io`; `Malformed` for a list that is none.
    pub(crate) fn settle(&self) -> Result<(), FileError> {
        let run = Self { aside: false, ..self.clone() };
        let aside = Self { aside: true, ..self.clone() };
        if !run.is_unsettled() {
            return Ok(());
        }
        let names: Vec<String> = run.read_json(WHOLE, "a list of files")?;
        run.unseal()?;
        let io = |path: &PathBuf| {
            let path = path.clone();
            move |source| FileError::Io { path, source }
        };
        for name in RESULTS {
            let (from, to) = (aside.file(name), run.file(name));
            if from.is_file() {
                disk::rename(&from, &to).map_err(io(&to))?;
            } else if !names.iter().any(|new| new == name) && to.is_file() {
                // Of the earlier result alone: a softmax layer that was trained later.
                disk::remove(&to).map_err(io(&to))?;
            }
        }
        let (list, folder) = (run.file(WHOLE), run.path.join(NEXT));
        disk::remove(&list).map_err(io(&list))?;
        // A part that a killed process left may lie in it.
        if folder.is_dir() {
            disk::remove_dir_all(&folder).map_err(io(&folder))?;
        }
        run.seal()
    }

    /// Whether results are being taken from aside: those of the run are then of two trainings.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        self.path.join(WHOLE).is_file()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::TrainOptions;
    use crate::run::READOUT;

    fn run() -> (tempfile::TempDir, Run) {
        let folder = tempfile::tempdir().unwrap();
        let config = TrainOptions::default().resolve().unwrap();
        let run = Run::create(&folder.path().join("r"), &config).unwrap();
        (folder, run)
    }

    #[test]
    fn results_aside_take_the_place_of_the_earlier_ones_from_wherever_it_was_stopped() {
        let write = |run: &Run, name: &str, text: &str| fs::write(run.file(name), text).unwrap();
        for moved in 0..=3 {
            let (_folder, run) = run();
            for name in ["weights.safetensors", READOUT, "format.safetensors", SUMMARY] {
                write(&run, name, "old");
            }
            let aside = run.aside().unwrap();
            let names = ["weights.safetensors", READOUT, SUMMARY];
            names.iter().for_each(|name| write(&aside, name, "new"));
            assert_eq!(fs::read(run.file(READOUT)).unwrap(), b"old");
            // Killed after so many of the files were moved.
            run.write_json(WHOLE, &names).unwrap();
            for name in &names[..moved] {
                fs::rename(aside.file(name), run.file(name)).unwrap();
            }
            assert!(run.is_unsettled());
            run.settle().unwrap();
            for name in names {
                assert_eq!(fs::read(run.file(name)).unwrap(), b"new", "{name} after {moved}");
            }
            assert!(!run.file("format.safetensors").exists() && !run.path().join(NEXT).exists());
            assert!(!run.is_unsettled());
            run.settle().unwrap();
        }
    }

    #[test]
    fn only_a_finished_run_is_trained_further() {
        let (_folder, run) = run();
        let error = run.extend(9).unwrap_err();
        assert!(matches!(error, Error::Run(RunError::Unfinished { .. })), "{error}");
    }
}

//! Which engines a run was trained on: the processors of this machine, or a device.
//!
//! The bits of a training are those of one engine. A run may go on elsewhere, and its record then says so.

use crate::error::Error;
use crate::files::FileError;
use crate::log::{Observer, Warning, tell};
use crate::run::{ENGINES, Run, RunError};

/// The processors: the engine of every run that names none.
pub const CPU: &str = "cpu";

impl Run {
    /// The engines that this run was trained on, in order.
    ///
    /// # Errors
    /// `Io`; `Malformed` for a record that is no list of names.
    pub fn engines(&self) -> Result<Vec<String>, FileError> {
        match self.file(ENGINES).exists() {
            true => self.read_json(ENGINES, "a list of engines"),
            false => Ok(vec![CPU.to_owned()]),
        }
    }

    /// Notes that training goes on from `step` (0: begins) on an engine, and tells listeners if steps before it were another's.
    /// A run of the processors alone has no such record.
    ///
    /// # Errors
    /// `Run` if the record cannot be read or written; what listeners say.
    pub fn note_engine(&self, engine: &str, step: u64, listeners: &mut [&mut dyn Observer]) -> Result<(), Error> {
        let mut engines = if step == 0 { Vec::new() } else { self.engines().map_err(RunError::from)? };
        let before = engines.last().cloned();
        if before.as_deref() == Some(engine) {
            return Ok(());
        }
        engines.push(engine.to_owned());
        if engines != [CPU] || self.file(ENGINES).exists() {
            self.write_json(ENGINES, &engines).map_err(RunError::from)?;
        }
        match before {
            None => Ok(()),
            Some(before) => {
                let warning = Warning::OtherEngine { before, now: engine.to_owned(), step };
                Ok(tell(listeners, |observer| observer.warning(&warning))?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainOptions;

    #[derive(Default)]
    struct Told(Vec<Warning>);

    impl Observer for Told {
        fn warning(&mut self, warning: &Warning) -> Result<(), hsic_learn::error::BoxError> {
            self.0.push(warning.clone());
            Ok(())
        }
    }

    #[test]
    fn a_run_names_its_engines_and_says_where_another_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let config = TrainOptions::default().resolve().unwrap();
        let run = Run::create(&folder.path().join("r"), &config).unwrap();
        let note = |engine: &str, step| {
            let mut told = Told::default();
            run.note_engine(engine, step, &mut [&mut told]).unwrap();
            told.0
        };
        // The processors alone leave no record.
        assert_eq!(note(CPU, 0), []);
        assert_eq!(note(CPU, 7), []);
        assert!(!run.file(ENGINES).exists());
        assert_eq!(run.engines().unwrap(), [CPU]);
        let other = |before: &str, now: &str, step| {
            vec![Warning::OtherEngine { before: before.to_owned(), now: now.to_owned(), step }]
        };
        assert_eq!(note("torch-cuda", 9), other(CPU, "torch-cuda", 9));
        assert_eq!(note("torch-cuda", 12), []);
        assert_eq!(note(CPU, 15), other("torch-cuda", CPU, 15));
        assert_eq!(run.engines().unwrap(), [CPU, "torch-cuda", CPU]);
        let told = other("torch-cuda", CPU, 15)[0].to_string();
        assert_eq!(
            told,
            "from step 15 on cpu, before it on torch-cuda: the bits are no longer those of a training on one engine"
        );
        // From its beginning a training is that of one engine again.
        assert_eq!(note("torch-cpu", 0), []);
        assert_eq!(run.engines().unwrap(), ["torch-cpu"]);
    }
}

//! Which engines a run was trained on: the processors of this machine, or a device.
//!
//! The bits of a training are those of one engine. A run may go on elsewhere, and its record then says so.

use crate::error::Error;
use crate::files::FileError;
use crate::log::{Observer, Warning, tell};
use crate::run::{ENGINES, Run};

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
        let mut engines = if step == 0 { Vec::new() } else { self.engines().map_err(crate::run::RunError::from)? };
        let before = engines.last().cloned();
        if before.as_deref() == Some(engine) {
            return Ok(());
        }
        engines.push(engine.to_owned());
        if engines != [CPU] || self.file(ENGINES).exists() {
            self.write_json(ENGINES, &engines).map_err(crate::run::RunError::from)?;
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

//! How a command hears Ctrl-C and termination: work is asked to stop, left if it does not within two seconds, and ended at
//! once the second time.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use hsic_bottleneck::log::Observer;
use hsic_bottleneck::step_error::BoxError;

use crate::printer;

/// What interrupted work ends with, as a shell has it.
const INTERRUPTED: u8 = 130;

/// How long work that was asked to stop may go on. What it has written by then is whole, whenever it is left.
const GRACE: Duration = Duration::from_millis(1500);

/// What work that listens for signals shares with them.
pub(super) struct Signals {
    asked: Arc<AtomicBool>,
    saving: Arc<AtomicBool>,
}

impl Signals {
    /// From now on a signal asks the work to stop. Work that does not within [`GRACE`], and is not about to save what it has
    /// done, is left in its middle, of which `remedy` tells how to go on; so it is at once by a second signal.
    pub(super) fn listen(remedy: impl Fn() -> String + Send + Sync + 'static) -> anyhow::Result<Self> {
        let (asked, saving) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (heard, is_saving, remedy) = (Arc::clone(&asked), Arc::clone(&saving), Arc::new(remedy));
        ctrlc::set_handler(move || {
            if heard.swap(true, Ordering::Relaxed) {
                printer::left("ended at once", &remedy());
                std::process::exit(INTERRUPTED.into());
            }
            let (is_saving, remedy) = (Arc::clone(&is_saving), Arc::clone(&remedy));
            std::thread::spawn(move || {
                std::thread::sleep(GRACE);
                if !is_saving.load(Ordering::Relaxed) {
                    printer::left("interrupted in the middle of the work, which is left", &remedy());
                    std::process::exit(INTERRUPTED.into());
                }
            });
        })
        .context("signal handler")?;
        Ok(Self { asked, saving })
    }

    /// Set once the work is asked to stop.
    pub(super) fn stop(&self) -> &AtomicBool {
        &self.asked
    }

    /// Hears when a training begins to save what it has done.
    pub(super) fn saves(&self) -> Saves {
        Saves(Arc::clone(&self.saving))
    }
}

/// A training that is about to save what it has done is not left.
pub(super) struct Saves(Arc<AtomicBool>);

impl Observer for Saves {
    fn stopping(&mut self) -> Result<(), BoxError> {
        self.0.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// The exit code of interrupted work.
pub(super) fn interrupted() -> ExitCode {
    ExitCode::from(INTERRUPTED)
}

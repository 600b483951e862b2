//! How a command runs: on how many threads, until which signal.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

/// Set by Ctrl-C and termination.
pub(super) fn stop_on_signal() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let handler = Arc::clone(&stop);
    ctrlc::set_handler(move || handler.store(true, Ordering::Relaxed)).context("signal handler")?;
    Ok(stop)
}

/// The exit code of interrupted work, as a shell has it.
pub(super) fn interrupted() -> ExitCode {
    ExitCode::from(130)
}

//! One module a verb.

pub(crate) mod compare;
mod data;
mod eval;
mod export;
mod format;
mod launch;
mod measure;
mod methods;
pub(crate) mod predict;
mod report;
pub(crate) mod reproduce;
mod test;
mod train;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

pub(crate) use data::{Info, Listed};
pub(crate) use methods::{Explained, ListedMethod, OptionHelp};
pub(crate) use report::Written;

use crate::args::{Arguments, Command};

/// Carries out what was asked.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Train(arguments) => train::run(*arguments),
        Command::Eval(arguments) => eval::run(arguments),
        Command::Predict(arguments) => predict::run(arguments),
        Command::Format(arguments) => format::run(*arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::Report(arguments) => report::run(arguments),
        Command::Measure(arguments) => measure::run(arguments),
        Command::Test(arguments) => test::run(arguments),
        Command::Data(arguments) => data::run(arguments.command),
        Command::Reproduce(arguments) => reproduce::run(arguments),
        Command::Compare(arguments) => compare::run(*arguments),
        Command::Methods(arguments) => methods::run(&arguments),
    }
}

/// Set by Ctrl-C and termination.
fn stop_on_signal() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let handler = Arc::clone(&stop);
    ctrlc::set_handler(move || handler.store(true, Ordering::Relaxed)).context("signal handler")?;
    Ok(stop)
}

/// The exit code of interrupted work, as a shell has it.
fn interrupted() -> ExitCode {
    ExitCode::from(130)
}

/// Runs `work` on a pool of so many threads, all cores without a number.
fn on_threads<R: Send>(threads: Option<usize>, work: impl FnOnce() -> R + Send) -> anyhow::Result<R> {
    anyhow::ensure!(threads != Some(0), "threads = 0: expected a whole number >= 1");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build().context("threads")?;
    Ok(pool.install(work))
}

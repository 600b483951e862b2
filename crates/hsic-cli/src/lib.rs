//! The command `hsic`: trains deep networks without back-propagation, measures dependence and tests independence.
//!
//! Results go to standard output, progress and warnings to standard error. Exit: 0 done, 1 a check said no or one of
//! several files did not fit, 2 error, 130 interrupted.

mod args;
mod board;
mod card;
mod command_line;
mod commands;
mod compared;
pub mod engine;
mod html;
mod markdown;
mod notes;
mod predictions;
mod printer;
mod report;
mod results;
mod several;
mod speedrun;
mod table;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;

use command_line::Fault;
use engine::Engine;
use hsic_bottleneck::step_error::BoxError;

/// Carries out a command line, the program's name first, and gives its exit code. Help and faults of the command line
/// itself are printed.
pub fn run(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> ExitCode {
    let arguments = match command_line::parse(arguments) {
        Ok(arguments) => arguments,
        Err(Fault::Line(error)) => return printer::of_the_line(&error),
        Err(Fault::Number(told)) => {
            printer::error(&anyhow::Error::msg(told));
            return ExitCode::from(2);
        }
    };
    ended(commands::run(arguments))
}

/// Carries out the command line of a program that trains by an engine of its own, `PROGRAM train OPTIONS`, and gives its exit
/// code: the options are those of `hsic train` and those of `O` beside them, from which `engine` makes the engine.
///
/// # Examples
/// See `engines/hsic-mpi`.
pub fn train<O: clap::Args>(
    arguments: impl IntoIterator<Item = impl Into<OsString>>,
    engine: impl FnOnce(O) -> Result<Box<dyn Engine>, BoxError>,
) -> ExitCode {
    let (arguments, own) = match command_line::parse_train::<O>(arguments) {
        Ok(parsed) => parsed,
        Err(Fault::Line(error)) => return printer::of_the_line(&error),
        Err(Fault::Number(told)) => {
            printer::error(&anyhow::Error::msg(told));
            return ExitCode::from(2);
        }
    };
    match engine(own) {
        Ok(engine) => {
            let (mut told, done) = (None, commands::train::run(arguments, &*engine));
            match done {
                Ok(code) => code,
                Err(error) => {
                    let mut error = Some(error);
                    engine.failed(&mut || told = error.take().map(|error| ended(Err(error))));
                    told.unwrap_or(ExitCode::from(2))
                }
            }
        }
        Err(error) => ended(Err(anyhow::anyhow!(error))),
    }
}

/// The exit code of what was done; an error is printed.
fn ended(done: anyhow::Result<ExitCode>) -> ExitCode {
    match done {
        Ok(code) => code,
        Err(error) if printer::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            printer::error(&error);
            ExitCode::from(2)
        }
    }
}

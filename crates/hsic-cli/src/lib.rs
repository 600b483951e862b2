//! The command `hsic`: trains deep networks without back-propagation, measures dependence and tests independence.
//!
//! Results go to standard output, progress and warnings to standard error. Exit: 0 done, 1 a check said no or one of
//! several files did not fit, 2 error, 130 interrupted.

mod args;
mod command_line;
mod commands;
mod html;
mod markdown;
mod notes;
mod predictions;
mod printer;
mod report;
mod results;
mod table;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;

use command_line::Fault;

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
    match commands::run(arguments) {
        Ok(code) => code,
        Err(error) if printer::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            printer::error(&error);
            ExitCode::from(2)
        }
    }
}

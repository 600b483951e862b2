//! The command `hsic`: trains deep networks without back-propagation, measures dependence and tests independence.
//!
//! Results go to standard output, progress and warnings to standard error. Exit: 0 done, 1 a check said no, 2 error,
//! 130 interrupted.

mod args;
mod commands;
#[cfg_attr(not(test), expect(dead_code, reason = "no command draws yet"))]
mod draw;
mod printer;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match commands::run(args::Arguments::parse()) {
        Ok(code) => code,
        Err(error) if printer::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            printer::error(&error);
            ExitCode::from(2)
        }
    }
}

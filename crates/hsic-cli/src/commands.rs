//! One module a verb.

mod audit;
mod board;
mod compare;
mod completions;
mod data;
mod eval;
mod export;
mod format;
mod importance;
mod launch;
mod man;
mod measure;
mod methods;
mod pair;
mod pictures;
mod predict;
mod report;
mod reproduce;
mod running;
mod runs;
mod share;
mod speedrun;
mod test;
pub(crate) mod train;

use std::process::ExitCode;

use crate::args::{Arguments, Command};
use crate::engine::Here;

/// Carries out what was asked.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Train(arguments) => train::run(*arguments, &Here),
        Command::Eval(arguments) => eval::run(arguments),
        Command::Importance(arguments) => importance::run(*arguments),
        Command::Audit(arguments) => audit::run(*arguments),
        Command::Predict(arguments) => predict::run(arguments),
        Command::Format(arguments) => format::run(*arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::Report(arguments) => report::run(arguments),
        Command::Runs(arguments) => runs::run(&arguments),
        Command::Board(arguments) => board::run(arguments),
        Command::Measure(arguments) => measure::run(arguments),
        Command::Test(arguments) => test::run(arguments),
        Command::Data(arguments) => data::run(arguments.command),
        Command::Reproduce(arguments) => reproduce::run(arguments),
        Command::Compare(arguments) => compare::run(*arguments),
        Command::Speedrun(arguments) => speedrun::run(*arguments),
        Command::Methods(arguments) => methods::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    }
}

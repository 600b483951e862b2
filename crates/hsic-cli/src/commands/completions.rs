//! `hsic completions`.

use std::process::ExitCode;

use crate::args::CompletionsArguments;
use crate::{command_line, printer};

pub(crate) fn run(arguments: &CompletionsArguments) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command_line::command(), "hsic", &mut script);
    printer::bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}

//! `hsic man`.

use std::process::ExitCode;

use anyhow::bail;
use clap_mangen::Man;
use hsic_bottleneck::names::{one_of, same};

use crate::args::ManArguments;
use crate::{command_line, printer};

pub(crate) fn run(arguments: &ManArguments) -> anyhow::Result<ExitCode> {
    let mut command = command_line::command();
    command.build();
    let mut name = command.get_name().to_owned();
    for asked in &arguments.verb {
        let verbs: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
        let Some(verb) = command.get_subcommands().find(|verb| same(verb.get_name(), asked)) else {
            let verbs: Vec<&str> = verbs.iter().map(String::as_str).filter(|&verb| verb != "help").collect();
            if verbs.is_empty() {
                bail!("verb = {asked}: expected no more, since {name} has no verbs of its own");
            }
            bail!("verb = {asked}: expected {}", one_of(asked, &verbs));
        };
        name = format!("{name}-{}", verb.get_name());
        command = verb.clone();
    }
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    printer::bytes(&page)?;
    Ok(ExitCode::SUCCESS)
}

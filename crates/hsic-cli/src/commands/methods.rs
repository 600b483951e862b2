//! `hsic methods`.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args as _;
use hsic_bottleneck::config::{ObjectiveOptions, OptimizerOptions, RuleOptions, TrainOptions};
use hsic_bottleneck::method::Method;
use hsic_bottleneck::methods::{METHODS, Methods};
use serde::Serialize;

use crate::args::MethodsArguments;
use crate::printer;
use crate::results::{Explained, ListedMethod, OptionHelp};

/// What `--json` prints of all.
#[derive(Serialize)]
struct List {
    methods: Vec<ListedMethod>,
}

pub(crate) fn run(arguments: &MethodsArguments) -> anyhow::Result<ExitCode> {
    match &arguments.name {
        None => {
            let list = List { methods: METHODS.iter().map(|method| listed(method)).collect() };
            if arguments.json { printer::json(&list)? } else { printer::methods(&list.methods)? }
        }
        Some(name) => {
            let Some(method) = Methods::known().named(name) else {
                bail!("method = {name}: expected {}", Methods::known().instead_of(name));
            };
            let explained = explained(method)?;
            if arguments.json { printer::json(&explained)? } else { printer::method(&explained)? }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn listed(method: &Method) -> ListedMethod {
    ListedMethod {
        name: method.name,
        summary: method.summary,
        reference: method.reference,
        cost: method.cost,
        local: method.local,
        parallel: method.parallel,
        outputs: method.outputs,
    }
}

fn explained(method: &'static Method) -> anyhow::Result<Explained> {
    let mut options = TrainOptions::default();
    options.objective.method = Some(method.name.to_owned());
    let OptimizerOptions { optimizer, learning_rate, .. } = options.resolve()?.options.optimizer;
    let command = ObjectiveOptions::augment_args(RuleOptions::augment_args(clap::Command::new("options")));
    let help = |field: &&str| {
        let argument = command.get_arguments().find(|argument| argument.get_id() == *field);
        let help = argument.and_then(|argument| argument.get_help()).map(ToString::to_string).unwrap_or_default();
        OptionHelp { flag: format!("--{}", field.replace('_', "-")), help }
    };
    Ok(Explained {
        listed: listed(method),
        explanation: method.explanation(),
        optimizer: optimizer.map_or_else(String::new, |name| format!("{name:?}").to_lowercase()),
        learning_rate: learning_rate.unwrap_or_default(),
        options: method.reads.iter().map(help).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_that_a_method_reads_is_a_flag_with_help() {
        for method in METHODS {
            for option in explained(method).unwrap().options {
                assert!(option.help.len() > 10, "{} {}", method.name, option.flag);
            }
        }
    }
}

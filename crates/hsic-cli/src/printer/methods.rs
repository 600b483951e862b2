//! Learning methods, listed and explained.

use std::fmt::Write as _;

use hsic_bottleneck::method::Outputs;

use super::output::line;
use super::text::{reflowed, width, wrapped};
use crate::results::{Explained, ListedMethod, OptionHelp};

/// The learning methods.
pub(crate) fn methods(list: &[ListedMethod]) -> anyhow::Result<()> {
    let width = width();
    let mut text = String::new();
    for method in list {
        let ListedMethod { name, summary, reference, cost, local, parallel, .. } = method;
        let kind = match (local, parallel) {
            (true, true) => "local, blocks at once",
            (true, false) => "local, not all blocks at once",
            (false, true) => "a signal from the output, blocks at once",
            (false, false) => "a gradient through all blocks",
        };
        let _ = writeln!(text, "{name}");
        for told in [*summary, *reference, &format!("{kind}; {cost}")] {
            let _ = writeln!(text, "{}", wrapped(&format!("    {told}"), 2, width));
        }
    }
    text.push_str("one in full: hsic methods NAME\nto train by it: hsic train --method NAME");
    Ok(line(&text)?)
}

/// A learning method in full.
pub(crate) fn method(method: &Explained) -> anyhow::Result<()> {
    let Explained { listed, explanation, optimizer, learning_rate, options } = method;
    let width = width();
    let title = wrapped(&format!("{}: {}", listed.name, listed.summary), 2, width);
    let mut text = format!("{title}\n\n{}\n\n", reflowed(explanation, width));
    let facts = [
        ("reference", listed.reference.to_owned()),
        ("cost", listed.cost.to_owned()),
        ("outputs", read_by(listed.outputs).to_owned()),
        ("default", format!("{optimizer}, learning rate {learning_rate:e}")),
    ];
    for (name, fact) in facts {
        let _ = writeln!(text, "{}", hanging(name, &fact, width));
    }
    for OptionHelp { flag, help } in options {
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let _ = writeln!(text, "\n{flag}\n{}", wrapped(&format!("    {help}"), 0, width));
    }
    let _ = write!(text, "\nhsic train --method {}", listed.name);
    Ok(line(&text)?)
}

/// How classes are read from outputs.
fn read_by(outputs: Outputs) -> &'static str {
    match outputs {
        Outputs::Classes => "unit k of the output block stands for class k",
        Outputs::Units => "each class has a unit, which is read off training data",
        Outputs::Labels => {
            "the class whose label, written over a sample, makes the blocks most active; a softmax layer that learns on the \
             features of all blocks afterwards (format training) is judged beside it"
        }
        Outputs::Features => "a softmax layer learns on the features of all blocks afterwards (format training)",
    }
}

/// A name and what is told of it, in columns of their own.
fn hanging(name: &str, told: &str, width: usize) -> String {
    const LEAD: usize = 11;
    let told = wrapped(told, 0, width.saturating_sub(LEAD));
    let mut lines = told.lines();
    let first = format!("{name:<LEAD$}{}", lines.next().unwrap_or_default());
    [first].into_iter().chain(lines.map(|line| format!("{:LEAD$}{line}", ""))).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use hsic_bottleneck::methods::Methods;

    use super::*;

    #[test]
    fn each_method_is_told_by_what_its_outputs_mean() {
        for (name, told) in [
            ("backprop", "unit k of the output block stands for class k"),
            ("hsic", "each class has a unit"),
            ("forward-forward", "the class whose label, written over a sample,"),
            ("softhebb", "a softmax layer learns on the features of all blocks"),
        ] {
            let found = read_by(Methods::known().named(name).unwrap().outputs);
            assert!(found.starts_with(told), "{name}: {found}");
        }
    }

    #[test]
    fn what_is_told_of_a_name_hangs_beside_it() {
        assert_eq!(hanging("cost", "one two three", 19), "cost       one two\n           three");
        assert_eq!(hanging("reference", "Ma", 80), "reference  Ma");
    }
}

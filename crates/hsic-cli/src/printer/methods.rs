//! Learning methods, listed and explained.

use std::fmt::Write as _;

use super::output::line;
use crate::results::{Explained, ListedMethod, OptionHelp};

/// The learning methods.
pub(crate) fn methods(list: &[ListedMethod]) -> anyhow::Result<()> {
    let width = |of: fn(&ListedMethod) -> &str| list.iter().map(|method| of(method).len()).max().unwrap_or(0);
    let lead = width(|method| method.name);
    let mut text = String::new();
    for method in list {
        let ListedMethod { name, summary, reference, cost, local, parallel, .. } = method;
        let kind = match (local, parallel) {
            (true, true) => "local, blocks at once",
            (true, false) => "local, block after block",
            (false, true) => "a signal from the output, blocks at once",
            (false, false) => "a gradient through all blocks",
        };
        let _ = write!(text, "{name:<lead$}  {summary}\n{:lead$}  {reference}\n{:lead$}  {kind}; {cost}\n", "", "");
    }
    text.push_str("hsic methods NAME explains one; hsic train --method NAME trains by it");
    Ok(line(&text)?)
}

/// A learning method in full.
pub(crate) fn method(method: &Explained) -> anyhow::Result<()> {
    let Explained { listed, explanation, optimizer, learning_rate, options } = method;
    let mut text = format!("{}: {}\n\n{explanation}\n\n", listed.name, listed.summary);
    let outputs = match listed.outputs {
        "classes" => "unit k of the output block stands for class k",
        "units" => "each class has a unit, which is read off training data",
        _ => "a softmax layer learns on the features of all blocks afterwards (format training)",
    };
    let facts = [
        ("reference", listed.reference.to_owned()),
        ("cost", listed.cost.to_owned()),
        ("outputs", outputs.to_owned()),
        ("default", format!("{optimizer}, learning rate {learning_rate:e}")),
    ];
    for (name, fact) in facts {
        let _ = writeln!(text, "{name:<10} {fact}");
    }
    for OptionHelp { flag, help } in options {
        let _ = writeln!(text, "\n{flag}\n    {}", help.replace('\n', "\n    "));
    }
    let _ = write!(text, "\nhsic train --method {}", listed.name);
    Ok(line(&text)?)
}

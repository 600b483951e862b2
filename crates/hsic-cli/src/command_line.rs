//! The command line beyond what its structs say: which options `-h` shows, which heading an option stands under, how
//! numbers below 0 are taken, and what is said of a number that is none.

use std::error::Error as _;
use std::ffi::OsString;
use std::num::{ParseFloatError, ParseIntError};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory, FromArgMatches};
use hsic_bottleneck::config::{
    DataOptions, EvaluationOptions, FormatOptions, NetworkOptions, ObjectiveOptions, OptimizerOptions, RuleOptions,
    TrainingOptions,
};

use crate::args::{Arguments, TrainArguments};

/// Options of a verb that `-h` shows, where it has more than a screen holds; `--help` shows all.
const SHORT: &[(&str, &[&str])] = &[
    (
        "train",
        &[
            "dataset",
            "data_dir",
            "model",
            "widths",
            "method",
            "optimizer",
            "learning_rate",
            "epochs",
            "batch_size",
            "seed",
            "format_epochs",
            "config",
            "run",
            "resume",
            "json",
        ],
    ),
    (
        "compare",
        &[
            "methods",
            "budget",
            "seeds",
            "dataset",
            "data_dir",
            "train_size",
            "validation",
            "model",
            "widths",
            "batch_size",
            "threads",
            "output",
            "json",
        ],
    ),
    (
        "speedrun",
        &[
            "goals",
            "lengths",
            "budget",
            "recipe",
            "dataset",
            "data_dir",
            "validation",
            "model",
            "widths",
            "method",
            "unit",
            "batch_size",
            "learning_rate",
            "seed",
            "output",
            "json",
        ],
    ),
];

/// Options that a verb shares with training and does not read.
const HIDDEN: &[(&str, &[&str])] = &[
    ("speedrun", &["epochs", "restarts"]),
    ("eval", &["standardize", "normalize", "flip", "shift", "shift_border", "cutout"]),
    ("importance", &["standardize", "normalize", "flip", "shift", "shift_border", "cutout"]),
];

/// Options that a verb shares with training and that are something else there: verb, option, help.
const OWN: &[(&str, &str, &str)] = &[
    (
        "speedrun",
        "dataset",
        "Name of a data set, or a path as for hsic train [default: cifar10, or its images in cifar10-jpeg or \
         cifar10-jpeg.tar.xz, in --data-dir]",
    ),
    (
        "speedrun",
        "validation",
        "Share of each class of the training data on which lengths are judged, in (0, 1) [default: 0.1]",
    ),
    (
        "compare",
        "validation",
        "Share of each class of the training data on which rates are judged, in (0, 1) [default: 0.1]",
    ),
];

/// Every stage's heading and fields.
const STAGES: &[(&str, &[&str])] = &[
    (DataOptions::HEADING, DataOptions::FIELDS),
    (NetworkOptions::HEADING, NetworkOptions::FIELDS),
    (ObjectiveOptions::HEADING, ObjectiveOptions::FIELDS),
    (RuleOptions::HEADING, RuleOptions::FIELDS),
    (OptimizerOptions::HEADING, OptimizerOptions::FIELDS),
    (TrainingOptions::HEADING, TrainingOptions::FIELDS),
    (EvaluationOptions::HEADING, EvaluationOptions::FIELDS),
    (FormatOptions::HEADING, FormatOptions::FIELDS),
];

fn of_verb(table: &[(&str, &'static [&'static str])], verb: &str) -> Option<&'static [&'static str]> {
    table.iter().find(|(name, _)| *name == verb).map(|&(_, options)| options)
}

/// The command with all its verbs.
pub(crate) fn command() -> Command {
    Arguments::command().mut_subcommands(arranged)
}

fn arranged(command: Command) -> Command {
    let verb = command.get_name().to_owned();
    let (short, hidden) = (of_verb(SHORT, &verb), of_verb(HIDDEN, &verb));
    command.mut_subcommands(arranged).mut_args(|arg| {
        let id = arg.get_id().as_str().to_owned();
        let within = |options: Option<&[&str]>| options.is_some_and(|options| options.contains(&&*id));
        let takes = arg.get_action().takes_values();
        let arg = under_its_heading(arg, &id).ignore_case(takes).hide(within(hidden));
        let arg = match OWN.iter().find(|(of, option, _)| (*of, *option) == (&*verb, &*id)) {
            Some((_, _, help)) => arg.help(*help).long_help(*help),
            None => arg,
        };
        arg.hide_short_help(short.is_some() && !within(short))
    })
}

/// A heading is that of the options that were flattened last, whosever they are: an option of the verb's own stands under
/// none, one of a stage under its stage's.
fn under_its_heading(arg: Arg, id: &str) -> Arg {
    if arg.get_help_heading().is_none() {
        return arg;
    }
    let stage = STAGES.iter().find(|(_, fields)| fields.contains(&id));
    arg.help_heading(stage.map(|&(heading, _)| heading))
}

/// What a command line asks for; help and faults of the line itself are printed and give the exit code.
pub(crate) fn parse(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Arguments, Fault> {
    let arguments = joined(arguments.into_iter().map(Into::into));
    let mut command = command();
    let parsed = command.try_get_matches_from_mut(&arguments);
    let read = parsed.and_then(|matches| Arguments::from_arg_matches(&matches));
    read.map_err(|error| {
        let told = number(&error, &command, &arguments);
        told.map_or_else(|| Fault::Line(Box::new(error)), Fault::Number)
    })
}

/// A program's verb `train`: the options of `hsic train`, and its own beside them.
#[derive(clap::Parser)]
struct Program<O: clap::Args> {
    #[command(subcommand)]
    verb: Verb<O>,
}

#[derive(clap::Subcommand)]
enum Verb<O: clap::Args> {
    /// Train a network and save the run, as hsic train does
    Train(Box<WithOwn<O>>),
}

#[derive(clap::Args)]
struct WithOwn<O: clap::Args> {
    #[command(flatten)]
    own: O,
    #[command(flatten)]
    train: TrainArguments,
}

/// What the command line of a program that trains by an engine of its own asks for: as [`parse`], of its one verb.
pub(crate) fn parse_train<O: clap::Args>(
    arguments: impl IntoIterator<Item = impl Into<OsString>>,
) -> Result<(TrainArguments, O), Fault> {
    let arguments = joined(arguments.into_iter().map(Into::into));
    let mut command = Program::<O>::command().mut_subcommands(arranged);
    let parsed = command.try_get_matches_from_mut(&arguments);
    match parsed.and_then(|matches| Program::<O>::from_arg_matches(&matches)) {
        Ok(Program { verb: Verb::Train(both) }) => Ok((both.train, both.own)),
        Err(error) => {
            let told = number(&error, &command, &arguments);
            Err(told.map_or_else(|| Fault::Line(Box::new(error)), Fault::Number))
        }
    }
}

/// Why a command line is not carried out.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Help was asked for, or the line is not one of the command's.
    Line(Box<clap::Error>),
    /// A value that is no number of the kind that is expected: what is said of it.
    Number(String),
}

/// These arguments, a value that begins with a minus joined to the option before it: it is no option.
fn joined(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut all: Vec<OsString> = Vec::new();
    let mut open = true;
    for argument in arguments {
        let negative = argument.to_str().is_some_and(is_negative);
        open = open && argument != "--";
        match all.last_mut() {
            Some(before) if open && negative && is_option(before) => {
                before.push("=");
                before.push(argument);
            }
            _ => all.push(argument),
        }
    }
    all
}

fn is_option(argument: &OsString) -> bool {
    argument.to_str().is_some_and(|text| text.len() > 2 && text.starts_with("--") && !text.contains('='))
}

fn is_negative(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('-') else { return false };
    rest.starts_with(|first: char| first.is_ascii_digit() || first == '.') || ["inf", "nan"].contains(&rest)
}

/// What is said of a value that is no number, with the range that the option's help names.
fn number(error: &clap::Error, command: &Command, arguments: &[OsString]) -> Option<String> {
    if error.kind() != ErrorKind::ValueValidation {
        return None;
    }
    let source = error.source()?;
    let whole = source.is::<ParseIntError>();
    if !whole && !source.is::<ParseFloatError>() {
        return None;
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (told, value) = (text(ContextKind::InvalidArg)?, text(ContextKind::InvalidValue)?);
    let key = told.split(' ').next()?.trim_start_matches("--");
    let mut verb = command;
    for argument in arguments.iter().skip(1) {
        match argument.to_str().and_then(|name| verb.find_subcommand(name)) {
            Some(next) => verb = next,
            None => break,
        }
    }
    let help = verb.get_arguments().find(|arg| arg.get_long() == Some(key))?.get_help()?.to_string();
    let expected = match (whole, range(&help)) {
        (true, range) => format!("a whole number {}", range.unwrap_or(">= 0")),
        (false, Some(range)) => format!("a number {range}"),
        (false, None) => "a number".to_owned(),
    };
    Some(format!("{key} = {value}: expected {expected}"))
}

/// The range that a help text names: `>= 1`, `in [0, 1)`.
fn range(help: &str) -> Option<&str> {
    let begin = |sign: &str| help.find(sign).map(|at| (at, sign.len()));
    let [interval, least, above] = [", in [", ", >= ", ", > "].map(begin);
    if let Some((at, _)) = interval.or_else(|| begin(", in (")) {
        let end = help[at..].find([')', ']'])?;
        return Some(&help[at + 2..=at + end]);
    }
    let (at, length) = least.or(above)?;
    let rest = &help[at + length..];
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
    Some(help[at + 2..at + length + end].trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn said(line: &str) -> String {
        match parse(line.split(' ')) {
            Err(Fault::Number(told)) => told,
            Err(Fault::Line(error)) => error.to_string(),
            Ok(arguments) => panic!("{arguments:?}"),
        }
    }

    #[test]
    fn the_command_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_option_of_the_tables_is_one_of_its_verb() {
        let command = command();
        for (verb, options) in SHORT.iter().chain(HIDDEN) {
            let verb = command.find_subcommand(verb).unwrap();
            for option in *options {
                assert!(verb.get_arguments().any(|arg| arg.get_id() == *option), "{option}");
            }
        }
        for (verb, option, help) in OWN {
            let verb = command.find_subcommand(verb).unwrap();
            let arg = verb.get_arguments().find(|arg| arg.get_id() == *option).unwrap();
            assert_eq!(arg.get_long_help().map(ToString::to_string).as_deref(), Some(*help));
        }
        assert_eq!(of_verb(SHORT, "train").unwrap().len(), 15);
    }

    #[test]
    fn a_short_help_shows_what_matters_and_headings_are_the_own() {
        let mut command = command();
        let train = command.find_subcommand_mut("train").unwrap();
        let short = train.render_help().to_string();
        // Fifteen options, and help itself; what is said of them stands further to the right.
        let option = |line: &&str| line.trim_start().starts_with('-') && line.len() - line.trim_start().len() <= 6;
        assert_eq!(short.lines().filter(option).count(), 16, "{short}");
        let long = train.render_long_help().to_string();
        let under = |heading: &str, option: &str| {
            let (_, rest) = long.split_once(&format!("\n{heading}:\n")).unwrap();
            let section: Vec<&str> =
                rest.lines().take_while(|line| line.is_empty() || line.starts_with(' ')).map(str::trim).collect();
            section.iter().any(|line| line.split(' ').next() == Some(option))
        };
        for option in ["--config", "--run", "--force", "--resume", "--quiet", "--json"] {
            assert!(under("Options", option), "{option}");
        }
        assert!(under("Data", "--flip") && under("Format training", "--format-standardize"));
        let compare = command.find_subcommand_mut("compare").unwrap().render_long_help().to_string();
        assert!(compare.contains("\nTraining:\n"), "{compare}");
        let eval = command.find_subcommand_mut("eval").unwrap().render_long_help().to_string();
        assert!(!eval.contains("--flip") && eval.contains("--test-fraction"));
    }

    #[test]
    fn a_line_of_a_help_text_ends_where_the_next_word_has_no_room() {
        const WIDTH: usize = 60;
        for verb in command().get_subcommands() {
            let help = verb.clone().term_width(WIDTH).render_long_help().to_string();
            let (about, _) = help.split_once("Usage:").unwrap();
            for pair in about.lines().collect::<Vec<_>>().windows(2) {
                let next = pair[1].split(' ').next().unwrap_or_default();
                let room = pair[0].chars().count() + 1 + next.chars().count() <= WIDTH;
                assert!(pair[0].is_empty() || next.is_empty() || !room, "{}: {pair:?}", verb.get_name());
            }
        }
    }

    #[test]
    fn numbers_below_zero_are_values() {
        let line =
            ["hsic", "train", "--sigma", "-1", "--beta", "-1e-3", "--quiet", "--sigma-labels=2", "-1,5", "--", "-3"];
        let joined = joined(line.into_iter().map(OsString::from));
        let expected =
            ["hsic", "train", "--sigma=-1", "--beta=-1e-3", "--quiet", "--sigma-labels=2", "-1,5", "--", "-3"];
        assert_eq!(joined, expected.map(OsString::from));
        for (text, negative) in
            [("-1", true), ("-.5", true), ("-inf", true), ("-h", false), ("--x", false), ("1", false)]
        {
            assert_eq!(is_negative(text), negative, "{text}");
        }
    }

    #[test]
    fn a_value_that_is_no_number_is_told_with_its_range() {
        assert_eq!(said("hsic train --epochs -1"), "epochs = -1: expected a whole number >= 1");
        assert_eq!(said("hsic train --batch-size 2.5"), "batch-size = 2.5: expected a whole number >= 2");
        assert_eq!(said("hsic train --momentum much"), "momentum = much: expected a number in [0, 1)");
        assert_eq!(said("hsic train --beta x"), "beta = x: expected a number >= 0");
        assert_eq!(said("hsic train --seed -4"), "seed = -4: expected a whole number >= 0");
        assert_eq!(said("hsic test a b --permutations x"), "permutations = x: expected a whole number >= 1");
        assert_eq!(said("hsic train --test-fraction x"), "test-fraction = x: expected a number in (0, 1)");
        // The command's own parsers say themselves what they expect.
        assert!(
            said("hsic train --sigma wide").contains("expected a number, or several"),
            "{}",
            said("hsic train --sigma wide")
        );
    }

    /// Commands that the documents tell, each on one line.
    fn documented() -> Vec<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
        let pages = docs.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
        let mut commands = Vec::new();
        for page in pages.chain([root.join("README.md")]) {
            let text = std::fs::read_to_string(&page).unwrap().replace("\\\n", " ");
            for piece in text.lines().flat_map(|line| line.split('`')) {
                let command = piece.split(['#', '|', '>']).next().unwrap_or_default().trim();
                let whole = command.starts_with("hsic train --") || command.starts_with("hsic compare --");
                // Parts of commands are mentioned too.
                let part = ["...", "NAME", "--help", "--config"].iter().any(|end| command.ends_with(end));
                if whole && !part {
                    commands.push(command.to_owned());
                }
            }
        }
        commands
    }

    #[test]
    fn every_option_of_a_documented_command_is_read() {
        let commands = documented();
        assert!(commands.len() > 20, "{commands:?}");
        for command in commands {
            let words = command.split_whitespace().map(|word| word.trim_matches('\''));
            let arguments = parse(words).unwrap_or_else(|fault| panic!("{command}: {fault:?}"));
            if let crate::args::Command::Train(train) = arguments.command {
                // A file may say what the flags do not.
                if train.config.is_none() && train.resume.is_none() {
                    let read = crate::commands::train::given(train.options, None, train.recipe.as_deref(), false);
                    read.unwrap_or_else(|fault| panic!("{command}: {fault}"));
                }
            }
        }
    }

    #[test]
    fn case_is_forgiven_and_the_nearest_value_is_told() {
        let line = "hsic train --activation ReLU --norm Batch --optimizer AdamW --readout FAIR";
        let Ok(Arguments { command: crate::args::Command::Train(train) }) = parse(line.split(' ')) else {
            panic!("{line}")
        };
        assert_eq!(train.options.network.activation, Some(hsic_bottleneck::network::Activation::Relu));
        assert_eq!(train.options.optimizer.optimizer, Some(hsic_bottleneck::config::OptimizerName::AdamW));
        let told = said("hsic train --activation relo");
        assert!(told.contains("a similar value exists: 'relu'"), "{told}");
        let told = said("hsic measure a b --kernel gausian");
        assert!(told.contains("a similar value exists: 'gaussian'"), "{told}");
    }
}

//! Flags. The training flags come from the same structs as the TOML keys.

mod data;
mod finished;
mod many;
mod runs;
mod statistics;
mod width;

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use hsic_bottleneck::config::recipes::RECIPES;
use hsic_bottleneck::config::{FormatOptions, TrainOptions};

pub(crate) use data::{
    DataArguments, DataCommand, DataFetchArguments, DataInfoArguments, DataListArguments, DataNameArguments,
    DataSplitArguments, DataUncacheArguments,
};
pub(crate) use finished::{
    AuditArguments, EvalArguments, ExportArguments, FileFormat, ImportanceArguments, PredictArguments, ReportArguments,
};
pub(crate) use many::{ALL, CompareArguments, ReproduceArguments, SpeedrunArguments};
pub(crate) use runs::{BoardArguments, RunsArguments, RunsCommand, RunsDiffArguments, RunsVerifyArguments};
pub(crate) use statistics::{KernelName, MeasureArguments, PermutationRange, TestArguments, TestMethod};
pub(crate) use width::PageWidth;

/// Trains deep networks without back-propagation by the HSIC bottleneck; measures dependence and tests independence.
#[derive(Debug, Parser)]
#[command(name = "hsic", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Train(Box<TrainArguments>),
    Format(Box<FormatArguments>),
    Eval(EvalArguments),
    Importance(Box<ImportanceArguments>),
    Audit(Box<AuditArguments>),
    Predict(PredictArguments),
    Export(ExportArguments),
    Report(ReportArguments),
    Runs(RunsArguments),
    Board(BoardArguments),
    Measure(MeasureArguments),
    Test(TestArguments),
    Data(DataArguments),
    Reproduce(ReproduceArguments),
    Compare(Box<CompareArguments>),
    Speedrun(Box<SpeedrunArguments>),
    Methods(MethodsArguments),
    Completions(CompletionsArguments),
    Man(ManArguments),
}

/// Train a network and save the run
///
/// Each block learns by itself: more dependence on the labels, less on the input. The line of an epoch has nHSIC with
/// the input (X) and with the labels (Y) of the last block that learns by it. Without arguments the default
/// network learns the built-in digits in seconds. Precedence: flags, then --config, then --recipe, then defaults.
///
/// Example: hsic train --dataset mnist --widths 256x6 --epochs 5 --seed 1
#[derive(Debug, Args)]
pub(crate) struct TrainArguments {
    #[command(flatten)]
    pub(crate) options: TrainOptions,
    /// TOML file with the same settings, a table a stage
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Options that belong together, in the place of defaults: airbench (the speed run on CIFAR-10, for images of 24 pixels
    /// and more); the run stores what they are
    #[arg(long, value_name = "NAME", conflicts_with = "resume")]
    #[arg(value_parser = PossibleValuesParser::new(RECIPES.iter().map(|recipe| recipe.name)))]
    pub(crate) recipe: Option<String>,
    /// Folder of the run, new or empty [default: the next free one under runs/]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub(crate) run: Option<PathBuf>,
    /// Overwrite the run that the folder of --run holds; never a folder that holds anything else
    #[arg(long, requires = "run")]
    pub(crate) force: bool,
    /// Take up an interrupted run where it stands; beside it --threads, and --epochs to train a finished run further, to so
    /// many epochs in all
    #[arg(long, value_name = "RUN", conflicts_with = "config")]
    pub(crate) resume: Option<PathBuf>,
    /// Make 20 steps, say how long the training will take and how much memory, and leave nothing
    #[arg(long, conflicts_with_all = ["run", "resume"])]
    pub(crate) pilot: bool,
    /// Write files for TensorBoard while training, into tensorboard/ in the run's folder
    #[arg(long, conflicts_with = "pilot")]
    pub(crate) tensorboard: bool,
    /// No progress bar and no epoch lines
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Print one JSON object in place of the tables
    #[arg(long)]
    pub(crate) json: bool,
}

/// Train a softmax layer on a finished run, whose network stays as it is
///
/// The layer takes the place of an earlier one and is used by eval, predict and export from then on. Without
/// options it trains for 10 epochs, of data of one's own for so many that there are 300 steps.
///
/// Example: hsic format runs/mnist-mlp-hsic-seed1 --format-epochs 5 --format-input all
#[derive(Debug, Args)]
pub(crate) struct FormatArguments {
    /// Folder of the run
    pub(crate) run: PathBuf,
    #[command(flatten)]
    pub(crate) format: FormatOptions,
    /// Threads, >= 1 [default: the run's]
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// Print one JSON object in place of the tables
    #[arg(long)]
    pub(crate) json: bool,
}

/// List the learning methods, or explain one
///
/// Example: hsic methods hsic
#[derive(Debug, Args)]
pub(crate) struct MethodsArguments {
    /// Which method to explain
    pub(crate) name: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Write the completions of a shell to standard output
///
/// Example: hsic completions bash > ~/.local/share/bash-completion/completions/hsic
#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// Which shell
    pub(crate) shell: Shell,
}

/// Write a manual page to standard output: of the command, or of one of its verbs
///
/// Example: hsic man train | man -l -
#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// The verb, as train or data fetch [default: all of the command in short]
    pub(crate) verb: Vec<String>,
}

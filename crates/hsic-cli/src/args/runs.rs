//! Flags of `hsic runs` and `hsic board`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hsic_lab::runs::Condition;

/// List the runs below a folder: what each was to be, how far it came and what it came to
///
/// A run is running (a process works in its folder), stopped (train --resume takes it up), finished, failed (with the error
/// that ended it) or unreadable. The accuracy is the one that training told last: of the softmax layer where there is one, of
/// the last epoch where training has not ended. Keys are those of --json and the names of options, with hyphens or
/// underscores.
///
/// Example: hsic runs --where method=hsic --where 'accuracy>90%' --sort=-accuracy
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RunsArguments {
    #[command(subcommand)]
    pub(crate) command: Option<RunsCommand>,
    /// Folder that holds runs, at whatever depth [default: runs/, comparison/ and speedrun/]
    pub(crate) folder: Option<PathBuf>,
    /// Only runs whose KEY has that VALUE, with one of = != < <= > >=; more than one is to hold at once
    #[arg(long = "where", value_name = "KEY=VALUE")]
    pub(crate) conditions: Vec<Condition>,
    /// Order by a key, with - before it from the largest; runs without a value come last [default: run]
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub(crate) sort: Option<String>,
    /// One line for all runs that have the same values under these keys: how many, mean and range of their figures
    #[arg(long, value_name = "KEY,...", value_delimiter = ',')]
    pub(crate) group: Vec<String>,
    /// Print one JSON object in place of the table
    #[arg(long)]
    pub(crate) json: bool,
    /// Print lines of commas in place of the table
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    Diff(RunsDiffArguments),
    Verify(RunsVerifyArguments),
}

/// Hold the files of runs with the SHA-256 that training wrote down; exit 1 if one is changed or missing
///
/// Every file of a finished run is listed in its digests.json, and a checkpoint carries its own digest. They are looked at
/// whenever a file is opened; this looks at all of them. Runs of earlier versions have none: their files are unknown.
///
/// Example: hsic runs verify runs
#[derive(Debug, Args)]
pub(crate) struct RunsVerifyArguments {
    /// Folders of runs, or that hold runs
    #[arg(required = true, value_name = "FOLDER")]
    pub(crate) folders: Vec<PathBuf>,
    /// Print one JSON object in place of the lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show in what two runs differ: options, data, where they ran, results
///
/// Example: hsic runs diff runs/digits-mlp-hsic-seed1 runs/digits-mlp-hsic-seed2
#[derive(Debug, Args)]
pub(crate) struct RunsDiffArguments {
    /// Folder of a run
    pub(crate) first: PathBuf,
    /// Folder of another
    pub(crate) second: PathBuf,
    /// Print one JSON object in place of the table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show the runs below a folder in a browser, live: curves as they grow, blocks, time left, several runs in one figure
///
/// The board serves pages to a browser on this machine, reads and never writes, and takes hardly any of a training's time. It
/// prints its address and ends by Ctrl-C. A run that is started, resumed or overwritten while it is shown is followed.
///
/// Example: hsic board runs
#[derive(Debug, Args)]
pub(crate) struct BoardArguments {
    /// Folder that holds runs, at whatever depth, or a run [default: runs/, comparison/ and speedrun/]
    pub(crate) folder: Option<PathBuf>,
    /// Address to serve at; any but this machine's own shows names, options and results to whoever can reach it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    pub(crate) listen: String,
    /// Port to serve at, 0 for a free one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) port: u16,
}

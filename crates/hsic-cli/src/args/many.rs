//! Flags of the verbs that carry out many trainings.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use hsic_bottleneck::config::recipes::RECIPES;
use hsic_bottleneck::config::{DataOptions, NetworkOptions, TrainOptions};
use hsic_bottleneck::judge::test_time::TestTime;
use hsic_bottleneck::update::UnitLength;
use hsic_lab::comparison::Budget;
use hsic_lab::figure::{FIGURES, Profile};

/// How the trainings of a command are divided among machines (docs/clusters.md).
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
pub(crate) struct ShareArguments {
    /// Print a line of JSON for each training, and train nothing: id, state, needs, command, run, threads, memory in bytes,
    /// seconds
    #[arg(long, conflicts_with = "json")]
    pub(crate) plan: bool,
    /// Carry out the training of this id in the plan, in this process, and nothing else
    #[arg(long, value_name = "ID")]
    pub(crate) only: Option<String>,
    /// Make tables and figures of what is finished, name what is missing (exit 1), and train nothing
    #[arg(long)]
    pub(crate) gather: bool,
}

/// Stands for every figure.
pub(crate) const ALL: &str = "all";

/// Make the figures of the paper, and ours, beside the paper's own values
///
/// Trains what a figure needs, each training once, and takes up what was interrupted. Under --output it leaves
/// runs/ and, for each figure, figures/NAME/ with figure.svg, points.csv, config.toml and figure.json, and figure.png if
/// the program was built with --features png.
///
/// Example: hsic reproduce unformatted --profile quick --data-dir data
#[derive(Debug, Args)]
pub(crate) struct ReproduceArguments {
    /// Which figure, or all of them
    #[arg(value_parser = PossibleValuesParser::new(
        [ALL].into_iter().chain(FIGURES.iter().map(|figure| figure.name()))
    ))]
    pub(crate) figure: String,
    /// smoke: built-in digits, under 2 minutes; quick: real data, under 10; paper: the paper's settings, two hours
    #[arg(long, value_enum, default_value = "quick")]
    pub(crate) profile: Profile,
    /// Trainings of each kind, with the seeds 1 to N, >= 1; curves are their means, in a band of all
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seeds: u64,
    /// Folder that holds one folder a data set; CIFAR-10 may be cifar10-jpeg or cifar10-jpeg.tar.xz there
    /// [default: HSIC_DATA, or the platform's data folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Folder of the trainings and figures [default: reproduction/PROFILE]
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Exit with 1 if a value lies outside its band
    #[arg(long, conflicts_with_all = ["plan", "only"])]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) share: ShareArguments,
    /// Threads, >= 1 [default: all cores]
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// No bars
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Print one JSON object in place of the table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Compare learning methods on one network and one data set
///
/// Every method gets the same samples in the same order and the same search: four learning rates around its default,
/// each tried for a quarter of the budget in whole epochs (2 of 5) on a part of the training data and judged on the rest
/// of it (--validation, 0.1 by default). The best is trained on all training data, once a seed, and judged on the test data. Under --output it
/// leaves runs/, comparison.json, comparison.csv, points.csv, figure.svg, report.html and report.md, and figure.png if the
/// program was built with --features png. What was interrupted is taken up by the same command.
///
/// Example: hsic compare --methods hsic,backprop,frozen --dataset mnist --widths 256x3 --budget 5epochs --seeds 3
#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// Methods by name, separated by commas, or all (see hsic methods); a method's own options stand behind its name, as
    /// hsic-local:beta=1:feature=pool:4, and a learning rate given so is not searched
    #[arg(long, default_value = "all")]
    pub(crate) methods: String,
    /// What each training is given: a time as 5min or 90s, of which whole epochs are made, or epochs as 10epochs
    /// [default: 5epochs; of data of one's own so many that there are 300 steps]
    #[arg(long)]
    pub(crate) budget: Option<Budget>,
    /// Trainings of each method with its best rate, with the seeds 1 to N, >= 1
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seeds: u64,
    #[command(flatten)]
    pub(crate) data: DataOptions,
    #[command(flatten)]
    pub(crate) network: NetworkOptions,
    /// Rows of a batch, >= 2, or several sizes to be tried, separated by commas [default: 256; of data of one's own with
    /// under 2,048 rows an eighth of them]
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    pub(crate) batch_size: Vec<usize>,
    /// Train each method by this recipe, as hsic train --recipe does
    #[arg(long, value_name = "NAME")]
    #[arg(value_parser = PossibleValuesParser::new(RECIPES.iter().map(|recipe| recipe.name)))]
    pub(crate) recipe: Option<String>,
    /// Consecutive blocks that learn together, of methods that go from block to block: a whole number >= 1, or all; a
    /// method's own as hsic-local:unit=2 [default: 1]
    #[arg(long)]
    pub(crate) unit: Option<UnitLength>,
    /// Share of each row's target that is spread over all classes alike, of methods with a cross-entropy, in [0, 1)
    /// [default: 0; with a recipe the recipe's]
    #[arg(long)]
    pub(crate) label_smoothing: Option<f64>,
    /// Judge images by several looks too: flip (and its mirror image) or flip-shift (both, in place and moved by a pixel
    /// either way); stands beside the plain accuracy [default: none; with a recipe the recipe's]
    #[arg(long)]
    pub(crate) test_time: Option<TestTime>,
    /// Trainings made elsewhere, as in PyTorch, as further rows, which are marked: a JSON file of what they came to
    /// (docs/methods.md); may be given several times
    #[arg(long, value_name = "FILE", conflicts_with_all = ["plan", "only"])]
    pub(crate) import: Vec<PathBuf>,
    /// Threads of each training, >= 1 [default: all cores]
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// Folder of the comparison, new or that of an earlier one on the same data with the same settings
    /// [default: comparison/DATASET-MODEL-FINGERPRINT]
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) share: ShareArguments,
    /// No bars
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Print one JSON object in place of the table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Find the shortest training that reaches an accuracy
///
/// Whole trainings of 1, 2, 3, 4, 6, 8, 12 and 16 epochs are made, the shortest first, on a part of the training data and
/// judged on the rest of it (--validation, 0.1 by default). The first that reaches a goal says how long a training must be; one
/// of that length is then made once on all training data and judged on the test data. A training that by the measured time
/// of an epoch would not fit into what is left of the budget is not begun. Options are those of hsic train, but for --epochs. Under
/// --output it leaves runs/, speedrun.json, speedrun.csv, figure.svg, report.html and report.md. The same command goes on
/// with what was interrupted, and with more goals, other lengths or a larger budget.
///
/// Example: hsic speedrun --recipe airbench --method hsic-local --unit 2 --label-fit leave-one-out --budget 2h
#[derive(Debug, Args)]
pub(crate) struct SpeedrunArguments {
    /// Accuracies that are to be reached, in %, separated by commas
    #[arg(long, value_name = "PERCENT,...", value_delimiter = ',', default_value = "80,85,90,92")]
    pub(crate) goals: Vec<f64>,
    /// Epochs of the trainings that are tried, separated by commas
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,2,3,4,6,8,12,16")]
    pub(crate) lengths: Vec<u64>,
    /// Time that all trainings may take together, as 2h, 30min or 90s; the first is made in any case
    #[arg(long, default_value = "2h")]
    pub(crate) budget: Budget,
    /// Train by this recipe, as hsic train --recipe does
    #[arg(long, value_name = "NAME")]
    #[arg(value_parser = PossibleValuesParser::new(RECIPES.iter().map(|recipe| recipe.name)))]
    pub(crate) recipe: Option<String>,
    #[command(flatten)]
    pub(crate) options: TrainOptions,
    /// Folder of the speed run, new or that of an earlier one on the same data with the same options
    /// [default: speedrun/DATASET-MODEL-METHOD-FINGERPRINT-SEED]
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// No bars
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Print one JSON object in place of the table
    #[arg(long)]
    pub(crate) json: bool,
}

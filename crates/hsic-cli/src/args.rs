//! Flags. The training flags come from the same structs as the TOML keys.

mod runs;

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use hsic_bottleneck::config::recipes::RECIPES;
use hsic_bottleneck::config::{DataOptions, FormatOptions, NetworkOptions, TrainOptions};
use hsic_bottleneck::dataset::{ArrayNames, ColumnList, Header, ImageFit, Missing, Part, Task, TextEncoding};
use hsic_bottleneck::importance::ImportanceOptions;
use hsic_bottleneck::judge::test_time::TestTime;
use hsic_lab::comparison::Budget;
use hsic_lab::figure::{FIGURES, Profile};

pub(crate) use runs::{RunsArguments, RunsCommand, RunsDiffArguments, RunsVerifyArguments};

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
    Measure(MeasureArguments),
    Test(TestArguments),
    Data(DataArguments),
    Reproduce(ReproduceArguments),
    Compare(Box<CompareArguments>),
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

/// Evaluate a finished run on its test data, or on other data
///
/// The run's own data are known by their content, wherever they lie, and give the rows of its test part. Other data are
/// judged as a whole, or by the test part that they come with; their classes are matched with the run's by name.
///
/// Example: hsic eval runs/digits-mlp-hsic-seed1
#[derive(Debug, Args)]
pub(crate) struct EvalArguments {
    /// Folder of the run
    pub(crate) run: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataOptions,
    /// Which rows [default: the test part, or all of other data without one]
    #[arg(long, value_enum)]
    pub(crate) part: Option<Part>,
    /// Looks at each image whose accuracy is told beside the plain one [default: the run's]
    #[arg(long, value_enum)]
    pub(crate) test_time: Option<TestTime>,
    /// Print one JSON object in place of the tables
    #[arg(long)]
    pub(crate) json: bool,
}

/// Tell whether a training is local: whether what a block learns depends on what lies above it
///
/// A few steps are made twice from the same start, once with other weights in a block and in all behind it, and in what the
/// method trains beside these. Every number of the blocks before is then compared to the bit. This is done for each block.
/// Settings are those of train, or a run's.
///
/// Example: hsic audit --method hsic-local --train-size 500
#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    /// Folder of a run whose settings are taken
    #[arg(conflicts_with_all = ["config", "recipe"])]
    pub(crate) run: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) options: TrainOptions,
    /// TOML file with the same settings, a table a stage
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Options that belong together, in the place of defaults
    #[arg(long, value_name = "NAME")]
    #[arg(value_parser = PossibleValuesParser::new(RECIPES.iter().map(|recipe| recipe.name)))]
    pub(crate) recipe: Option<String>,
    /// Print one JSON object in place of the table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Tell which columns of a table a finished run relies on
///
/// The values of one column after the other are dealt out anew among the rows that judge; what the metric loses by it, on
/// average, is the column's importance, given with an interval of 95 %. Columns that are strongly correlated share it, and
/// are named. Beside it stands what the data say without a network: HSIC of the column and the target, with the p-value of
/// a permutation test.
///
/// Example: hsic importance runs/flowers
#[derive(Debug, Args)]
pub(crate) struct ImportanceArguments {
    /// Folder of the run
    pub(crate) run: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataOptions,
    /// Which rows [default: the test part, or all of other data without one]
    #[arg(long, value_enum)]
    pub(crate) part: Option<Part>,
    /// Times that each column is dealt out anew, >= 1
    #[arg(long, value_name = "N", default_value_t = ImportanceOptions::default().shuffles)]
    pub(crate) shuffles: usize,
    /// Permutations of each test of independence, >= 1
    #[arg(long, value_name = "N", default_value_t = ImportanceOptions::default().permutations)]
    pub(crate) permutations: usize,
    /// Seed of shuffles and permutations
    #[arg(long, value_name = "N", default_value_t = ImportanceOptions::default().seed)]
    pub(crate) seed: u64,
    /// Threads, >= 1 [default: the run's]
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// Print one JSON object in place of the table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Predict the class of each row of files, with a finished run
///
/// Images are read as those of the training were: brought to their size, gray or colored, and so on; a folder stands for
/// all images in it and below it. A file that does not fit is told and the others are predicted (exit 1). Tables (.csv,
/// .npy, .npz) hold a sample a row, without labels, in the units of the training file. For a run on images a row holds
/// pixels: whole numbers of 0 to 255 in .csv and arrays of bytes (uint8), numbers in [0, 1] in other arrays.
/// Probabilities are softmax(outputs / T) summed over a class's units, with one temperature T fitted to training samples:
/// on data that the network fits less well they are too sure. The margin of a prediction is its probability less the next
/// class's: sorted by it, the doubtful ones come first.
///
/// Example: hsic predict runs/photos-vgg-hsic-seed1 new-photos --output predictions.csv --top 3
#[derive(Debug, Args)]
pub(crate) struct PredictArguments {
    /// Folder of the run
    pub(crate) run: PathBuf,
    /// Files of samples, or folders of images
    #[arg(required = true, value_name = "FILE|FOLDER")]
    pub(crate) files: Vec<PathBuf>,
    /// Classes that are told of each row, the likeliest first, >= 1
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) top: usize,
    /// CSV file, new, for the predictions: file, row, class, probability, margin, and the next classes of --top
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite the file of --output if there is one
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// Read the units of the last block in place of the softmax layer of format training
    #[arg(long)]
    pub(crate) unformatted: bool,
    /// Threads, >= 1 [default: the run's]
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// Print one JSON object, with the probability of every class
    #[arg(long)]
    pub(crate) json: bool,
}

/// What other programs read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileFormat {
    /// Tensors in the safetensors format
    Safetensors,
    /// Tensors in NumPy's archive: an uncompressed zip with a .npy for each
    Npz,
    /// The whole way from a sample to its class or value, as an ONNX graph
    Onnx,
}

/// Write a finished run to one file for other programs: its tensors, or all of it as an ONNX graph
///
/// Names are those of one flat PyTorch nn.Sequential(Linear, BatchNorm1d(affine=False), ReLU, ...): 0.weight, 0.bias,
/// 1.running_mean, 1.running_var, 3.weight, ... in float32. The softmax layer of a run is the last Linear, or, where it sees
/// all blocks, format.weight and format.bias on their features side by side. The same run gives the same bytes.
/// An ONNX graph takes the values of samples as they are (pixels of 0 to 255; rows in the units of the training file) and gives
/// probabilities and classes, or values.
///
/// Example: hsic export runs/digits-mlp-hsic-seed1 --format npz --output weights.npz
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// Folder of the run
    pub(crate) run: PathBuf,
    /// Format of the file
    #[arg(long, value_enum)]
    pub(crate) format: FileFormat,
    /// Leave out the softmax layer of format training
    #[arg(long)]
    pub(crate) unformatted: bool,
    /// The file, new
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Overwrite the file if there is one
    #[arg(long)]
    pub(crate) force: bool,
}

/// Make a page and a Markdown table of a reproduction or of a run, finished or not
///
/// A reproduction's page has every figure, its values beside the paper's, its claims with their verdicts and how each was
/// made; a run's has its curves by epoch and by block. The page is one file: it needs no network and no script.
///
/// Example: hsic report reproduction/quick
#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// Folder of a reproduction or of a run [default: reproduction/paper, else quick, else smoke]
    pub(crate) run: Option<PathBuf>,
    /// Folder for report.html and report.md; earlier reports in it are replaced [default: RUN]
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KernelName {
    /// exp(-|x - y|^2 / (2 sigma^2 d))
    Gaussian,
    /// exp(-|x - y|_1 / (sigma d))
    Laplacian,
    /// x . y
    Linear,
    /// x . y / (|x| |y|)
    Cosine,
    /// 1 for equal rows, else 0
    Delta,
}

/// Measure the dependence of two tables
///
/// Tables are .npy, .npz or .csv, one sample a row; row i of both is sample i. Columns of words are compared by a delta
/// kernel, which asks only whether they are equal.
///
/// Example: hsic measure x.csv y.csv --estimator cka --kernel linear
#[derive(Debug, Args)]
pub(crate) struct MeasureArguments {
    /// First table
    pub(crate) x: PathBuf,
    /// Second table
    pub(crate) y: PathBuf,
    /// hsic-biased (1/m^2), hsic-biased-m1 (1/(m-1)^2), hsic-unbiased, nhsic, cka, cka-debiased
    #[arg(long, default_value = "nhsic")]
    pub(crate) estimator: String,
    /// Kernel of both tables [default: gaussian for numbers, delta for words]
    #[arg(long, value_enum)]
    pub(crate) kernel: Option<KernelName>,
    /// Width of a gaussian or laplacian kernel, > 0, or `median` of each table's distances (then never scaled)
    /// [default: 5]
    #[arg(long)]
    pub(crate) sigma: Option<String>,
    /// Do not divide by the number of columns: exp(-|x - y|^2 / (2 sigma^2))
    #[arg(long)]
    pub(crate) no_scale: bool,
    /// Ridge of nhsic as a fraction of the rows, > 0 [default: 1e-5]
    #[arg(long)]
    pub(crate) epsilon: Option<f64>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a p-value is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestMethod {
    /// Exact level: (1 + permutations at least as dependent) / (permutations + 1)
    Permutation,
    /// Gretton et al. 2007: fast, approximate, 6 rows at least
    Gamma,
}

/// Test two tables for independence by biased HSIC, Gaussian kernels of median width
///
/// Columns of words are compared by a delta kernel, which asks only whether they are equal; --kernel delta does so with
/// numbers too.
///
/// Example: hsic test x.npy y.npy --permutations 1000 --seed 1
#[derive(Debug, Args)]
pub(crate) struct TestArguments {
    /// First table
    #[arg(required_unless_present = "gather")]
    pub(crate) x: Option<PathBuf>,
    /// Second table
    #[arg(required_unless_present = "gather")]
    pub(crate) y: Option<PathBuf>,
    /// Kernel of both tables, of median width [default: gaussian for numbers, delta for words]
    #[arg(long, value_enum)]
    pub(crate) kernel: Option<KernelName>,
    /// How the p-value is found
    #[arg(long, value_enum, default_value = "permutation")]
    pub(crate) method: TestMethod,
    /// Number of permutations, >= 1 [default: 1000]
    #[arg(long)]
    pub(crate) permutations: Option<usize>,
    /// Seed of the permutations [default: 0]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Only the permutations of this range, numbered from 0: 0..500 on one machine and 500..1000 on another are a test of
    /// 1000. Prints the part as JSON, for --gather
    #[arg(long, value_name = "A..B", conflicts_with_all = ["permutations", "json"])]
    pub(crate) range: Option<PermutationRange>,
    /// Add up the parts of a test that --range printed into these files, in the place of tables
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["x", "y", "kernel", "method", "permutations", "seed", "range", "threads"])]
    pub(crate) gather: Vec<PathBuf>,
    /// Threads, >= 1 [default: all cores]
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Permutations `A..B`, numbered from 0, B left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PermutationRange(pub(crate) Range<u64>);

impl fmt::Display for PermutationRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.0.start, self.0.end)
    }
}

impl FromStr for PermutationRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ends =
            text.split_once("..").and_then(|(start, end)| Some(start.trim().parse().ok()?..end.trim().parse().ok()?));
        ends.filter(|range| !range.is_empty()).map(Self).ok_or_else(|| "expected A..B with A < B, as 0..500".to_owned())
    }
}

/// List, describe, check and fetch data sets
///
/// Example: hsic data fetch mnist
#[derive(Debug, Args)]
pub(crate) struct DataArguments {
    #[command(subcommand)]
    pub(crate) command: DataCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    List(DataListArguments),
    Info(DataInfoArguments),
    Split(DataSplitArguments),
    /// Compare the SHA-256 of a data set's files with the published ones; exit 1 if one differs
    ///
    /// Example: hsic data verify mnist
    Verify(DataNameArguments),
    Fetch(DataFetchArguments),
    Uncache(DataUncacheArguments),
}

/// List the data sets known by name: sizes, classes, and where their files are
///
/// Example: hsic data list
#[derive(Debug, Args)]
pub(crate) struct DataListArguments {
    /// Folder that holds the files, or one with each data set's name [default: the platform's data folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print one JSON object in place of the table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show a data set: sizes, samples of each class, what was left out, files with their SHA-256
///
/// Example: hsic data info mnist
#[derive(Debug, Args)]
pub(crate) struct DataInfoArguments {
    /// Name of the data set, or the path of a folder of images or IDX files, .zip, .tar, .tar.gz, .tar.xz, .csv, .tsv (both
    /// also with .gz), .npy or .npz; - for a table from standard input
    pub(crate) name: String,
    /// Folder that holds the files, or one with the data set's name [default: the platform's data folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Folder of packed samples, to be read from there and, where they are not there, packed
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Column of a table that holds the label or the value to learn, by name or index from 0 [default: the last]
    #[arg(long)]
    pub(crate) label_column: Option<String>,
    /// Table of its own for testing, with the columns of the first
    #[arg(long, value_name = "FILE")]
    pub(crate) test_dataset: Option<PathBuf>,
    /// Columns of a table to leave out, by name or index from 0, with commas between them
    #[arg(long)]
    pub(crate) drop: Option<ColumnList>,
    /// Columns of a table to learn from, by name or index from 0, with commas between them [default: all]
    #[arg(long)]
    pub(crate) columns: Option<ColumnList>,
    /// What becomes of missing cells of a table [default: mean]
    #[arg(long, value_enum)]
    pub(crate) missing: Option<Missing>,
    /// What the first line of a table of text is [default: auto]
    #[arg(long, value_enum)]
    pub(crate) header: Option<Header>,
    /// How a table of text is encoded, as windows-1252 [default: UTF-8, or UTF-16 by its byte order mark]
    #[arg(long)]
    pub(crate) encoding: Option<TextEncoding>,
    /// Height and width to which the images of a folder or archive are brought, in 1 to 2048
    #[arg(long)]
    pub(crate) image_size: Option<usize>,
    /// What becomes of an image whose sides are in another ratio [default: crop]
    #[arg(long, value_enum)]
    pub(crate) image_fit: Option<ImageFit>,
    /// Take targets for classes or for values [default: auto: what they look like, as in training]
    #[arg(long)]
    pub(crate) task: Option<Task>,
    /// Arrays of a .npz: x=NAME,y=NAME, and x_test=NAME,y_test=NAME for a test part [default: by their usual names]
    #[arg(long)]
    pub(crate) arrays: Option<ArrayNames>,
    /// Leave image files out that cannot be read, and count them
    #[arg(long)]
    pub(crate) skip_broken: bool,
    /// Print one JSON object in place of the table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Tell which rows of a table are trained on and which judge, for other programs that are to learn from the same
///
/// A line a row: its index in the file from 0, the first line of names not counted, and its part. Rows come in the order of
/// their part; those that a training leaves out are counted and in neither.
///
/// Example: hsic data split table.csv --split-seed 3
#[derive(Debug, Args)]
pub(crate) struct DataSplitArguments {
    /// Path of a .csv, .tsv (both also with .gz), .npy or .npz without a test part
    pub(crate) name: String,
    /// Column of a table that holds the label, by name or index from 0 [default: the last]
    #[arg(long)]
    pub(crate) label_column: Option<String>,
    /// Share of each class that is the test part, in (0, 1) [default: 0.2]
    #[arg(long)]
    pub(crate) test_fraction: Option<f64>,
    /// Share of each class of the training part that is held out and judges, in [0, 1) [default: 0]
    #[arg(long)]
    pub(crate) validation: Option<f64>,
    /// Seed that draws the rows [default: 1]
    #[arg(long)]
    pub(crate) split_seed: Option<u64>,
    /// What becomes of missing cells: drop leaves their rows out [default: mean]
    #[arg(long, value_enum)]
    pub(crate) missing: Option<Missing>,
    /// Columns to leave out, whose missing cells do not count
    #[arg(long)]
    pub(crate) drop: Option<ColumnList>,
    /// What the first line of a table of text is [default: auto]
    #[arg(long, value_enum)]
    pub(crate) header: Option<Header>,
    /// How a table of text is encoded [default: UTF-8, or UTF-16 by its byte order mark]
    #[arg(long)]
    pub(crate) encoding: Option<TextEncoding>,
    /// Take targets for classes or for values, by which rows are drawn [default: auto]
    #[arg(long)]
    pub(crate) task: Option<Task>,
    /// Print one JSON object in place of the lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which data set.
#[derive(Debug, Args)]
pub(crate) struct DataNameArguments {
    /// Name of the data set
    pub(crate) name: String,
    /// Folder that holds the files, or one with the data set's name [default: the platform's data folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print one JSON object in place of the table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Fetch a data set from its mirrors; a transfer that was cut is taken up
///
/// Example: hsic data fetch fashion-mnist --data-dir data
#[derive(Debug, Args)]
pub(crate) struct DataFetchArguments {
    /// Name of the data set
    pub(crate) name: String,
    /// Folder in which one with the data set's name is made [default: HSIC_DATA, or the platform's data folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address of a folder with the files, in place of the known mirrors
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Option<String>,
    /// No progress bar
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Delete the files in which a data set's samples are kept packed; the data themselves stay
///
/// They lie in the folder that a training was given by --cache, else beside the data or in the platform's cache folder. What
/// was broken off while it was written goes as well.
///
/// Example: hsic data uncache photos
#[derive(Debug, Args)]
pub(crate) struct DataUncacheArguments {
    /// Name or path of the data set, as in training
    pub(crate) name: String,
    /// Folder that holds the data set's files, where training was given one
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Folder of the packed files [default: that of the data, and the platform's cache folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

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

//! Flags of the verbs that look at a finished run.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use hsic_bottleneck::config::recipes::RECIPES;
use hsic_bottleneck::config::{DataOptions, TrainOptions};
use hsic_bottleneck::dataset::Part;
use hsic_bottleneck::importance::ImportanceOptions;
use hsic_bottleneck::judge::test_time::TestTime;

use super::width::PageWidth;

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
    /// Curves, histograms of weights and the confusion table for TensorBoard; also of a run that is not finished
    Tensorboard,
    /// A folder for a hub of models: tensors (model.safetensors), config.json and a model card (README.md)
    Hub,
}

/// Write a run for other programs: its tensors, all of it as an ONNX graph, its records for TensorBoard, or a folder for a hub
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
    /// The file, of tensorboard and hub the folder, new [default: in the run's folder: export/model.npz and so on, tensorboard,
    /// hub]
    #[arg(long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite the file, or those in the folder, if there are any
    #[arg(long)]
    pub(crate) force: bool,
}

/// Make a page and a Markdown table of a reproduction or of a run, finished or not, or of several runs beside each other
///
/// A reproduction's page has every figure, its values beside the paper's, its claims with their verdicts and how each was
/// made; a run's has its curves by epoch and by block; that of several runs has their curves in the same coordinates, what each
/// came to and the options in which they differ. The page is one file: it needs no network and no script.
///
/// Example: hsic report reproduction/quick
#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// Folder of a reproduction or of a run, or folders of up to eight runs [default: reproduction/paper, else quick, else smoke]
    #[arg(value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// Folder for report.html and report.md; earlier reports in it are replaced [default: RUN, where it is one]
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Write each figure of the page into this folder too: as SVG, its points as CSV and, by a program built with --features png, as
    /// PDF; files of these names are replaced
    #[arg(long, value_name = "DIR")]
    pub(crate) figures: Option<PathBuf>,
    /// Width of these figures, for which they are laid out, 1.5in to 20in: as 3.25in, 8cm, 82mm or 234pt [default: 6.5in for PDF]
    #[arg(long, value_name = "WIDTH", requires = "figures")]
    pub(crate) width: Option<PageWidth>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

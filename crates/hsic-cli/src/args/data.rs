//! Flags of `hsic data`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hsic_bottleneck::dataset::{ArrayNames, ColumnList, Header, ImageFit, Missing, Task, TextEncoding};

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

//! Where a data set comes from, and how it is to be loaded.

use std::path::PathBuf;

use super::arrays::ImageArrays;
use super::content::Content;
use super::data::Split;
use super::encoding::Encoding;
use super::error::DatasetError;
use super::facts::Facts;
use super::normalization::Normalize;
use super::picture::{ImageFit, Reading};
use super::roles::ArrayNames;
use super::standardization::Standardization;
use super::tables::header::Header;
use super::tables::select::{ColumnList, Missing};
use super::tables::text::TextEncoding;
use super::targets::TargetScale;
use super::task::Task;
use crate::shape::Shape;

/// How image files of a folder or archive become samples of one shape.
#[derive(Clone, Debug, PartialEq)]
pub enum ImagePlan {
    /// As the images of the training part suggest.
    Found {
        /// Height and width of the samples. Default: those of the images if they are one and the shorter side is at most
        /// 64, else the median of the shorter sides, at most 64.
        size: Option<usize>,
        /// What becomes of an image whose sides are not in the samples' ratio.
        fit: ImageFit,
    },
    /// As in a training that was.
    Recorded {
        /// Sizes of a sample.
        shape: Shape,
        /// How images were read; `None` if each had to have these sizes, and transparency was dropped.
        reading: Option<Reading>,
    },
}

impl Default for ImagePlan {
    fn default() -> Self {
        Self::Found { size: None, fit: ImageFit::default() }
    }
}

/// Which columns a table may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TableColumns {
    /// Numbers, words and two words, with gaps.
    #[default]
    All,
    /// Numbers, as the first versions read them: for what was trained by those.
    Numbers,
}

/// How to load a data set; each source uses the fields that concern it.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadOptions {
    /// Folder that holds the files, or a folder of that folder with the data set's name. Default: the environment
    /// variable `HSIC_DATA`, then the user's data folder.
    pub data_dir: Option<PathBuf>,
    /// Folder where samples are kept packed in a file, from which they are read, whatever memory there is. Default: samples are
    /// in memory, or, where they would take more than half of what is free, in a file beside the data or in the platform's
    /// cache folder.
    pub cache: Option<PathBuf>,
    /// Fixes the samples that are drawn (`digits`).
    pub seed: u64,
    /// Fixes which rows of a table, folder or archive are the test part, and which of any training part are held out:
    /// another seed than that of training, so that what settings are chosen on is not what another training is judged on.
    pub split_seed: u64,
    /// Training samples: as many are drawn (`digits`), or the first so many kept. Default: [`DIGITS_TRAIN`](super::DIGITS_TRAIN), or all.
    pub train_size: Option<usize>,
    /// Test samples: as many are drawn, or the first so many kept. Default: [`DIGITS_TEST`](super::DIGITS_TEST), or all.
    pub test_size: Option<usize>,
    /// Column of a table that holds the class or the value: a name from its first line, or an index from 0. Default: the last.
    pub label_column: Option<String>,
    /// A file of its own for testing, with the columns and classes of the table. Default: a part of the table.
    pub test_dataset: Option<PathBuf>,
    /// What the first line of a table of text is.
    pub header: Header,
    /// How a table of text is encoded. Default: UTF-8, or UTF-16 by its byte order mark.
    pub text_encoding: Option<TextEncoding>,
    /// What becomes of missing cells.
    pub missing: Missing,
    /// Columns that are left out.
    pub drop: Option<ColumnList>,
    /// Columns that are learned from. Default: all but the label.
    pub columns: Option<ColumnList>,
    /// What becomes of the columns of a table, as a training found out. Default: what the training part says.
    pub encoding: Option<Encoding>,
    /// Whether columns of a table may hold more than numbers.
    pub tables: TableColumns,
    /// Which arrays of a `.npz` are samples and labels. Default: those of the usual names.
    pub arrays: Option<ArrayNames>,
    /// Whether images in arrays are images.
    pub image_arrays: ImageArrays,
    /// Whether targets of tables and arrays are classes or values.
    pub task: Task,
    /// What standardizes targets that are values, in [`given`](super::given()): the scale of a training.
    pub target_scale: Option<TargetScale>,
    /// Fraction of each class, or of rows with values, that becomes the test part of a table, folder or archive without one, in (0, 1).
    pub test_fraction: f64,
    /// Whether the columns of a table are brought to mean 0 and deviation 1 (of the training part).
    pub standardize: bool,
    /// Means and deviations to standardize a table's columns by, whatever `standardize` says: those of the data that a
    /// network was trained on.
    pub standardization: Option<Standardization>,
    /// How image files of a folder or archive are brought to one shape.
    pub images: ImagePlan,
    /// Whether image files that cannot be read are left out; else the first is an error.
    pub skip_broken: bool,
    /// What is done to the values of images.
    pub normalize: Normalize,
    /// Share of the training part, by class where rows have classes, that takes the place of the test part; 0 for none.
    pub validation: f64,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            data_dir: None,
            cache: None,
            seed: 0,
            split_seed: 1,
            train_size: None,
            test_size: None,
            label_column: None,
            test_dataset: None,
            header: Header::Auto,
            text_encoding: None,
            missing: Missing::Mean,
            drop: None,
            columns: None,
            encoding: None,
            tables: TableColumns::All,
            arrays: None,
            image_arrays: ImageArrays::Images,
            task: Task::Auto,
            target_scale: None,
            test_fraction: 0.2,
            standardize: true,
            standardization: None,
            images: ImagePlan::default(),
            skip_broken: false,
            normalize: Normalize::None,
            validation: 0.0,
        }
    }
}

/// Where a data set comes from.
pub trait DatasetSource: Sync {
    /// The name that selects it.
    fn name(&self) -> &'static str;
    /// One line on what it is.
    fn description(&self) -> &'static str;
    /// What is known of it before a file is opened.
    fn facts(&self) -> &'static Facts;
    /// Reads or makes both parts.
    ///
    /// # Errors
    /// Whatever is wrong with the files or the options.
    fn load(&self, options: &LoadOptions) -> Result<Split, DatasetError>;
    /// What the data are, without keeping them: the content that [`load`](Self::load) notes.
    ///
    /// # Errors
    /// Files that are missing or cannot be read.
    fn content(&self, options: &LoadOptions) -> Result<Content, DatasetError>;
}

//! Where a data set comes from, and how it is to be loaded.

use std::path::PathBuf;

use super::arrays::ImageArrays;
use super::content::Content;
use super::data::Split;
use super::error::DatasetError;
use super::facts::Facts;
use super::normalization::Normalize;
use super::roles::ArrayNames;
use super::standardization::Standardization;

/// How to load a data set; each source uses the fields that concern it.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadOptions {
    /// Folder that holds the files, or a folder of that folder with the data set's name. Default: the environment
    /// variable `HSIC_DATA`, then the user's data folder.
    pub data_dir: Option<PathBuf>,
    /// Fixes the samples that are drawn (`digits`).
    pub seed: u64,
    /// Fixes which rows of a table, folder or archive are the test part, and which of any training part are held out:
    /// another seed than that of training, so that what settings are chosen on is not what another training is judged on.
    pub split_seed: u64,
    /// Training samples: as many are drawn (`digits`), or the first so many kept. Default: [`DIGITS_TRAIN`](super::DIGITS_TRAIN), or all.
    pub train_size: Option<usize>,
    /// Test samples: as many are drawn, or the first so many kept. Default: [`DIGITS_TEST`](super::DIGITS_TEST), or all.
    pub test_size: Option<usize>,
    /// Column of a table that holds the class: a name from its first line, or an index from 0. Default: the last.
    pub label_column: Option<String>,
    /// Which arrays of a `.npz` are samples and labels. Default: those of the usual names.
    pub arrays: Option<ArrayNames>,
    /// Whether images in arrays are images.
    pub image_arrays: ImageArrays,
    /// Fraction of each class that becomes the test part of a table, folder or archive without one, in (0, 1).
    pub test_fraction: f64,
    /// Whether the columns of a table are brought to mean 0 and deviation 1 (of the training part).
    pub standardize: bool,
    /// Means and deviations to standardize a table's columns by, whatever `standardize` says: those of the data that a
    /// network was trained on.
    pub standardization: Option<Standardization>,
    /// What is done to the values of images.
    pub normalize: Normalize,
    /// Share of the training part, by class, that takes the place of the test part; 0 for none.
    pub validation: f64,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            data_dir: None,
            seed: 0,
            split_seed: 1,
            train_size: None,
            test_size: None,
            label_column: None,
            arrays: None,
            image_arrays: ImageArrays::Images,
            test_fraction: 0.2,
            standardize: true,
            standardization: None,
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

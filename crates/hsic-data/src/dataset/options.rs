//! What a user can say of the data.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Normalize;
use crate::options::options;

options! {
    /// What is learned from.
    DataOptions, "Data" {
        /// Name of a data set, or path of a folder of images, of one in a .tar, .tar.gz or .tar.xz, or of a .csv, .npy or .npz
        /// [default: digits]
        dataset: String,
        /// Folder that holds the data set's files [default: the platform's data folder]
        data_dir: PathBuf,
        /// Training samples drawn (digits) or kept, >= 1 [default: 10,000 digits, or all]
        train_size: usize,
        /// Test samples drawn (digits) or kept, >= 1 [default: 2,000 digits, or all]
        test_size: usize,
        /// Column of a table that holds the label, by name or index from 0 [default: the last]
        label_column: String,
        /// Share of a table, folder or archive kept for testing if it has no test part, in (0, 1) [default: 0.2]
        test_fraction: f64,
        /// Hold out this share of the training data, seeded and by class, and judge on it in place of the test data, in
        /// [0, 1): settings are chosen with it [default: 0]
        validation: f64,
        /// Scale a table's columns by the training part's mean and deviation [default: true]
        standardize: bool,
        /// Values of images: as they are, or each channel by the training part's mean and deviation [default: none]
        normalize: Normalize,
        /// Mirror every second training image at random, left to right [default: false]
        flip: bool,
        /// Move training images by up to so many pixels at random, black enters, >= 0 [default: 0]
        shift: usize,
        /// Side in pixels of a square cut out of training images at random, >= 0 [default: 0]
        cutout: usize,
    }
}

//! What a user can say of the data, and what is made of it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::augment::{Augmentation, Border, Flip};
use crate::dataset::{
    ArrayNames, ColumnList, Header, ImageFit, ImagePlan, LoadOptions, Missing, Normalize, Task, TextEncoding, known_as,
};
use crate::fault::Faults;
use crate::options::options;

/// The largest side that images are brought to.
const MOST_SIDE: usize = 2048;

options! {
    /// What is learned from.
    DataOptions, "Data" {
        /// Name of a data set, or path of a folder of images or of IDX files, of one of images in a .zip, .tar, .tar.gz or
        /// .tar.xz, or of a .csv, .tsv (both also with .gz), .npy or .npz; - for a table from standard input [default: digits]
        dataset: String,
        /// Folder that holds the data set's files [default: the platform's data folder]
        data_dir: PathBuf,
        /// Folder in which samples are kept packed in a file, to be read from it step by step [default: in memory; where they
        /// would take more than half of what is free, a file beside the data or in the platform's cache folder]
        cache: PathBuf,
        /// Training samples drawn (digits) or kept, >= 1 [default: 10,000 digits, or all]
        train_size: usize,
        /// Test samples drawn (digits) or kept, >= 1 [default: 2,000 digits, or all]
        test_size: usize,
        /// Table of its own for testing, with the columns of --dataset [default: a share of that, see --test-fraction]
        test_dataset: PathBuf,
        /// Column of a table that holds the label or the value to learn, by name or index from 0 [default: the last]
        label_column: String,
        /// Columns of a table to leave out, by name or index from 0, with commas between them
        drop: ColumnList,
        /// Columns of a table to learn from, by name or index from 0, with commas between them [default: all]
        columns: ColumnList,
        /// What becomes of missing cells of a table [default: mean]
        missing: Missing,
        /// What the first line of a table of text is [default: auto]
        header: Header,
        /// How a table of text is encoded, as windows-1252 [default: UTF-8, or UTF-16 by its byte order mark]
        encoding: TextEncoding,
        /// Learn classes (classification) or values (regression) of tables and arrays [default: auto: values where targets
        /// are numbers with a fraction, or more than 30 whole ones of fewer than 10 rows each]
        task: Task,
        /// Arrays of a .npz: x=NAME,y=NAME, and x_test=NAME,y_test=NAME for a test part [default: by their usual names]
        arrays: ArrayNames,
        /// Share of each class (of all rows, where values are learned) of a table, folder or archive kept for testing if it has
        /// no test part, in (0, 1) [default: 0.2]
        test_fraction: f64,
        /// Hold out this share of each class of the training data and judge on it in place of the test data, in [0, 1):
        /// settings are chosen with it [default: 0]
        validation: f64,
        /// Seed that draws the rows of --test-fraction and --validation, the same for trainings of every --seed
        /// [default: 1]
        split_seed: u64,
        /// Scale a table's columns by the training part's mean and deviation [default: true]
        standardize: bool,
        /// Height and width to which the images of a folder or archive are brought, in 1 to 2048 [default: theirs if they have
        /// one size and the shorter side is at most 64, else the median of the shorter sides, at most 64]
        image_size: usize,
        /// What becomes of an image whose sides are in another ratio [default: crop]
        image_fit: ImageFit,
        /// Leave image files out that cannot be read, and count them [default: false]
        #[cfg_attr(feature = "clap", arg(num_args = 0..=1, default_missing_value = "true"))]
        skip_broken: bool,
        /// Values of images: as they are, or each channel by the training part's mean and deviation [default: none]
        normalize: Normalize,
        /// Mirror training images left to right: true (every second at random) or alternating (each in every second epoch)
        /// [default: false]
        flip: Flip,
        /// Move training images by up to so many pixels at random, >= 0 [default: 0; images of one's own on
        /// the network pyramid: an eighth of their side]
        shift: usize,
        /// What enters where they are moved: black, or reflect (the image, mirrored at its edge) [default: black]
        shift_border: Border,
        /// Side in pixels of a square cut out of training images at random, >= 0 [default: 0]
        cutout: usize,
    }
}

/// Which data are loaded, and how they are changed.
#[derive(Clone, Debug, PartialEq)]
pub struct DataPlan {
    /// Name or path of the data set.
    pub dataset: String,
    /// How it is loaded.
    pub load: LoadOptions,
    /// Random changes of training images.
    pub augmentation: Augmentation,
}

impl DataOptions {
    /// Fills in the defaults, but for the shift, and notes what is out of range. `seed` fixes the samples of data that are drawn.
    pub fn resolve(&mut self, seed: u64, faults: &mut Faults) -> DataPlan {
        let usual = LoadOptions::default();
        let dataset = known_as(self.dataset.as_deref().unwrap_or("digits")).to_owned();
        self.dataset = Some(dataset.clone());
        let test_fraction = *self.test_fraction.get_or_insert(usual.test_fraction);
        let inside = test_fraction > 0.0 && test_fraction < 1.0;
        faults.check("test-fraction", test_fraction, inside, "a number in (0, 1)");
        let standardize = *self.standardize.get_or_insert(usual.standardize);
        let validation = *self.validation.get_or_insert(usual.validation);
        faults.share("validation", validation);
        let size = self.image_size;
        let possible = size.is_none_or(|size| (1..=MOST_SIDE).contains(&size));
        faults.check("image-size", size.unwrap_or_default(), possible, &format!("a whole number in 1 to {MOST_SIDE}"));
        let images = ImagePlan::Found { size, fit: *self.image_fit.get_or_insert_with(ImageFit::default) };
        let skip_broken = *self.skip_broken.get_or_insert(usual.skip_broken);
        let normalize = *self.normalize.get_or_insert(usual.normalize);
        let augmentation = Augmentation {
            flip: *self.flip.get_or_insert_default(),
            shift: self.shift.unwrap_or(0),
            border: *self.shift_border.get_or_insert_default(),
            cutout: *self.cutout.get_or_insert(0),
        };
        for (key, size) in [("train-size", self.train_size), ("test-size", self.test_size)] {
            faults.check(key, 0, size != Some(0), "a whole number >= 1");
        }
        let split_seed = *self.split_seed.get_or_insert(usual.split_seed);
        let task = *self.task.get_or_insert(usual.task);
        let load = LoadOptions {
            data_dir: self.data_dir.clone(),
            cache: self.cache.clone(),
            seed,
            split_seed,
            train_size: self.train_size,
            test_size: self.test_size,
            label_column: self.label_column.clone(),
            test_dataset: self.test_dataset.clone(),
            header: *self.header.get_or_insert(usual.header),
            text_encoding: self.encoding,
            missing: *self.missing.get_or_insert(usual.missing),
            drop: self.drop.clone(),
            columns: self.columns.clone(),
            encoding: None,
            tables: usual.tables,
            arrays: self.arrays.clone(),
            task,
            target_scale: None,
            image_arrays: usual.image_arrays,
            test_fraction,
            standardize,
            standardization: None,
            images,
            skip_broken,
            normalize,
            validation,
        };
        DataPlan { dataset, load, augmentation }
    }
}

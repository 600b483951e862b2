//! Data sets: contiguous samples with class labels, and the sources that they come from.
//!
//! [`load`] takes the name of a source in [`SOURCES`] or the path of a folder of images, of an archive of one (`.tar`,
//! `.tar.gz`, `.tar.xz`), or of a table (`.csv`, `.npy`, `.npz`). Every file is treated as untrusted: sizes in headers are checked before memory is taken, and whatever is wrong is a
//! [`DatasetError`] that names the file, the value and what was expected.

mod archive;
mod cifar;
mod digits;
mod error;
mod facts;
mod fetch;
mod folder;
mod idx;
mod labeled;
mod normalization;
mod npy;
mod picture;
mod table;

use std::path::{Path, PathBuf};

use hsic::random::Stream;
use serde::{Deserialize, Serialize};

pub use digits::{DIGITS_TEST, DIGITS_TRAIN};
pub use error::DatasetError;
pub use facts::{CheckedFile, Download, Facts, KnownFile, files, verify};
pub use fetch::{Fetched, Transfer, fetch};
pub use labeled::Standardization;
pub use normalization::{Normalization, Normalize};
pub use picture::{ImageFault, is_image, read_image};
pub use table::{Table, Values, read_table, read_values};

/// Sizes of one sample; a row of a table is 1 x 1 x d. Values lie channel by channel, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Colors of a pixel; 1 for gray.
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels, or of a table.
    pub width: usize,
}

impl Shape {
    /// Values in one sample: channels * height * width.
    #[must_use]
    pub fn columns(self) -> usize {
        self.channels * self.height * self.width
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} x {} x {}", self.channels, self.height, self.width)
    }
}

/// The values of all samples, one sample after another.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// Pixels; the value is byte / 255.
    Bytes(Vec<u8>),
    /// Numbers as they are.
    Floats(Vec<f32>),
}

impl Samples {
    /// Values held.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Floats(floats) => floats.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Samples with a class each.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Name of the source, or of the file without its folder.
    pub name: String,
    /// rows x columns values, row-major.
    pub samples: Samples,
    /// Sizes of one sample.
    pub shape: Shape,
    /// Class of each row, below [`Dataset::classes`].
    pub labels: Vec<u16>,
    /// Name of each class.
    pub class_names: Vec<String>,
    /// How the channels of images are normalized; `None` leaves values from 0 to 1, and tables as they are.
    pub normalization: Option<Normalization>,
}

impl Dataset {
    /// Number of samples.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Values in one sample.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.shape.columns()
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.class_names.len()
    }

    /// Writes sample `index` to `out`; a pixel b becomes b / 255, normalized by its channel if the data set is.
    ///
    /// # Panics
    /// If `index` is not below [`rows`](Self::rows) or `out` is not [`columns`](Self::columns) long.
    pub fn fill_row(&self, index: usize, out: &mut [f32]) {
        let columns = self.columns();
        assert_eq!(out.len(), columns, "a sample has as many values as the data set has columns");
        let range = index * columns..(index + 1) * columns;
        match &self.samples {
            Samples::Bytes(bytes) => self.convert(&bytes[range], out),
            Samples::Floats(floats) => out.copy_from_slice(&floats[range]),
        }
    }

    /// Writes the pixels of an image to `out`, as [`fill_row`](Self::fill_row) does with those of a sample.
    pub(crate) fn convert(&self, image: &[u8], out: &mut [f32]) {
        match &self.normalization {
            Some(normalization) => normalization.apply(image, out),
            None => {
                for (out, &byte) in out.iter_mut().zip(image) {
                    *out = f32::from(byte) / 255.0;
                }
            }
        }
    }

    /// The samples of `rows`, in that order; a row may come more than once. The classes stay.
    ///
    /// # Panics
    /// If one of them is not below [`rows`](Self::rows).
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        fn pick<V: Copy>(values: &[V], rows: &[usize], columns: usize) -> Vec<V> {
            rows.iter().flat_map(|&row| &values[row * columns..(row + 1) * columns]).copied().collect()
        }
        Self {
            name: self.name.clone(),
            samples: match &self.samples {
                Samples::Bytes(bytes) => Samples::Bytes(pick(bytes, rows, self.columns())),
                Samples::Floats(floats) => Samples::Floats(pick(floats, rows, self.columns())),
            },
            shape: self.shape,
            labels: pick(&self.labels, rows, 1),
            class_names: self.class_names.clone(),
            normalization: self.normalization.clone(),
        }
    }

    /// Samples of each class.
    #[must_use]
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes()];
        for &label in &self.labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }

    /// Keeps the first `size` rows, if a size is asked for.
    fn keep_first(&mut self, part: &'static str, size: Option<usize>) -> Result<(), DatasetError> {
        let Some(size) = size else { return Ok(()) };
        if size == 0 || size > self.rows() {
            return Err(DatasetError::PartSize { part, asked: size, available: self.rows() });
        }
        match &mut self.samples {
            Samples::Bytes(bytes) => bytes.truncate(size * self.shape.columns()),
            Samples::Floats(floats) => floats.truncate(size * self.shape.columns()),
        }
        self.labels.truncate(size);
        Ok(())
    }
}

/// A data set's two parts: the same columns, the same classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// What a network is trained on.
    pub train: Dataset,
    /// What it is judged on.
    pub test: Dataset,
    /// How the columns of a table were standardized, for rows that come later; none for images.
    pub standardization: Option<Standardization>,
}

impl Split {
    /// Puts a share of each class of the training part, drawn by the seed, in the place of the test part.
    fn hold_out(&mut self, share: f64, seed: u64) -> Result<(), DatasetError> {
        let mut order: Vec<usize> = (0..self.train.rows()).collect();
        Stream::new(seed, "validation", 0).shuffle(&mut order);
        let mut left: Vec<usize> =
            self.train.class_counts().iter().map(|&count| (count as f64 * share).round() as usize).collect();
        let (mut held, mut kept) = (Vec::new(), Vec::new());
        for row in order {
            let left = &mut left[usize::from(self.train.labels[row])];
            if *left > 0 {
                *left -= 1;
                held.push(row);
            } else {
                kept.push(row);
            }
        }
        if held.is_empty() || kept.is_empty() {
            let asked = (self.train.rows() as f64 * share) as usize;
            return Err(DatasetError::PartSize { part: "validation", asked, available: self.train.rows() - 1 });
        }
        held.sort_unstable();
        kept.sort_unstable();
        self.test = self.train.select(&held);
        self.train = self.train.select(&kept);
        Ok(())
    }
}

/// How to load a data set; each source uses the fields that concern it.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadOptions {
    /// Folder that holds the files, or a folder of that folder with the data set's name. Default: the environment
    /// variable `HSIC_DATA`, then the user's data folder.
    pub data_dir: Option<PathBuf>,
    /// Fixes what is drawn (`digits`) and how a table is split.
    pub seed: u64,
    /// Training samples: as many are drawn (`digits`), or the first so many kept. Default: [`DIGITS_TRAIN`], or all.
    pub train_size: Option<usize>,
    /// The same for the test part. Default: [`DIGITS_TEST`], or all.
    pub test_size: Option<usize>,
    /// Column of a table that holds the class: a name from its first line, or an index from 0. Default: the last.
    pub label_column: Option<String>,
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
            train_size: None,
            test_size: None,
            label_column: None,
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
}

/// Every data set known by name.
pub static SOURCES: &[&dyn DatasetSource] =
    &[&digits::Digits, &idx::MNIST, &idx::FASHION_MNIST, &idx::KMNIST, &cifar::CIFAR10, &cifar::CIFAR100];

/// The source of that name.
#[must_use]
pub fn source(name: &str) -> Option<&'static dyn DatasetSource> {
    SOURCES.iter().copied().find(|source| source.name() == name)
}

/// Loads the data set of that name (see [`SOURCES`]), or what is at that path: a folder of images
/// (`train/<class>/*.png`, `test/<class>/*.png`), an archive of one (`.tar`, `.tar.gz` or `.tgz`, `.tar.xz` or `.txz`; read
/// in memory, at most 4 GiB of it after decompression), or a table (`.csv`, `.npy`, `.npz`).
///
/// # Errors
/// `Unknown` if it is neither; else whatever is wrong with the files or the options.
///
/// # Examples
/// ```
/// use hsic_bottleneck::dataset::{LoadOptions, load};
/// let options = LoadOptions { train_size: Some(30), test_size: Some(10), ..LoadOptions::default() };
/// let split = load("digits", &options)?;
/// assert_eq!((split.train.rows(), split.train.columns(), split.train.classes()), (30, 784, 10));
/// assert_eq!(split.train.class_counts(), [3; 10]);
/// # Ok::<(), hsic_bottleneck::dataset::DatasetError>(())
/// ```
pub fn load(name_or_path: &str, options: &LoadOptions) -> Result<Split, DatasetError> {
    let mut split = read(name_or_path, options)?;
    if options.validation > 0.0 {
        split.hold_out(options.validation, options.seed)?;
    }
    if options.normalize == Normalize::Channel {
        split.normalize()?;
    }
    Ok(split)
}

/// The name of a file or folder without its ending, `.tar.gz` as a whole.
pub(crate) fn stem(path: &Path) -> String {
    let archive = archive::kind(path).map(|(_, name)| name);
    archive.unwrap_or_else(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
}

fn read(name_or_path: &str, options: &LoadOptions) -> Result<Split, DatasetError> {
    if let Some(source) = source(name_or_path) {
        return source.load(options);
    }
    let path = Path::new(name_or_path);
    if path.is_dir() {
        return folder::load(path, options);
    }
    if let Some((kind, name)) = archive::kind(path) {
        return archive::load(path, kind, name, options);
    }
    if table::kind(path).is_some() || path.exists() {
        return labeled::load(path, options);
    }
    let known = SOURCES.iter().map(|source| source.name()).collect();
    Err(DatasetError::Unknown { name: name_or_path.to_owned(), known })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_rows() -> Dataset {
        Dataset {
            name: "two".into(),
            samples: Samples::Bytes(vec![0, 51, 255, 1]),
            shape: Shape { channels: 1, height: 1, width: 2 },
            labels: vec![0, 1],
            class_names: vec!["a".into(), "b".into()],
            normalization: None,
        }
    }

    #[test]
    fn a_pixel_is_its_byte_over_255() {
        let mut row = [9.0f32; 2];
        two_rows().fill_row(0, &mut row);
        assert_eq!(row, [0.0, 0.2]);
        two_rows().fill_row(1, &mut row);
        assert_eq!(row, [1.0, 1.0 / 255.0]);
    }

    #[test]
    fn a_selection_keeps_order_repeats_and_classes() {
        let picked = two_rows().select(&[1, 0, 1]);
        assert_eq!(picked.samples, Samples::Bytes(vec![255, 1, 0, 51, 255, 1]));
        assert_eq!((picked.labels.as_slice(), picked.classes()), ([1, 0, 1].as_slice(), 2));
        assert_eq!(two_rows().select(&[1]).class_counts(), [0, 1]);
    }

    #[test]
    fn held_out_rows_are_of_the_training_part_and_of_every_class() {
        let options = LoadOptions { train_size: Some(200), test_size: Some(10), ..LoadOptions::default() };
        let all = load("digits", &options).unwrap().train;
        let split = load("digits", &LoadOptions { validation: 0.25, ..options }).unwrap();
        assert_eq!((split.train.class_counts(), split.test.class_counts()), (vec![15; 10], vec![5; 10]));
        let row = |dataset: &Dataset, index: usize| {
            let mut row = vec![0.0; 784];
            dataset.fill_row(index, &mut row);
            row
        };
        let mut found: Vec<Vec<f32>> = (0..150).map(|i| row(&split.train, i)).collect();
        found.extend((0..50).map(|i| row(&split.test, i)));
        for index in 0..200 {
            assert!(found.contains(&row(&all, index)), "{index}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = load("mnits", &LoadOptions::default()).unwrap_err().to_string();
        assert_eq!(
            error,
            "no data set is called mnits: expected digits, mnist, fashion-mnist, kmnist, cifar10, cifar100, or the path of a folder of images, of a .tar, .tar.gz or .tar.xz of one, or of a .csv, .npy or .npz file"
        );
    }

    #[test]
    fn names_and_descriptions_of_sources_are_distinct_and_given() {
        for (i, source) in SOURCES.iter().enumerate() {
            assert!(!source.description().is_empty());
            assert!(SOURCES[..i].iter().all(|other| other.name() != source.name()), "{}", source.name());
        }
    }

    #[test]
    fn a_part_of_no_rows_or_of_more_than_there_are_is_refused() {
        for asked in [0, 3] {
            let error = two_rows().keep_first("training", Some(asked)).unwrap_err().to_string();
            assert_eq!(error, format!("{asked} rows asked of the training part: expected 1 to 2"));
        }
        let mut first = two_rows();
        first.keep_first("training", Some(1)).unwrap();
        assert_eq!((first.samples, first.labels), (Samples::Bytes(vec![0, 51]), vec![0]));
    }
}

//! Every data set by name, and what is at a path.

use std::path::Path;

use super::array_fault::ArrayFault;
use super::checkup::checkup;
use super::content::Content;
use super::data::Split;
use super::division::Division;
use super::error::DatasetError;
use super::given::Given;
use super::normalization::Normalize;
use super::source::{DatasetSource, LoadOptions};
use super::standard_input::is_standard_input;
use super::table_fault::TableFault;
use super::task::Task;
use super::{archive, cifar, digits, folder, idx, idx_folder, labeled, table, table_file};
use crate::names::same;

/// Every data set known by name.
pub static SOURCES: &[&dyn DatasetSource] =
    &[&digits::Digits, &idx::MNIST, &idx::FASHION_MNIST, &idx::KMNIST, &cifar::CIFAR10, &cifar::CIFAR100];

/// The source of that name.
#[must_use]
pub fn source(name: &str) -> Option<&'static dyn DatasetSource> {
    SOURCES.iter().copied().find(|source| source.name() == name)
}

/// The name by which the program knows a data set: that of a source that differs from it in case alone, unless something
/// lies at such a path; else the name itself.
#[must_use]
pub fn known_as(name: &str) -> &str {
    let alike = || SOURCES.iter().map(|source| source.name()).find(|known| same(known, name));
    if source(name).is_some() || Path::new(name).exists() { name } else { alike().unwrap_or(name) }
}

/// Loads the data set of that name (see [`SOURCES`]), or what is at that path: a folder of images
/// (`train/<class>/*.png`, `test/<class>/*.png`), an archive of one (`.zip`, `.tar`, `.tar.gz` or `.tgz`, `.tar.xz` or
/// `.txz`; read in memory, at most 4 GiB of it after decompression), a folder of IDX files, a table (`.csv`, `.tsv`, both also
/// with `.gz`; `.npy`; `-` for text from standard input), or arrays (`.npz`).
///
/// # Errors
/// `Unknown` if it is neither; else whatever is wrong with the files or the options.
///
/// # Examples
/// ```
/// use hsic_data::dataset::{LoadOptions, load};
/// let options = LoadOptions { train_size: Some(30), test_size: Some(10), ..LoadOptions::default() };
/// let split = load("digits", &options)?;
/// assert_eq!((split.train.rows(), split.train.columns(), split.train.classes()), (30, 784, 10));
/// assert_eq!(split.train.class_counts(), [3; 10]);
/// # Ok::<(), hsic_data::dataset::DatasetError>(())
/// ```
pub fn load(name_or_path: &str, options: &LoadOptions) -> Result<Split, DatasetError> {
    if let Some(names) = &options.arrays
        && table::kind(Path::new(name_or_path)) != Some(table::Kind::Npz)
    {
        let fault = ArrayFault::NotNpz { names: names.to_string() };
        return Err(DatasetError::Array { path: name_or_path.into(), fault });
    }
    let place = Place::of(name_or_path)?;
    if let (Some(path), false) = (&options.test_dataset, matches!(place, Place::Table(_))) {
        let fault = TableFault::TestDataset { why: "are no table" };
        return Err(DatasetError::Table { path: path.clone(), fault });
    }
    place.check(options.task, name_or_path)?;
    let mut split = match place {
        // Tables and images are divided before they are looked at.
        Place::Table(path) => labeled::load(path, options)?,
        Place::Source(source) => held_out(source.load(options)?, options)?,
        Place::Folder(path) => folder::images(path)?.load(options)?,
        Place::Archive(path, kind, name) => archive::images(path, kind, name)?.load(options)?,
    };
    name_or_path.clone_into(&mut split.origin.place);
    if source(name_or_path).is_none() {
        let notes = checkup(&split)?;
        split.origin.notes.extend(notes);
    }
    if options.normalize == Normalize::Channel {
        split.normalize()?;
    }
    Ok(split)
}

/// Loads data as they are for a network that was trained on others and knows classes of these names. Nothing is drawn from
/// them, columns of a table are standardized by the numbers in `options` alone, and one class is enough. Of a data set
/// without a test part, `test_size` keeps the first so many rows.
///
/// # Errors
/// As those of [`load`].
pub fn given(name_or_path: &str, options: &LoadOptions, known: &[String]) -> Result<Given, DatasetError> {
    let place = Place::of(name_or_path)?;
    place.check(options.task, name_or_path)?;
    match place {
        Place::Table(path) => labeled::given(path, options, known),
        Place::Source(source) => Ok(Given::of(source.load(options)?)),
        Place::Folder(path) => folder::images(path)?.given(options),
        Place::Archive(path, kind, name) => archive::images(path, kind, name)?.given(options),
    }
}

/// The rows that [`load`] makes the two parts of, by the same options.
///
/// # Errors
/// `NotDivided` for data that are no table, or have a test part; as [`load`].
pub fn division(name_or_path: &str, options: &LoadOptions) -> Result<Division, DatasetError> {
    let rows = match Place::of(name_or_path)? {
        Place::Table(path) => labeled::division(path, options)?,
        _ => None,
    };
    rows.ok_or_else(|| DatasetError::NotDivided { name: name_or_path.to_owned() })
}

/// What the data of that name or at that path are, without keeping them: the content that [`load`] notes.
///
/// # Errors
/// Files that are missing or cannot be read.
pub fn content(name_or_path: &str, options: &LoadOptions) -> Result<Content, DatasetError> {
    match Place::of(name_or_path)? {
        Place::Table(path) => table_file::content(path, options),
        Place::Source(source) => source.content(options),
        Place::Folder(path) => folder::images(path)?.content(),
        Place::Archive(path, kind, name) => archive::images(path, kind, name)?.content(),
    }
}

/// Holds out a share of the training part, if one is asked for.
fn held_out(mut split: Split, options: &LoadOptions) -> Result<Split, DatasetError> {
    if options.validation > 0.0 {
        split.hold_out(options.validation, options.split_seed)?;
    }
    Ok(split)
}

/// The name of a file or folder without its ending, `.tar.gz` as a whole.
pub fn stem(path: &Path) -> String {
    if is_standard_input(path) {
        return "data".to_owned();
    }
    let archive = archive::kind(path).map(|(_, name)| name);
    archive.unwrap_or_else(|| table::without_ending(path))
}

/// What a name or a path leads to.
enum Place<'p> {
    Source(&'static dyn DatasetSource),
    Folder(&'p Path),
    Archive(&'p Path, archive::Kind, String),
    /// A table, arrays, or a folder of IDX files.
    Table(&'p Path),
}

impl<'p> Place<'p> {
    /// Whether what is there may hold what is asked for.
    fn check(&self, task: Task, name: &str) -> Result<(), DatasetError> {
        match self {
            Self::Source(_) | Self::Folder(_) | Self::Archive(..) if task == Task::Regression => {
                Err(DatasetError::NoValues { name: name.to_owned() })
            }
            _ => Ok(()),
        }
    }

    fn of(name_or_path: &'p str) -> Result<Self, DatasetError> {
        if let Some(source) = source(name_or_path) {
            return Ok(Self::Source(source));
        }
        let path = Path::new(name_or_path);
        if path.is_dir() {
            return Ok(if idx_folder::is_one(path) { Self::Table(path) } else { Self::Folder(path) });
        }
        if let Some((kind, name)) = archive::kind(path) {
            return Ok(Self::Archive(path, kind, name));
        }
        if table::kind(path).is_some() || path.exists() {
            return Ok(Self::Table(path));
        }
        let known = SOURCES.iter().map(|source| source.name()).collect();
        Err(DatasetError::Unknown { name: name_or_path.to_owned(), known })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Dataset;

    #[test]
    fn held_out_rows_are_of_the_training_part_and_of_every_class() {
        let options = LoadOptions { train_size: Some(200), test_size: Some(10), ..LoadOptions::default() };
        let all = load("digits", &options).unwrap().train;
        let split = load("digits", &LoadOptions { validation: 0.25, ..options }).unwrap();
        assert_eq!((split.train.class_counts(), split.test.class_counts()), (vec![15; 10], vec![5; 10]));
        let row = |dataset: &Dataset, index: usize| {
            let mut row = vec![0.0; 784];
            dataset.fill_row(index, &mut row).unwrap();
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
            "no data set is called mnits: expected digits, mnist, fashion-mnist, kmnist, cifar10, cifar100, or the path of a folder of images, of a .zip, .tar, .tar.gz or .tar.xz of one, or of a .csv, .tsv, .npy, .npz or .parquet file; did you mean mnist?"
        );
    }

    #[test]
    fn the_case_of_a_name_is_forgiven_unless_something_lies_there() {
        assert_eq!(
            ["mnist", "MNIST", "Fashion-MNIST", "mnits"].map(known_as),
            ["mnist", "mnist", "fashion-mnist", "mnits"]
        );
        // A path that is there stays one.
        assert_eq!(known_as("src"), "src");
    }

    #[test]
    fn names_and_descriptions_of_sources_are_distinct_and_given() {
        for (i, source) in SOURCES.iter().enumerate() {
            assert!(!source.description().is_empty());
            assert!(SOURCES[..i].iter().all(|other| other.name() != source.name()), "{}", source.name());
        }
    }
}

//! Every data set by name, and what is at a path.

use std::path::Path;

use super::array_fault::ArrayFault;
use super::cache::{Cache, PackedFile, ReadFrom};
use super::checkup::checkup;
use super::content::Content;
use super::data::{Origin, Samples, Split};
use super::division::Division;
use super::error::DatasetError;
use super::given::Given;
use super::normalization::Normalize;
use super::notes::Note;
use super::packed::Whole;
use super::packed_fault::PackedFault;
use super::source::{DatasetSource, LoadOptions};
use super::standard_input::is_standard_input;
use super::store::{Store, stays};
use super::table_fault::TableFault;
use super::task::Task;
use super::verify::files;
use super::{archive, cifar, digits, folder, idx, idx_folder, labeled, table, table_file};
use crate::disk;
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
    let Whole { train, test, standardization, origin } = rows(&place, name_or_path, options, None)?;
    let Some(test) = test else { unreachable!("what is trained on has a part that judges") };
    let mut split = place.cut(Split { train, test, standardization, origin }, options)?;
    name_or_path.clone_into(&mut split.origin.place);
    if options.normalize == Normalize::Channel {
        split.normalize()?;
    }
    Ok(split)
}

/// All rows that a data set has by these options: from a packed file that has them, where memory is short of room for them,
/// else from the data. `known` are the classes of a training by which they are to be judged.
fn rows(place: &Place<'_>, name: &str, options: &LoadOptions, known: Option<&[String]>) -> Result<Whole, DatasetError> {
    let (all, cache) = (place.all(options), place.cache(name, options));
    // A data set that is known by its name is the same whoever asks.
    let known = known.filter(|_| !matches!(place, Place::Source(_)));
    loop {
        if let Some((mut whole, file, bytes)) = cache.find(&all, known)?
            && let Some(free) = stays(bytes, options)
        {
            whole.origin.notes.push(Note::Packed { file, bytes, free, made: false });
            return Ok(whole);
        }
        match read(place, &all, known, Store::of(&cache, &all, known)) {
            Err(DatasetError::Packed { fault: PackedFault::Meanwhile, .. }) => {}
            read => return read,
        }
    }
}

fn read(
    place: &Place<'_>,
    options: &LoadOptions,
    known: Option<&[String]>,
    mut store: Store<'_>,
) -> Result<Whole, DatasetError> {
    let mut whole: Whole = match (place, known) {
        // Tables and images are divided before they are looked at.
        (Place::Table(path), None) => labeled::load(path, options, &mut store)?.into(),
        (Place::Table(path), Some(known)) => labeled::given(path, options, known, &mut store)?.into(),
        (Place::Source(source), _) => source.load(options)?.into(),
        (Place::Folder(path), None) => folder::images(path)?.load(options, &mut store)?.into(),
        (Place::Folder(path), Some(_)) => folder::images(path)?.given(options, &mut store)?.into(),
        (Place::Archive(path, kind, name), None) => {
            archive::images(path, *kind, name.clone())?.load(options, &mut store)?.into()
        }
        (Place::Archive(path, kind, name), Some(_)) => {
            archive::images(path, *kind, name.clone())?.given(options, &mut store)?.into()
        }
    };
    store.take(&mut whole)?;
    store.seal()?;
    if let (None, Some(test), false) = (known, &whole.test, matches!(place, Place::Source(_))) {
        let notes = checkup(&whole.train, test, &whole.origin)?;
        whole.origin.notes.extend(notes);
    }
    store.finish(&mut whole)?;
    // Time may pass between the looks at the rows here and the first step.
    for part in [&whole.train].into_iter().chain(&whole.test) {
        if let Samples::Stored(stored) = &part.samples {
            stored.check_again();
        }
    }
    Ok(whole)
}

/// The packed files of a data set, whatever options they were made by, in the folder that is asked for, or beside the data
/// and in the platform's cache folder.
///
/// # Errors
/// `Unknown` if there is no data set of that name or at that path.
pub fn packed_files(name_or_path: &str, options: &LoadOptions) -> Result<Vec<PackedFile>, DatasetError> {
    Ok(Place::of(name_or_path)?.cache(name_or_path, options).files())
}

/// Deletes the packed files of a data set, those that were never finished among them, and says which they were.
///
/// # Errors
/// `Unknown` if there is no data set of that name or at that path; `Io`.
pub fn uncache(name_or_path: &str, options: &LoadOptions) -> Result<Vec<PackedFile>, DatasetError> {
    let files = packed_files(name_or_path, options)?;
    for PackedFile { path, .. } in &files {
        disk::remove_file(path).map_err(|source| DatasetError::Io { path: path.clone(), source })?;
    }
    Ok(files)
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
    let Whole { mut train, mut test, origin, .. } = rows(&place, name_or_path, options, Some(known))?;
    if let (Place::Source(_), Some(test)) = (&place, &mut test) {
        train.keep_first("training", options.train_size)?;
        test.keep_first("test", options.test_size)?;
    }
    let Origin { content, notes, .. } = origin;
    Ok(Given { train, test, content, notes })
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

/// What the data of that name or at that path are, without keeping them: the content that [`load`] notes. Where a packed file
/// was made of the same files, by their names, lengths and times, it says so, and they are not read.
///
/// # Errors
/// Files that are missing or cannot be read.
pub fn content(name_or_path: &str, options: &LoadOptions) -> Result<Content, DatasetError> {
    let place = Place::of(name_or_path)?;
    if let Some(content) = place.cache(name_or_path, options).content()? {
        return Ok(content);
    }
    match place {
        Place::Table(path) => table_file::content(path, options),
        Place::Source(source) => source.content(options),
        Place::Folder(path) => folder::images(path)?.content(),
        Place::Archive(path, kind, name) => archive::images(path, kind, name)?.content(),
    }
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
    /// The options by which all rows are read that [`cut`](Self::cut) takes some of: a data set that is known by its name has
    /// one packed file, however it is divided.
    fn all(&self, options: &LoadOptions) -> LoadOptions {
        match self {
            Self::Source(source) => {
                let drawn = source.facts().files.is_empty();
                LoadOptions {
                    data_dir: options.data_dir.clone(),
                    cache: options.cache.clone(),
                    seed: if drawn { options.seed } else { 0 },
                    train_size: options.train_size.filter(|_| drawn),
                    test_size: options.test_size.filter(|_| drawn),
                    ..LoadOptions::default()
                }
            }
            // The seed is that of data that are drawn.
            Self::Folder(_) | Self::Archive(..) | Self::Table(_) => LoadOptions { seed: 0, ..options.clone() },
        }
    }

    /// The rows of a data set that the options ask for.
    fn cut(&self, mut split: Split, options: &LoadOptions) -> Result<Split, DatasetError> {
        if let Self::Source(_) = self {
            split.train.keep_first("training", options.train_size)?;
            split.test.keep_first("test", options.test_size)?;
            if options.validation > 0.0 {
                split.hold_out(options.validation, options.split_seed)?;
            }
        }
        Ok(split)
    }

    /// Where packed files of it may lie.
    fn cache(&self, name: &str, options: &LoadOptions) -> Cache {
        let from = match self {
            Self::Source(source) => match files(*source, options.data_dir.as_deref()) {
                Ok(files) if !files.is_empty() => ReadFrom::Files(files),
                // Files that are missing are told when they are read.
                _ => ReadFrom::Nothing,
            },
            Self::Folder(path) => ReadFrom::Folder(path.to_path_buf()),
            Self::Table(path) if path.is_dir() => ReadFrom::Folder(path.to_path_buf()),
            Self::Table(path) if is_standard_input(path) => ReadFrom::Input,
            Self::Archive(path, ..) | Self::Table(path) => ReadFrom::Files(
                [*path].into_iter().chain(options.test_dataset.as_deref()).map(Path::to_owned).collect(),
            ),
        };
        Cache::of(&stem(Path::new(name)), from, options.cache.as_deref())
    }

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

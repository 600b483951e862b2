//! Tables as data sets: which column is the class, which rows are the test part, how columns are standardized.

use std::io::Cursor;
use std::path::Path;

use super::array_fault::ArrayFault;
use super::arrays::{self, Arrays, Features, Labels, Pair, Rows};
use super::columns::Columns;
use super::content::Content;
use super::notes::Note;
use super::npy::{self, Stored};
use super::npz::Archive;
use super::parts::{Drawn, first};
use super::table::{Kind, Lines, Table, kind, number, read_file};
use super::target_column::{Decided, TargetColumn, decide, decide_known};
use super::targets::TargetScale;
use super::{Dataset, DatasetError, Given, LoadOptions, Origin, Samples, Shape, Split, Standardization, idx_folder};

/// Loads a table with a class or a value for each row. Which rows are trained on, and which judge, is settled first; columns
/// are standardized by the former alone.
pub(super) fn load(path: &Path, options: &LoadOptions) -> Result<Split, DatasetError> {
    let File { train, test, content, notes } = read(path, options)?;
    let mut origin = Origin { content: Some(content), notes, ..Origin::default() };
    let Decided { train: targets, test: of_test, note } = decide(path, &train, test.as_ref(), options)?;
    origin.notes.extend(note);
    let seed = options.split_seed;
    let (train_rows, test_rows) = match &of_test {
        Some(of_test) => ((0..targets.rows()).collect(), (0..of_test.rows()).collect()),
        None => {
            let drawn = Drawn { seed, fraction: options.test_fraction, rows: targets.rows() };
            origin.split = Some(drawn);
            targets.split(drawn)?
        }
    };
    let mut train_rows: Vec<usize> = first(train_rows, "training", options.train_size)?;
    let mut test_rows: Vec<usize> = first(test_rows, "test", options.test_size)?;
    let (mut test_features, mut test_targets) = match (&test, &of_test) {
        (Some(test), Some(of_test)) => (&test.samples, of_test),
        _ => (&train.samples, &targets),
    };
    if options.validation > 0.0 {
        let drawn = Drawn { seed, fraction: options.validation, rows: train_rows.len() };
        (train_rows, test_rows) = targets.hold_out(&train_rows, drawn)?;
        origin.validation = Some(drawn);
        (test_features, test_targets) = (&train.samples, &targets);
    }

    let mut train_part = Part::of(&train.samples, &targets, train_rows);
    let mut test_part = Part::of(test_features, test_targets, test_rows);
    let shape = train.samples.shape;
    let cols = shape.columns();
    let standardization = match &train_part.features {
        Features::Pixels(_) => None,
        Features::Numbers(values) => match given_standardization(path, cols, options)? {
            None if options.standardize => Some(Standardization::of(values, cols)),
            given => given,
        },
    };
    let scale = match options.target_scale {
        None => train_part.targets.scale(path)?,
        given => given,
    };
    for part in [&mut train_part, &mut test_part] {
        part.standardize(cols, standardization.as_ref());
    }
    let (train, test) = (train_part.dataset(path, shape, scale)?, test_part.dataset(path, shape, scale)?);
    Ok(Split { train, test, standardization, origin })
}

/// Loads a table as it is, for a network that knows classes of these names, or that learned values: one class or more, the
/// first so many rows of a part where sizes say so, columns and values standardized by the numbers that are given.
pub(super) fn given(path: &Path, options: &LoadOptions, known: &[String]) -> Result<Given, DatasetError> {
    let File { train, test, content, notes } = read(path, options)?;
    let Decided { train: targets, test: of_test, .. } = decide_known(path, &train, test.as_ref(), options, known)?;
    let shape = train.samples.shape;
    let cols = shape.columns();
    let standardization = match &train.samples.features {
        Features::Pixels(_) => None,
        Features::Numbers(_) => given_standardization(path, cols, options)?,
    };
    let part = |samples: &Rows, targets: &TargetColumn, name, size| {
        let rows = first((0..targets.rows()).collect(), name, size)?;
        let mut part = Part::of(samples, targets, rows);
        part.standardize(cols, standardization.as_ref());
        part.dataset(path, shape, options.target_scale)
    };
    let (train, test) = match (&test, &of_test) {
        (Some(test), Some(of_test)) => (
            part(&train.samples, &targets, "training", options.train_size)?,
            Some(part(&test.samples, of_test, "test", options.test_size)?),
        ),
        _ => (part(&train.samples, &targets, "test", options.test_size)?, None),
    };
    Ok(Given { train, test, content: Some(content), notes })
}

/// What a table is, without reading more of it than its bytes.
pub(super) fn content(path: &Path) -> Result<Content, DatasetError> {
    if path.is_dir() {
        return idx_folder::content(path);
    }
    match kind(path) {
        None => Err(DatasetError::FileKind { path: path.to_owned() }),
        Some(_) => {
            let io = |source| DatasetError::Io { path: path.to_owned(), source };
            Content::of_reader(std::fs::File::open(path).map_err(io)?).map_err(io)
        }
    }
}

/// Means and deviations from elsewhere, which must be of as many columns.
fn given_standardization(
    path: &Path,
    cols: usize,
    options: &LoadOptions,
) -> Result<Option<Standardization>, DatasetError> {
    match &options.standardization {
        Some(given) if given.means.len() != cols => {
            Err(DatasetError::Standardized { path: path.to_owned(), found: cols, expected: given.means.len() })
        }
        given => Ok(given.clone()),
    }
}

/// A file, read: its rows, in two parts where it has two.
struct File {
    train: Pair,
    test: Option<Pair>,
    content: Content,
    notes: Vec<Note>,
}

/// Reads a file once, or a folder of IDX files; it is hashed while it is read.
fn read(path: &Path, options: &LoadOptions) -> Result<File, DatasetError> {
    if path.is_dir() {
        let idx_folder::Parts { train, test, content } = idx_folder::read(path)?;
        return Ok(File { train, test, content, notes: Vec::new() });
    }
    let kind = kind(path).ok_or_else(|| DatasetError::FileKind { path: path.to_owned() })?;
    let bytes = read_file(path)?;
    let (content, rows) = rayon::join(
        || Content::of(&bytes),
        || -> Result<(Pair, Option<Pair>, Vec<Note>), DatasetError> {
            match kind {
                Kind::Csv => Ok((from_csv(path, &bytes, options)?, None, Vec::new())),
                Kind::Npy => Ok((from_column(path, npy::parse(path, &bytes)?, options)?, None, Vec::new())),
                Kind::Npz => from_npz(path, &bytes, options),
            }
        },
    );
    let (train, test, notes) = rows?;
    Ok(File { train, test, content, notes })
}

/// Rows of a file that make a part.
struct Part {
    rows: Vec<usize>,
    /// Their values, row-major.
    features: Features,
    targets: TargetColumn,
}

impl Part {
    fn of(all: &Rows, targets: &TargetColumn, rows: Vec<usize>) -> Self {
        fn pick<V: Copy>(values: &[V], rows: &[usize], cols: usize) -> Vec<V> {
            rows.iter().flat_map(|&row| &values[row * cols..(row + 1) * cols]).copied().collect()
        }
        let cols = all.shape.columns();
        let features = match &all.features {
            Features::Numbers(values) => Features::Numbers(pick(values, &rows, cols)),
            Features::Pixels(bytes) => Features::Pixels(pick(bytes, &rows, cols)),
        };
        let targets = targets.pick(&rows);
        Self { rows, features, targets }
    }

    fn standardize(&mut self, cols: usize, standardization: Option<&Standardization>) {
        if let (Features::Numbers(values), Some(standardization)) = (&mut self.features, standardization) {
            values.chunks_exact_mut(cols).for_each(|row| standardization.apply(row));
        }
    }

    fn dataset(self, path: &Path, shape: Shape, scale: Option<TargetScale>) -> Result<Dataset, DatasetError> {
        let samples = match self.features {
            Features::Pixels(bytes) => Samples::Bytes(bytes),
            Features::Numbers(values) => {
                let floats: Vec<f32> = values.iter().map(|&value| value as f32).collect();
                if let Some(i) = floats.iter().position(|value| !value.is_finite()) {
                    let cols = shape.columns();
                    let (row, column, value) = (self.rows[i / cols], i % cols, values[i]);
                    return Err(DatasetError::NotFinite { path: path.to_owned(), row, column, value });
                }
                Samples::Floats(floats)
            }
        };
        Ok(Dataset { name: name(path), samples, shape, targets: self.targets.targets(scale), normalization: None })
    }
}

/// The name of a file without its ending, or of a folder.
fn name(path: &Path) -> String {
    let folder = if path.is_dir() { path.canonicalize().ok() } else { None };
    let name = folder.as_deref().map_or(path.file_stem(), Path::file_name);
    name.unwrap_or_default().to_string_lossy().into_owned()
}

fn from_csv(path: &Path, bytes: &[u8], options: &LoadOptions) -> Result<Pair, DatasetError> {
    let wanted = options.label_column.as_deref();
    let lines = Lines::read(path, bytes, |first, second| {
        let text: Vec<usize> = (0..first.len()).filter(|&c| number(&first[c]).is_none()).collect();
        // All text gives names. Text in one column alone does so if a number follows below it, or if it is the name
        // asked for; else it is a label.
        text.len() == first.len()
            || matches!(text.as_slice(), &[c] if wanted == Some(&first[c])
                || second.is_some_and(|second| number(&second[c]).is_some() && label_column_of(first, wanted) == Some(c)))
    })?;
    let column = find_column(path, wanted, lines.columns.as_deref(), lines.cols)?;
    let others: Vec<usize> = (0..lines.cols).filter(|&c| c != column).collect();
    let mut values = Vec::with_capacity(lines.rows.len() * others.len());
    for row in &lines.rows {
        for &c in &others {
            values.push(lines.number(path, row, c)?);
        }
    }
    if let Some(i) = values.iter().position(|value| !value.is_finite()) {
        let (row, column) = (i / others.len(), others[i % others.len()]);
        return Err(DatasetError::NotFinite { path: path.to_owned(), row, column, value: values[i] });
    }
    if let Some(&(line, _)) = lines.rows.iter().find(|(_, record)| record[column].is_empty()) {
        return Err(DatasetError::LabelMissing { path: path.to_owned(), line });
    }
    let labels = Labels::Texts(lines.rows.iter().map(|(_, record)| record[column].to_owned()).collect());
    let samples = Rows::of_table(Table { columns: None, rows: lines.rows.len(), cols: others.len(), values });
    Ok(Pair { samples, labels, place: path.to_owned() })
}

/// The label column of a file whose first line may not give names.
fn label_column_of(first: &csv::StringRecord, wanted: Option<&str>) -> Option<usize> {
    match wanted {
        None => first.len().checked_sub(1),
        Some(text) => text.parse().ok(),
    }
}

/// An array of which one column is the label.
fn from_column(path: &Path, stored: Stored, options: &LoadOptions) -> Result<Pair, DatasetError> {
    let columns = Columns::of(stored).map_err(|fault| DatasetError::Array { path: path.to_owned(), fault })?;
    let column = find_column(path, options.label_column.as_deref(), columns.names(), columns.cols())?;
    let (samples, labels) = arrays::split(path, columns, column)?;
    filled(Pair { samples, labels, place: path.to_owned() })
}

fn from_npz(path: &Path, bytes: &[u8], options: &LoadOptions) -> Result<(Pair, Option<Pair>, Vec<Note>), DatasetError> {
    let mut archive = Archive::open(path, Cursor::new(bytes))?;
    match arrays::read(path, &mut archive, options.arrays.as_ref(), options.image_arrays)? {
        Arrays::Single(place, stored) => Ok((from_column(&place, stored, options)?, None, Vec::new())),
        Arrays::Pairs(train, test, notes) => Ok((filled(*train)?, test.map(|test| filled(*test)).transpose()?, notes)),
    }
}

/// Samples of which each has a label.
fn filled(pair: Pair) -> Result<Pair, DatasetError> {
    if let Labels::Texts(texts) = &pair.labels
        && let Some(row) = texts.iter().position(|text| text.trim().is_empty())
    {
        return Err(DatasetError::Array { path: pair.place, fault: ArrayFault::LabelEmpty { row } });
    }
    Ok(pair)
}

/// The index of the label column: a name if there is one of that name, else an index from 0, by default the last.
fn find_column(
    path: &Path,
    wanted: Option<&str>,
    names: Option<&[String]>,
    cols: usize,
) -> Result<usize, DatasetError> {
    let column = match wanted {
        None => Some(cols - 1),
        Some(text) => {
            let named = names.and_then(|names| names.iter().position(|name| name == text));
            named.or_else(|| text.parse().ok().filter(|&index| index < cols))
        }
    };
    match column {
        Some(column) if cols > 1 => Ok(column),
        _ => {
            let indices = if cols > 1 { format!("an index from 0 to {}", cols - 1) } else { "a second column".into() };
            let columns = match names {
                Some(names) if cols > 1 => format!("{} or {indices}", names.join(", ")),
                _ => indices,
            };
            Err(DatasetError::LabelColumn { path: path.to_owned(), column: wanted.unwrap_or("").to_owned(), columns })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Targets, Task};

    /// What a text loads as, under the name `t.csv`.
    fn loaded(text: &str, options: &LoadOptions) -> Result<Split, DatasetError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, text).unwrap();
        load(&path, options)
    }

    fn options() -> LoadOptions {
        LoadOptions { standardize: false, test_fraction: 0.25, ..LoadOptions::default() }
    }

    /// Rows of both parts with their classes by name, in order.
    fn rows(split: &Split) -> Vec<(Vec<f32>, String)> {
        let mut rows = Vec::new();
        for part in [&split.train, &split.test] {
            for (index, &label) in part.labels().iter().enumerate() {
                let mut row = vec![0.0; part.columns()];
                part.fill_row(index, &mut row);
                rows.push((row, part.class_names()[usize::from(label)].clone()));
            }
        }
        rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
        rows
    }

    #[test]
    fn the_label_is_the_last_column_or_that_of_a_name_or_an_index() {
        let text = "kind,a,b\n7,1,10\n8,2,10\n7,3,11\n8,4,11\n";
        let named = |column: Option<&str>| {
            let options = LoadOptions { label_column: column.map(str::to_owned), test_fraction: 0.5, ..options() };
            loaded(text, &options).unwrap()
        };
        let last = named(None);
        assert_eq!(last.train.class_names(), ["10", "11"]);
        let of = |values: [f32; 2], name: &str| (values.to_vec(), name.to_owned());
        assert_eq!(
            rows(&last),
            [of([7.0, 1.0], "10"), of([7.0, 3.0], "11"), of([8.0, 2.0], "10"), of([8.0, 4.0], "11")]
        );
        let kind = named(Some("kind"));
        assert_eq!(
            rows(&kind),
            [of([1.0, 10.0], "7"), of([2.0, 10.0], "8"), of([3.0, 11.0], "7"), of([4.0, 11.0], "8")]
        );
        assert_eq!(named(Some("0")), kind);
        let error =
            loaded(text, &LoadOptions { label_column: Some("c".to_owned()), ..options() }).unwrap_err().to_string();
        assert!(error.contains("kind, a, b or an index from 0 to 2"), "{error}");
    }

    #[test]
    fn labels_sort_as_numbers_if_all_are_and_as_text_if_not() {
        let names = |labels: [&str; 4]| {
            let text: String = labels.iter().enumerate().map(|(row, label)| format!("{row},{label}\n")).collect();
            let options = LoadOptions { test_fraction: 0.5, task: Task::Classification, ..options() };
            loaded(&text, &options).map(|split| split.train.class_names().to_vec())
        };
        assert_eq!(names(["10", "9", "10.0", "9"]).unwrap(), ["9", "10"]);
        assert_eq!(names(["10", "9", "x", "9"]).unwrap(), ["10", "9", "x"]);
        let fraction = names(["1", "2", "1.5", "2"]).unwrap_err();
        assert!(matches!(fraction, DatasetError::LabelFraction { row: 2, value: 1.5, .. }), "{fraction}");
        // Whole numbers beyond 2^53 cannot be told from their neighbors.
        let large = names(["1", "2", "9007199254740994", "2"]).unwrap_err();
        assert!(matches!(large, DatasetError::LabelFraction { row: 2, .. }), "{large}");
        let missing = names(["1", "", "1", "2"]).unwrap_err();
        assert!(matches!(missing, DatasetError::LabelMissing { line: 2, .. }), "{missing}");
        let one = names(["3"; 4]).unwrap_err();
        assert!(matches!(one, DatasetError::ClassCount { classes: 1, .. }), "{one}");
    }

    #[test]
    fn both_parts_are_standardized_by_the_training_part() {
        let text: String = (0..40).map(|row| format!("{},{},{}\n", row * row, 5, row % 2)).collect();
        let (raw, split) = (
            loaded(&text, &options()).unwrap(),
            loaded(&text, &LoadOptions { standardize: true, ..options() }).unwrap(),
        );
        let column = |part: &Dataset| -> Vec<f64> {
            let Samples::Floats(values) = &part.samples else { panic!("numbers expected") };
            values.iter().step_by(2).map(|&value| f64::from(value)).collect()
        };
        let train = column(&raw.train);
        let mean = train.iter().sum::<f64>() / train.len() as f64;
        let deviation = (train.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / train.len() as f64).sqrt();
        for (raw, found) in [(&raw.train, &split.train), (&raw.test, &split.test)] {
            for (raw, found) in column(raw).into_iter().zip(column(found)) {
                // Stored as f32: 6e-8 of values of up to 3.
                assert!((found - (raw - mean) / deviation).abs() < 1e-6, "{raw} {found}");
            }
        }
        // What a run was trained with is taken as it is given, and must be of as many columns.
        let given = LoadOptions { standardization: split.standardization.clone(), ..options() };
        assert_eq!(loaded(&text, &given).unwrap(), split);
        let narrow = loaded("1,0\n2,1\n3,0\n4,1\n", &LoadOptions { test_fraction: 0.5, ..given }).unwrap_err();
        assert!(matches!(narrow, DatasetError::Standardized { found: 1, expected: 2, .. }), "{narrow}");
    }

    #[test]
    fn columns_are_standardized_by_what_is_trained_on_and_not_by_what_is_held_out() {
        let text: String = (0..40).map(|row| format!("{},{}\n", row * row, row % 2)).collect();
        let held = LoadOptions { validation: 0.25, ..options() };
        let (raw, split) =
            (loaded(&text, &held).unwrap(), loaded(&text, &LoadOptions { standardize: true, ..held }).unwrap());
        // Of 20 rows of each class 5 are tested; of the 15 others 3.75 are held out, rounded.
        assert_eq!((raw.train.class_counts(), raw.test.class_counts()), (vec![11, 11], vec![4, 4]));
        assert_eq!(raw.origin.split, Some(Drawn { seed: 1, fraction: 0.25, rows: 40 }));
        assert_eq!(raw.origin.validation, Some(Drawn { seed: 1, fraction: 0.25, rows: 30 }));
        let values = |part: &Dataset| -> Vec<f64> {
            let Samples::Floats(values) = &part.samples else { panic!("numbers expected") };
            values.iter().map(|&value| f64::from(value)).collect()
        };
        let train = values(&raw.train);
        let mean = train.iter().sum::<f64>() / 22.0;
        let deviation = (train.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 22.0).sqrt();
        let found = split.standardization.unwrap();
        // Sums of 22 whole numbers below 1600 and of their squares: double precision rounds them at 1e-13.
        assert!((found.means[0] - mean).abs() < 1e-9 && (found.deviations[0] - deviation).abs() < 1e-9, "{found:?}");
        for (raw, found) in values(&raw.test).into_iter().zip(values(&split.test)) {
            // Stored as f32: 6e-8 of values of up to 3.
            assert!((found - (raw - mean) / deviation).abs() < 1e-6, "{raw} {found}");
        }
    }

    /// What a text is for a network that knows these classes.
    fn given_as(text: &str, known: &[&str], options: &LoadOptions) -> Result<Given, DatasetError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, text).unwrap();
        given(&path, options, &known.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn rows_to_be_judged_are_all_taken_in_order_even_of_one_class() {
        let numbers = Standardization { means: vec![2.0], deviations: vec![2.0] };
        let options = LoadOptions { standardization: Some(numbers), ..LoadOptions::default() };
        let found = given_as("4,b\n0,b\n2,b\n", &["a", "b"], &options).unwrap();
        assert_eq!(found.train.samples, Samples::Floats(vec![1.0, -1.0, 0.0]));
        assert_eq!(found.train.targets, Targets::classes(vec![0; 3], vec!["b".to_owned()]));
        assert!(found.test.is_none());
        let first = LoadOptions { test_size: Some(1), ..options.clone() };
        assert_eq!(given_as("4,b\n0,b\n", &["a", "b"], &first).unwrap().train.rows(), 1);
        // Without the numbers of a training, values stay as they are.
        let found = given_as("4,b\n", &["b"], &LoadOptions::default()).unwrap();
        assert_eq!(found.train.samples, Samples::Floats(vec![4.0]));
    }

    #[test]
    fn a_label_is_what_the_network_knows_whatever_labels_stand_beside_it() {
        let names = |rows: &str, known: &[&str]| {
            given_as(rows, known, &LoadOptions::default()).map(|given| given.train.class_names().to_vec())
        };
        // In training "x" made all labels text; alone, "01" would be the number 1.
        assert_eq!(names("5,01\n6,02\n", &["01", "02", "x"]).unwrap(), ["01", "02"]);
        // In training all labels were numbers.
        assert_eq!(names("5,7.0\n6,7\n", &["7", "8"]).unwrap(), ["7"]);
        assert_eq!(names("5,7.0\n6,oak\n", &["7", "8"]).unwrap(), ["7", "oak"]);
        let error = names("5,7\n6,7.5\n", &["7", "8"]).unwrap_err();
        assert!(matches!(error, DatasetError::LabelFraction { row: 1, value: 7.5, .. }), "{error}");
    }
}

//! Tables as data sets: which rows are the test part, what the columns become, how they are standardized.

use std::path::Path;

use super::arrays::{Features, Rows};
use super::data::picked;
use super::division::Division;
use super::encoding::Encoding;
use super::notes::Note;
use super::parts::{Drawn, first};
use super::standard_input::is_standard_input;
use super::store::Store;
use super::table::without_ending;
use super::table_fault::TableFault;
use super::table_file::{Columned, Labeled, Source, TableFile, read};
use super::tables::fit::{fit, notes as of_encoding};
use super::tables::matching::matched;
use super::tables::values::Encoded;
use super::target_column::{Decided, TargetColumn, decide, decide_known};
use super::{Dataset, DatasetError, Given, LoadOptions, Origin, Samples, Shape, Split, Standardization, Targets};

/// Loads a table with a class or a value for each row. Which rows are trained on, and which judge, is settled first; what columns
/// become, and how they are standardized, the former alone say.
pub(super) fn load(path: &Path, options: &LoadOptions, store: &mut Store<'_>) -> Result<Split, DatasetError> {
    split(path, read(path, options, None, store)?, options)
}

/// [`load`] of what a file holds.
pub(super) fn split(path: &Path, file: TableFile, options: &LoadOptions) -> Result<Split, DatasetError> {
    let TableFile { train, test, content, notes } = file;
    let mut origin = Origin { content: Some(content), notes, ..Origin::default() };
    let Decided { train: targets, test: of_test, note } = decide(path, &train, test.as_ref(), options)?;
    origin.notes.extend(note);
    let divided = divide(&targets, of_test.as_ref(), options)?;
    (origin.split, origin.validation) = (divided.split, divided.validation);
    let (train_rows, test_rows) = (divided.train, divided.test);
    let (test_part, test_targets) = match (&test, &of_test) {
        (Some(test), Some(of_test)) if divided.validation.is_none() => (test, of_test),
        _ => (&train, &targets),
    };
    let (train_targets, test_targets) = (targets.pick(&train_rows), test_targets.pick(&test_rows));
    let scale = match options.target_scale {
        None => train_targets.scale(path)?,
        given => given,
    };
    let (standardization, train_values, test_values) = match (&train.features, &test_part.features) {
        (Source::Columns(columned), judging) => {
            let encoding = match &options.encoding {
                Some(encoding) => encoding.clone(),
                None => fit(path, &columned.table, columned.label, &columned.left_out, &train_rows)?,
            };
            let own = View::of(path, columned, &encoding)?;
            let standardization = match given_standardization(path, encoding.width(), options)? {
                None if options.standardize => Some(own.encoded.standardization(&train_rows)),
                given => given,
            };
            let train_values = own.encoded.samples(&train_rows, standardization.as_ref())?;
            origin.notes.extend(if options.encoding.is_none() { of_encoding(&encoding) } else { Vec::new() });
            let judging = match judging {
                Source::Columns(judging) => View::of(&test_part.place, judging, &encoding)?,
                Source::Rows(_) => unreachable!("both parts of a table are columns"),
            };
            let test_values = judging.encoded.samples(&test_rows, standardization.as_ref())?;
            origin.notes.extend(judging.notes.into_iter().chain(judging.encoded.notes(&test_rows)));
            let shape = Shape { channels: 1, height: 1, width: encoding.width() };
            drop(own);
            origin.encoding = Some(encoding);
            (standardization, (Samples::Floats(train_values), shape), (Samples::Floats(test_values), shape))
        }
        (Source::Rows(rows), judging) => {
            let judging = match judging {
                Source::Rows(judging) => judging,
                Source::Columns(_) => unreachable!("both parts of arrays are rows"),
            };
            let cols = rows.shape.columns();
            let mut train_part = Part::of(rows, train_rows);
            let mut test_part = Part::of(judging, test_rows);
            let standardization = match &train_part.features {
                Features::Pixels(_) => None,
                Features::Numbers(values) => match given_standardization(path, cols, options)? {
                    None if options.standardize => Some(Standardization::of(values, cols)),
                    given => given,
                },
            };
            for part in [&mut train_part, &mut test_part] {
                part.standardize(cols, standardization.as_ref());
            }
            let (train, test) = (train_part.samples(path, rows.shape)?, test_part.samples(path, rows.shape)?);
            (standardization, (train, rows.shape), (test, rows.shape))
        }
    };
    let of = |(samples, shape), targets: TargetColumn| dataset(path, samples, shape, targets.targets(scale));
    Ok(Split { train: of(train_values, train_targets), test: of(test_values, test_targets), standardization, origin })
}

/// Which rows of a file are trained on and which judge.
struct Divided {
    /// Of the training part.
    train: Vec<usize>,
    /// Of the file's own test part, where it has one and nothing is held out; else of the same rows as the training part.
    test: Vec<usize>,
    split: Option<Drawn>,
    validation: Option<Drawn>,
}

fn divide(
    targets: &TargetColumn,
    of_test: Option<&TargetColumn>,
    options: &LoadOptions,
) -> Result<Divided, DatasetError> {
    let (seed, mut drawn, mut held_out) = (options.split_seed, None, None);
    let (train, test) = match of_test {
        Some(of_test) => ((0..targets.rows()).collect(), (0..of_test.rows()).collect()),
        None => {
            let draw = Drawn { seed, fraction: options.test_fraction, rows: targets.rows() };
            drawn = Some(draw);
            targets.split(draw)?
        }
    };
    let mut train: Vec<usize> = first(train, "training", options.train_size)?;
    let mut test: Vec<usize> = first(test, "test", options.test_size)?;
    if options.validation > 0.0 {
        let draw = Drawn { seed, fraction: options.validation, rows: train.len() };
        (train, test) = targets.hold_out(&train, draw)?;
        held_out = Some(draw);
    }
    Ok(Divided { train, test, split: drawn, validation: held_out })
}

/// The rows of the file, from 0, that [`load`] trains on and that judge, with what is to be said of those that were left out;
/// `None` where a test part of the file's own judges.
pub(super) fn division(path: &Path, options: &LoadOptions) -> Result<Option<Division>, DatasetError> {
    let TableFile { train, test, notes, .. } = read(path, options, None, &mut Store::memory())?;
    let Decided { train: targets, test: of_test, .. } = decide(path, &train, test.as_ref(), options)?;
    if of_test.is_some() {
        return Ok(None);
    }
    let divided = divide(&targets, None, options)?;
    let of_file = |rows: Vec<usize>| match &train.features {
        Source::Columns(columned) => rows.into_iter().map(|row| columned.table.file_row(row)).collect(),
        Source::Rows(_) => rows,
    };
    let left_out = |note: &Note| matches!(note, Note::LabelsMissing { .. } | Note::RowsMissing { .. });
    let notes = notes.into_iter().filter(left_out).collect();
    Ok(Some(Division { train: of_file(divided.train), test: of_file(divided.test), notes }))
}

/// Loads a table as it is, for a network that knows classes of these names, or that learned values: one class or more, the
/// first so many rows of a part where sizes say so, columns as the training saw them and standardized by the numbers that are given.
pub(super) fn given(
    path: &Path,
    options: &LoadOptions,
    known: &[String],
    store: &mut Store<'_>,
) -> Result<Given, DatasetError> {
    judged(path, read(path, options, Some(known), store)?, options, known)
}

/// [`given`] of what a file holds.
pub(super) fn judged(
    path: &Path,
    file: TableFile,
    options: &LoadOptions,
    known: &[String],
) -> Result<Given, DatasetError> {
    let TableFile { train, test, content, mut notes } = file;
    let Decided { train: targets, test: of_test, .. } = decide_known(path, &train, test.as_ref(), options, known)?;
    let mut part = |labeled: &Labeled, targets: &TargetColumn, name, size| {
        let rows = first((0..targets.rows()).collect(), name, size)?;
        let targets = targets.pick(&rows).targets(options.target_scale);
        let (samples, shape) = match (&labeled.features, &options.encoding) {
            (Source::Columns(columned), Some(encoding)) => {
                let standardization = given_standardization(path, encoding.width(), options)?;
                let view = View::of(path, columned, encoding)?;
                notes.extend(view.notes.iter().cloned().chain(view.encoded.notes(&rows)));
                let shape = Shape { channels: 1, height: 1, width: encoding.width() };
                (Samples::Floats(view.encoded.samples(&rows, standardization.as_ref())?), shape)
            }
            (Source::Columns(_), None) => unreachable!("without an encoding a table is read as numbers"),
            (Source::Rows(all), _) => {
                let cols = all.shape.columns();
                let standardization = match &all.features {
                    Features::Pixels(_) => None,
                    Features::Numbers(_) => given_standardization(path, cols, options)?,
                };
                let mut part = Part::of(all, rows);
                part.standardize(cols, standardization.as_ref());
                (part.samples(path, all.shape)?, all.shape)
            }
        };
        Ok::<Dataset, DatasetError>(dataset(path, samples, shape, targets))
    };
    let (train, test) = match (&test, &of_test) {
        (Some(test), Some(of_test)) => {
            let train = part(&train, &targets, "training", options.train_size)?;
            (train, Some(part(test, of_test, "test", options.test_size)?))
        }
        _ => (part(&train, &targets, "test", options.test_size)?, None),
    };
    Ok(Given { train, test, content: Some(content), notes })
}

/// A table seen through an encoding.
struct View<'t> {
    encoded: Encoded<'t>,
    notes: Vec<Note>,
}

impl<'t> View<'t> {
    fn of(path: &'t Path, columned: &'t Columned, encoding: &'t Encoding) -> Result<Self, DatasetError> {
        let found = matched(encoding, &columned.table, Some(columned.label));
        let found = found.map_err(|fault| DatasetError::Table { path: path.to_owned(), fault })?;
        Ok(Self { encoded: Encoded::of(path, &columned.table, encoding, &found.places)?, notes: found.notes })
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
            let fault = TableFault::Width { found: cols, expected: given.means.len() };
            Err(DatasetError::Table { path: path.to_owned(), fault })
        }
        given => Ok(given.clone()),
    }
}

/// Rows of arrays that make a part.
struct Part {
    rows: Vec<usize>,
    /// Their values, row-major.
    features: Features,
}

impl Part {
    fn of(all: &Rows, rows: Vec<usize>) -> Self {
        let cols = all.shape.columns();
        let features = match &all.features {
            Features::Numbers(values) => Features::Numbers(picked(values, &rows, cols)),
            Features::Pixels(samples) => Features::Pixels(samples.select(&rows, cols)),
        };
        Self { rows, features }
    }

    fn standardize(&mut self, cols: usize, standardization: Option<&Standardization>) {
        if let (Features::Numbers(values), Some(standardization)) = (&mut self.features, standardization) {
            values.chunks_exact_mut(cols).for_each(|row| standardization.apply(row));
        }
    }

    fn samples(self, path: &Path, shape: Shape) -> Result<Samples, DatasetError> {
        match self.features {
            Features::Pixels(samples) => Ok(samples),
            Features::Numbers(values) => {
                let floats: Vec<f32> = values.iter().map(|&value| value as f32).collect();
                if let Some(i) = floats.iter().position(|value| !value.is_finite()) {
                    let cols = shape.columns();
                    let (row, column, value) = (self.rows[i / cols], i % cols, values[i]);
                    return Err(DatasetError::NotFinite { path: path.to_owned(), row, column, value });
                }
                Ok(Samples::Floats(floats))
            }
        }
    }
}

fn dataset(path: &Path, samples: Samples, shape: Shape, targets: Targets) -> Dataset {
    Dataset { name: name(path), samples, shape, targets, normalization: None }
}

/// The name of a file without its ending, or of a folder.
fn name(path: &Path) -> String {
    if is_standard_input(path) {
        return "data".to_owned();
    }
    let folder = if path.is_dir() { path.canonicalize().ok() } else { None };
    match folder.as_deref().map(Path::file_name) {
        Some(name) => name.unwrap_or_default().to_string_lossy().into_owned(),
        None => without_ending(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Task;

    /// What a text loads as, under the name `t.csv`.
    fn loaded(text: &str, options: &LoadOptions) -> Result<Split, DatasetError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, text).unwrap();
        load(&path, options, &mut Store::memory())
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
                part.fill_row(index, &mut row).unwrap();
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
            loaded(&text, &LoadOptions { test_fraction: 0.5, task: Task::Classification, ..options() })
                .map(|split| split.train.class_names().to_vec())
        };
        assert_eq!(names(["10", "9", "10.0", "9"]).unwrap(), ["9", "10"]);
        assert_eq!(names(["10", "9", "x", "9"]).unwrap(), ["10", "9", "x"]);
        let fraction = names(["1", "2", "1.5", "2"]).unwrap_err();
        assert!(matches!(fraction, DatasetError::LabelFraction { row: 2, value: 1.5, .. }), "{fraction}");
        // Whole numbers beyond 2^53 cannot be told from their neighbors.
        let large = names(["1", "2", "9007199254740994", "2"]).unwrap_err();
        assert!(matches!(large, DatasetError::LabelFraction { row: 2, .. }), "{large}");
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
        assert!(
            matches!(narrow, DatasetError::Table { fault: TableFault::Width { found: 1, expected: 2 }, .. }),
            "{narrow}"
        );
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
        given(&path, options, &known.iter().map(|&name| name.to_owned()).collect::<Vec<_>>(), &mut Store::memory())
    }

    #[test]
    fn rows_to_be_judged_are_all_taken_in_order_even_of_one_class() {
        let numbers = Standardization { means: vec![2.0], deviations: vec![2.0] };
        let options = LoadOptions { standardization: Some(numbers), ..LoadOptions::default() };
        let found = given_as("4,b\n0,b\n2,b\n", &["a", "b"], &options).unwrap();
        assert_eq!(found.train.samples, Samples::Floats(vec![1.0, -1.0, 0.0]));
        assert_eq!((found.train.labels(), found.train.class_names()), (&[0; 3][..], &["b".to_owned()][..]));
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

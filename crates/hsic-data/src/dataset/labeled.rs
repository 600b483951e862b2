//! Tables as data sets: which column is the class, which rows are the test part, how columns are standardized.

use std::collections::BTreeMap;
use std::path::Path;

use hsic::random::Stream;

use super::npy::{self, Archive};
use super::table::{Kind, Lines, Table, from_array, kind, number};
use super::{Dataset, DatasetError, LoadOptions, Samples, Shape, Split, Standardization};

/// Loads a table with a class for each row.
pub(super) fn load(path: &Path, options: &LoadOptions) -> Result<Split, DatasetError> {
    let (train, test) = match kind(path) {
        None => return Err(DatasetError::FileKind { path: path.to_owned() }),
        Some(Kind::Csv) => (from_csv(path, options)?, None),
        Some(Kind::Npy) => (from_npy(path, options)?, None),
        Some(Kind::Npz) => from_npz(path)?,
    };
    let names = class_names(path, &train.labels)?;
    let labels = classes(path, &train.labels, &names)?;
    let (train_rows, test_rows, test) = match test {
        Some(test) => {
            let test_labels = classes(path, &test.labels, &names)?;
            ((0..labels.len()).collect(), (0..test_labels.len()).collect(), Some((test.features, test_labels)))
        }
        None => {
            let (train_rows, test_rows) = split(&labels, names.len(), options)?;
            (train_rows, test_rows, None)
        }
    };
    let (test_features, test_labels) = match &test {
        Some((features, labels)) => (features, labels),
        None => (&train.features, &labels),
    };
    let train_rows = first(train_rows, "training", options.train_size)?;
    let test_rows = first(test_rows, "test", options.test_size)?;

    let mut train_values = pick(&train.features, &train_rows);
    let mut test_values = pick(test_features, &test_rows);
    let cols = train.features.cols;
    let given = options.standardization.clone();
    if let Some(expected) = given.as_ref().map(|given| given.means.len()).filter(|&expected| expected != cols) {
        return Err(DatasetError::Standardized { path: path.to_owned(), found: cols, expected });
    }
    let standardization = given.or_else(|| options.standardize.then(|| Standardization::of(&train_values, cols)));
    if let Some(standardization) = &standardization {
        for row in train_values.chunks_exact_mut(cols).chain(test_values.chunks_exact_mut(cols)) {
            standardization.apply(row);
        }
    }
    let part = |values: Vec<f64>, rows: &[usize], labels: &[u16]| -> Result<Dataset, DatasetError> {
        let floats: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        if let Some(i) = floats.iter().position(|value| !value.is_finite()) {
            let (row, column, value) = (rows[i / cols], i % cols, values[i]);
            return Err(DatasetError::NotFinite { path: path.to_owned(), row, column, value });
        }
        Ok(Dataset {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            samples: Samples::Floats(floats),
            shape: Shape { channels: 1, height: 1, width: cols },
            labels: rows.iter().map(|&row| labels[row]).collect(),
            class_names: names.iter().map(Label::name).collect(),
            normalization: None,
        })
    };
    Ok(Split {
        train: part(train_values, &train_rows, &labels)?,
        test: part(test_values, &test_rows, test_labels)?,
        standardization,
    })
}

/// A class as a file gives it; numbers sort before text and by value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Whole(i64),
    Text(String),
}

impl Label {
    fn name(&self) -> String {
        match self {
            Self::Whole(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// Features and the label of each row.
struct Labeled {
    features: Table,
    labels: Vec<Label>,
}

fn from_csv(path: &Path, options: &LoadOptions) -> Result<Labeled, DatasetError> {
    let wanted = options.label_column.as_deref();
    let lines = Lines::read(path, |first, second| {
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
    // If every label is a number they are compared as such (10 after 9, 1.0 is 1), else as text.
    let numbers: Option<Vec<f64>> = lines.rows.iter().map(|(_, record)| number(&record[column])).collect();
    let labels = match numbers {
        Some(numbers) => whole(path, &numbers)?,
        None => lines.rows.iter().map(|(_, record)| Label::Text(record[column].to_owned())).collect(),
    };
    let features = Table { columns: None, rows: lines.rows.len(), cols: others.len(), values };
    Ok(Labeled { features, labels })
}

/// The label column of a file whose first line may not give names.
fn label_column_of(first: &csv::StringRecord, wanted: Option<&str>) -> Option<usize> {
    match wanted {
        None => first.len().checked_sub(1),
        Some(text) => text.parse().ok(),
    }
}

fn from_npy(path: &Path, options: &LoadOptions) -> Result<Labeled, DatasetError> {
    let table = from_array(path, npy::read(path)?)?;
    let column = find_column(path, options.label_column.as_deref(), None, table.cols)?;
    let numbers: Vec<f64> = table.values.iter().skip(column).step_by(table.cols).copied().collect();
    let labels = whole(path, &numbers)?;
    let values = table.values.iter().enumerate().filter(|(i, _)| i % table.cols != column).map(|(_, &v)| v).collect();
    Ok(Labeled { features: Table { columns: None, rows: table.rows, cols: table.cols - 1, values }, labels })
}

fn from_npz(path: &Path) -> Result<(Labeled, Option<Labeled>), DatasetError> {
    let mut archive = Archive::open(path)?;
    let names = archive.names();
    let has = |name: &str| names.iter().any(|other| other == name);
    let (x, y) = match (has("x") && has("y"), has("x_train") && has("y_train")) {
        (true, _) => ("x", "y"),
        (false, true) => ("x_train", "y_train"),
        (false, false) => return Err(DatasetError::Members { path: path.to_owned(), found: names }),
    };
    let train = pair(&mut archive, x, y)?;
    if !(has("x_test") && has("y_test")) {
        return Ok((train, None));
    }
    let test = pair(&mut archive, "x_test", "y_test")?;
    if train.features.cols != test.features.cols {
        let shape = |table: &Table| Shape { channels: 1, height: 1, width: table.cols };
        let (train, test) = (shape(&train.features), shape(&test.features));
        return Err(DatasetError::PartShape { name: path.display().to_string(), train, test });
    }
    Ok((train, Some(test)))
}

fn pair(archive: &mut Archive, x: &str, y: &str) -> Result<Labeled, DatasetError> {
    let features = from_array(&archive.member(x), archive.array(x)?)?;
    let labels = archive.array(y)?;
    let (label_count, cols) = labels.table();
    if label_count != features.rows || cols != 1 {
        return Err(DatasetError::CountMismatch {
            samples: archive.member(x),
            sample_count: features.rows,
            labels: archive.member(y),
            label_count: label_count * cols,
        });
    }
    Ok(Labeled { features, labels: whole(&archive.member(y), &labels.values)? })
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

/// Labels from numbers, which must be whole.
fn whole(path: &Path, numbers: &[f64]) -> Result<Vec<Label>, DatasetError> {
    let label = |(row, &value): (usize, &f64)| {
        // Beyond 2^53 neighbors cannot be told apart; infinities and NaN fail here too.
        if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 {
            Ok(Label::Whole(value as i64))
        } else {
            Err(DatasetError::LabelFraction { path: path.to_owned(), row, value })
        }
    };
    numbers.iter().enumerate().map(label).collect()
}

/// The distinct labels in order.
fn class_names(path: &Path, labels: &[Label]) -> Result<Vec<Label>, DatasetError> {
    let mut names = labels.to_vec();
    names.sort();
    names.dedup();
    if (2..=usize::from(u16::MAX) + 1).contains(&names.len()) {
        Ok(names)
    } else {
        Err(DatasetError::ClassCount { path: path.to_owned(), classes: names.len() })
    }
}

/// The class of each label.
fn classes(path: &Path, labels: &[Label], names: &[Label]) -> Result<Vec<u16>, DatasetError> {
    let index: BTreeMap<&Label, u16> = names.iter().zip(0..=u16::MAX).collect();
    let class = |label| {
        let unknown = || DatasetError::UnknownClass { path: path.to_owned(), label: Label::name(label) };
        index.get(label).copied().ok_or_else(unknown)
    };
    labels.iter().map(class).collect()
}

/// Training and test rows: of each class the fraction asked for, rounded, but never all of it, drawn by the seed. Both
/// parts come in random order, so that the first rows of a part are a fair sample of it.
pub(super) fn split(
    labels: &[u16],
    classes: usize,
    options: &LoadOptions,
) -> Result<(Vec<usize>, Vec<usize>), DatasetError> {
    let wrong = || DatasetError::TestFraction { value: options.test_fraction, rows: labels.len() };
    if !(options.test_fraction > 0.0 && options.test_fraction < 1.0) {
        return Err(wrong());
    }
    let mut members = vec![Vec::new(); classes];
    for (row, &label) in labels.iter().enumerate() {
        members[usize::from(label)].push(row);
    }
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (class, mut rows) in members.into_iter().enumerate() {
        Stream::new(options.seed, "table-split", class as u64).shuffle(&mut rows);
        let tested = (options.test_fraction * rows.len() as f64).round() as usize;
        let (tested, trained) = rows.split_at(tested.min(rows.len() - 1));
        train.extend_from_slice(trained);
        test.extend_from_slice(tested);
    }
    if test.is_empty() {
        return Err(wrong());
    }
    Stream::new(options.seed, "table-order", 0).shuffle(&mut train);
    Stream::new(options.seed, "table-order", 1).shuffle(&mut test);
    Ok((train, test))
}

/// The first `size` rows, if a size is asked for.
pub(super) fn first<R>(mut rows: Vec<R>, part: &'static str, size: Option<usize>) -> Result<Vec<R>, DatasetError> {
    if let Some(asked) = size {
        if asked == 0 || asked > rows.len() {
            return Err(DatasetError::PartSize { part, asked, available: rows.len() });
        }
        rows.truncate(asked);
    }
    Ok(rows)
}

fn pick(table: &Table, rows: &[usize]) -> Vec<f64> {
    rows.iter().flat_map(|&row| &table.values[row * table.cols..(row + 1) * table.cols]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
            for (index, &label) in part.labels.iter().enumerate() {
                let mut row = vec![0.0; part.columns()];
                part.fill_row(index, &mut row);
                rows.push((row, part.class_names[usize::from(label)].clone()));
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
        assert_eq!(last.train.class_names, ["10", "11"]);
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
            loaded(&text, &LoadOptions { test_fraction: 0.5, ..options() }).map(|split| split.train.class_names)
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
    fn each_class_gives_its_share_to_the_test_part_and_keeps_a_row() {
        // 40, 10 and 1 rows: a quarter is 10, 2.5 (rounded to 3), and 0.25 (rounded to 0).
        let labels: Vec<u16> = (0..51).map(|row| if row < 40 { 0 } else { 1 + u16::from(row == 50) }).collect();
        let (train, test) = split(&labels, 3, &options()).unwrap();
        let count = |rows: &[usize], class| rows.iter().filter(|&&row| labels[row] == class).count();
        assert_eq!([0, 1, 2].map(|class| count(&train, class)), [30, 7, 1]);
        assert_eq!([0, 1, 2].map(|class| count(&test, class)), [10, 3, 0]);
        let mut all = [train.clone(), test.clone()].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..51));
        assert_eq!(split(&labels, 3, &options()).unwrap(), (train.clone(), test));
        assert_ne!(split(&labels, 3, &LoadOptions { seed: 8, ..options() }).unwrap().0, train);
        // However large the share, a row of each class is trained on.
        let (train, _) = split(&labels, 3, &LoadOptions { test_fraction: 0.999, ..options() }).unwrap();
        assert_eq!([0, 1, 2].map(|class| count(&train, class)), [1, 1, 1]);
        for test_fraction in [0.0, 1.0, -0.5, f64::NAN, 0.001] {
            assert!(matches!(
                split(&labels, 3, &LoadOptions { test_fraction, ..options() }),
                Err(DatasetError::TestFraction { .. })
            ));
        }
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
    fn parts_are_cut_to_the_sizes_asked_for_and_no_larger_ones_are_made() {
        assert_eq!(first(vec![4, 5, 6], "test", Some(2)).unwrap(), [4, 5]);
        assert_eq!(first(vec![4, 5, 6], "test", None).unwrap(), [4, 5, 6]);
        for asked in [0, 4] {
            let error = first(vec![4, 5, 6], "test", Some(asked)).unwrap_err();
            assert!(matches!(error, DatasetError::PartSize { part: "test", available: 3, .. }), "{error}");
        }
    }
}

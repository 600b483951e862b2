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

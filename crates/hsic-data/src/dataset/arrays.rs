//! Arrays as data sets: which hold samples and which labels, what images and labels look like in them.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use super::array_fault::ArrayFault;
use super::columns::Columns;
use super::labels::RawLabels;
use super::layout::Layout;
use super::notes::Note;
use super::npy::{Array, Entries, Stored};
use super::npz::Archive;
use super::roles::{ArrayNames, choose, is_of_validation};
use super::table::{Table, check_finite, from_stored};
use super::tables::cells::Numbers;
use super::{DatasetError, Samples, Shape};

/// Values of samples, one sample after another.
#[derive(Debug, PartialEq)]
pub(super) enum Features {
    /// Numbers, rows x columns.
    Numbers(Vec<f64>),
    /// Pixels of 0 to 255, channel by channel; bytes, in memory or in a file.
    Pixels(Samples),
}

/// Samples of one size.
#[derive(Debug, PartialEq)]
pub(super) struct Rows {
    pub(super) rows: usize,
    pub(super) shape: Shape,
    pub(super) features: Features,
}

/// Samples with a label each.
#[derive(Debug, PartialEq)]
pub(super) struct Pair {
    pub(super) samples: Rows,
    pub(super) labels: RawLabels,
    /// Where the labels are, for messages.
    pub(super) place: PathBuf,
}

/// Whether images in arrays are images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImageArrays {
    /// They keep their height and width; bytes are pixels.
    #[default]
    Images,
    /// They are rows of a table, whatever they hold, as the first versions read them: for what was trained by those.
    Rows,
}

impl Rows {
    /// Rows of a table.
    pub(super) fn of_table(table: Table) -> Self {
        let shape = Shape { channels: 1, height: 1, width: table.cols };
        Self { rows: table.rows, shape, features: Features::Numbers(table.values) }
    }
}

/// What an archive holds.
pub(super) enum Arrays {
    /// Samples and labels, and a test part if there is one; what is to be said of the choice.
    Pairs(Box<Pair>, Option<Box<Pair>>, Vec<Note>),
    /// One array with its place, of which a column may be the label.
    Single(PathBuf, Stored),
}

/// The arrays of an archive that are a data set: those that are named, else those of the usual names, else the only one.
pub(super) fn read<R: Read + Seek>(
    path: &Path,
    archive: &mut Archive<R>,
    names: Option<&ArrayNames>,
    images: ImageArrays,
) -> Result<Arrays, DatasetError> {
    let found = archive.names();
    let chosen = match (chosen(path, &found, names)?, &found[..]) {
        (Some(chosen), _) => chosen,
        (None, [only]) => return Ok(Arrays::Single(archive.member(only), archive.array(only)?)),
        (None, _) => return Err(DatasetError::Members { path: path.to_owned(), found }),
    };
    let train = pair(archive, &chosen.x, &chosen.y, images)?;
    if let Features::Pixels(Samples::Bytes(bytes)) = &train.samples.features {
        check_light(&archive.member(&chosen.x), bytes.iter().copied().max().unwrap_or(0))?;
    }
    let notes = notes(&found, &chosen);
    let Some((x, y)) = &chosen.test else { return Ok(Arrays::Pairs(Box::new(train), None, notes)) };
    let test = pair(archive, x, y, images)?;
    if train.samples.shape != test.samples.shape {
        let (train, test) = (train.samples.shape, test.samples.shape);
        return Err(DatasetError::PartShape { name: path.display().to_string(), train, test });
    }
    let kinds = [&train, &test].map(|pair| match pair.samples.features {
        Features::Numbers(_) => "numbers",
        Features::Pixels(_) => "bytes",
    });
    if kinds[0] != kinds[1] {
        let fault = ArrayFault::Kinds { train: kinds[0], test: kinds[1] };
        return Err(DatasetError::Array { path: path.to_owned(), fault });
    }
    Ok(Arrays::Pairs(Box::new(train), Some(Box::new(test)), notes))
}

/// Which of the arrays that there are hold samples and labels: those that are named, else those of the usual names.
pub(super) fn chosen(
    path: &Path,
    found: &[String],
    names: Option<&ArrayNames>,
) -> Result<Option<ArrayNames>, DatasetError> {
    let Some(names) = names else { return Ok(choose(found)) };
    let all = [&names.x, &names.y].into_iter().chain(names.test.iter().flat_map(|(x, y)| [x, y]));
    for name in all {
        if !found.contains(name) {
            let fault = ArrayFault::Name { name: name.clone(), found: found.to_vec() };
            return Err(DatasetError::Array { path: path.to_owned(), fault });
        }
    }
    Ok(Some(names.clone()))
}

/// What is to be said of the arrays that were chosen among those that there are.
pub(super) fn notes(found: &[String], chosen: &ArrayNames) -> Vec<Note> {
    let read: Vec<&String> =
        [&chosen.x, &chosen.y].into_iter().chain(chosen.test.iter().flat_map(|(x, y)| [x, y])).collect();
    let mut names: Vec<String> = found.iter().filter(|name| !read.contains(name)).cloned().collect();
    names.sort();
    let mut notes = Vec::new();
    if let Some((x, _)) = chosen.test.as_ref().filter(|(x, _)| is_of_validation(x)) {
        notes.push(Note::ValidationIsTest { folder: x.into() });
    }
    if !names.is_empty() {
        notes.push(Note::OtherArrays { names });
    }
    notes
}

fn pair<R: Read + Seek>(archive: &mut Archive<R>, x: &str, y: &str, images: ImageArrays) -> Result<Pair, DatasetError> {
    let (at_x, at_y) = (archive.member(x), archive.member(y));
    let samples = samples(&at_x, archive.array(x)?, images)?;
    let labels = archive.array(y)?;
    paired((at_x, samples), (at_y, labels))
}

/// Samples with their labels.
pub(super) fn paired(
    (at_x, samples): (PathBuf, Rows),
    (at_y, content): (PathBuf, Stored),
) -> Result<Pair, DatasetError> {
    let labels = labels(&at_y, content)?;
    let label_count = labels.len();
    if label_count != samples.rows {
        return Err(DatasetError::CountMismatch {
            samples: at_x,
            sample_count: samples.rows,
            labels: at_y,
            label_count,
        });
    }
    Ok(Pair { samples, labels, place: at_y })
}

/// Refuses images of which no pixel is lighter than 1 of 255: those of 0 to 1 were cut to whole numbers.
pub(super) fn check_light(path: &Path, largest: u8) -> Result<(), DatasetError> {
    if largest > 1 {
        return Ok(());
    }
    Err(DatasetError::Array { path: path.to_owned(), fault: ArrayFault::Dark { largest } })
}

/// Samples of an array, of which each index of the first dimension is one.
pub(super) fn samples(path: &Path, content: Stored, images: ImageArrays) -> Result<Rows, DatasetError> {
    let array = match content {
        Stored::Plain(array) => array,
        records => return Ok(Rows::of_table(from_stored(path, records)?.0)),
    };
    let layout = match images {
        ImageArrays::Images => Layout::of(&array.shape),
        ImageArrays::Rows => None,
    };
    let Some(layout) = layout else { return Ok(Rows::of_table(from_stored(path, Stored::Plain(array))?.0)) };
    let rows = array.shape[0];
    let features = match array.entries {
        Entries::Bytes(bytes) => Features::Pixels(Samples::Bytes(layout.planar(bytes).into_owned())),
        Entries::Flags(flags) => {
            let bytes: Vec<u8> = flags.into_iter().map(|flag| 255 * flag).collect();
            Features::Pixels(Samples::Bytes(layout.planar(bytes).into_owned()))
        }
        entries => {
            let table = from_stored(path, Stored::Plain(Array { shape: array.shape, entries }))?.0;
            Features::Numbers(layout.planar(table.values).into_owned())
        }
    };
    Ok(Rows { rows, shape: layout.shape, features })
}

/// Labels of an array: one a row, or one-hot, of which the column of the 1 is the class.
fn labels(path: &Path, content: Stored) -> Result<RawLabels, DatasetError> {
    let wrong = |fault| DatasetError::Array { path: path.to_owned(), fault };
    let array = match content {
        Stored::Plain(array) => array,
        Stored::Records(fields) => {
            let fields = fields.into_iter().map(|(name, _)| name).collect();
            return Err(wrong(ArrayFault::Record { fields }));
        }
    };
    let (_, columns) = array.table();
    match array.entries {
        Entries::Texts(_) if columns > 1 => Err(wrong(ArrayFault::LabelColumns { columns })),
        Entries::Texts(texts) => of_texts(&texts).map_err(wrong),
        entries => {
            let numbers = entries.into_numbers().unwrap_or_default();
            if columns == 1 {
                return Ok(RawLabels::Numbers(Numbers::of(numbers)));
            }
            let rows = numbers.chunks_exact(columns).enumerate();
            let classes = rows.map(|(row, values)| one_hot(row, values)).collect::<Result<Vec<f64>, _>>();
            classes.map(|classes| RawLabels::Codes(Numbers::of(classes))).map_err(wrong)
        }
    }
}

/// The place of the only 1 in a row that is 0 elsewhere.
fn one_hot(row: usize, values: &[f64]) -> Result<f64, ArrayFault> {
    let wrong = |found| ArrayFault::OneHot { row, found };
    if let Some(value) = values.iter().find(|&&value| value != 0.0 && value != 1.0) {
        return Err(wrong(value.to_string()));
    }
    let mut ones = values.iter().enumerate().filter(|&(_, &value)| value == 1.0);
    match (ones.next(), ones.next()) {
        (Some((place, _)), None) => Ok(place as f64),
        (None, _) => Err(wrong("no 1".to_owned())),
        (Some(_), Some(_)) => Err(wrong(format!("{} times 1", ones.count() + 2))),
    }
}

/// Labels of text, none of which is empty.
fn of_texts(texts: &[String]) -> Result<RawLabels, ArrayFault> {
    if let Some(row) = texts.iter().position(|text| text.trim().is_empty()) {
        return Err(ArrayFault::LabelEmpty { row });
    }
    Ok(RawLabels::of_texts(texts.iter().map(|text| text.trim())))
}

/// The columns of a table but one, and that one as the label of each row.
///
/// # Panics
/// If `label` is no column.
pub(super) fn split(path: &Path, columns: Columns, label: usize) -> Result<(Rows, RawLabels), DatasetError> {
    let wrong = |fault| DatasetError::Array { path: path.to_owned(), fault };
    let labels = match columns.column(label) {
        Entries::Texts(texts) => of_texts(&texts).map_err(wrong)?,
        entries => RawLabels::Numbers(Numbers::of(entries.into_numbers().unwrap_or_default())),
    };
    let (rows, cols) = (columns.rows(), columns.cols() - 1);
    let values = columns.numbers(Some(label));
    let values = values.map_err(wrong)?;
    // A column to the right of the label is told by its place in the file.
    check_finite(path, &values, cols).map_err(|error| match error {
        DatasetError::NotFinite { path, row, column, value } => {
            DatasetError::NotFinite { path, row, column: column + usize::from(column >= label), value }
        }
        error => error,
    })?;
    Ok((Rows::of_table(Table { columns: None, rows, cols, values }), labels))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::dataset::npy::tests::{bytes_of, numbers, reference, texts};
    use crate::dataset::{Dataset, LoadOptions, Samples, Split, Targets, given, load};

    /// What a file of that name with those bytes loads as; messages without its folder.
    fn loaded(name: &str, bytes: &[u8], options: &LoadOptions) -> Result<Split, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let told = |error: DatasetError| error.to_string().replace(path.to_str().unwrap(), name);
        load(path.to_str().unwrap(), options).map_err(told)
    }

    fn raw() -> LoadOptions {
        LoadOptions { standardize: false, test_fraction: 0.5, ..LoadOptions::default() }
    }

    #[test]
    fn arrays_that_are_left_out_are_told() {
        let told = |found: &[&str], given: Option<&str>| {
            let found: Vec<String> = found.iter().map(|&name| name.to_owned()).collect();
            let chosen = given.map_or_else(|| choose(&found).unwrap(), |names| names.parse().unwrap());
            notes(&found, &chosen)
        };
        let other = |names: &[&str]| Note::OtherArrays { names: names.iter().map(|&name| name.to_owned()).collect() };
        let two = ["x_train", "y_train", "x_test", "y_test"];
        assert_eq!(told(&two, None), []);
        let three = [&two[..], &["y_val", "x_val"]].concat();
        assert_eq!(told(&three, None), [other(&["x_val", "y_val"])]);
        let valid = ["x_train", "y_train", "x_val", "y_val", "names"];
        assert_eq!(told(&valid, None), [Note::ValidationIsTest { folder: "x_val".into() }, other(&["names"])]);
        assert_eq!(told(&two, Some("x=x_test,y=y_test")), [other(&["x_train", "y_train"])]);
    }

    #[test]
    fn archives_of_numpy_are_the_data_sets_that_they_are_made_of() {
        let reference = reference();
        let entries = reference["archives"].as_array().unwrap();
        assert_eq!(entries.len(), 15);
        for entry in entries {
            let name = entry["name"].as_str().unwrap();
            let arrays = entry["options"]["arrays"].as_str().map(|names| names.parse().unwrap());
            let split = loaded("a.npz", &bytes_of(entry), &LoadOptions { arrays, ..raw() }).unwrap();
            let check = |found: &Dataset, expected: &serde_json::Value| {
                let [channels, height, width] = numbers(&expected["shape"])[..] else { panic!("three sizes") };
                let shape = Shape { channels: channels as usize, height: height as usize, width: width as usize };
                assert_eq!(found.shape, shape, "{name}");
                let values = numbers(&expected["values"]);
                let expected_samples = if entry["pixels"].as_bool().unwrap() {
                    Samples::Bytes(values.iter().map(|&value| value as u8).collect())
                } else {
                    Samples::Floats(values.iter().map(|&value| value as f32).collect())
                };
                assert_eq!(found.samples, expected_samples, "{name}");
                assert_eq!(found.class_names(), texts(&entry["classes"]), "{name}");
                let labels = found.labels().iter().map(|&label| found.class_names()[usize::from(label)].clone());
                assert_eq!(labels.collect::<Vec<_>>(), texts(&expected["labels"]), "{name}");
            };
            check(&split.train, &entry["train"]);
            check(&split.test, &entry["test"]);
        }
    }

    #[test]
    fn images_are_rows_of_a_table_where_a_run_of_an_early_version_saw_them_so() {
        let reference = reference();
        let gray = &reference["archives"][0];
        let options = LoadOptions { image_arrays: ImageArrays::Rows, ..raw() };
        let split = loaded("a.npz", &bytes_of(gray), &options).unwrap();
        assert_eq!(split.train.shape, Shape { channels: 1, height: 1, width: 15 });
        let values = numbers(&gray["train"]["values"]).into_iter().map(|value| value as f32);
        assert_eq!(split.train.samples, Samples::Floats(values.collect()));
    }

    #[test]
    fn a_field_of_records_is_the_label() {
        let reference = reference();
        let packed = &reference["records"][0];
        let of = |label: &str| LoadOptions { label_column: Some(label.into()), ..raw() };
        let told = loaded("t.npy", &bytes_of(packed), &of("color")).unwrap_err();
        assert_eq!(told, "t.npy: no label column \"color\", expected w, kind, text, ok or an index from 0 to 3");
        let nested = &reference["records"][4];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.npy");
        std::fs::write(&path, bytes_of(nested)).unwrap();
        let given = given(path.to_str().unwrap(), &of("at.y"), &[]).unwrap();
        assert_eq!(given.train.targets, Targets::classes(vec![0, 1], vec!["7".to_owned(), "8".to_owned()]));
        let expected = [0.5, 1.0, 2.0, 3.0, 4.0, 9.0, 1.5, 5.0, 6.0, 7.0, 8.0, 10.0];
        assert_eq!(given.train.samples, Samples::Floats(expected.to_vec()));
    }

    fn plain(shape: &[usize], entries: Entries) -> Stored {
        Stored::Plain(Array { shape: shape.to_vec(), entries })
    }

    #[test]
    fn labels_that_are_none_are_told() {
        let told = |stored| labels(Path::new("y"), stored).unwrap_err().to_string();
        let expected = "expected one label a row, or one-hot: one 1, else 0";
        let table = |values: &[f64]| plain(&[values.len() / 2, 2], Entries::Numbers(values.to_vec()));
        for (values, found) in
            [([0.0, 1.0, 0.0, 0.0], "no 1"), ([0.0, 1.0, 1.0, 1.0], "2 times 1"), ([0.0, 1.0, 0.5, 0.5], "0.5")]
        {
            assert_eq!(
                told(table(&values)),
                format!("y: labels of several columns, row 1 (from 0) has {found}, {expected}")
            );
        }
        let strings = Entries::Texts(vec!["a".into(), "b".into()]);
        assert_eq!(told(plain(&[1, 2], strings)), "y: labels of 2 columns of text, expected one label a row");
        let record = Stored::Records(vec![("a".into(), Array { shape: vec![1], entries: Entries::Bytes(vec![1]) })]);
        assert_eq!(told(record), "y: records of the fields a, expected an array of one type");
    }

    /// A `.npz` of arrays as the reference holds them.
    fn npz(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in members {
            let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
            writer.start_file(format!("{name}.npy"), options).unwrap();
            std::io::Write::write_all(&mut writer, content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    /// Bytes of an array of bytes as NumPy writes it.
    fn npy(shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    #[test]
    fn arrays_that_do_not_fit_together_are_told() {
        let (gray, table) = (npy("(2, 1, 2)", &[9; 4]), npy("(2, 2)", &[9, 8, 7, 6]));
        let y = npy("(2,)", &[0, 1]);
        let told = |members: &[(&str, Vec<u8>)], arrays: Option<&str>| {
            let arrays = arrays.map(|names| names.parse().unwrap());
            loaded("a.npz", &npz(members), &LoadOptions { arrays, ..raw() }).unwrap_err()
        };
        let parts =
            [("x_train", gray.clone()), ("y_train", y.clone()), ("x_test", table.clone()), ("y_test", y.clone())];
        assert_eq!(told(&parts, None), "a.npz: test samples are numbers, expected bytes as in the training part");
        let parts = [("a", gray.clone()), ("b", y.clone())];
        assert_eq!(
            told(&parts, None),
            "a.npz: arrays a, b, expected x and y, or x_train and y_train (with x_test and y_test for a test part)"
        );
        assert_eq!(told(&parts, Some("x=a,y=c")), "a.npz: no array c, expected one of a, b");
        let told = loaded("t.npy", &gray, &raw()).unwrap_err();
        assert!(told.starts_with("t.npy: an array of 3 dimensions, expected a table of 2"), "{told}");
        let arrays = Some("x=a,y=b".parse().unwrap());
        let told = loaded("t.npy", &table, &LoadOptions { arrays, ..raw() }).unwrap_err();
        assert_eq!(told, "t.npy: arrays = x=a,y=b: expected a .npz file, whose arrays have names");
    }

    #[test]
    fn bytes_that_are_hardly_pixels_are_refused() {
        let npz = npz(&[("x", npy("(4, 1, 2)", &[0, 1, 1, 0, 1, 1, 0, 0])), ("y", npy("(4,)", &[3, 8, 3, 8]))]);
        let told = loaded("a.npz", &npz, &raw()).unwrap_err();
        let expected = "a.npz/x.npy: images of bytes (uint8) of which none is above 1, expected shades of 0 to 255";
        assert!(told.starts_with(expected), "{told}");
        let rows = loaded("a.npz", &npz, &LoadOptions { image_arrays: ImageArrays::Rows, ..raw() }).unwrap();
        assert_eq!(rows.train.shape, Shape { channels: 1, height: 1, width: 2 });
    }

    #[test]
    fn an_only_array_has_a_column_of_labels() {
        let table = npy("(4, 2)", &[1, 7, 2, 8, 3, 7, 4, 8]);
        let split = loaded("a.npz", &npz(&[("arr_0", table.clone())]), &raw()).unwrap();
        assert_eq!(split, loaded("a.npy", &table, &raw()).unwrap());
        assert_eq!(split.train.class_names(), ["7", "8"]);
    }

    proptest! {
        #[test]
        fn damaged_archives_never_panic(
            which in any::<prop::sample::Index>(),
            cut in 0usize..400,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let reference = reference();
            let entries = reference["archives"].as_array().unwrap();
            let mut bytes = bytes_of(&entries[which.index(entries.len())]);
            for (place, value) in changes {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
            bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(300)));
            if let Ok(split) = loaded("a.npz", &bytes, &raw()) {
                prop_assert_eq!(split.train.samples.len(), split.train.rows() * split.train.columns());
            }
        }
    }
}

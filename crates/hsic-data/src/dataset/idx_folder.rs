//! Folders of IDX files, of any number of classes: `train-images-idx3-ubyte` and the like, EMNIST's files among them.
//!
//! A file's name says what it holds: `images` or `labels`, and `train`, `test` or `t10k`, or `val` for a part that takes the
//! place of a test part where there is none. Files of which none names a part are divided as a table is.

use std::fs;
use std::path::{Path, PathBuf};

use super::array_fault::ArrayFault;
use super::arrays::{Features, Pair, Rows};
use super::content::Content;
use super::gzip::{Bytes, open};
use super::idx::{File, Form, open_form, read_form};
use super::labels::RawLabels;
use super::layout::Layout;
use super::store::Store;
use super::stored::Element;
use super::tables::cells::Numbers;
use super::tree::is_hidden;
use super::{DatasetError, Shape};

/// Images: bytes, of one color or with a dimension of colors.
const IMAGES: [Form; 2] = [
    Form { magic: 0x0000_0803, kind: "images", bytes: 1 },
    Form { magic: 0x0000_0804, kind: "images of colors", bytes: 1 },
];

/// Labels: whole numbers of one to four bytes, one for each image.
const LABELS: [Form; 4] = [
    Form { magic: 0x0000_0801, kind: "labels", bytes: 1 },
    Form { magic: 0x0000_0901, kind: "labels with signs", bytes: 1 },
    Form { magic: 0x0000_0b01, kind: "labels of two bytes", bytes: 2 },
    Form { magic: 0x0000_0c01, kind: "labels of four bytes", bytes: 4 },
];

/// The parts of a folder.
pub(super) struct Parts {
    pub(super) train: Pair,
    pub(super) test: Option<Pair>,
    /// What all files are.
    pub(super) content: Content,
}

/// A file by what its name says.
struct Named {
    path: PathBuf,
    part: &'static str,
    labels: bool,
}

/// Names of parts of which one that a name holds says the part, in the order in which they are looked for.
const PARTS: [(&str, &str); 4] = [("train", "training"), ("test", "test"), ("t10k", "test"), ("val", "validation")];

/// Whether IDX files lie in a folder.
pub(super) fn is_one(folder: &Path) -> bool {
    files(folder).is_ok_and(|files| !files.is_empty())
}

/// Whether a folder has IDX files of a training part and of one to judge it.
pub(super) fn is_parted(folder: &Path) -> bool {
    let has = |wanted: &[&str]| files(folder).is_ok_and(|files| files.iter().any(|file| wanted.contains(&file.part)));
    has(&["training"]) && has(&["test", "validation"])
}

/// The IDX files in a folder; of one that is there plain and compressed, the plain one.
fn files(folder: &Path) -> Result<Vec<Named>, DatasetError> {
    let error = |source| DatasetError::Io { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(error)? {
        let entry = entry.map_err(error)?;
        if !is_hidden(&entry.file_name()) {
            paths.push(entry.path());
        }
    }
    // A plain name sorts before the same with .gz.
    paths.sort();
    let mut found: Vec<(String, Named)> = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name).to_owned();
        let labels = match (name.contains("images"), name.contains("labels")) {
            (true, false) => false,
            (false, true) => true,
            _ => continue,
        };
        let idx = name.contains("idx1") || name.contains("idx3") || name.contains("idx4") || name.ends_with("ubyte");
        if !idx || !path.is_file() || found.last().is_some_and(|(last, _)| *last == name) {
            continue;
        }
        let part = PARTS.iter().find(|(word, _)| name.contains(word)).map_or("", |&(_, part)| part);
        found.push((name, Named { path, part, labels }));
    }
    Ok(found.into_iter().map(|(_, named)| named).collect())
}

/// The files of a folder by part: images and labels.
fn parts(folder: &Path) -> Result<Vec<[PathBuf; 2]>, DatasetError> {
    let files = files(folder)?;
    let has = |part: &str| files.iter().any(|file| file.part == part);
    let train = if has("training") { "training" } else { "" };
    let test = if has("test") { "test" } else { "validation" };
    let mut parts = Vec::new();
    for part in [train, test] {
        if part == test && !(has(part) && has(train)) {
            continue;
        }
        let only = |labels: bool, what: &str| {
            let fitting = || files.iter().filter(|file| file.part == part && file.labels == labels);
            let mut paths: Vec<PathBuf> = fitting().map(|file| file.path.clone()).collect();
            if paths.len() == 1 {
                return Ok(paths.remove(0));
            }
            let names = paths.iter().map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned());
            let what = format!("files of {part}{}{what}", if part.is_empty() { "" } else { " " });
            let fault = ArrayFault::Files { what, found: names.collect() };
            Err(DatasetError::Array { path: folder.to_owned(), fault })
        };
        parts.push([only(false, "images")?, only(true, "labels")?]);
    }
    Ok(parts)
}

/// Reads the files of a folder.
pub(super) fn read(folder: &Path, store: &mut Store<'_>) -> Result<Parts, DatasetError> {
    let (mut pairs, mut contents) = (Vec::new(), Vec::new());
    let parts = parts(folder)?;
    // What all headers say, before any sample is read.
    let (mut claimed, mut shapes) = (0u64, Vec::new());
    for [images, _] in &parts {
        let opened = open_form(images, open(images)?, &IMAGES)?;
        claimed = claimed.saturating_add(opened.claimed);
        shapes.extend(Layout::of(&opened.sizes).map(|layout| layout.shape));
    }
    if let [train, test] = shapes[..]
        && train != test
    {
        return Err(DatasetError::PartShape { name: folder.display().to_string(), train, test });
    }
    for files in parts {
        pairs.push(pair(&files, &mut contents, claimed, store)?);
    }
    let mut pairs = pairs.into_iter();
    let (Some(train), test) = (pairs.next(), pairs.next()) else {
        return Err(DatasetError::NoImages { path: folder.to_owned() });
    };
    Ok(Parts { train, test, content: Content::of_list(contents) })
}

/// What the files of a folder are, without keeping them.
pub(super) fn content(folder: &Path) -> Result<Content, DatasetError> {
    let of = |path: PathBuf| {
        let content = Content::of_reader(open(&path)?.reader);
        Ok((label(&path), content.map_err(|source| DatasetError::Io { path, source })?))
    };
    parts(folder)?.into_iter().flatten().map(of).collect::<Result<_, _>>().map(Content::of_list)
}

/// The name by which a file enters the content of all: without what says that it is compressed.
fn label(path: &Path) -> Vec<u8> {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.strip_suffix(b".gz").unwrap_or(name).to_vec()
}

/// Images with their labels.
fn pair(
    [images, labels]: &[PathBuf; 2],
    contents: &mut Vec<(Vec<u8>, Content)>,
    claimed: u64,
    store: &mut Store<'_>,
) -> Result<Pair, DatasetError> {
    let (samples, content) = images_of(images, open(images)?, Some(claimed), store)?;
    contents.push((label(images), content));
    let (label_count, classes, content) = labels_of(labels, open(labels)?)?;
    contents.push((label(labels), content));
    if label_count != samples.rows {
        return Err(DatasetError::CountMismatch {
            samples: images.clone(),
            sample_count: samples.rows,
            labels: labels.clone(),
            label_count,
        });
    }
    Ok(Pair { samples, labels: classes, place: labels.clone() })
}

/// The images of a file, and what it is. Where they go is settled by the bytes of all files, or of this one.
pub(super) fn images_of(
    path: &Path,
    input: Bytes<'_>,
    all: Option<u64>,
    store: &mut Store<'_>,
) -> Result<(Rows, Content), DatasetError> {
    let opened = open_form(path, input, &IMAGES)?;
    let (rows, layout) = (opened.sizes[0], Layout::of(&opened.sizes));
    let Some(layout) = layout else { unreachable!("images have three or four dimensions") };
    let shape: Shape = layout.shape;
    store.decide(all.unwrap_or(opened.claimed), Element::Byte, shape.columns())?;
    let mut pixels = store.part(shape.columns());
    let content = opened.samples(|bytes| pixels.add(path, &layout.planar(bytes)))?;
    Ok((Rows { rows, shape, features: Features::Pixels(pixels.samples()) }, content))
}

/// The labels of a file, how many they are, and what it is.
pub(super) fn labels_of(path: &Path, input: Bytes<'_>) -> Result<(usize, RawLabels, Content), DatasetError> {
    let File { magic, sizes, data, content } = read_form(path, input, &LABELS)?;
    let numbers: Vec<f64> = match magic >> 8 {
        0x08 => data.iter().map(|&byte| byte.into()).collect(),
        0x09 => data.iter().map(|&byte| i8::from_be_bytes([byte]).into()).collect(),
        0x0b => data.as_chunks().0.iter().map(|&bytes| i16::from_be_bytes(bytes).into()).collect(),
        _ => data.as_chunks().0.iter().map(|&bytes| i32::from_be_bytes(bytes).into()).collect(),
    };
    Ok((sizes[0], RawLabels::Codes(Numbers::of(numbers)), content))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::dataset::{LoadOptions, Samples, Split, content as content_of, load};

    fn write(folder: &Path, name: &str, magic: u32, sizes: &[u32], data: &[u8]) {
        let words = [magic].into_iter().chain(sizes.iter().copied());
        let bytes: Vec<u8> = words.flat_map(u32::to_be_bytes).chain(data.iter().copied()).collect();
        let mut file = fs::File::create(folder.join(name)).unwrap();
        if name.ends_with(".gz") {
            let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            encoder.write_all(&bytes).unwrap();
            encoder.finish().unwrap();
        } else {
            file.write_all(&bytes).unwrap();
        }
    }

    /// Images of 1 x 2 pixels whose bytes count on from `first`.
    fn images(folder: &Path, name: &str, rows: u8, first: u8) {
        write(folder, name, 0x803, &[rows.into(), 1, 2], &(first..first + 2 * rows).collect::<Vec<u8>>());
    }

    fn labels(folder: &Path, name: &str, labels: &[u8]) {
        write(folder, name, 0x801, &[labels.len() as u32], labels);
    }

    fn loaded(folder: &Path) -> Result<Split, String> {
        let place = folder.to_str().unwrap();
        load(place, &LoadOptions::default()).map_err(|error| error.to_string().replace(place, "d"))
    }

    #[test]
    fn classes_are_those_of_the_labels_however_many_and_from_wherever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        images(path, "emnist-letters-train-images-idx3-ubyte.gz", 26, 0);
        labels(path, "emnist-letters-train-labels-idx1-ubyte.gz", &(1..=26).rev().collect::<Vec<u8>>());
        images(path, "emnist-letters-test-images-idx3-ubyte", 2, 100);
        labels(path, "emnist-letters-test-labels-idx1-ubyte", &[26, 1]);
        fs::write(path.join("emnist-letters-mapping.txt"), "1 65 97\n").unwrap();
        let split = loaded(path).unwrap();
        assert_eq!(split.train.class_names(), (1..=26).map(|label| label.to_string()).collect::<Vec<_>>());
        assert_eq!((&split.train.labels()[..2], split.test.labels()), (&[25, 24][..], &[25, 0][..]));
        assert_eq!(split.train.shape, Shape { channels: 1, height: 1, width: 2 });
        assert_eq!(split.train.samples, Samples::Bytes((0..52).collect()));
        assert_eq!(split.test.samples, Samples::Bytes((100..104).collect()));
        // The content does not hang on compression, nor on whether images are kept.
        let place = path.to_str().unwrap();
        assert_eq!(Some(content_of(place, &LoadOptions::default()).unwrap()), split.origin.content);

        labels(path, "emnist-letters-test-labels-idx1-ubyte", &[26, 27]);
        let told = "label 27 in the test part, expected a label of the training part";
        assert!(loaded(path).unwrap_err().ends_with(told), "{}", loaded(path).unwrap_err());
    }

    #[test]
    fn labels_of_two_and_four_bytes_and_with_signs_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        images(path, "train-images.idx3-ubyte", 2, 0);
        images(path, "t10k-images.idx3-ubyte", 1, 9);
        labels(path, "t10k-labels.idx1-ubyte", &[1]);
        for (magic, data) in [
            (0x901, vec![0xff, 1]),
            (0xb01, [-300i16, 1].iter().flat_map(|label| label.to_be_bytes()).collect()),
            (0xc01, [-70_000i32, 1].iter().flat_map(|label| label.to_be_bytes()).collect()),
        ] {
            write(path, "train-labels.idx1-ubyte", magic, &[2], &data);
            let first = if magic == 0x901 {
                "-1"
            } else if magic == 0xb01 {
                "-300"
            } else {
                "-70000"
            };
            assert_eq!(loaded(path).unwrap().train.class_names(), [first, "1"]);
        }
        write(path, "train-labels.idx1-ubyte", 0xd01, &[2], &[0; 8]);
        let expected = "d/train-labels.idx1-ubyte: magic 0x00000d01 at byte 0, expected 0x00000801 (labels)";
        assert_eq!(loaded(path).unwrap_err(), expected);
    }

    #[test]
    fn colors_come_channel_by_channel() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        // Four images of 4 x 3 pixels: 100 times the color and the pixel.
        let image: Vec<u8> = (0..12).flat_map(|pixel| [pixel, 100 + pixel, 200 + pixel]).collect();
        write(path, "images-idx4-ubyte", 0x804, &[4, 4, 3, 3], &image.repeat(4));
        labels(path, "labels-idx1-ubyte", &[4, 7, 4, 7]);
        let options = LoadOptions { test_fraction: 0.5, ..LoadOptions::default() };
        let split = load(path.to_str().unwrap(), &options).unwrap();
        assert_eq!(split.train.shape, Shape { channels: 3, height: 4, width: 3 });
        assert_eq!((split.train.class_counts(), split.test.class_counts()), (vec![1, 1], vec![1, 1]));
        let planar: Vec<u8> = [0, 100, 200].iter().flat_map(|color| (0..12).map(move |pixel| color + pixel)).collect();
        assert_eq!(split.train.samples, Samples::Bytes(planar.repeat(2)));
    }

    #[test]
    fn files_that_are_missing_or_too_many_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        images(path, "a-train-images-idx3-ubyte", 2, 0);
        assert_eq!(loaded(path).unwrap_err(), "d: 0 files of training labels, expected one");
        labels(path, "a-train-labels-idx1-ubyte", &[0, 1]);
        images(path, "b-train-images-idx3-ubyte.gz", 2, 0);
        let names = "a-train-images-idx3-ubyte, b-train-images-idx3-ubyte.gz";
        assert_eq!(loaded(path).unwrap_err(), format!("d: 2 files of training images ({names}), expected one"));
        fs::remove_file(path.join("b-train-images-idx3-ubyte.gz")).unwrap();
        labels(path, "a-train-labels-idx1-ubyte", &[0, 1, 1]);
        assert!(loaded(path).unwrap_err().contains("has 3 labels and "));
        // A copy that is compressed is the same file.
        labels(path, "a-train-labels-idx1-ubyte", &[0, 1]);
        images(path, "a-train-images-idx3-ubyte.gz", 2, 0);
        images(path, "a-val-images-idx3-ubyte", 1, 0);
        labels(path, "a-val-labels-idx1-ubyte", &[1]);
        assert_eq!(loaded(path).unwrap().test.labels(), [1]);
    }
}

//! `cifar10` and `cifar100` on small files of exactly their format.

use std::fs;
use std::path::Path;

use hsic_bottleneck::dataset::{LoadOptions, Samples, Split, content, load, source, verify};

/// A record of one or two label bytes; pixel k of an image of label l is (l + k) mod 256.
fn record(label: u8, label_bytes: usize) -> Vec<u8> {
    let labels = [vec![19; label_bytes - 1], vec![label]].concat();
    labels.into_iter().chain((0..3072).map(|k| (usize::from(label) + k) as u8)).collect()
}

/// Files of two records for each training file and one for the test file.
fn contents(label_bytes: usize) -> Vec<(&'static str, Vec<u8>)> {
    let two = |label| [record(label, label_bytes), record(label + 1, label_bytes)].concat();
    match label_bytes {
        1 => vec![
            ("data_batch_1.bin", two(0)),
            ("data_batch_2.bin", two(1)),
            ("data_batch_3.bin", two(2)),
            ("data_batch_4.bin", two(3)),
            ("data_batch_5.bin", two(8)),
            ("test_batch.bin", record(7, 1)),
        ],
        _ => vec![("train.bin", two(98)), ("test.bin", record(50, 2))],
    }
}

/// Writes them into `folder` of `root`.
pub(crate) fn write(root: &Path, folder: &str, label_bytes: usize) {
    fs::create_dir_all(root.join(folder)).unwrap();
    for (name, bytes) in contents(label_bytes) {
        fs::write(root.join(folder).join(name), bytes).unwrap();
    }
}

/// Writes them as an archive, the last file first.
fn archive(path: &Path, folder: &str, files: &[(&str, Vec<u8>)]) {
    let file = fs::File::create(path).unwrap();
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
    for (name, bytes) in files.iter().rev() {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("{folder}/{name}"), &bytes[..]).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap();
}

fn options(root: &Path) -> LoadOptions {
    LoadOptions { data_dir: Some(root.into()), ..LoadOptions::default() }
}

fn check(split: &Split, train: &[u16], test: u16) {
    assert_eq!((split.train.labels(), split.test.labels()), (train, &[test][..]));
    let image = |label: usize| (0..3072).map(move |k| (label + k) as u8);
    let train: Vec<u8> = train.iter().flat_map(|&label| image(label.into())).collect();
    assert_eq!(split.train.samples, Samples::Bytes(train));
    assert_eq!(split.test.samples, Samples::Bytes(image(test.into()).collect()));
    assert_eq!((split.train.shape.channels, split.train.shape.height, split.train.shape.width), (3, 32, 32));
}

#[test]
fn folders_and_archives_read_the_same_and_name_their_classes() {
    let names = ["b", "a", "c", "d", "e", "f", "g", "h", "i", "j"];
    let meta = ("batches.meta.txt", format!("{}\n\n", names.join("\n")).into_bytes());
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "cifar-10-batches-bin", 1);
    let labels = [0, 1, 1, 2, 2, 3, 3, 4, 8, 9];
    let split = load("cifar10", &options(root.path())).unwrap();
    check(&split, &labels, 7);
    assert_eq!(split.train.class_names()[9], "9");
    fs::write(root.path().join("cifar-10-batches-bin").join(meta.0), &meta.1).unwrap();
    let unpacked = load("cifar10", &options(root.path())).unwrap();
    assert_eq!(unpacked.train.class_names(), names);

    let packed = tempfile::tempdir().unwrap();
    let files = [contents(1), vec![meta]].concat();
    archive(&packed.path().join("cifar-10-binary.tar.gz"), "cifar-10-batches-bin", &files);
    let found = load("cifar10", &options(packed.path())).unwrap();
    assert_eq!((&found, &found.origin.content), (&unpacked, &unpacked.origin.content));
    assert_eq!(content("cifar10", &options(packed.path())).ok(), found.origin.content);
    // The names of the classes are part of what the data are.
    assert_ne!(found.origin.content, split.origin.content);

    // The fine label is the second byte.
    write(&root.path().join("cifar100"), "cifar-100-binary", 2);
    let split = load("cifar100", &options(root.path())).unwrap();
    check(&split, &[98, 99], 50);
    assert_eq!(split.train.classes(), 100);
    archive(&packed.path().join("cifar-100-binary.tar.gz"), "cifar-100-binary", &contents(2));
    assert_eq!(load("cifar100", &options(packed.path())).unwrap(), split);
}

#[test]
fn each_way_a_file_can_lie_has_its_message() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("cifar-10-batches-bin");
    let error = |name: &str| {
        let error = load(name, &options(root.path())).unwrap_err().to_string();
        error.replace(root.path().to_str().unwrap(), "DIR")
    };
    assert!(error("cifar10").starts_with("cifar10: data_batch_1.bin, data_batch_2.bin, "), "{}", error("cifar10"));
    let good = record(0, 1);
    let records = "expected 1 to 10000 records of 3073 bytes";
    for (bytes, message) in [
        (good[..3072].to_vec(), format!("3072 bytes, {records}")),
        (vec![], format!("0 bytes, {records}")),
        (good.repeat(10_001), format!("30733073 bytes, {records}")),
        ([record(9, 1), record(10, 1)].concat(), "label 10 at index 1, expected a class below 10".to_owned()),
    ] {
        write(root.path(), "cifar-10-batches-bin", 1);
        fs::write(folder.join("data_batch_3.bin"), bytes).unwrap();
        assert_eq!(error("cifar10"), format!("DIR/cifar-10-batches-bin/data_batch_3.bin: {message}"));
    }
    write(root.path(), "cifar-10-batches-bin", 1);
    fs::write(folder.join("batches.meta.txt"), "cat\ndog\n").unwrap();
    let names = "batches.meta.txt: 2 names, expected 10, one a line for each class";
    assert_eq!(error("cifar10"), format!("DIR/cifar-10-batches-bin/{names}"));
    fs::remove_file(folder.join("test_batch.bin")).unwrap();
    assert!(error("cifar10").starts_with("cifar10: test_batch.bin not found in DIR/cifar-10-batches-bin"));
}

#[test]
fn a_damaged_archive_is_named() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("cifar-100-binary.tar.gz");
    archive(&path, "x", &contents(2)[..1]);
    let error = load("cifar100", &options(root.path())).unwrap_err().to_string();
    assert_eq!(error, format!("{}: no file test.bin in the archive", path.display()));
    archive(&path, "x", &contents(2));
    let whole = fs::read(&path).unwrap();
    for bytes in [&whole[..whole.len() / 2], &whole[..20], b"no archive"] {
        fs::write(&path, bytes).unwrap();
        let error = load("cifar100", &options(root.path())).unwrap_err().to_string();
        assert!(error.starts_with(path.to_str().unwrap()), "{error}");
    }
    let checked = verify(source("cifar100").unwrap(), Some(root.path())).unwrap();
    assert_eq!((checked.len(), checked[0].matches, checked[0].bytes), (1, Some(false), 10));
}

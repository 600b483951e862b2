//! Data sets from outside: what the public functions return for built-in, downloaded and one's own data.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests too")]

use std::fs;
use std::io::Write;
use std::path::Path;

use hsic_bottleneck::dataset::{
    Dataset, DatasetError, LoadOptions, Missing, SOURCES, Samples, Task, content, load, read_table, source, verify,
};
use proptest::prelude::*;

fn bytes(dataset: &Dataset) -> &[u8] {
    match &dataset.samples {
        Samples::Bytes(bytes) => bytes,
        _ => panic!("pixels expected"),
    }
}

fn floats(dataset: &Dataset) -> &[f32] {
    match &dataset.samples {
        Samples::Floats(floats) => floats,
        _ => panic!("numbers expected"),
    }
}

/// FNV-1a, 64 bits.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn digits_are_fixed_by_the_seed_and_balanced() {
    let sized = |seed, train, test| LoadOptions {
        seed,
        train_size: Some(train),
        test_size: Some(test),
        ..LoadOptions::default()
    };
    let split = load("digits", &sized(0, 200, 50)).unwrap();
    assert_eq!(split.train.class_counts(), [20; 10]);
    assert_eq!(split.test.class_counts(), [5; 10]);
    assert_eq!((split.train.shape.height, split.train.shape.width, split.train.columns()), (28, 28, 784));
    // Our own bytes, pinned: a change of any of them changes every result on this data set.
    assert_eq!(
        (checksum(bytes(&split.train)), checksum(bytes(&split.test))),
        (14_926_036_152_542_534_600, 12_127_171_292_695_594_228)
    );

    let larger = load("digits", &sized(0, 300, 60)).unwrap();
    assert_eq!(bytes(&larger.train)[..200 * 784], *bytes(&split.train));
    let other = load("digits", &sized(1, 200, 50)).unwrap();
    let images = |dataset: &Dataset| bytes(dataset).chunks(784).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let mut all = [images(&split.train), images(&split.test), images(&other.train), images(&other.test)].concat();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 500, "no two samples of any part or seed are alike");
}

#[test]
fn digits_of_one_thread_are_those_of_three() {
    let options = LoadOptions { train_size: Some(97), test_size: Some(31), ..LoadOptions::default() };
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| load("digits", &options).unwrap())
    };
    assert_eq!(on(1), on(3));
}

/// Softmax regression by SGD with momentum on rows x columns values; returns the weights, columns x 10, then 10 biases.
fn softmax_regression(x: &[f32], labels: &[u16], columns: usize, epochs: usize) -> Vec<f32> {
    let (rows, batch) = (labels.len(), 50);
    let mut weights = vec![0.0f32; (columns + 1) * 10];
    let mut velocity = weights.clone();
    for epoch in 0..epochs {
        let rate = 0.1 * (1.0 - epoch as f32 / epochs as f32);
        for start in (0..rows - batch + 1).step_by(batch) {
            velocity.iter_mut().for_each(|v| *v *= 0.9);
            for row in start..start + batch {
                let sample = &x[row * columns..][..columns];
                let mut p = scores(&weights, sample);
                let highest = p.iter().fold(f32::MIN, |a, &b| a.max(b));
                p.iter_mut().for_each(|p| *p = (*p - highest).exp());
                let sum: f32 = p.iter().sum();
                p.iter_mut().for_each(|p| *p /= sum);
                p[usize::from(labels[row])] -= 1.0;
                for (v, &value) in velocity.as_chunks_mut::<10>().0.iter_mut().zip(sample.iter().chain(&[1.0])) {
                    v.iter_mut().zip(p).for_each(|(v, p)| *v -= rate * p * value / batch as f32);
                }
            }
            weights.iter_mut().zip(&velocity).for_each(|(w, v)| *w += v);
        }
    }
    weights
}

fn scores(weights: &[f32], sample: &[f32]) -> [f32; 10] {
    let mut scores = [0.0; 10];
    for (w, &value) in weights.as_chunks::<10>().0.iter().zip(sample.iter().chain(&[1.0])) {
        scores.iter_mut().zip(w).for_each(|(score, w)| *score += w * value);
    }
    scores
}

fn accuracy(weights: &[f32], x: &[f32], labels: &[u16]) -> f64 {
    let columns = x.len() / labels.len();
    let hits = x.chunks(columns).zip(labels).filter(|(sample, label)| {
        let scores = scores(weights, sample);
        scores.iter().all(|&score| score <= scores[usize::from(**label)])
    });
    hits.count() as f64 / labels.len() as f64
}

fn pixels(dataset: &Dataset) -> Vec<f32> {
    let mut values = vec![0.0; dataset.rows() * dataset.columns()];
    for (row, out) in values.chunks_mut(dataset.columns()).enumerate() {
        dataset.fill_row(row, out).unwrap();
    }
    values
}

#[test]
fn a_linear_classifier_does_not_learn_digits() {
    let split = load("digits", &LoadOptions::default()).unwrap();
    let weights = softmax_regression(&pixels(&split.train), split.train.labels(), 784, 8);
    let train = accuracy(&weights, &pixels(&split.train), split.train.labels());
    let test = accuracy(&weights, &pixels(&split.test), split.test.labels());
    // Trained far enough that more training only fits the training part closer (PyTorch's best on the way: 0.86).
    assert!(train > 0.87, "{train}");
    assert!((0.70..0.92).contains(&test), "{test}");
}

/// Writes the four files of a tiny data set in MNIST's format; `labels` for the training part.
fn write_idx(folder: &Path, labels: &[u8], gzip: bool) {
    let write = |name: &str, words: &[u32], data: &[u8]| {
        let content: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).chain(data.iter().copied()).collect();
        if gzip {
            let file = fs::File::create(folder.join(format!("{name}.gz"))).unwrap();
            let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::default());
            encoder.write_all(&content).unwrap();
            encoder.finish().unwrap();
        } else {
            fs::write(folder.join(name), content).unwrap();
        }
    };
    fs::create_dir_all(folder).unwrap();
    write("train-images-idx3-ubyte", &[0x803, 3, 1, 2], &[1, 2, 3, 4, 5, 6]);
    write("train-labels-idx1-ubyte", &[0x801, labels.len() as u32], labels);
    write("t10k-images-idx3-ubyte", &[0x803, 1, 1, 2], &[7, 8]);
    write("t10k-labels-idx1-ubyte", &[0x801, 1], &[9]);
}

#[test]
fn idx_files_are_found_in_the_folder_or_in_the_one_of_the_name() {
    let root = tempfile::tempdir().unwrap();
    let options = LoadOptions { data_dir: Some(root.path().into()), ..LoadOptions::default() };
    let error = load("mnist", &options).unwrap_err().to_string();
    for part in [
        "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte",
        root.path().join("mnist").to_str().unwrap(),
        "plain or with .gz",
    ] {
        assert!(error.contains(part), "{error}");
    }

    write_idx(root.path(), &[0, 5, 9], true);
    let flat = load("mnist", &options).unwrap();
    assert_eq!((bytes(&flat.train), bytes(&flat.test)), ([1, 2, 3, 4, 5, 6].as_slice(), [7, 8].as_slice()));
    assert_eq!((flat.train.labels(), flat.test.labels()), (&[0, 5, 9][..], &[9][..]));
    write_idx(&root.path().join("fashion-mnist"), &[1, 1, 1], false);
    write_idx(&root.path().join("kmnist"), &[2, 2, 8], false);
    let kmnist = load("kmnist", &options).unwrap().train;
    assert_eq!((kmnist.labels(), kmnist.class_names()[8].as_str()), (&[2, 2, 8][..], "re"));
    let fashion = load("fashion-mnist", &options).unwrap().train;
    assert_eq!((fashion.labels(), fashion.class_names()[9].as_str()), (&[1, 1, 1][..], "Ankle boot"));
    assert_eq!(load("mnist", &options).unwrap().train.labels(), [0, 5, 9]);
    // What the data are does not hang on gzip, and is told without loading them.
    assert_eq!(content("mnist", &options).ok(), flat.origin.content);
    write_idx(&root.path().join("mnist"), &[0, 5, 9], false);
    assert_eq!(load("mnist", &options).unwrap().origin.content, flat.origin.content);
    write_idx(&root.path().join("mnist"), &[0, 5, 8], false);
    assert_ne!(load("mnist", &options).unwrap().origin.content, flat.origin.content);
}

#[test]
fn idx_files_that_do_not_fit_together_are_errors() {
    let root = tempfile::tempdir().unwrap();
    let options = LoadOptions { data_dir: Some(root.path().into()), ..LoadOptions::default() };
    write_idx(root.path(), &[0, 5], false);
    let error = load("mnist", &options).unwrap_err();
    assert!(matches!(error, DatasetError::CountMismatch { sample_count: 3, label_count: 2, .. }), "{error}");
    write_idx(root.path(), &[0, 5, 10], false);
    let error = load("mnist", &options).unwrap_err().to_string();
    assert!(error.ends_with("train-labels-idx1-ubyte: label 10 at index 2, expected a class below 10"), "{error}");
    write_idx(root.path(), &[0, 5, 9], false);
    let wide = [0x803u32, 1, 1, 3].iter().flat_map(|word| word.to_be_bytes()).chain([0; 3]).collect::<Vec<u8>>();
    fs::write(root.path().join("t10k-images-idx3-ubyte"), wide).unwrap();
    let error = load("mnist", &options).unwrap_err().to_string();
    assert_eq!(error, "mnist: test samples are 1 x 1 x 3, expected 1 x 1 x 2 as in the training part");
    fs::remove_file(root.path().join("t10k-images-idx3-ubyte")).unwrap();
    let error = load("mnist", &options).unwrap_err().to_string();
    assert!(error.starts_with("mnist: t10k-images-idx3-ubyte not found in "), "{error}");
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn the_real_files_hold_what_their_authors_say() {
    let Some(folder) = std::env::var_os("HSIC_DATA").filter(|folder| Path::new(folder).join("mnist").is_dir()) else {
        println!("skipped: HSIC_DATA names no folder that holds mnist and fashion-mnist");
        return;
    };
    let options = LoadOptions { data_dir: Some(folder.into()), ..LoadOptions::default() };
    for name in ["mnist", "fashion-mnist"] {
        let checked = verify(source(name).unwrap(), options.data_dir.as_deref()).unwrap();
        assert_eq!(checked.iter().map(|file| file.matches).collect::<Vec<_>>(), [Some(true); 4], "{name}");
        let split = load(name, &options).unwrap();
        assert_eq!((split.train.rows(), split.test.rows(), split.train.columns()), (60_000, 10_000, 784), "{name}");
        let counts = split.train.class_counts();
        if name == "mnist" {
            // Both rows from LeCun's files: digits 0 to 9, and the first five labels.
            assert_eq!(counts, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
            assert_eq!(
                (&split.train.labels()[..5], &split.test.labels()[..5]),
                (&[5, 0, 4, 1, 9][..], &[7, 2, 1, 0, 4][..])
            );
            // The published mean of the training pixels.
            let mean = bytes(&split.train).iter().map(|&b| f64::from(b)).sum::<f64>() / 255.0 / (60_000.0 * 784.0);
            assert!((mean - 0.1307).abs() < 5e-5, "{mean}");
        } else {
            assert_eq!(counts, [6000; 10]);
            assert_eq!(split.test.class_counts(), [1000; 10]);
            assert_eq!(split.train.labels()[0], 9);
        }
    }
}

#[test]
fn every_source_refuses_parts_of_no_rows() {
    let root = tempfile::tempdir().unwrap();
    write_idx(root.path(), &[0, 5, 9], false);
    crate::cifar::write(root.path(), "cifar-10-batches-bin", 1);
    crate::cifar::write(root.path(), "cifar-100-binary", 2);
    for source in SOURCES {
        for (train_size, test_size) in [(Some(0), None), (None, Some(0)), (Some(usize::MAX), None)] {
            let data_dir = Some(root.path().into());
            let options = LoadOptions { data_dir, train_size, test_size, ..LoadOptions::default() };
            let error = source.load(&options).unwrap_err();
            assert!(matches!(error, DatasetError::PartSize { .. }), "{}: {error}", source.name());
        }
    }
}

/// A folder with one file in it.
fn file(name: &str, content: impl AsRef<[u8]>) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn doubles(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn npz(members: &[(&str, Vec<u8>)], method: zip::CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in members {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        writer.start_file(format!("{name}.npy"), options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Twelve rows, two classes of text; the first feature is row + 0.5, the second is constant.
fn flowers() -> String {
    let rows = (0..12).map(|row| format!("{}.5,7,{}\n", row, if row % 3 == 0 { "rose" } else { "aster" }));
    format!("length,constant,kind\n{}", rows.collect::<String>())
}

#[test]
fn a_csv_file_is_split_by_class_and_standardized_by_its_training_part() {
    let (_folder, path) = file("flowers.csv", flowers());
    let options = LoadOptions { test_fraction: 0.25, ..LoadOptions::default() };
    let split = load(&path, &options).unwrap();
    assert_eq!((split.train.name.as_str(), split.train.columns()), ("flowers", 2));
    assert_eq!(split.train.class_names(), ["aster", "rose"]);
    assert_eq!((split.train.class_counts(), split.test.class_counts()), (vec![6, 3], vec![2, 1]));
    assert_eq!(load(&path, &options).unwrap(), split);
    // The seed of a training draws no rows: what one is judged on, none of another seed has seen.
    assert_eq!(load(&path, &LoadOptions { seed: 2, ..options.clone() }).unwrap(), split);
    assert_ne!(load(&path, &LoadOptions { split_seed: 2, ..options.clone() }).unwrap(), split);

    let raw = load(&path, &LoadOptions { standardize: false, ..options }).unwrap();
    assert_eq!((raw.train.labels(), &raw.standardization), (split.train.labels(), &None));
    let lengths: Vec<f64> = floats(&raw.train).chunks(2).map(|row| f64::from(row[0])).collect();
    let mean = lengths.iter().sum::<f64>() / 9.0;
    let deviation = (lengths.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 9.0).sqrt();
    for (raw, ours) in [(&raw.train, &split.train), (&raw.test, &split.test)] {
        for (raw, ours) in floats(raw).chunks(2).zip(floats(ours).chunks(2)) {
            // One rounding to f32 of a number below 2.
            assert!((f64::from(ours[0]) - (f64::from(raw[0]) - mean) / deviation).abs() < 2e-7);
            assert_eq!((raw[1], ours[1]), (7.0, 0.0));
        }
    }
    let mut all: Vec<f32> = floats(&raw.train).iter().chain(floats(&raw.test)).copied().step_by(2).collect();
    all.sort_by(f32::total_cmp);
    assert_eq!(all, (0..12).map(|row| row as f32 + 0.5).collect::<Vec<_>>(), "each row is in one part");
}

#[test]
fn the_label_column_is_a_name_or_an_index_and_whole_numbers_are_classes_by_value() {
    let with = |label: &str| LoadOptions {
        label_column: Some(label.into()),
        standardize: false,
        test_fraction: 0.5,
        ..LoadOptions::default()
    };
    let named = file("t.csv", "grade,x\n10,1\n9,2\n10,3\n9,4\n");
    let bare = file("t.csv", "10,1\n9,2\n10.0,3\n9,4\n");
    let array = file("t.npy", npy("<f8", "(4, 2)", &doubles(&[10.0, 1.0, 9.0, 2.0, 10.0, 3.0, 9.0, 4.0])));
    let expected = load(&named.1, &with("grade")).unwrap();
    assert_eq!((expected.train.class_names(), expected.train.columns()), (&["9".into(), "10".into()][..], 1));
    for path in [&named.1, &bare.1, &array.1] {
        assert_eq!(load(path, &with("0")).unwrap(), expected, "{path}");
    }
    let error = load(&named.1, &with("color")).unwrap_err().to_string();
    assert!(error.ends_with("no label column \"color\", expected grade, x or an index from 0 to 1"), "{error}");
    let error = load(&bare.1, &with("2")).unwrap_err().to_string();
    assert!(error.ends_with("no label column \"2\", expected an index from 0 to 1"), "{error}");
}

#[test]
fn a_first_line_of_one_text_is_a_row_or_names_as_the_second_shows() {
    let options = LoadOptions { standardize: false, test_fraction: 0.5, ..LoadOptions::default() };
    let rows = |text: &str| {
        let (_folder, path) = file("t.csv", text);
        load(&path, &options).map(|split| split.train.rows() + split.test.rows())
    };
    assert_eq!(rows("1,a\n2,b\n3,a\n4,b\n").unwrap(), 4);
    assert_eq!(rows("0,kind\n1,7\n2,8\n3,7\n4,8\n").unwrap(), 4);
    assert_eq!(rows("x,7\n2,8\n3,7\n4,8\n2,7\n").unwrap(), 4);
}

#[test]
fn tables_that_train_on_nonsense_are_refused() {
    let fails = |text: &str, options: &LoadOptions| {
        let (_folder, path) = file("t.csv", text);
        let message = load(&path, options).unwrap_err().to_string();
        message[message.find("t.csv: ").map_or(0, |start| start + 7)..].to_owned()
    };
    let options = LoadOptions::default();
    assert_eq!(fails("1,2\n3,2\n", &options), "labels of 1 classes, expected 2 to 65536");
    let classes = LoadOptions { task: Task::Classification, ..options.clone() };
    assert_eq!(
        fails("1,2\n3,2.5\n", &classes),
        "label 2.5 in row 1 (from 0), expected a whole number or text (task = regression learns values)"
    );
    let refuse = LoadOptions { missing: Missing::Refuse, ..options.clone() };
    assert_eq!(fails("1,a\n2,\n", &refuse), "no label in line 2, expected a whole number or text");
    assert_eq!(fails("1,a\n,b\n", &refuse), "line 2, column 1: nothing, expected a number");
    assert_eq!(fails("1\n2\n", &options), "no label column \"\", expected a second column");
    assert_eq!(fails("1,a\ninf,b\n", &options), "row 1, column 0 (from 0): inf, expected a finite number");
    let raw = LoadOptions { standardize: false, test_fraction: 0.5, ..options.clone() };
    assert_eq!(
        fails("1,a\n1,a\n1,b\n1e300,b\n1e300,a\n", &raw).split(", column 0").nth(1),
        Some(format!(" (from 0): {}, expected a finite number", 1e300).as_str())
    );
    for fraction in [0.0, 1.0, -0.5, f64::NAN, 0.2] {
        let options = LoadOptions { test_fraction: fraction, ..options.clone() };
        let error = fails("1,a\n2,b\n", &options);
        assert!(error.starts_with(&format!("test fraction {fraction}: expected")), "{error}");
    }
    let (_folder, path) = file("t.xlsx", "1,a\n");
    let error = load(&path, &options).unwrap_err().to_string();
    let endings = ".zip, .tar, .tar.gz, .tar.xz, .csv, .tsv (also with .gz), .txt, .data, .npy, .npz or .parquet";
    assert!(
        error.ends_with(&format!("t.xlsx: expected a folder of images or a file that ends in {endings}")),
        "{error}"
    );
    let error = load("no-such-file.csv", &options).unwrap_err();
    assert_eq!(error.to_string(), "no-such-file.csv");
    assert!(std::error::Error::source(&error).unwrap().to_string().starts_with("No such file"), "{error:?}");
}

#[test]
fn columns_too_large_for_squares_are_standardized() {
    let (_folder, path) = file("t.csv", "-1e300,a\n1e300,a\n-1e300,b\n1e300,b\n1e300,b\n-1e300,a\n");
    let split = load(&path, &LoadOptions { test_fraction: 0.3, ..LoadOptions::default() }).unwrap();
    assert!(floats(&split.train).iter().all(|value| (0.5..2.0).contains(&value.abs())), "{split:?}");
}

#[test]
fn archives_stored_and_deflated_give_tables_and_data_sets() {
    let x = npy("<f8", "(4, 2)", &doubles(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]));
    let y = npy("|u1", "(4,)", &[3, 8, 3, 8]);
    let options = LoadOptions { standardize: false, test_fraction: 0.5, ..LoadOptions::default() };
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        let (_folder, path) = file("t.npz", npz(&[("x", x.clone()), ("y", y.clone())], method));
        let table = read_table(Path::new(&path)).unwrap();
        assert_eq!((table.rows, table.cols, table.values), (4, 2, (0..8).map(f64::from).collect()));
        let split = load(&path, &options).unwrap();
        assert_eq!((split.train.class_names(), split.test.class_counts()), (&["3".into(), "8".into()][..], vec![1, 1]));

        let parts = [("x_train", x.clone()), ("y_train", y.clone()), ("x_test", x.clone()), ("y_test", y.clone())];
        let (_folder, path) = file("t.npz", npz(&parts, method));
        let split = load(&path, &options).unwrap();
        assert_eq!(floats(&split.test), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        assert_eq!((split.train.labels(), split.test.labels()), (&[0, 1, 0, 1][..], &[0, 1, 0, 1][..]));
    }
    let short = npz(&[("x", x.clone()), ("y", npy("|u1", "(3,)", &[1, 2, 1]))], zip::CompressionMethod::Stored);
    let (_folder, path) = file("t.npz", short);
    let error = load(&path, &options).unwrap_err();
    assert!(matches!(error, DatasetError::CountMismatch { sample_count: 4, label_count: 3, .. }), "{error}");
    let (_folder, path) = file("t.npz", npz(&[("a", x), ("b", y)], zip::CompressionMethod::Stored));
    for error in [load(&path, &options).unwrap_err(), read_table(Path::new(&path)).unwrap_err()] {
        assert!(error.to_string().contains("arrays a, b, expected x and y"), "{error}");
    }
}

proptest! {
    #[test]
    fn damaged_archives_and_lines_never_panic(
        cut in 0usize..400,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let x = npy("<f8", "(4, 1)", &doubles(&[0.0, 1.0, 2.0, 3.0]));
        let members = [("x", x), ("y", npy("|u1", "(4,)", &[3, 8, 3, 8]))];
        let contents = [("t.npz", npz(&members, zip::CompressionMethod::Deflated)), ("t.csv", flowers().into_bytes())];
        for (name, mut content) in contents {
            for (place, value) in &changes {
                let place = place.index(content.len());
                content[place] = *value;
            }
            content.truncate(content.len().saturating_sub(cut.saturating_sub(300)));
            let (_folder, path) = file(name, content);
            if let Ok(split) = load(&path, &LoadOptions::default()) {
                prop_assert!(floats(&split.train).iter().all(|value| value.is_finite()));
            }
            let _ = read_table(Path::new(&path));
        }
    }
}

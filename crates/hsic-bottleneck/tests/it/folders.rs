//! Folders of images as data sets.

use std::fs;
use std::path::Path;

use hsic_bottleneck::dataset::{Dataset, LoadOptions, Samples, load, read_image};

use crate::encode;

/// Writes an image of 1 x 2 pixels with these values.
fn write(root: &Path, name: &str, values: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, encode::png(2, 1, values)).unwrap();
}

fn bytes(dataset: &Dataset) -> &[u8] {
    match &dataset.samples {
        Samples::Bytes(bytes) => bytes,
        _ => panic!("pixels expected"),
    }
}

fn options() -> LoadOptions {
    LoadOptions::default()
}

#[test]
fn rows_go_through_the_classes_in_turn_and_colors_channel_by_channel() {
    let root = tempfile::tempdir().unwrap();
    for (name, value) in [("cat/b.png", 30), ("cat/a.PNG", 10), ("cat/c.png", 50), ("ant/x.png", 70)] {
        write(root.path(), &format!("train/{name}"), &[value, 1, 2, value + 1, 3, 4]);
    }
    for test in ["val", "test"] {
        write(root.path(), &format!("{test}/cat/t.png"), &[u8::from(test == "test"); 6]);
        fs::write(root.path().join("train/cat/notes.txt"), "no image").unwrap();
        fs::write(root.path().join("train/.hidden"), "").unwrap();
        let split = load(root.path().to_str().unwrap(), &options()).unwrap();
        assert_eq!(split.train.class_names(), ["ant", "cat"]);
        assert_eq!((split.train.labels(), split.test.labels()), (&[0, 1, 1, 1][..], &[1][..]));
        assert_eq!((split.train.shape.channels, split.train.shape.height, split.train.shape.width), (3, 1, 2));
        let expected = [70, 10, 30, 50].map(|value| [value, value + 1, 1, 3, 2, 4]).concat();
        assert_eq!(split.train.samples, Samples::Bytes(expected));
        assert_eq!(bytes(&split.test), [u8::from(test == "test"); 6]);
    }
    let first = LoadOptions { train_size: Some(2), ..options() };
    assert_eq!(load(root.path().to_str().unwrap(), &first).unwrap().train.class_counts(), [1, 1]);
}

#[test]
fn a_folder_without_a_test_part_is_split_by_class() {
    let root = tempfile::tempdir().unwrap();
    for index in 0..10u8 {
        write(root.path(), &format!("a/{index}.png"), &[index, 0]);
        write(root.path(), &format!("b/{index}.png"), &[index, 1]);
    }
    let path = root.path().to_str().unwrap();
    let split = load(path, &options()).unwrap();
    assert_eq!((split.train.class_counts(), split.test.class_counts()), (vec![8, 8], vec![2, 2]));
    assert_eq!(load(path, &LoadOptions { seed: 9, ..options() }).unwrap(), split);
    assert_ne!(load(path, &LoadOptions { split_seed: 9, ..options() }).unwrap(), split);
    let mut all = [bytes(&split.train), bytes(&split.test)].concat().chunks(2).map(<[u8]>::to_vec).collect::<Vec<_>>();
    all.sort();
    assert_eq!(all, (0..10).flat_map(|i| [vec![i, 0], vec![i, 1]]).collect::<Vec<_>>());
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| load(path, &options()).unwrap())
    };
    assert_eq!((on(1), on(3)), (split.clone(), split));
}

#[test]
fn each_fault_of_a_folder_names_the_file_and_what_was_expected() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().to_str().unwrap();
    let error = |options: &LoadOptions| load(path, options).unwrap_err().to_string().replace(path, "DIR");
    let none = "DIR: 0 folders, expected 2 to 65536, one for the images of each class";
    assert_eq!(error(&options()), none);
    std::fs::write(root.path().join("flowers.csv"), "a,b\n").unwrap();
    let table = "; flowers.csv is a table: give its own path, unpacked or as .csv.gz";
    assert_eq!(error(&options()), format!("{none}{table}"));
    std::fs::remove_file(root.path().join("flowers.csv")).unwrap();
    write(root.path(), "train/a/1.png", &[1, 2]);
    fs::create_dir_all(root.path().join("train/b")).unwrap();
    assert_eq!(
        error(&options()),
        "DIR/train/b: no image, expected files that end in .png, .jpg, .jpeg, .bmp, .gif, .tif, .tiff or .webp"
    );
    write(root.path(), "train/b/1.png", &[1, 2]);
    fs::create_dir_all(root.path().join("test/c")).unwrap();
    assert_eq!(error(&options()), "DIR/test: label c in the test part, expected a label of the training part");
    fs::remove_dir(root.path().join("test/c")).unwrap();
    assert_eq!(
        error(&options()),
        "DIR/test: no image, expected files that end in .png, .jpg, .jpeg, .bmp, .gif, .tif, .tiff or .webp"
    );
    write(root.path(), "test/b/1.png", &[1, 2]);
    assert_eq!(load(path, &options()).unwrap().test.labels(), [1]);
    let none = LoadOptions { train_size: Some(3), ..options() };
    assert_eq!(error(&none), "3 rows asked of the training part: expected 1 to 2");

    write(root.path(), "train/b/2.png", &[1, 2, 3, 4, 5, 6]);
    fs::write(root.path().join("train/b/2.png"), "").unwrap();
    let message = error(&options());
    assert!(
        message.starts_with("DIR/train/b/2.png: ")
            && message.ends_with(", expected a PNG, JPEG, BMP, GIF, TIFF or WebP image")
    );
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn the_real_images_hold_what_their_authors_say() {
    let folder = std::env::var_os("HSIC_DATA").map(|folder| Path::new(&folder).join("cifar10-jpeg"));
    let Some(folder) = folder.filter(|folder| folder.is_dir()) else {
        println!("skipped: HSIC_DATA names no folder that holds cifar10-jpeg");
        return;
    };
    let split = load(folder.to_str().unwrap(), &options()).unwrap();
    assert_eq!((split.train.class_counts(), split.test.class_counts()), (vec![5000; 10], vec![1000; 10]));
    assert_eq!((split.train.class_names()[0].as_str(), split.train.columns()), ("airplane", 3072));
    let (shape, image) = read_image(&folder.join("train/automobile/0000.jpg")).unwrap();
    assert_eq!((shape, &image[..]), (split.train.shape, &bytes(&split.train)[3072..6144]));
    // Published means of the training pixels, red, green, blue; the copy is lossy.
    for (channel, mean) in [0.4914, 0.4822, 0.4465].into_iter().enumerate() {
        let values = bytes(&split.train).chunks(1024).skip(channel).step_by(3).flatten();
        let sum: u64 = values.map(|&value| u64::from(value)).sum();
        let ours = sum as f64 / 255.0 / (50_000.0 * 1024.0);
        assert!((ours - mean).abs() < 2e-3, "{ours}");
    }
}

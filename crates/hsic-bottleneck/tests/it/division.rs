//! Which rows are trained on and which judge: the same for trainings of every seed, and as recorded.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::dataset::{Content, Dataset, Drawn, LoadOptions, Split, content, load};
use hsic_bottleneck::run::{Run, RunError};
use hsic_bottleneck::trainer::train;
use hsic_bottleneck::{Error, dataset};

use crate::{encode, row};

/// Sixty rows of three classes, each of a number of its own.
fn table(folder: &Path) -> String {
    let text: String = (0..60).map(|row| format!("{row},k{}\n", row % 3)).collect();
    let path = folder.join("table.csv");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn options(dataset: &str, seed: u64) -> TrainOptions {
    let mut options = TrainOptions::default();
    options.data.dataset = Some(dataset.to_owned());
    options.data.standardize = Some(false);
    options.network.widths = Some("4".to_owned());
    options.training.seed = Some(seed);
    options.training.epochs = Some(1);
    options.training.batch_size = Some(16);
    options
}

fn loaded(options: TrainOptions) -> Split {
    let config = options.resolve().unwrap();
    load(&config.dataset, &config.load_options()).unwrap()
}

/// The numbers of a part's rows.
fn numbers(part: &Dataset) -> BTreeSet<u32> {
    (0..part.rows()).map(|index| row(part, index)[0] as u32).collect()
}

#[test]
fn what_settings_are_chosen_on_never_judges_another_seed() {
    let folder = tempfile::tempdir().unwrap();
    let path = table(folder.path());
    let tested = numbers(&loaded(options(&path, 1)).test);
    assert_eq!(tested.len(), 12);
    for seed in 1..=8 {
        assert_eq!(numbers(&loaded(options(&path, seed)).test), tested, "{seed}");
        let mut held = options(&path, seed);
        held.data.validation = Some(0.25);
        let held = loaded(held);
        assert!(numbers(&held.test).is_disjoint(&tested) && numbers(&held.train).is_disjoint(&tested), "{seed}");
        assert_eq!((numbers(&held.test).len(), numbers(&held.train).len()), (12, 36));
        assert_eq!(held.origin.split, Some(Drawn { seed: 1, fraction: 0.2, rows: 60 }));
        assert_eq!(held.origin.validation, Some(Drawn { seed: 1, fraction: 0.25, rows: 48 }));
    }
    let mut other = options(&path, 1);
    other.data.split_seed = Some(2);
    assert_ne!(numbers(&loaded(other).test), tested);
    // Built-in digits are drawn by the seed of training; what is held out of them is not.
    let digits = |seed| {
        let mut options = options("digits", seed);
        (options.data.train_size, options.data.test_size) = (Some(40), Some(10));
        options.data.validation = Some(0.25);
        loaded(options)
    };
    assert_ne!(digits(1).train, digits(2).train);
    assert_eq!(digits(2).origin.validation, Some(Drawn { seed: 1, fraction: 0.25, rows: 40 }));
}

#[test]
fn a_run_that_did_not_record_its_division_keeps_the_one_of_its_seed() {
    let folder = tempfile::tempdir().unwrap();
    let path = table(folder.path());
    let mut earlier = options(&path, 5);
    // As versions without --split-seed divided.
    earlier.data.split_seed = Some(5);
    let config = earlier.resolve().unwrap();
    let run = Run::create(&folder.path().join("r"), &config).unwrap();
    let data = load(&path, &config.load_options()).unwrap();
    train(&config, &data, &run, &mut [], &AtomicBool::new(false)).unwrap();
    assert_eq!(run.data().unwrap().split, Some(Drawn { seed: 5, fraction: 0.2, rows: 60 }));

    let text = fs::read_to_string(run.file("config.toml")).unwrap();
    assert!(text.contains("split-seed = 5\n"), "{text}");
    fs::write(run.file("config.toml"), text.replace("split-seed = 5\n", "")).unwrap();
    let mut record: serde_json::Value = run.read_json("data.json", "a record").unwrap();
    for key in ["content", "split", "validation"] {
        record.as_object_mut().unwrap().remove(key);
    }
    run.write_json("data.json", &record).unwrap();
    let earlier = run.config().unwrap();
    assert_eq!(earlier.load_options().split_seed, 5);
    let again = load(&path, &earlier.load_options()).unwrap();
    assert_eq!(again, data);
    // It is taken up as before, and there is nothing to compare the content with.
    run.record_data(&again).unwrap();
}

#[test]
fn a_run_refuses_data_that_have_changed_since_its_training() {
    let folder = tempfile::tempdir().unwrap();
    let path = table(folder.path());
    let config = options(&path, 1).resolve().unwrap();
    let run = Run::create(&folder.path().join("r"), &config).unwrap();
    let data = load(&path, &config.load_options()).unwrap();
    run.record_data(&data).unwrap();
    let before = fs::read(&path).unwrap();
    assert_eq!(run.data().unwrap().content, Some(Content::of(&before)));
    // One number of one row: as many rows of the same classes.
    fs::write(&path, String::from_utf8(before.clone()).unwrap().replace("17,", "18,")).unwrap();
    let now = load(&path, &config.load_options()).unwrap();
    let error = run.record_data(&now).unwrap_err();
    let RunError::OtherData { found, expected, .. } = &error else { panic!("{error}") };
    assert_eq!((found, expected), (&Content::of(&fs::read(&path).unwrap()), &Content::of(&before)));
    let told = error.to_string();
    for part in [&path, &found.sha256, &expected.sha256, &run.path().display().to_string()] {
        assert!(told.contains(part.as_str()), "{told}");
    }
    let error = train(&config, &now, &run, &mut [], &AtomicBool::new(false)).unwrap_err();
    assert!(matches!(error, Error::Run(RunError::OtherData { .. })), "{error}");
    // The same content elsewhere is the same data.
    fs::write(folder.path().join("moved.csv"), before).unwrap();
    let moved = folder.path().join("moved.csv");
    run.record_data(&load(moved.to_str().unwrap(), &config.load_options()).unwrap()).unwrap();
}

#[test]
fn what_data_are_is_told_alike_by_loading_them_and_without() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let path = table(folder.path());
    let images = |value: u8| {
        for (name, shade) in [("train/a/1.png", 1), ("train/a/2.png", 2), ("train/b/1.png", value), ("test/b/1.png", 3)]
        {
            let path = folder.path().join("images").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, encode::png(2, 1, &[shade, 7])).unwrap();
        }
    };
    images(9);
    let of = |name: &str, options: &LoadOptions| {
        let loaded = load(name, options).unwrap().origin;
        assert_eq!(loaded.place, name);
        assert_eq!(loaded.content.as_ref(), Some(&content(name, options).unwrap()), "{name}");
        loaded.content.unwrap()
    };
    let usual = LoadOptions::default();
    assert_eq!(of(&path, &usual), Content::of(&fs::read(&path).unwrap()));
    // Of images all count, those too that are not decoded.
    let first = LoadOptions { train_size: Some(2), ..usual.clone() };
    let whole = of(&place("images"), &usual);
    assert_eq!(of(&place("images"), &first), whole);
    let list: String = ["test/b/1.png", "train/a/1.png", "train/a/2.png", "train/b/1.png"]
        .map(|name| {
            let file = Content::of(&fs::read(folder.path().join("images").join(name)).unwrap());
            format!("{}  {name}\n", file.sha256)
        })
        .concat();
    assert_eq!(whole.sha256, Content::of(list.as_bytes()).sha256);
    images(10);
    assert_ne!(of(&place("images"), &usual), whole);
    // Drawn data follow from seed and sizes.
    let small = LoadOptions { train_size: Some(20), test_size: Some(10), ..usual.clone() };
    let digits = of("digits", &small);
    assert_eq!(digits.bytes, 30 * 784);
    assert_ne!(of("digits", &LoadOptions { seed: 1, ..small.clone() }), digits);
    assert_eq!(of("digits", &LoadOptions { split_seed: 2, ..small }), digits);
    assert!(dataset::content(&place("none.csv"), &usual).is_err());
}

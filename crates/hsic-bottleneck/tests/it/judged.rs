//! What a finished run is judged on: its own data as they were divided, others as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use hsic_bottleneck::Error;
use hsic_bottleneck::config::{DataOptions, TrainOptions};
use hsic_bottleneck::dataset::{DatasetError, Part, load};
use hsic_bottleneck::judged::{Judged, Rows, judged};
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::run::{Run, RunError};
use hsic_bottleneck::trainer::train;
use tempfile::TempDir;

use crate::row;

/// Sixty rows of the classes ash, birch and oak, the first column a number of its own.
fn text() -> String {
    let name = |row: usize| ["ash", "birch", "oak"][row % 3];
    (0..60).map(|row| format!("{row},{},{}\n", row % 3 * 5, name(row))).collect()
}

/// A run on a table, with a share held out.
fn finished(validation: f64) -> (TempDir, PathBuf, Run) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trees.csv");
    fs::write(&path, text()).unwrap();
    let mut options = TrainOptions::default();
    options.data.dataset = Some(path.to_str().unwrap().to_owned());
    options.data.standardize = Some(false);
    options.data.validation = Some(validation);
    options.network.widths = Some("4".to_owned());
    options.training.seed = Some(2);
    options.training.epochs = Some(1);
    options.training.batch_size = Some(16);
    let config = options.resolve().unwrap();
    let run = Run::create(&folder.path().join("r"), &config).unwrap();
    let data = load(&config.dataset, &config.load_options()).unwrap();
    train(&config, &data, &run, &mut [], &AtomicBool::new(false)).unwrap();
    (folder, path, run)
}

fn asked(run: &Run, data: DataOptions, part: Option<Part>) -> Result<Judged, Error> {
    judged(run, &Predictor::open(run).unwrap(), &data, part)
}

fn named(path: &Path) -> DataOptions {
    DataOptions { dataset: Some(path.to_str().unwrap().to_owned()), ..DataOptions::default() }
}

/// The numbers of the rows that judge, in order.
fn numbers(judged: &Judged) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..judged.dataset.rows()).map(|index| row(&judged.dataset, index)[0] as u32).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_run_s_own_data_are_divided_as_in_training_wherever_they_lie() {
    let (folder, path, run) = finished(0.0);
    let config = run.config().unwrap();
    let data = load(&config.dataset, &config.load_options()).unwrap();
    let test = asked(&run, DataOptions::default(), None).unwrap();
    assert_eq!((test.rows, &test.dataset), (Rows::Test, &data.test));
    let moved = folder.path().join("moved.csv");
    fs::copy(&path, &moved).unwrap();
    let found = asked(&run, named(&moved), None).unwrap();
    assert_eq!((found.rows, numbers(&found), found.place.ends_with("moved.csv")), (Rows::Test, numbers(&test), true));
    let train = asked(&run, DataOptions::default(), Some(Part::Train)).unwrap();
    assert_eq!((train.rows, &train.dataset), (Rows::Train, &data.train));
    let all = asked(&run, DataOptions::default(), Some(Part::All)).unwrap();
    assert_eq!((all.rows, numbers(&all)), (Rows::All, (0..60).collect()));
    // Whatever would divide them otherwise would judge rows that were trained on.
    for (data, told) in [
        (DataOptions { split_seed: Some(9), ..named(&moved) }, "split-seed = 9: expected 1, with which"),
        (DataOptions { test_fraction: Some(0.5), ..named(&moved) }, "test-fraction = 0.5: expected 0.2, with which"),
        (DataOptions { validation: Some(0.5), ..DataOptions::default() }, "validation = 0.5: expected 0, with which"),
        (DataOptions { train_size: Some(9), ..DataOptions::default() }, "train-size = 9: expected its default, with"),
    ] {
        let error = asked(&run, data, None).unwrap_err().to_string();
        assert!(error.starts_with(told), "{error}");
    }
    let few = DataOptions { test_size: Some(3), test_fraction: Some(0.2), ..DataOptions::default() };
    assert_eq!(asked(&run, few, None).unwrap().dataset, data.test.select(&[0, 1, 2]));
}

#[test]
fn a_run_with_rows_held_out_is_judged_on_them_or_on_the_test_part() {
    let (_folder, _, run) = finished(0.25);
    let held = asked(&run, DataOptions::default(), None).unwrap();
    assert_eq!((held.rows, held.dataset.rows()), (Rows::Validation, 12));
    let test = asked(&run, DataOptions { validation: Some(0.0), ..DataOptions::default() }, None).unwrap();
    assert_eq!((test.rows, test.dataset.rows()), (Rows::Test, 12));
    let train = asked(&run, DataOptions::default(), Some(Part::Train)).unwrap();
    let mut all = [numbers(&held), numbers(&test), numbers(&train)].concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..60), "each row is in one part");
}

#[test]
fn other_data_are_judged_as_a_whole_by_the_names_of_classes() {
    let (folder, _, run) = finished(0.0);
    let other = folder.path().join("other.csv");
    // One class, fewer rows than the run's test part, another order of names.
    fs::write(&other, "7,10,oak\n9,10,oak\n").unwrap();
    let found = asked(&run, named(&other), None).unwrap();
    assert_eq!((found.rows, numbers(&found)), (Rows::All, vec![7, 9]));
    let predictor = Predictor::open(&run).unwrap();
    let table = predictor.evaluate(&found.dataset).unwrap();
    assert_eq!(table.counts.iter().map(|row| row.iter().sum::<u64>()).collect::<Vec<_>>(), [0, 0, 2]);

    fs::write(&other, "7,10,oak\n9,10,elm\n1,1,yew\n").unwrap();
    let found = asked(&run, named(&other), None).unwrap();
    let error = predictor.evaluate(&found.dataset).unwrap_err().to_string();
    assert_eq!(error, format!("{}: labels elm, yew, expected those of the run: ash, birch, oak", other.display()));
    let error = asked(&run, named(&other), Some(Part::Test)).unwrap_err();
    assert!(matches!(error, Error::Dataset(DatasetError::NoParts { part: "test", .. })), "{error}");
    let error = asked(&run, DataOptions { split_seed: Some(1), ..named(&other) }, None).unwrap_err().to_string();
    assert!(error.starts_with("split-seed = 1: expected not given for other data"), "{error}");

    // Three times the test part's share, all of it.
    fs::write(&other, text() + "99,0,ash\n").unwrap();
    assert_eq!(asked(&run, named(&other), None).unwrap().dataset.rows(), 61);
    let five = DataOptions { test_size: Some(5), ..named(&other) };
    assert_eq!(numbers(&asked(&run, five, None).unwrap()), [0, 1, 2, 3, 4]);
}

#[test]
fn data_that_changed_since_training_are_refused_unless_others_are_named() {
    let (_folder, path, run) = finished(0.0);
    fs::write(&path, text().replace("17,", "18,")).unwrap();
    let error = asked(&run, DataOptions::default(), None).unwrap_err();
    assert!(matches!(error, Error::Run(RunError::OtherData { .. })), "{error}");
    let found = asked(&run, named(&path), None).unwrap();
    assert_eq!((found.rows, found.dataset.rows()), (Rows::All, 60));
}

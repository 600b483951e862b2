//! Trainings whose samples lie in a file: the same bytes in every file of the run as with samples in memory.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use hsic_bottleneck::Error;
use hsic_bottleneck::config::{TrainConfig, TrainOptions};
use hsic_bottleneck::dataset::{DatasetError, Samples, Split, load};
use hsic_bottleneck::judged::judged;
use hsic_bottleneck::log::Observer;
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::step_error::{BoxError, StepError};
use hsic_bottleneck::trainer::{Outcome, train};

fn config(cache: Option<&Path>, threads: usize, normalize: &str) -> TrainConfig {
    let text = format!(
        "[data]\ndataset = 'digits'\ntrain-size = 300\ntest-size = 60\nnormalize = '{normalize}'\nshift = 2\n\
         [network]\nwidths = '24x2'\n[training]\nepochs = 2\nbatch-size = 32\nthreads = {threads}\n\
         [format]\nformat-epochs = 3\n"
    );
    let mut options: TrainOptions = toml::from_str(&text).unwrap();
    options.data.cache = cache.map(Path::to_owned);
    options.resolve().unwrap()
}

fn data(config: &TrainConfig) -> Split {
    load(&config.dataset, &config.load_options()).unwrap()
}

/// All that a run leaves and that does not hang on time or on its settings.
fn left(run: &Run) -> Vec<(String, Vec<u8>)> {
    let kept = ["weights.safetensors", "format.safetensors", "readout.json", "data.json"];
    let files = kept.map(|name| (name.to_owned(), fs::read(run.file(name)).unwrap()));
    let summary = run.summary().unwrap();
    let figures = format!("{} {:?} {:?}", summary.train_accuracy, summary.confusion, summary.format_accuracy);
    files.into_iter().chain([("figures".to_owned(), figures.into_bytes())]).collect()
}

fn trained(place: &Path, config: &TrainConfig) -> Run {
    let run = Run::create(place, config).unwrap();
    train(config, &data(config), &run, &mut [], &AtomicBool::new(false)).unwrap();
    run
}

/// Ends a training after so many steps.
struct After<'s>(u64, &'s AtomicBool);

impl Observer for After<'_> {
    fn step(&mut self, done: u64, _total: u64) -> Result<(), BoxError> {
        if done == self.0 {
            self.1.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[test]
fn a_run_on_a_file_leaves_the_bytes_of_one_in_memory_whatever_threads_and_stops() {
    let place = tempfile::tempdir().unwrap();
    let cache = place.path().join("cache");
    for normalize in ["none", "channel"] {
        let memory = trained(&place.path().join(format!("memory-{normalize}")), &config(None, 1, normalize));
        let expected = left(&memory);
        for threads in [1, 3] {
            let config = config(Some(&cache), threads, normalize);
            let run = trained(&place.path().join(format!("file-{normalize}-{threads}")), &config);
            assert!(left(&run) == expected, "{normalize}, {threads} threads");
        }
        // Stopped within the second epoch, and taken up with the samples in memory, and the other way round.
        for (first, second) in [(Some(&*cache), None), (None, Some(&*cache))] {
            let path = place.path().join(format!("stopped-{normalize}-{}", first.is_some()));
            let (config, stop) = (config(first, 2, normalize), AtomicBool::new(false));
            let run = Run::create(&path, &config).unwrap();
            let outcome = train(&config, &data(&config), &run, &mut [&mut After(13, &stop)], &stop).unwrap();
            assert!(matches!(outcome, Outcome::Interrupted { .. }));
            let config = self::config(second, 1, normalize);
            train(&config, &data(&config), &run, &mut [], &AtomicBool::new(false)).unwrap();
            assert!(left(&run) == expected, "{normalize}, {first:?} then {second:?}");
        }
    }
}

#[test]
fn a_finished_run_is_judged_from_its_file() {
    let place = tempfile::tempdir().unwrap();
    let cache = place.path().join("cache");
    let run = trained(&place.path().join("r"), &config(Some(&cache), 2, "channel"));
    let predictor = Predictor::open(&run).unwrap();
    let found = judged(&run, &predictor, &Default::default(), None).unwrap();
    assert!(matches!(found.dataset.samples, Samples::Stored(_)));
    let confusion = predictor.evaluate(&found.dataset).unwrap();
    assert_eq!(confusion, run.summary().unwrap().confusion);
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 1);
}

#[test]
fn a_training_ends_where_its_file_was_changed() {
    let place = tempfile::tempdir().unwrap();
    let cache = place.path().join("cache");
    let config = config(Some(&cache), 2, "none");
    let split = data(&config);
    let Samples::Stored(stored) = &split.train.samples else { panic!("samples in a file") };
    let mut bytes = fs::read(stored.path()).unwrap();
    bytes[1000] ^= 1;
    fs::write(stored.path(), &bytes).unwrap();
    let run = Run::create(&place.path().join("r"), &config).unwrap();
    let error = train(&config, &split, &run, &mut [], &AtomicBool::new(false)).unwrap_err();
    let packed = |error: &DatasetError| matches!(error, DatasetError::Packed { path, .. } if path == stored.path());
    assert!(matches!(&error, Error::Dataset(found) | Error::Step(StepError::Data(found)) if packed(found)), "{error}");
    assert!(!run.is_finished());
}

/// Spoils a file after so many steps.
struct Spoils<'s>(u64, &'s (dyn Fn() + Sync));

impl Observer for Spoils<'_> {
    fn step(&mut self, done: u64, _total: u64) -> Result<(), BoxError> {
        if done == self.0 {
            (self.1)();
        }
        Ok(())
    }
}

#[test]
fn a_file_that_is_changed_or_cut_while_it_is_read_ends_the_training_which_goes_on_with_a_whole_one() {
    let place = tempfile::tempdir().unwrap();
    let cache = place.path().join("cache");
    let config = config(Some(&cache), 2, "none");
    let expected = left(&trained(&place.path().join("whole"), &config));
    let (go, changed) = (AtomicBool::new(false), "was changed since it was written or loaded");
    for (name, cut, said) in [("changed", false, changed), ("cut", true, "ends within part 0 of 1")] {
        let split = data(&config);
        let Samples::Stored(stored) = &split.train.samples else { panic!("samples in a file") };
        let bytes = fs::read(stored.path()).unwrap();
        let spoil = || {
            // In its place: a file that is emptied first may be read meanwhile.
            let mut file = fs::File::options().write(true).open(stored.path()).unwrap();
            if cut {
                file.set_len(100_000).unwrap();
            } else {
                file.write_all(&bytes.iter().map(|byte| byte ^ 1).collect::<Vec<u8>>()).unwrap();
            }
        };
        // In the second epoch, when all of it was read before, and behind a checkpoint.
        let run = Run::create(&place.path().join(name), &config).unwrap();
        let stop = AtomicBool::new(false);
        let outcome = train(&config, &split, &run, &mut [&mut After(11, &stop)], &stop).unwrap();
        assert!(matches!(outcome, Outcome::Interrupted { .. }));
        let told = train(&config, &split, &run, &mut [&mut Spoils(14, &spoil)], &go).unwrap_err();
        assert!(told.to_string().contains(said), "{name}: {told}");
        assert!(!run.is_finished());
        // Taken up as it is, it is told where it is loaded, or where its first row is read.
        match load(&config.dataset, &config.load_options()) {
            Ok(split) => assert!(train(&config, &split, &run, &mut [], &go).is_err(), "{name}"),
            Err(told) => assert!(matches!(told, DatasetError::Packed { .. }), "{name}: {told}"),
        }
        // The remedy that the message names.
        fs::remove_file(stored.path()).unwrap();
        train(&config, &data(&config), &run, &mut [], &go).unwrap();
        assert!(left(&run) == expected, "{name}");
    }
}

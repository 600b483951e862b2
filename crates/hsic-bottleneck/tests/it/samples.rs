//! What a run keeps of the samples that judged it, and readouts of its blocks while it is trained.

use std::sync::atomic::AtomicBool;

use hsic_bottleneck::config::{ConfigError, Numbers, TrainOptions};
use hsic_bottleneck::dataset::{LoadOptions, Split, load};
use hsic_bottleneck::digests::Verdict;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::log::{ProbeReport, ProbedOn, Record};
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::reformat::format_finished;
use hsic_bottleneck::run::{Run, SAMPLES};
use hsic_bottleneck::samples::{MOST_BYTES, Said, Sample, Samples, Why};
use hsic_bottleneck::trainer::{Outcome, train};
use tempfile::TempDir;

use crate::{points, row};

fn options() -> TrainOptions {
    let mut options = TrainOptions::default();
    options.network.widths = Some("24,12".to_owned());
    options.training.epochs = Some(5);
    options.training.batch_size = Some(50);
    options.training.seed = Some(4);
    options.format.format_epochs = Some(2);
    options
}

fn digits(train: usize, test: usize) -> Split {
    let options = LoadOptions { train_size: Some(train), test_size: Some(test), ..LoadOptions::default() };
    load("digits", &options).unwrap()
}

fn trained(options: TrainOptions, data: &Split) -> (TempDir, Run) {
    let (folder, config) = (tempfile::tempdir().unwrap(), options.resolve().unwrap());
    let run = Run::create(&folder.path().join("r"), &config).unwrap();
    let outcome = train(&config, data, &run, &mut [], &AtomicBool::new(false)).unwrap();
    assert!(matches!(outcome, Outcome::Finished(_)));
    (folder, run)
}

fn bytes(run: &Run, name: &str) -> Vec<u8> {
    std::fs::read(run.file(name)).unwrap()
}

/// Its class, the one that was read and the probability of that.
fn said(sample: &Sample) -> (&str, &str, f64) {
    match &sample.said {
        Said::Class { class, read, probability } => (class, read, *probability),
        Said::Value { .. } => panic!("{sample:?}: a class expected"),
    }
}

#[test]
fn kept_samples_are_rows_of_the_test_part_with_what_the_run_says_of_them() {
    let data = digits(400, 120);
    let (_folder, run) = trained(options(), &data);
    assert!(bytes(&run, SAMPLES).len() <= MOST_BYTES);
    let kept = Samples::read(&run).unwrap().unwrap();
    let predictor = Predictor::open(&run).unwrap();
    assert!(kept.samples.iter().any(|sample| sample.why == Why::Confused), "few steps leave some confused");
    for (sample, image) in kept.samples.iter().zip(&kept.images) {
        let x = row(&data.test, sample.row);
        let told = &predictor.predict(&x)[0];
        let name = |class: usize| &data.test.class_names()[class];
        let (class, read, probability) = said(sample);
        assert_eq!((class, read), (&**name(usize::from(data.test.labels()[sample.row])), &**name(told.class)));
        // A batch of other rows rounds otherwise.
        assert!((probability - told.probability).abs() < 1e-5, "{sample:?}");
        let pixels: Vec<u8> = x.iter().map(|&value| (255.0 * value).round() as u8).collect();
        assert_eq!(*image, pixels);
        assert!(sample.why != Why::Confused || class != read);
    }
    // The surest and the least sure of all rows.
    let told = predictor.predict(&(0..120).flat_map(|index| row(&data.test, index)).collect::<Vec<f32>>());
    let (least, most) =
        told.iter().fold((1.0f64, 0.0f64), |(l, m), one| (l.min(one.probability), m.max(one.probability)));
    let first = |why| said(kept.samples.iter().find(|sample| sample.why == why).unwrap()).2;
    assert!((first(Why::Surest) - most).abs() < 1e-5 && (first(Why::LeastSure) - least).abs() < 1e-5);
    // Three blocks, each read out, and shown with all samples.
    assert_eq!((kept.accuracy.len(), kept.components.len(), kept.shown.len()), (3, 3, 120));
    assert_eq!((kept.fitted_rows, kept.judged_rows), (400, 120));
    assert!(kept.accuracy.iter().all(|share| share.unwrap() > 0.5), "{:?}", kept.accuracy);
    assert!(run.summary().unwrap().samples_seconds.unwrap() > 0.0);
    let verdict = run.verify().unwrap().into_iter().find(|(name, _)| name == SAMPLES).unwrap().1;
    assert_eq!(verdict, Verdict::Intact);
}

#[test]
fn the_bytes_are_the_same_on_any_number_of_threads_and_nothing_is_kept_where_nothing_may_be() {
    let data = digits(150, 60);
    let on = |threads, keep| {
        let mut options = options();
        (options.training.threads, options.training.keep_samples) = (Some(threads), Some(keep));
        trained(options, &data)
    };
    let ((_a, one), (_b, two), (_c, none)) = (on(1, true), on(2, true), on(2, false));
    assert!(bytes(&one, SAMPLES) == bytes(&two, SAMPLES), "other bytes on two threads");
    assert!(!none.file(SAMPLES).exists() && Samples::read(&none).unwrap().is_none());
    assert_eq!(none.summary().unwrap().samples_seconds, None);
    assert!(bytes(&one, "weights.safetensors") == bytes(&none, "weights.safetensors"));
}

#[test]
fn rows_of_a_table_are_kept_as_their_cells_and_a_later_layer_is_asked_anew() {
    let data = points();
    let mut options = options();
    options.training.batch_size = Some(20);
    let (_folder, run) = trained(options, &data);
    let kept = Samples::read(&run).unwrap().unwrap();
    assert_eq!((kept.shape, kept.columns.len(), kept.all_columns), (None, 6, 6));
    for sample in &kept.samples {
        let x = row(&data.test, sample.row);
        for (cell, value) in sample.cells.iter().zip(&x) {
            let told: f32 = cell.parse().unwrap();
            // Six digits that tell.
            assert!((told - value).abs() <= 1e-5 * value.abs(), "{cell} {value}");
        }
    }
    let mut settings = run.config().unwrap().format;
    settings.epochs = 9;
    format_finished(&run, &data, &settings, &AtomicBool::new(false)).unwrap().unwrap();
    let anew = Samples::read(&run).unwrap().unwrap();
    let told = Predictor::open(&run).unwrap();
    let first = &anew.samples[0];
    let own = &told.predict(&row(&data.test, first.row))[0];
    assert!((said(first).2 - own.probability).abs() < 1e-5);
    assert_ne!(anew.samples, kept.samples);
}

fn probes(run: &Run) -> Vec<ProbeReport> {
    let of = |record| if let Record::Probe(report) = record { Some(report) } else { None };
    run.records().unwrap().into_iter().filter_map(of).collect()
}

#[test]
fn readouts_while_training_change_no_bit_of_it_and_are_judged_on_rows_that_choose_nothing() {
    let data = digits(200, 50);
    let with = |every| {
        let mut options = options();
        options.training.probe_epochs = Some(every);
        trained(options, &data)
    };
    let ((_a, without), (_b, probed)) = (with(0), with(2));
    for name in ["weights.safetensors", "format.safetensors", "readout.json", SAMPLES] {
        assert!(bytes(&without, name) == bytes(&probed, name), "{name}");
    }
    assert_eq!(probes(&without), []);
    let found = probes(&probed);
    assert_eq!(found.iter().map(|probe| (probe.epoch, probe.step)).collect::<Vec<_>>(), [(2, 8), (4, 16), (5, 20)]);
    let last = found.last().unwrap();
    // A fifth of the training rows judges the others' readout.
    assert_eq!((last.judged_on, last.fitted_rows, last.judged_rows), (ProbedOn::Training, 160, 40));
    assert!(last.accuracy.len() == 3 && last.accuracy.iter().all(|share| share.unwrap() > 0.5), "{last:?}");
    // With a validation part that part judges.
    let mut options = options();
    (options.data.validation, options.training.probe_epochs) = (Some(0.25), Some(5));
    let config = options.clone().resolve().unwrap();
    let held_out =
        load("digits", &LoadOptions { train_size: Some(200), test_size: Some(50), ..config.load_options() }).unwrap();
    let (_folder, run) = trained(options, &held_out);
    let probe = &probes(&run)[0];
    assert_eq!((probe.judged_on, probe.fitted_rows, probe.judged_rows), (ProbedOn::Validation, 150, 50));
}

#[test]
fn values_have_no_readouts_of_classes_and_keep_both_ends_of_errors() {
    use hsic_bottleneck::dataset::{Dataset, Quantities, TargetScale, Targets};
    let classes = points();
    let part = |part: &Dataset| {
        let values: Vec<f64> = part.labels().iter().map(|&label| f64::from(label)).collect();
        let scale = TargetScale::of(&values).unwrap();
        Dataset { targets: Targets::Values(Quantities { values, scale }), ..part.clone() }
    };
    let data = Split { train: part(&classes.train), test: part(&classes.test), ..classes };
    let mut options = options();
    options.training.probe_epochs = Some(1);
    let (folder, config) = (tempfile::tempdir().unwrap(), options.clone().resolve().unwrap());
    let run = Run::create(&folder.path().join("r"), &config).unwrap();
    let error = train(&config, &data, &run, &mut [], &AtomicBool::new(false)).unwrap_err();
    let Error::Config(ConfigError::Faults(faults)) = &error else { panic!("{error}") };
    assert_eq!(faults[0].to_string(), "probe-epochs = 1: expected 0 for targets that are values");
    options.training.probe_epochs = None;
    // Of two networks the mean is read.
    for sigmas in [vec![5.0], vec![3.0, 5.0]] {
        options.objective.sigma = Some(Numbers(sigmas.clone()));
        let (_folder, run) = trained(options.clone(), &data);
        let kept = Samples::read(&run).unwrap().unwrap();
        assert_eq!((kept.columns.len(), kept.accuracy.len(), kept.components.len()), (6, 0, 0));
        let predictor = Predictor::open(&run).unwrap();
        let truth = &data.test.of_values().unwrap().values;
        let x: Vec<f32> = (0..data.test.rows()).flat_map(|index| row(&data.test, index)).collect();
        let predicted = predictor.values(&x).unwrap();
        let mut errors: Vec<f64> = truth.iter().zip(&predicted).map(|(truth, told)| (told - truth).abs()).collect();
        let error = |sample: &Sample| match sample.said {
            Said::Value { truth: own, predicted: told } => {
                assert_eq!(own, truth[sample.row]);
                // A batch of other rows rounds otherwise.
                assert!((told - predicted[sample.row]).abs() < 1e-5, "{sample:?}");
                (told - own).abs()
            }
            Said::Class { .. } => panic!("{sample:?}: a value expected"),
        };
        errors.sort_by(f64::total_cmp);
        let of = |why| kept.samples.iter().filter(move |sample| sample.why == why).map(error).collect::<Vec<f64>>();
        let (largest, smallest) = (of(Why::LargestError), of(Why::SmallestError));
        // 30 rows, each once.
        assert_eq!((largest.len(), smallest.len()), (15, 15));
        let near = |found: &[f64], expected: &[f64]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(near(&smallest, &errors), "{sigmas:?}: {smallest:?}");
        errors.reverse();
        assert!(near(&largest, &errors), "{sigmas:?}: {largest:?}");
        assert!(run.summary().unwrap().samples_seconds.is_some() && bytes(&run, SAMPLES).len() <= MOST_BYTES);
    }
    options.training.keep_samples = Some(false);
    let (_folder, run) = trained(options, &data);
    assert!(!run.file(SAMPLES).exists() && run.summary().unwrap().samples_seconds.is_none());
}

//! The folder of a run: made once, cleared with care, read as it was written.

use std::fs;
use std::sync::atomic::AtomicBool;

use hsic_bottleneck::Error;
use hsic_bottleneck::assemble::build_network;
use hsic_bottleneck::config::{TrainConfig, TrainOptions};
use hsic_bottleneck::dataset::{Shape, Targets};
use hsic_bottleneck::judge::at_rest::FormatInput;
use hsic_bottleneck::judge::softmax::SoftmaxLayer;
use hsic_bottleneck::provenance::Provenance;
use hsic_bottleneck::reformat::format_finished;
use hsic_bottleneck::run::{METRICS, Run, RunError, SUMMARY};
use hsic_bottleneck::trainer::train;

use crate::points;

fn config(widths: &str) -> TrainConfig {
    let mut options = TrainOptions::default();
    options.network.widths = Some(widths.to_owned());
    options.resolve().unwrap()
}

#[test]
fn a_folder_is_a_new_run_once_and_numbers_go_on() {
    let place = tempfile::tempdir().unwrap();
    let (config, path) = (config("8"), place.path().join("a/b"));
    // What a run that was killed at once leaves is in nobody's way.
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("config.toml.part"), "[da").unwrap();
    let run = Run::create(&path, &config).unwrap();
    assert_eq!(run.config().unwrap().options, config.options);
    assert!(matches!(Run::create(&path, &config), Err(RunError::Occupied { path: found }) if found == path));
    assert_eq!(Run::open(&path).unwrap(), run);
    assert!(Run::open(place.path()).is_err());

    // The seed stands in the name; from the second run on a number does, too.
    fs::create_dir(place.path().join("digits-mlp-hsic-seed1-3")).unwrap();
    for name in ["digits-mlp-hsic-seed1", "digits-mlp-hsic-seed1-2", "digits-mlp-hsic-seed1-4"] {
        let run = Run::create_numbered(place.path(), &config).unwrap();
        assert_eq!(run.path(), place.path().join(name));
    }
    let mut other = config.options;
    other.training.seed = Some(7);
    let run = Run::create_numbered(place.path(), &other.resolve().unwrap()).unwrap();
    assert_eq!(run.path(), place.path().join("digits-mlp-hsic-seed7"));
}

#[test]
fn a_run_is_trained_in_and_cleared_by_one_process_at_a_time() {
    let place = tempfile::tempdir().unwrap();
    let mut options = config("8").options;
    options.training.batch_size = Some(30);
    options.training.epochs = Some(1);
    let config = options.resolve().unwrap();
    let run = Run::create(&place.path().join("r"), &config).unwrap();
    let never = AtomicBool::new(false);
    let held = run.lock().unwrap();
    let trained = train(&config, &points(), &run, &mut [], &never).unwrap_err();
    assert!(matches!(&trained, Error::Run(RunError::InUse { path, .. }) if path == run.path()), "{trained}");
    assert!(matches!(Run::clear(run.path()), Err(RunError::InUse { .. })));
    let formatted = format_finished(&run, &points(), &config.format, &never).unwrap_err();
    assert!(matches!(formatted, Error::Run(RunError::InUse { .. })), "{formatted}");
    drop(held);
    train(&config, &points(), &run, &mut [], &never).unwrap();
    Run::clear(run.path()).unwrap();
    assert_eq!(fs::read_dir(run.path()).unwrap().count(), 0);
}

#[test]
fn a_run_is_finished_once_there_is_a_summary() {
    let place = tempfile::tempdir().unwrap();
    let run = Run::create(&place.path().join("r"), &config("8")).unwrap();
    assert!(!run.is_finished());
    run.write_json(SUMMARY, &[1, 2]).unwrap();
    assert!(run.is_finished());
    assert_eq!(fs::read_to_string(run.file(SUMMARY)).unwrap(), "[1,2]\n");
    assert_eq!(run.read_json::<Vec<u8>>(SUMMARY, "numbers").unwrap(), [1, 2]);
    let error = run.read_json::<String>(SUMMARY, "a word").unwrap_err().to_string();
    assert!(error.contains("summary.json") && error.ends_with("expected a word"), "{error}");
}

#[test]
fn clearing_takes_a_run_and_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("r");
    Run::clear(&path).unwrap();
    let run = Run::create(&path, &config("8")).unwrap();
    let member = run.member(&config("8")).unwrap();
    assert_eq!(member.path(), path.join("sigma-5"));
    assert_eq!((run.started_member(5.0), run.started_member(1.0)), (Some(member.clone()), None));
    fs::create_dir(path.join("checkpoint")).unwrap();
    for file in ["metrics.jsonl", "summary.json.part", "checkpoint/state.safetensors", "sigma-5/weights.safetensors"] {
        fs::write(path.join(file), "x").unwrap();
    }
    for foreign in ["notes.txt", "checkpoint/other", "sigma-5/notes.txt"] {
        fs::write(path.join(foreign), "mine").unwrap();
        let error = Run::clear(&path).unwrap_err();
        assert!(matches!(&error, RunError::Foreign { path: found } if *found == path.join(foreign)), "{error}");
        assert_eq!(fs::read_to_string(path.join(foreign)).unwrap(), "mine");
        assert!(path.join("metrics.jsonl").exists());
        fs::remove_file(path.join(foreign)).unwrap();
    }
    Run::clear(&path).unwrap();
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
}

#[test]
fn weights_come_back_bit_for_bit_and_into_their_own_shape_alone() {
    let place = tempfile::tempdir().unwrap();
    let run = Run::create(&place.path().join("r"), &config("8")).unwrap();
    let shape = Shape { channels: 1, height: 1, width: 6 };
    let saved = build_network(&config("8"), shape, 3).unwrap();
    run.save_weights(saved.stored_tensors()).unwrap();
    let mut seeded = config("8").options;
    seeded.training.seed = Some(9);
    let mut read = build_network(&seeded.resolve().unwrap(), shape, 3).unwrap();
    assert!(read.tensors() != saved.tensors());
    run.load_weights(&mut read).unwrap();
    assert!(read.tensors() == saved.tensors());
    let error = run.load_weights(&mut build_network(&config("9"), shape, 3).unwrap()).unwrap_err().to_string();
    assert!(error.ends_with("weights.safetensors: tensor 0.weight has shape [8, 6], expected [9, 6]"), "{error}");
}

#[test]
fn a_softmax_layer_comes_back_with_what_it_sees_and_must_be_finite() {
    let place = tempfile::tempdir().unwrap();
    let run = Run::create(&place.path().join("r"), &config("8")).unwrap();
    assert!(run.load_format().unwrap().is_none());
    let weight: Vec<f32> = (0..12).map(|index| index as f32 / 7.0).collect();
    let layer = SoftmaxLayer::from_parts(3, &weight, &[0.5, -1.0, 2.0]).unwrap();
    for input in [FormatInput::Last, FormatInput::All] {
        run.save_format(input, &layer).unwrap();
        let (found, read) = run.load_format().unwrap().unwrap();
        assert_eq!((found, read.inputs(), read.bias()), (input, 4, layer.bias()));
        assert_eq!(read.weight(), layer.weight());
    }
    let bad = SoftmaxLayer::from_parts(3, &weight, &[0.5, f32::NAN, 2.0]).unwrap();
    run.save_format(FormatInput::Last, &bad).unwrap();
    let error = run.load_format().unwrap_err().to_string();
    assert!(error.ends_with("format.safetensors: tensor bias holds NaN at 1, expected finite numbers"), "{error}");
}

#[test]
fn metrics_and_data_are_those_of_the_run() {
    let place = tempfile::tempdir().unwrap();
    let run = Run::create(&place.path().join("r"), &config("8")).unwrap();
    assert_eq!(run.synced_metrics_bytes().unwrap(), 0);
    fs::write(run.file(METRICS), "12345\n").unwrap();
    assert_eq!(run.synced_metrics_bytes().unwrap(), 6);
    let mut data = points();
    run.record_data(&data).unwrap();
    run.record_data(&data).unwrap();
    assert_eq!(run.data().unwrap(), Provenance::of(&data));
    let Targets::Classes(classes) = &mut data.train.targets else { panic!("classes expected") };
    classes.names[1] = "center".to_owned();
    let error = run.record_data(&data).unwrap_err().to_string();
    assert!(error.contains("data.json") && error.contains("middle"), "{error}");
}

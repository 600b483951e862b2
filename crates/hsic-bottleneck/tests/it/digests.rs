//! Every byte of a finished run, changed: it is noticed where the file is opened, or has no effect.

use std::fs;
use std::sync::atomic::AtomicBool;

use hsic_bottleneck::Error;
use hsic_bottleneck::config::{Numbers, TrainOptions};
use hsic_bottleneck::digests::Verdict;
use hsic_bottleneck::files::FileError;
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::reformat::format_finished;
use hsic_bottleneck::run::{Run, RunError};
use hsic_bottleneck::samples::Samples;
use hsic_bottleneck::trainer::{Outcome, train};

use crate::{points, row};

fn options() -> TrainOptions {
    let mut options = TrainOptions::default();
    options.network.widths = Some("3".to_owned());
    options.training.epochs = Some(2);
    options.training.batch_size = Some(30);
    options.format.format_epochs = Some(1);
    options
}

fn finished(options: TrainOptions) -> (tempfile::TempDir, Run) {
    let (folder, config) = (tempfile::tempdir().unwrap(), options.resolve().unwrap());
    let run = Run::create(&folder.path().join("r"), &config).unwrap();
    let outcome = train(&config, &points(), &run, &mut [], &AtomicBool::new(false)).unwrap();
    assert!(matches!(outcome, Outcome::Finished(_)));
    (folder, run)
}

/// All that a finished run says.
fn said(run: &Run) -> Result<String, Error> {
    let predictor = Predictor::open(run)?;
    let first = row(&points().test, 0);
    Ok(format!(
        "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
        run.options()?,
        run.data().map_err(RunError::from)?,
        run.summary().map_err(RunError::from)?,
        run.records().map_err(RunError::from)?,
        Samples::read(run).map_err(RunError::from)?,
        predictor.predict(&first)
    ))
}

#[test]
fn a_changed_byte_of_a_finished_run_is_noticed_or_has_no_effect() {
    let (_folder, run) = finished(options());
    let whole = said(&run).unwrap();
    let mut names: Vec<String> =
        fs::read_dir(run.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| run.file(name).is_file());
    names.sort();
    let expected = [
        "config.toml",
        "data.json",
        "digests.json",
        "format.safetensors",
        "lock",
        "metrics.jsonl",
        "readout.json",
        "samples.safetensors",
        "summary.json",
        "weights.safetensors",
    ];
    assert_eq!(names, expected);
    let (mut changed, mut noticed) = (0, 0);
    for name in names {
        let path = run.file(&name);
        let bytes = fs::read(&path).unwrap();
        // Samples are many bytes of one kind: some of them are looked at.
        let every = if name == "samples.safetensors" { 11 } else { 1 };
        for at in (0..bytes.len()).step_by(every) {
            let mut other = bytes.clone();
            other[at] ^= 1 << (at % 8);
            fs::write(&path, &other).unwrap();
            changed += 1;
            match said(&run) {
                Err(_) => noticed += 1,
                Ok(now) => assert_eq!(now, whole, "{name}: byte {at}"),
            }
        }
        // One that is shorter is another, too.
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(name == "lock" || said(&run).is_err(), "{name}");
        fs::write(&path, &bytes).unwrap();
    }
    assert_eq!(said(&run).unwrap(), whole);
    // Without effect is only what names a file in the list of digests: then that file is as it was.
    assert!(changed > 4_000 && changed - noticed < 200, "{noticed} of {changed}");
}

#[test]
fn a_changed_byte_of_a_checkpoint_is_noticed() {
    let (_folder, run) = finished(options());
    let config = run.config().unwrap();
    let path = run.file("checkpoint/state.safetensors");
    let bytes = fs::read(&path).unwrap();
    assert_eq!(run.saved_steps(&config).unwrap(), 4);
    let mut unnoticed = Vec::new();
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1 << (at % 8);
        fs::write(&path, &other).unwrap();
        if run.saved_steps(&config).is_ok() {
            unnoticed.push(at);
        }
    }
    // The letters of the key under which the digest stands: a checkpoint without a digest is one of an earlier version.
    let key = bytes.windows(8).position(|window| window == b"\"sha256\"").unwrap() + 1;
    assert!(unnoticed.iter().all(|at| (key..key + 6).contains(at)), "{unnoticed:?} of {}, key at {key}", bytes.len());
}

#[test]
fn what_changed_is_told_and_what_training_writes_anew_is_right() {
    let (_folder, run) = finished(options());
    let verdict = |run: &Run, name: &str| {
        run.verify().unwrap().into_iter().find(|(found, _)| found == name).map(|(_, verdict)| verdict)
    };
    assert!(run.verify().unwrap().iter().all(|(_, verdict)| *verdict == Verdict::Intact), "{:?}", run.verify());
    let weights = fs::read(run.file("weights.safetensors")).unwrap();
    let mut other = weights.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(run.file("weights.safetensors"), &other).unwrap();
    assert_eq!(verdict(&run, "weights.safetensors"), Some(Verdict::Changed));
    let error = Predictor::open(&run).err().unwrap();
    assert!(matches!(error, Error::Run(RunError::File(FileError::Changed { .. }))), "{error}");
    fs::write(run.file("weights.safetensors"), weights).unwrap();
    // A softmax layer that is gone is not a run without one.
    let layer = fs::read(run.file("format.safetensors")).unwrap();
    fs::remove_file(run.file("format.safetensors")).unwrap();
    assert_eq!(verdict(&run, "format.safetensors"), Some(Verdict::Missing));
    assert!(Predictor::open(&run).err().unwrap().to_string().contains("format.safetensors: no such file, expected"));
    // What cannot be read is not told as missing.
    fs::create_dir(run.file("format.safetensors")).unwrap();
    let FileError::Io { path, .. } = run.verify().unwrap_err() else { panic!("a folder was read") };
    assert_eq!(path, run.file("format.safetensors"));
    fs::remove_dir(run.file("format.safetensors")).unwrap();
    fs::write(run.file("format.safetensors"), layer).unwrap();
    // A new layer, and a longer training, are sealed anew.
    let settings = run.config().unwrap().format;
    format_finished(&run, &points(), &settings, &AtomicBool::new(false)).unwrap().unwrap();
    assert!(run.verify().unwrap().iter().all(|(_, verdict)| *verdict == Verdict::Intact), "{:?}", run.verify());
    run.extend(3).unwrap();
    assert_eq!(verdict(&run, "config.toml"), Some(Verdict::Unknown));
    train(&run.config().unwrap(), &points(), &run, &mut [], &AtomicBool::new(false)).unwrap();
    assert!(run.verify().unwrap().iter().all(|(_, verdict)| *verdict == Verdict::Intact), "{:?}", run.verify());
    assert!(said(&run).is_ok());
    // A run of an earlier version has no list.
    fs::remove_file(run.file("digests.json")).unwrap();
    assert_eq!(verdict(&run, "weights.safetensors"), Some(Verdict::Unknown));
    assert!(said(&run).is_ok());
}

#[test]
fn a_network_of_several_whose_training_was_killed_behind_its_summary_gets_its_list() {
    let mut options = options();
    options.objective.sigma = Some(Numbers(vec![1.0, 5.0]));
    let (_folder, run) = finished(options.clone());
    let member = run.path().join("sigma-1");
    let list = fs::read(member.join("digests.json")).unwrap();
    // What such a kill leaves: the first network is whole but for its list, which was being written; the run is not.
    for path in [run.file("summary.json"), run.file("digests.json"), member.join("digests.json")] {
        fs::remove_file(path).unwrap();
    }
    fs::write(member.join("digests.json.part"), &list[..5]).unwrap();
    let config = options.resolve().unwrap();
    let outcome = train(&config, &points(), &run, &mut [], &AtomicBool::new(false)).unwrap();
    assert!(matches!(outcome, Outcome::Finished(_)));
    assert!(fs::read(member.join("digests.json")).unwrap() == list);
    assert!(!member.join("digests.json.part").exists() && run.file("digests.json").exists());
}

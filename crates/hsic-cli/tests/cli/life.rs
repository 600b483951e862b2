//! The life of a run: killed at any moment, taken up again, overwritten, on a full disk.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hsic::random::Stream;
use serde_json::Value;

use crate::{Place, bytes, stderr, unseal};

/// Much of the time goes into files: a checkpoint after each of 40 steps, 10 an epoch.
const SMALL: &str = "--train-size 300 --test-size 50 --widths 16x2 --batch-size 32 --epochs 4 --momentum 0.9 \
                     --optimizer sgd --checkpoint-steps 1 --quiet";

/// Kills that are tried, at moments spread evenly over a run. A given twentieth of a run is missed by all 60 with a chance of
/// 0.95^60 = 5 %; more kills would mostly hit checkpoints again, which take most of the time. All files of a run but
/// `metrics.jsonl`, which is appended to, are written aside by one function, so that a kill within any of them stands for
/// the others; the end of the test asserts that one was hit in the making.
const KILLS: u32 = 60;

/// The records of a run, without the times in them: of a timeline, that it is there.
fn metrics(run: &Path) -> Vec<Value> {
    let text = String::from_utf8(bytes(&run.join("metrics.jsonl"))).expect("text");
    let mut records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect();
    for record in &mut records {
        let record = record.as_object_mut().expect("an object");
        record.remove("seconds");
        record.remove("spans");
    }
    records
}

fn is_like(run: &Path, whole: &Path) {
    for file in ["weights.safetensors", "readout.json", "config.toml", "data.json"] {
        assert!(bytes(&run.join(file)) == bytes(&whole.join(file)), "{}: {file}", run.display());
    }
    assert_eq!(metrics(run), metrics(whole), "{}", run.display());
    let files = |folder: &Path| {
        let entries = fs::read_dir(folder).expect("a folder of a run");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    // Nothing half written is left, whatever was killed.
    assert_eq!(files(run), files(whole), "{}", run.display());
    assert_eq!(files(&run.join("checkpoint")), ["state.safetensors"], "{}", run.display());
}

#[test]
fn a_run_killed_at_any_moment_goes_on_to_the_same_bytes() {
    let place = Place::new();
    let whole = || {
        let start = Instant::now();
        let output = place.run(&format!("train {SMALL} --run whole --force"));
        assert!(output.status.success(), "{}", stderr(&output));
        start.elapsed()
    };
    // Moments are spread over the time of a whole run on this machine (the least of three, for it may be busy), so
    // that runs end though they are killed.
    let longest = whole().min(whole()).min(whole()).as_secs_f64();
    let mut moments = Stream::new(5, "kill", 0);
    let (mut kills, mut parts, mut runs) = (0, 0, 0);
    while kills < KILLS {
        let name = format!("killed-{runs}");
        let run = place.path(&name);
        loop {
            // A process killed before its settings were whole left no run: it starts over.
            let arguments = if run.join("config.toml").exists() {
                format!("train --resume {name} --quiet")
            } else {
                format!("train {SMALL} --run {name}")
            };
            let mut child = place.command(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            std::thread::sleep(Duration::from_secs_f64(longest * moments.uniform()));
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            match output.status.code() {
                Some(0) => break,
                Some(code) => panic!("{arguments}: exit {code}: {}", stderr(&output)),
                None => kills += 1,
            }
            let being_written = |folder: &Path| {
                let entries = fs::read_dir(folder).into_iter().flatten().flatten();
                entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "part")).count()
            };
            parts += being_written(&run) + being_written(&run.join("checkpoint"));
        }
        is_like(&run, &place.path("whole"));
        runs += 1;
    }
    // With a checkpoint a step some are killed while they write; that the test still does so is part of it.
    assert!(parts > 0, "{kills} kills of {runs} runs, none while a file was written");
}

#[test]
fn a_finished_run_that_is_resumed_tells_its_summary_again() {
    let place = Place::new();
    let summary = place.json("train --train-size 100 --test-size 20 --widths 8 --epochs 2 --run r --quiet --json");
    let before = metrics(&place.path("r"));
    assert_eq!(place.json("train --resume r --quiet --json"), summary);
    assert_eq!(metrics(&place.path("r")), before);
    // Killed between the last checkpoint and the summary: all of it is made again, times included.
    for file in ["summary.json", "readout.json", "weights.safetensors"] {
        fs::remove_file(place.path("r").join(file)).unwrap();
    }
    let again = place.json("train --resume r --quiet --json");
    assert_eq!(again["milliseconds_per_step"], summary["milliseconds_per_step"]);
    assert_eq!(again["confusion"], summary["confusion"]);
    assert!(again["seconds"].as_f64() >= before.last().unwrap()["seconds"].as_f64());
    assert_eq!(metrics(&place.path("r")), before);
}

#[test]
fn checkpoints_are_asked_for_by_steps_epochs_or_minutes() {
    let place = Place::new();
    // When each saves is tested beside the rule; here that the flags reach it, and the default.
    for (flags, kept) in [
        ("", "checkpoint-epochs = 1"),
        ("--checkpoint-epochs 3", "checkpoint-epochs = 3"),
        ("--checkpoint-minutes 0.5", "checkpoint-minutes = 0.5"),
        ("--checkpoint-steps 3", "checkpoint-steps = 3"),
    ] {
        let run = format!("r{}", flags.len());
        place.json(&format!("train --train-size 100 --test-size 20 --widths 8 --epochs 2 --run {run} --json {flags}"));
        let config = String::from_utf8(bytes(&place.path(&run).join("config.toml"))).unwrap();
        let lines: Vec<&str> = config.lines().filter(|line| line.starts_with("checkpoint")).collect();
        assert_eq!(lines, [kept]);
    }
    let error = place.fails("train --checkpoint-minutes 0 --checkpoint-epochs 0 --checkpoint-steps 0");
    assert!(error.contains("checkpoint-minutes = 0: expected a finite number > 0"), "{error}");
    assert!(error.contains("checkpoint-epochs = 0: expected a whole number >= 1"), "{error}");
}

#[test]
fn force_overwrites_a_run_and_nothing_else() {
    let place = Place::new();
    let train = "train --train-size 100 --test-size 20 --widths 8 --epochs 1 --run r --quiet --json";
    place.json(train);
    place.write("r/metrics.jsonl.part", "half");
    assert!(place.fails(train).contains("r: is not empty"));
    let error = place.fails("train --force");
    assert!(error.contains("--run <DIR>"), "{error}");
    assert_eq!(place.json(&format!("{train} --force --seed 2"))["seed"], 2);
    assert!(!place.path("r/metrics.jsonl.part").exists());
    // Wrong settings, or data that are not there, destroy nothing.
    let weights = bytes(&place.path("r/weights.safetensors"));
    place.fails(&format!("{train} --force --sigma 0"));
    place.fails(&format!("{train} --force --dataset none.csv"));
    for name in ["r/notes.txt", "r/checkpoint/other.safetensors"] {
        place.write(name, "mine");
        let error = place.fails(&format!("{train} --force"));
        assert_eq!(
            error,
            format!("error: {name}: is no file of a run: expected a folder that holds a run and nothing else\n")
        );
        fs::remove_file(place.path(name)).unwrap();
    }
    assert!(bytes(&place.path("r/weights.safetensors")) == weights);
    // A folder with another program's config.toml, and one with a run's names but no settings.
    for (name, text) in [("other/config.toml", "[server]\nport = 1\n"), ("bare/summary.json", "{}")] {
        fs::create_dir(place.path(name).parent().unwrap()).unwrap();
        place.write(name, text);
        let (folder, _) = name.split_once('/').unwrap();
        let error = place.fails(&train.replace("--run r", &format!("--run {folder} --force")));
        assert!(error.starts_with(&format!("error: {name}: is no file of a run")), "{error}");
        assert!(place.path(name).exists());
    }
}

#[test]
fn a_run_killed_before_its_settings_were_whole_starts_over() {
    let place = Place::new();
    fs::create_dir(place.path("r")).unwrap();
    place.write("r/config.toml.part", "[dat");
    let error = place.fails("train --resume r");
    assert_eq!(error, "error: r: no config.toml, expected a run's folder with a config.toml\n");
    place.json("train --train-size 100 --test-size 20 --widths 8 --epochs 1 --run r --quiet --json");
    assert!(!place.path("r/config.toml.part").exists());
}

#[test]
fn damaged_and_foreign_files_of_a_run_are_named() {
    let place = Place::new();
    let small = "--train-size 100 --test-size 20 --epochs 2 --quiet --json";
    place.json(&format!("train {small} --widths 8 --run r"));
    place.json(&format!("train {small} --widths 9 --run other"));
    fs::remove_file(place.path("r/summary.json")).unwrap();
    let checkpoint = place.path("r/checkpoint/state.safetensors");
    let whole = bytes(&checkpoint);
    let claim = [&(1u64 << 40).to_le_bytes()[..], &whole[8..]].concat();
    for (damaged, expected) in [
        (whole[..whole.len() / 2].to_vec(), "expected a safetensors file"),
        (b"PK\x03\x04 some archive".to_vec(), "expected a safetensors file"),
        (claim, "expected a safetensors file"),
        (
            bytes(&place.path("other/checkpoint/state.safetensors")),
            "tensor 0.weight has shape [9, 784], expected [8, 784]",
        ),
        (bytes(&place.path("r/weights.safetensors")), "no state, expected a checkpoint of training"),
    ] {
        fs::write(&checkpoint, damaged).unwrap();
        let error = place.fails("train --resume r");
        assert!(error.starts_with("error: r/checkpoint/state.safetensors: ") && error.contains(expected), "{error}");
    }
    // A checkpoint of a longer run.
    place.json(&format!("train {} --widths 8 --run longer", small.replace("--epochs 2", "--epochs 9")));
    fs::copy(place.path("longer/checkpoint/state.safetensors"), &checkpoint).unwrap();
    let error = place.fails("train --resume r");
    assert_eq!(error, "error: r/checkpoint/state.safetensors: step 9, expected at most 2\n");
    fs::write(&checkpoint, &whole).unwrap();

    let data = place.path("r/data.json");
    let record = String::from_utf8(bytes(&data)).unwrap();
    for (from, to, expected) in [
        ("\"height\":28", "\"height\":1099511627776", "shape 1 x 1099511627776 x 28, expected 1 to "),
        ("\"train_rows\":100", "\"train_rows\":99", "data with training rows 100, expected 99 as when the run began"),
        ("\"name\"", "name", "expected the record of a run's data"),
    ] {
        fs::write(&data, record.replace(from, to)).unwrap();
        unseal(&data);
        let error = place.fails("train --resume r");
        assert!(error.starts_with("error: r/data.json: ") && error.contains(expected), "{error}");
    }
    fs::write(&data, &record).unwrap();
    place.json("train --resume r --json --quiet");
}

/// The command where no file may grow beyond so many blocks of 512 bytes, as on a disk that is full.
#[cfg(target_os = "linux")]
fn on_a_full_disk(place: &Place, blocks: u32, arguments: &str) -> String {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {} {arguments}", env!("CARGO_BIN_EXE_hsic"));
    let output = Command::new("/bin/sh").args(["-c", &script]).current_dir(place.path("")).output().expect("a shell");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    stderr(&output)
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_at_once_and_the_last_good_state_stays() {
    let place = Place::new();
    let small =
        "--train-size 300 --test-size 50 --widths 16x2 --batch-size 32 --epochs 40 --checkpoint-steps 1 --quiet";
    assert!(place.run(&format!("train {small} --run whole")).status.success());
    // 13,002 parameters of 4 bytes do not go into 20 blocks.
    let error = on_a_full_disk(&place, 20, &format!("train {small} --run r"));
    assert!(error.starts_with("error: r/checkpoint/state.safetensors\n       because File too large"), "{error}");
    assert_eq!(fs::read_dir(place.path("r/checkpoint")).unwrap().count(), 0, "the half file is gone");

    let checkpoint = place.path("r/checkpoint/state.safetensors");
    let mut child = place.command("train --resume r --quiet").stdout(Stdio::null()).spawn().unwrap();
    while !checkpoint.exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let good = bytes(&checkpoint);
    let error = on_a_full_disk(&place, 20, "train --resume r --quiet");
    assert!(error.starts_with("error: r/checkpoint/state.safetensors\n       because File too large"), "{error}");
    assert!(bytes(&checkpoint) == good, "the last good state stays");
    // Records of metrics are cut off in the middle; they are written anew.
    let error = on_a_full_disk(&place, 1, "train --resume r --quiet");
    assert!(error.contains("File too large"), "{error}");
    assert!(place.run("train --resume r --quiet").status.success());
    is_like(&place.path("r"), &place.path("whole"));
}

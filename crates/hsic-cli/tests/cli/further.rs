//! Finished runs that are trained further, and runs that are used from elsewhere.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::behaviour::copy;
use crate::{Place, bytes, stderr};

/// Ten steps an epoch; the momentum of the first leg goes on into the second.
const SMALL: &str =
    "--train-size 640 --test-size 100 --widths 16x2 --batch-size 64 --optimizer sgd --momentum 0.9 --quiet";

fn epochs(run: &Path) -> Vec<Value> {
    let text = String::from_utf8(bytes(&run.join("metrics.jsonl"))).expect("text");
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a record"));
    records.filter(|record| record["type"] == "epoch").collect()
}

#[test]
fn a_finished_run_is_trained_further_by_a_course_of_its_own() {
    let place = Place::new();
    let first = place.json(&format!("train {SMALL} --epochs 2 --run r --json"));
    copy(&place.path("r"), &place.path("cut"));
    let second = place.json("train --resume r --epochs 5 --quiet --json");
    assert_eq!((&second["epochs"], &second["steps"]), (&5.into(), &50.into()));
    let legs = second["legs"].as_array().unwrap();
    assert_eq!((legs.len(), &legs[0]["epochs"], &legs[1]["epochs"]), (2, &2.into(), &5.into()));
    assert_eq!((&legs[0]["test_accuracy"], &legs[0]["steps"]), (&first["test_accuracy"], &20.into()));
    assert_eq!(
        (&legs[1]["test_accuracy"], &legs[1]["train_accuracy"]),
        (&second["test_accuracy"], &second["train_accuracy"])
    );
    let seconds: f64 = legs.iter().map(|leg| leg["seconds"].as_f64().unwrap()).sum();
    assert!((seconds - second["seconds"].as_f64().unwrap()).abs() < 1e-9);
    assert_eq!(place.json("eval r --json")["test_accuracy"], second["test_accuracy"]);

    // Half a cosine over the first 20 steps, another over the 30 that were added: the last step of each epoch.
    let rate = |step: f64, total: f64| 2e-3 * 0.5 * (1.0 + (std::f64::consts::PI * step / total).cos());
    let expected = [rate(9.0, 20.0), rate(19.0, 20.0), rate(9.0, 30.0), rate(19.0, 30.0), rate(29.0, 30.0)];
    let found = epochs(&place.path("r"));
    assert_eq!(found.len(), 5);
    for (index, (record, rate)) in found.iter().zip(expected).enumerate() {
        assert_eq!(record["epoch"], index as u64 + 1);
        assert!((record["learning_rate"].as_f64().unwrap() - rate).abs() < 1e-12, "{record}");
    }

    // The same settings from the start come to the same bytes.
    let config = String::from_utf8(bytes(&place.path("r/config.toml"))).unwrap();
    assert!(config.contains("restarts = \"2\"\n") && config.contains("epochs = 5\n"), "{config}");
    place.json("train --config r/config.toml --run whole --quiet --json");
    let weights = |run: &str| bytes(&place.path(run).join("weights.safetensors"));
    assert!(weights("whole") == weights("r"));

    // Killed in its middle: what the run came to stays, and it goes on to the same bytes.
    let before = place.json("eval cut --json");
    let old = weights("cut");
    let state = bytes(&place.path("cut/checkpoint/state.safetensors"));
    let config = String::from_utf8(bytes(&place.path("cut/config.toml"))).unwrap();
    place.write("cut/config.toml", &config.replace("checkpoint-epochs = 1", "checkpoint-steps = 1"));
    let mut child = place.command("train --resume cut --epochs 5 --quiet").stdout(Stdio::null()).spawn().unwrap();
    while bytes(&place.path("cut/checkpoint/state.safetensors")) == state {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    if place.json("eval cut --json") == before {
        assert!(weights("cut") == old);
        let error = place.fails("train --resume cut --epochs 7");
        assert_eq!(error, "error: epochs = 7: expected 5, to which the run is being trained\n");
    }
    let resumed = place.json("train --resume cut --quiet --json");
    assert!(weights("cut") == weights("r"));
    assert_eq!((&resumed["confusion"], resumed["legs"].as_array().unwrap().len()), (&second["confusion"], 2));
    assert!(!place.path("cut/next").exists() && !place.path("cut/next.json").exists());

    // Further still; then nothing is left to do.
    let third = place.json("train --resume r --epochs 6 --quiet --json");
    assert_eq!((third["legs"].as_array().unwrap().len(), &third["steps"]), (3, &60.into()));
    assert_eq!(place.json("train --resume r --quiet --json"), third);
    let text = String::from_utf8(place.run("train --resume r --quiet").stdout).unwrap();
    assert!(text.contains("\nepochs 1 to 2: ") && text.contains("\nepochs 6 to 6: "), "{text}");
    for epochs in [3, 6] {
        let error = place.fails(&format!("train --resume r --epochs {epochs}"));
        assert_eq!(error, format!("error: epochs = {epochs}: expected more than 6, which the run has\n"));
    }
}

#[test]
fn only_what_is_finished_is_trained_further() {
    let place = Place::new();
    place.json(&format!("train {SMALL} --epochs 1 --format-epochs 0 --run r --json"));
    fs::remove_file(place.path("r/summary.json")).unwrap();
    let error = place.fails("train --resume r --epochs 3");
    assert_eq!(
        error,
        "error: r: training has not ended, expected a finished run (hsic train --resume goes on with this one)\n"
    );
    place.json("train --resume r --quiet --json");
    // A softmax layer of the earlier network does not outlive it.
    place.json("format r --format-epochs 1 --json");
    place.json("train --resume r --epochs 2 --quiet --json");
    assert!(!place.path("r/format.safetensors").exists());
    assert!(place.json("eval r --json")["format_accuracy"].is_null());
    fs::remove_file(place.path("r/checkpoint/state.safetensors")).unwrap();
    let error = place.fails("train --resume r --epochs 3");
    assert!(error.contains("state.safetensors: nothing, expected the state at the end of training"), "{error}");
    let two = format!("train {SMALL} --epochs 1 --sigma 1,5 --format-epochs 1 --run two --json");
    place.json(&two);
    assert_eq!(place.fails("train --resume two --epochs 3"), "error: epochs = 3: expected a run of one sigma\n");
}

/// The command in a folder of the place, with or without an environment that names the data.
fn elsewhere(place: &Place, folder: &str, arguments: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hsic"));
    command.args(arguments.split_whitespace()).current_dir(place.path(folder)).env_clear();
    let output = command.output().expect("the command runs");
    assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[test]
fn data_are_found_again_from_another_folder_and_without_the_environment() {
    let place = Place::new();
    fs::create_dir_all(place.path("other/folder")).unwrap();
    let rows = |i: u32| format!("{},{},{}\n", i % 7, (i * i) % 11, i % 2);
    place.write("t.csv", &(0..60).map(rows).collect::<String>());
    let small = "--widths 8 --epochs 1 --batch-size 16 --quiet --json";
    let summary = place.json(&format!("train --dataset t.csv --run table {small}"));
    let again = elsewhere(&place, "other/folder", "eval ../../table --json");
    assert_eq!(again["test_accuracy"], summary["test_accuracy"]);

    // Two rows a class in the format of MNIST, in a folder that only the environment names.
    fs::create_dir_all(place.path("sets/mnist")).unwrap();
    let labels: Vec<u8> = (0..20).map(|row| row % 10).collect();
    let pixels: Vec<u8> = (0..20u8).flat_map(|row| [row, 10 * (row % 10), 255 - row, 7]).collect();
    for (name, header, body) in [
        ("train-images-idx3-ubyte", &[0x803u32, 20, 2, 2][..], &pixels),
        ("train-labels-idx1-ubyte", &[0x801, 20], &labels),
        ("t10k-images-idx3-ubyte", &[0x803, 20, 2, 2], &pixels),
        ("t10k-labels-idx1-ubyte", &[0x801, 20], &labels),
    ] {
        let bytes: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).chain(body.iter().copied()).collect();
        fs::write(place.path("sets/mnist").join(name), bytes).unwrap();
    }
    let mut command = place.command(&format!("train --dataset mnist --run images {}", small.replace("16", "8")));
    let output = command.env("HSIC_DATA", "sets").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let again = elsewhere(&place, "other/folder", "eval ../../images --json");
    assert_eq!((&again["test_accuracy"], &again["rows"]), (&summary["test_accuracy"], &20.into()));
    fs::remove_file(place.path("images/summary.json")).unwrap();
    let resumed = elsewhere(&place, "other", "train --resume ../images --quiet --json");
    assert_eq!(resumed["confusion"], summary["confusion"]);
    let config = String::from_utf8(bytes(&place.path("images/config.toml"))).unwrap();
    let folder = place.path("sets").canonicalize().unwrap();
    assert!(config.contains(&format!("data-dir = \"{}\"\n", folder.display())), "{config}");
    // Data of another name are looked for where they always are.
    let error = place.fails("eval images --dataset fashion-mnist");
    assert!(error.starts_with("error: fashion-mnist: train-images") && !error.contains("DIR/sets"), "{error}");
}

#[test]
fn what_is_no_better_than_its_largest_class_is_told_with_a_command() {
    let place = Place::new();
    // Labels that the columns do not tell.
    let rows = |i: u32| format!("{},{},{}\n", (i * 37) % 101, (i * 53) % 97, u32::from((i * 7919) % 13 < 6));
    place.write("noise.csv", &(0..400).map(rows).collect::<String>());
    let train = "train --dataset noise.csv --widths 8 --epochs 3 --batch-size 64 --quiet";
    let output = place.run(&format!("{train} --run r"));
    let told = stderr(&output);
    let line = told.lines().find(|line| line.contains("not clearly more than the")).unwrap_or_else(|| panic!("{told}"));
    assert!(
        line.ends_with("expected more epochs (hsic train --resume r --epochs 6) or another --learning-rate"),
        "{line}"
    );
    // A network that has learned says nothing of the kind.
    let output =
        place.run("train --train-size 1000 --test-size 200 --widths 32 --epochs 4 --batch-size 64 --quiet --run d");
    assert!(!stderr(&output).contains("not clearly"), "{}", stderr(&output));
}

#[test]
fn a_batch_that_holds_all_data_is_announced_and_whole_batches_can_be_asked_for() {
    let place = Place::new();
    let small = "--train-size 100 --test-size 20 --widths 8 --epochs 2 --quiet";
    let output = place.run(&format!("train {small} --batch-size 256 --run r"));
    let told = "warning: a batch of 256 rows holds all 100 training rows: each epoch is one step\n";
    assert!(stderr(&output).contains(told), "{}", stderr(&output));
    let steps = |more: &str| {
        place.json(&format!("train {small} --batch-size 32 --json --run s{} {more}", more.len()))["steps"].clone()
    };
    assert_eq!((steps(""), steps("--drop-last true")), (8.into(), 6.into()));
    let error = place.fails(&format!("train {small} --batch-size 256 --drop-last true"));
    assert_eq!(error, "error: batch-size = 256: expected at most the 100 training rows, or drop-last = false\n");
}

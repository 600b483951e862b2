//! `train` and `eval`: tiny runs on the built-in digits.

use crate::{Place, bytes, stderr};
use serde_json::Value;
use std::time::Duration;

const SMALL: &str = "--train-size 600 --test-size 200 --widths 32x2 --batch-size 64";

#[test]
fn a_small_run_learns_and_leaves_its_folder() {
    let place = Place::new();
    let settings =
        "--train-size 2000 --test-size 200 --widths 64x2 --batch-size 128 --epochs 6 --seed 1 --format-epochs 0";
    let summary = place.json(&format!("train {settings} --run r --json --quiet"));
    for key in ["run", "dataset", "model", "method", "threads", "seconds", "milliseconds_per_step", "peak_memory_bytes"]
    {
        assert!(!summary[key].is_null(), "{key}");
    }
    assert_eq!(summary["epochs"], 6);
    assert_eq!(summary["steps"], 96);
    assert_eq!(summary["parameters"], 784 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10);
    assert!(summary["format_accuracy"].is_null());
    let accuracy = summary["test_accuracy"].as_f64().unwrap();
    // 200 test samples of ten classes: chance is 0.1, its standard deviation 0.02.
    assert!(accuracy > 0.5, "{accuracy}");
    for file in ["config.toml", "metrics.jsonl", "weights.safetensors", "summary.json", "checkpoint/state.safetensors"]
    {
        assert!(place.path("r").join(file).is_file(), "{file}");
    }
    let metrics = String::from_utf8(bytes(&place.path("r/metrics.jsonl"))).unwrap();
    assert_eq!(metrics.lines().filter(|line| line.contains(r#""type":"epoch""#)).count(), 6);
    let timelines: Vec<serde_json::Value> = metrics
        .lines()
        .filter(|line| line.contains(r#""type":"timeline""#))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(timelines.len(), 1);
    assert_eq!(timelines[0]["step"], 20);
    assert_eq!(place.json("eval r --json")["test_accuracy"].as_f64(), Some(accuracy));
}

#[test]
fn parts_of_batches_are_kept_with_a_run_and_have_one_outcome_on_any_threads() {
    let place = Place::new();
    let parts = "--shards 8";
    for (run, more) in [
        ("whole", ""),
        ("a", "--shards 8 --threads 1"),
        ("b", "--shards 8 --threads 3"),
        ("c", "--shards 8 --schedule sequential"),
        ("d", "--shards 4"),
    ] {
        let output = place.run(&format!("train {SMALL} --epochs 1 --run {run} --quiet {more}"));
        assert!(output.status.success(), "{}", stderr(&output));
        let kept = String::from_utf8(bytes(&place.path(run).join("config.toml"))).unwrap();
        assert_eq!(kept.contains("shards = 8"), more.contains(parts), "{kept}");
    }
    let weights = |run: &str| bytes(&place.path(run).join("weights.safetensors"));
    assert!(weights("a") == weights("b") && weights("a") == weights("c"));
    assert!(weights("a") != weights("d") && weights("a") != weights("whole"));
    for (options, told) in [
        ("--shards 8 --method backprop", "shards = 8: expected not given for backprop"),
        ("--shards 65", "shards = 65: expected from 1 to the rows of a batch (batch-size)"),
        ("--shards 8 --model resnet-conv", "shards cannot train block"),
    ] {
        let error = place.fails(&format!("train {} {options} --run never", SMALL.replace("--widths 32x2", "")));
        assert!(error.contains(told), "{error}");
    }
    assert!(!place.path("never").exists());
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let place = Place::new();
    for (run, more) in [("a", "--threads 1"), ("b", "--threads 2"), ("c", "--schedule sequential"), ("d", "--seed 2")] {
        let output = place.run(&format!("train {SMALL} --epochs 1 --run {run} --quiet {more}"));
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let weights = |run: &str| bytes(&place.path(run).join("weights.safetensors"));
    assert!(weights("a") == weights("b") && weights("a") == weights("c"));
    assert!(weights("a") != weights("d"));
}

#[test]
fn a_config_file_holds_what_flags_do_not_say() {
    let place = Place::new();
    place.write(
        "run.toml",
        "[data]\ntrain-size = 300\ntest-size = 100\n[network]\nwidths = \"16\"\n[training]\nepochs = 2\n",
    );
    let summary = place.json("train --config run.toml --epochs 1 --json --quiet");
    assert_eq!((&summary["epochs"], &summary["steps"]), (&1.into(), &2.into()));
    assert_eq!(summary["run"], "runs/digits-mlp-hsic-seed1");
    let again = place.json("train --config runs/digits-mlp-hsic-seed1/config.toml --json --quiet");
    assert_eq!(again["test_accuracy"], summary["test_accuracy"]);
}

#[test]
fn a_damaged_file_of_a_run_is_named() {
    let place = Place::new();
    let output = place.run("train --train-size 200 --test-size 50 --widths 8 --epochs 1 --run r --quiet");
    assert!(output.status.success(), "{}", stderr(&output));
    let weights = place.path("r/weights.safetensors");
    let whole = bytes(&weights);
    for damaged in [&whole[..whole.len() - 3], &whole[..5], b"{}".as_slice(), b"".as_slice()] {
        std::fs::write(&weights, damaged).unwrap();
        let error = place.fails("eval r");
        assert!(error.contains("weights.safetensors"), "{error}");
    }
    std::fs::write(&weights, &whole).unwrap();
    place.write("r/readout.json", "{");
    assert!(place.fails("eval r").contains("readout.json"));
}

#[test]
fn labels_that_vanish_are_warned_of() {
    let place = Place::new();
    let output = place.run(&format!("train {SMALL} --epochs 1 --sigma 100 --run r"));
    assert!(stderr(&output).contains("labels have all but vanished"), "{}", stderr(&output));
}

#[test]
fn augmented_and_normalized_runs_resume_to_the_same_bytes_and_evaluate_as_they_were_trained() {
    let place = Place::new();
    let settings = format!("{SMALL} --epochs 2 --flip true --shift 2 --cutout 6 --normalize channel --quiet");
    let accuracy = place.json(&format!("train {settings} --run a --threads 1 --json"))["test_accuracy"].clone();
    let weights = |run: &str| bytes(&place.path(run).join("weights.safetensors"));
    // Killed once there is a checkpoint. A run that ended before the kill came says nothing: another one is tried.
    let cut_short = || {
        if place.path("b").exists() {
            std::fs::remove_dir_all(place.path("b")).unwrap();
        }
        let mut child = place.command(&format!("train {settings} --run b --checkpoint-steps 1")).spawn().unwrap();
        while !place.path("b/checkpoint/state.safetensors").exists() {
            assert_eq!(child.try_wait().unwrap(), None, "ended without a checkpoint");
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        !place.path("b/weights.safetensors").exists()
    };
    assert!((0..20).any(|_| cut_short()), "every run ended before it was killed");
    assert!(place.run("train --resume b --quiet --threads 2").status.success());
    assert!(weights("a") == weights("b"));
    assert!(place.run(&format!("train {SMALL} --epochs 2 --quiet --run plain")).status.success());
    assert!(weights("a") != weights("plain"));

    assert_eq!(place.json("eval a --json")["test_accuracy"], accuracy);
    // Normalized to nothing, all images look alike.
    let record = String::from_utf8(bytes(&place.path("a/data.json"))).unwrap();
    let normalization = record.find("\"normalization\":").unwrap();
    let with = |numbers: &str| format!("{}\"normalization\":{numbers}}}", &record[..normalization]);
    place.write("a/data.json", &with(r#"{"means":[0.0],"deviations":[0.0]}"#));
    assert!(place.json("eval a --json")["test_accuracy"].as_f64().unwrap() <= 0.1);
    place.write("a/data.json", &with(r#"{"means":[0.0],"deviations":[-1.0]}"#));
    assert!(
        place.fails("eval a").contains("a/data.json: normalization Normalization { means: [0.0], deviations: [-1.0] }")
    );
}

#[test]
fn a_recipe_is_told_and_a_run_holds_what_came_of_it() {
    let place = Place::new();
    let settings =
        "--method backprop --widths 4,4 --train-size 96 --test-size 20 --batch-size 32 --epochs 2 --flip true";
    let output = place.run(&format!("train --recipe airbench {settings} --run a --quiet"));
    let said = stderr(&output);
    let told = said.lines().next().unwrap();
    assert!(told.starts_with("recipe airbench: --normalize channel --shift 2 --shift-border reflect"), "{told}");
    assert!(told.contains("--optimizer muon") && !told.contains("--flip") && !told.contains("--epochs"), "{told}");
    let stored = String::from_utf8(bytes(&place.path("a/config.toml"))).unwrap();
    assert!(stored.contains("model = \"airbench\"") && stored.contains("flip = true"), "{stored}");
    assert!(!stored.contains("recipe"), "{stored}");
    let weights = |run: &str| bytes(&place.path(run).join("weights.safetensors"));
    assert!(place.run("train --config a/config.toml --run b --quiet --threads 2").status.success());
    assert!(weights("a") == weights("b"));
    // Whitened by the same windows, and each image looked at several times where it is asked for.
    let summary = place.json("eval a --json");
    assert_eq!(summary["test_time"]["looks"], "flip-shift");
    let plain = place.json("eval a --test-time none --json");
    assert_eq!((&plain["test_time"], &plain["test_accuracy"]), (&Value::Null, &summary["test_accuracy"]));
    let told = String::from_utf8(place.run("eval a").stdout).unwrap().replace("\n  ", " ");
    assert!(told.contains("% with flips and shifts at test time"), "{told}");
    let error = place.fails("train --recipe resnet");
    assert!(error.contains("[possible values: airbench]"), "{error}");
}

#[test]
fn approximated_runs_keep_their_form_for_any_threads_and_when_taken_up() {
    let place = Place::new();
    let weights = |run: &str| bytes(&place.path(run).join("weights.safetensors"));
    for (index, form) in ["exact", "blocks:24", "nystroem:24", "fourier:24"].into_iter().enumerate() {
        let settings = format!("{SMALL} --epochs 3 --quiet --approximation {form}");
        let names = ["one", "cut", "two"].map(|name| format!("{name}-{index}"));
        let [one, cut, two] = &names;
        place.json(&format!("train {settings} --json --run {one} --threads 1"));
        place.json(&format!("train {settings} --json --run {two} --threads 2"));
        assert!(weights(one) == weights(two), "{form}");
        let config = String::from_utf8(bytes(&place.path(one).join("config.toml"))).unwrap();
        assert!(config.contains(&format!("approximation = \"{form}\"")), "{config}");
        // Killed once there is a checkpoint.
        let mut child = place.command(&format!("train {settings} --run {cut} --checkpoint-steps 2")).spawn().unwrap();
        while !place.path(cut).join("checkpoint/state.safetensors").exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        place.json(&format!("train --resume {cut} --quiet --json --threads 2"));
        assert!(weights(one) == weights(cut), "{form}");
        assert!(index == 0 || weights(one) != weights("one-0"), "{form}");
    }
    let error = place.fails("train --approximation nystroem:65 --batch-size 64 --method backprop");
    assert_eq!(
        error,
        "error: approximation = nystroem:65: expected exact for backprop, which does not read it\n       \
         approximation = nystroem:65: expected at most as many landmarks as rows of a batch (batch-size)\n"
    );
    let error = place.fails("train --approximation blocks:1");
    assert!(error.contains("'blocks:1'") && error.contains("expected exact, blocks:B with B >= 2"), "{error}");
}

#[test]
fn changes_of_images_are_refused_for_tables() {
    let place = Place::new();
    let rows = (0..40).map(|row| format!("{row},{},{}\n", row % 7, row % 2)).collect::<String>();
    place.write("t.csv", &rows);
    let error = place.fails("train --dataset t.csv --flip true --shift 1 --batch-size 8 --quiet");
    assert_eq!(
        error,
        "error: flip = true: expected not given for dataset = t.csv, which does not read it; read by data sets of images\n       \
         shift = 1: expected not given for dataset = t.csv, which does not read it; read by data sets of images\n"
    );
    assert!(!place.path("runs").exists());
    let error = place.fails("train --dataset t.csv --normalize channel --quiet");
    assert!(error.starts_with("error: normalize = channel: expected not given for dataset = t.csv"), "{error}");
}

#[test]
fn the_version_is_told_under_the_commands_name() {
    let told = String::from_utf8(Place::new().run("--version").stdout).expect("text");
    assert_eq!(told, format!("hsic {}\n", env!("CARGO_PKG_VERSION")));
}

//! Trainings of a comparison or a reproduction, divided among processes.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Place, bytes, stderr};

const COMPARE: &str = "compare --methods hsic,frozen:learning-rate=1e-2 --budget 2epochs --seeds 2 --train-size 200 \
                       --test-size 60 --widths 16x2 --batch-size 50 --threads 1";

/// The lines of a plan.
fn plan(place: &Place, arguments: &str) -> Vec<Value> {
    let output = place.run(&format!("{arguments} --plan"));
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

fn text<'v>(job: &'v Value, key: &str) -> &'v str {
    job[key].as_str().unwrap_or_else(|| panic!("{key} of {job}"))
}

/// Ids of the jobs in a state.
fn ids<'v>(jobs: &'v [Value], state: &str) -> Vec<&'v str> {
    jobs.iter().filter(|job| job["state"] == state).map(|job| text(job, "id")).collect()
}

/// Carries out the command of a job.
fn carry_out(place: &Place, job: &Value) {
    let command = text(job, "command").strip_prefix("hsic ").expect("the command");
    let output = place.run(&format!("{command} --quiet"));
    assert!(output.status.success(), "{command}: {}", stderr(&output));
    // These trainings are short, of which a training by itself warns.
    assert_eq!(stderr(&output), "", "{command}");
}

/// The folders of all runs, in order.
fn runs(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("runs")).expect("runs");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.is_dir() && path.join("summary.json").exists());
    paths.sort();
    paths
}

/// What two folders of runs have in common: all that does not tell of time, place or memory.
fn assert_same_runs(one: &Path, other: &Path) {
    let (left, right) = (runs(one), runs(other));
    let names =
        |paths: &[PathBuf]| paths.iter().map(|path| path.file_name().expect("a name").to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&left), names(&right));
    assert!(!left.is_empty());
    for (left, right) in left.iter().zip(&right) {
        for file in ["weights.safetensors", "config.toml", "data.json", "readout.json"] {
            assert!(bytes(&left.join(file)) == bytes(&right.join(file)), "{} {file}", left.display());
        }
    }
}

/// A record without what depends on time, place or memory.
fn timeless(mut record: Value) -> Value {
    for row in record["rows"].as_array_mut().expect("rows") {
        for key in ["seconds", "milliseconds_per_step", "peak_memory_bytes"] {
            row[key] = Value::Null;
        }
    }
    // Accuracy over seconds and over bytes.
    record["plot"] = Value::Null;
    record
}

#[test]
fn a_comparison_done_job_by_job_is_the_one_done_in_one_go() {
    let place = Place::new();
    let whole = place.json(&format!("{COMPARE} --output whole --quiet --json"));
    let shared = format!("{COMPARE} --output parts");

    // Nothing is trained by a plan, and the fourth rate waits for the first three.
    let jobs = plan(&place, &shared);
    let rates = ["hsic.rate1", "hsic.rate2", "hsic.rate3"];
    assert_eq!(ids(&jobs, "ready")[..3], rates);
    assert_eq!(ids(&jobs, "waiting"), ["hsic.rate4", "hsic.seed1", "hsic.seed2"]);
    // A rate that is given is not searched.
    assert_eq!(ids(&jobs, "ready")[3..], ["frozen:learning-rate=1e-2.seed1", "frozen:learning-rate=1e-2.seed2"]);
    let named = |id: &str| jobs.iter().find(|job| job["id"] == id).expect("a job").clone();
    assert_eq!(named("hsic.rate4")["needs"], serde_json::json!(rates));
    let all = ["hsic.rate1", "hsic.rate2", "hsic.rate3", "hsic.rate4"];
    assert_eq!(named("hsic.seed1")["needs"], serde_json::json!(all));
    assert!(named("hsic.rate4").get("run").is_none() && named("hsic.rate1")["needs"] == serde_json::json!([]));
    assert!(!place.path("parts/runs").exists());
    for job in &jobs {
        assert_eq!(job["threads"], 1);
        assert!(job["seconds"].as_f64() > Some(0.0), "{job}");
        // Bytes, not kilobytes or megabytes.
        let memory = job["memory"].as_u64();
        assert!(
            cfg!(not(target_os = "linux")) || memory.is_some_and(|bytes| (1 << 22..1 << 33).contains(&bytes)),
            "{job}"
        );
    }

    let error = place.fails(&format!("{shared} --only hsic.seed1"));
    assert!(
        error.contains("only = hsic.seed1: waits for what others come to") && error.contains("hsic.rate4"),
        "{error}"
    );
    let error = place.fails(&format!("{shared} --only hsic.rate9"));
    assert!(error.contains("only = hsic.rate9: expected an id of the plan (--plan): hsic.rate1"), "{error}");

    // Wave after wave, each in the order from behind.
    let mut waves = 0;
    loop {
        let jobs = plan(&place, &shared);
        let ready: Vec<&Value> = jobs.iter().filter(|job| job["state"] == "ready").collect();
        if ready.is_empty() {
            assert_eq!(ids(&jobs, "waiting"), Vec::<&str>::new());
            break;
        }
        let gathered = place.run(&format!("{shared} --gather --json"));
        assert_eq!(gathered.status.code(), Some(1), "{}", stderr(&gathered));
        for job in &ready {
            assert!(stderr(&gathered).contains(text(job, "id")), "{}", stderr(&gathered));
        }
        ready.into_iter().rev().for_each(|job| carry_out(&place, job));
        waves += 1;
    }
    assert!(waves >= 3, "{waves}");
    assert_same_runs(&place.path("whole"), &place.path("parts"));
    let gathered = place.json(&format!("{shared} --gather --json"));
    assert_eq!(timeless(gathered.clone()), timeless(whole));
    assert!(gathered.get("missing").is_none());
    assert_eq!(gathered["rows"][0]["seeds"], serde_json::json!([1, 2]));

    // One that is done is not done again, and a row knows which of its seeds are there.
    let before = runs(&place.path("parts")).len();
    let told = String::from_utf8(place.run(&format!("{shared} --only hsic.seed1")).stdout).expect("text");
    assert!(told.starts_with("hsic.seed1: parts/runs/digits-mlp-hsic-"), "{told}");
    assert_eq!(runs(&place.path("parts")).len(), before);
    let first =
        text(plan(&place, &shared).iter().find(|job| job["id"] == "hsic.seed1").expect("a job"), "run").to_owned();
    std::fs::remove_dir_all(place.path(&first)).expect("removed");
    let output = place.run(&format!("{shared} --gather --json"));
    let partly: Value = serde_json::from_slice(&output.stdout).expect("a record");
    assert_eq!(
        (&partly["missing"], &partly["rows"][0]["seeds"]),
        (&serde_json::json!(["hsic.seed1"]), &serde_json::json!([2]))
    );
    assert_eq!(partly["rows"][0]["test_accuracy"][0], gathered["rows"][0]["test_accuracy"][1]);
    let csv = String::from_utf8(bytes(&place.path("parts/comparison.csv"))).expect("text");
    assert_eq!(csv.lines().nth(1).and_then(|line| line.split(',').nth(4)), Some("2"), "{csv}");
}

#[test]
fn a_method_that_cannot_train_is_settled_by_its_failure() {
    let place = Place::new();
    let arguments = "compare --methods difference-target-propagation --model conv --widths 4 --budget 1epochs \
                     --train-size 100 --test-size 40 --output out";
    let jobs = plan(&place, arguments);
    assert!(text(&jobs[0], "fails").contains("cannot train block 0"), "{}", jobs[0]);
    assert_eq!((&jobs[0]["seconds"], ids(&jobs, "ready").len()), (&Value::Null, 3));
    let told = place.json(&format!("{arguments} --only difference-target-propagation.rate1 --json"));
    assert_eq!(told["state"], "failed");
    assert!(text(&told, "failure").contains("cannot train block 0"), "{told}");
    assert_eq!(ids(&plan(&place, arguments), "failed"), ["difference-target-propagation.rate1"]);
}

#[test]
fn a_budget_of_time_begins_with_pilots() {
    let place = Place::new();
    let arguments = "compare --methods frozen --budget 2s --batch-size 20,50 --train-size 200 --test-size 40 --widths 8 --output out";
    let jobs = plan(&place, arguments);
    assert_eq!(ids(&jobs, "ready"), ["frozen.batch20.pilot", "frozen.batch50.pilot"]);
    let waiting = ids(&jobs, "waiting");
    assert_eq!(waiting[..2], ["frozen.batch20.rate1", "frozen.batch20.rate2"]);
    assert_eq!((waiting.len(), waiting[8]), (9, "frozen.seed1"));
    // What is given is what is told, as long as nothing is known of an epoch: 2 s, and a quarter of them for a trial.
    let seconds = |id: &str| jobs.iter().find(|job| job["id"] == id).expect("a job")["seconds"].as_f64();
    assert_eq!((seconds("frozen.batch20.rate1"), seconds("frozen.seed1")), (Some(0.5), Some(2.0)));
    carry_out(&place, &jobs[0]);
    let next = plan(&place, arguments);
    assert_eq!(ids(&next, "done"), ["frozen.batch20.pilot"]);
    assert_eq!(ids(&next, "ready").len(), 4);
}

#[test]
fn a_reproduction_done_job_by_job_is_the_one_done_in_one_go() {
    let place = Place::new();
    place.json("reproduce gradients --profile smoke --output whole --quiet --json");
    let shared = "reproduce gradients --profile smoke --output parts";
    let jobs = plan(&place, shared);
    assert!(ids(&jobs, "ready").len() == jobs.len() && jobs.len() >= 2, "{jobs:?}");
    carry_out(&place, &jobs[0]);
    let output = place.run(&format!("{shared} --gather --quiet"));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(text(&jobs[1], "id")), "{}", stderr(&output));
    jobs[1..].iter().for_each(|job| carry_out(&place, job));
    let output = place.run(&format!("{shared} --gather --quiet"));
    assert!(output.status.success(), "{}", stderr(&output));
    assert_same_runs(&place.path("whole"), &place.path("parts"));
    let points = |folder: &str| bytes(&place.path(&format!("{folder}/figures/gradients/points.csv")));
    assert_eq!(points("whole"), points("parts"));
    let error = place.fails("reproduce gradients --profile smoke --plan --gather");
    assert!(error.contains("cannot be used with"), "{error}");
}

#[test]
fn a_pilot_tells_what_a_training_takes_and_leaves_nothing() {
    let place = Place::new();
    let told = place.json("train --train-size 300 --test-size 50 --widths 8 --batch-size 10 --epochs 4 --pilot --json");
    assert_eq!((&told["steps"], &told["steps_per_epoch"], &told["epochs"]), (&20.into(), &30.into(), &4.into()));
    let [step, evaluation, once, all] = ["seconds_per_step", "seconds_per_evaluation", "seconds_once", "seconds"]
        .map(|key| told[key].as_f64().expect("seconds"));
    assert!((all - (120.0 * step + 4.0 * evaluation + once)).abs() < 1e-9 * all, "{told}");
    let line =
        String::from_utf8(place.run("train --train-size 300 --widths 8 --epochs 4 --pilot").stdout).expect("text");
    assert!(line.contains("8 steps of") && line.contains("4 epochs in all: about "), "{line}");
    assert!(!place.path("runs").exists());
    assert!(place.fails("train --pilot --run r").contains("cannot be used with"));
}

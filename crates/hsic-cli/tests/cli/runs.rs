//! `runs`: lists of runs, and in what two of them differ.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::{self, File};
use std::io::Write as _;

use serde_json::Value;

use crate::{Place, stderr};

const SMALL: &str = "--train-size 400 --test-size 100 --widths 16 --batch-size 25 --format-epochs 1 --quiet";

/// The runs that are listed, by the last part of their paths.
fn names(listed: &Value) -> Vec<String> {
    let runs = listed["runs"].as_array().expect("runs");
    let name = |run: &Value| run["run"].as_str().unwrap_or_default().rsplit(['/', '\\']).next().unwrap().to_owned();
    runs.iter().map(name).collect()
}

fn text(place: &Place, arguments: &str) -> String {
    let output = place.run(arguments);
    assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn every_run_below_a_folder_is_a_line_whatever_its_state() {
    let place = Place::new();
    assert!(place.fails("runs").contains("no runs/, comparison/ or speedrun/ here, expected"));
    for (seed, method) in [(1, "hsic"), (2, "hsic"), (10, "hsic"), (1, "frozen")] {
        place.run(&format!("train {SMALL} --epochs 2 --method {method} --seed {seed} --run runs/{method}{seed}"));
    }
    // A network for each sigma, in folders of the run.
    place.run(&format!("train {SMALL} --epochs 1 --sigma 1,5 --run runs/several"));
    // A rate that no training survives, by an error that is kept.
    let failed =
        place.run(&format!("train {SMALL} --epochs 2 --method backprop --learning-rate 1e38 --run runs/failed"));
    assert_eq!(failed.status.code(), Some(2), "{}", stderr(&failed));
    // What another program left, in the place of a configuration.
    fs::create_dir_all(place.path("runs/deep/er/broken")).unwrap();
    place.write("runs/deep/er/broken/config.toml", "[training]\nepochs = \"many\"\n");
    // A run without results, once left and once held by a process.
    for name in ["stopped", "running"] {
        fs::create_dir(place.path(&format!("runs/{name}"))).unwrap();
        for file in ["config.toml", "data.json", "metrics.jsonl"] {
            fs::copy(place.path(&format!("runs/hsic1/{file}")), place.path(&format!("runs/{name}/{file}"))).unwrap();
        }
    }
    let mut lock = File::create(place.path("runs/running/lock")).unwrap();
    lock.try_lock().unwrap();
    writeln!(lock, "process 1 (hsic train)").unwrap();

    let listed = place.json("runs --json");
    assert_eq!(
        names(&listed),
        [
            "broken", "failed", "frozen1", "hsic1", "hsic2", "hsic10", "running", "several", "sigma-1", "sigma-5",
            "stopped"
        ]
    );
    let runs = listed["runs"].as_array().unwrap();
    let states: Vec<&str> = runs.iter().map(|run| run["state"].as_str().unwrap()).collect();
    let f = "finished";
    assert_eq!(states, ["unreadable", "failed", f, f, f, f, "running", f, f, f, "stopped"]);
    let of = |name: &str| &runs[names(&listed).iter().position(|found| found == name).unwrap()];
    assert!(of("broken")["said"].as_str().unwrap().contains("config.toml"), "{}", of("broken"));
    // The very words of the error by which it ended.
    let said = of("failed")["said"].as_str().unwrap();
    assert!(stderr(&failed).contains(said) && said.contains("finite"), "{said}");
    let summary: Value =
        serde_json::from_str(&fs::read_to_string(place.path("runs/hsic1/summary.json")).unwrap()).unwrap();
    let own = of("hsic1");
    assert_eq!((&own["accuracy"], &own["seconds"]), (&summary["format_accuracy"], &summary["seconds"]));
    assert_eq!((own["epochs"].as_u64(), own["options"]["batch-size"].as_u64()), (Some(2), Some(25)));
    // The last epoch speaks for a run without results.
    assert_eq!((&of("stopped")["accuracy"], of("stopped")["epochs"].as_u64()), (&summary["test_accuracy"], Some(2)));
    assert_eq!((&of("sigma-5")["member"], &of("several")["member"]), (&true.into(), &false.into()));

    let told = text(&place, "runs");
    assert!(told.starts_with("run\n       state ") && told.ends_with("11 runs\n"), "{told}");
    assert!(told.contains("failed: ") && told.lines().all(|line| line.chars().count() <= 80), "{told}");
    let lines = text(&place, "runs --csv");
    assert_eq!(csv::Reader::from_reader(lines.as_bytes()).records().count(), 11);
    assert!(lines.starts_with("run,state,said,member,dataset,model,method,seed,epochs,"), "{lines}");
    // What goes on again is no failure any more.
    place.run(&format!("train {SMALL} --epochs 1 --method backprop --run runs/failed --force"));
    assert_eq!(names(&place.json("runs runs --where state=failed --json")), [""; 0]);
}

#[test]
fn runs_are_chosen_ordered_and_taken_together_by_their_keys() {
    let place = Place::new();
    for (seed, method) in [(1, "hsic"), (2, "hsic"), (1, "frozen")] {
        place.run(&format!("train {SMALL} --epochs 1 --method {method} --seed {seed} --run runs/{method}{seed}"));
    }
    let all = place.json("runs --json");
    let accuracy = |name: &str| {
        let at = names(&all).iter().position(|found| found == name).unwrap();
        all["runs"][at]["accuracy"].as_f64().unwrap()
    };
    let chosen = |arguments: &str| names(&place.json(&format!("runs --json {arguments}")));
    assert_eq!(chosen("--where method=HSIC"), ["hsic1", "hsic2"]);
    assert_eq!(chosen("--where method!=hsic"), ["frozen1"]);
    assert_eq!(chosen("--where method=hsic --where seed>=2"), ["hsic2"]);
    assert_eq!(chosen("--where batch-size=25 --where batch_size<26 --where seed<=1"), ["frozen1", "hsic1"]);
    let known = ["frozen1", "hsic1", "hsic2"];
    let middle = accuracy("hsic1");
    let those =
        |holds: &dyn Fn(f64) -> bool| known.into_iter().filter(|name| holds(accuracy(name))).collect::<Vec<_>>();
    assert_eq!(chosen(&format!("--where accuracy>={middle}")), those(&|found| found >= middle));
    assert_eq!(chosen(&format!("--where accuracy<{}%", 100.0 * (middle + 1e-9))), those(&|found| found <= middle));
    assert_eq!(chosen(&format!("--where accuracy>{middle}")), those(&|found| found > middle));
    let mut expected = known;
    expected.sort_by(|a, b| accuracy(b).total_cmp(&accuracy(a)));
    assert_eq!(chosen("--sort=-accuracy"), expected);
    // No run has an R2.
    assert_eq!(chosen("--where r2!=0"), [""; 0]);

    let groups = place.json("runs --group method,dataset --json")["groups"].clone();
    let hsic = groups.as_array().unwrap().iter().find(|group| group["of"]["method"] == "hsic").unwrap();
    let mean = (accuracy("hsic1") + accuracy("hsic2")) / 2.0;
    assert_eq!((hsic["runs"].as_u64(), hsic["accuracy"]["mean"].as_f64()), (Some(2), Some(mean)));
    assert_eq!(hsic["accuracy"]["least"].as_f64(), Some(accuracy("hsic1").min(accuracy("hsic2"))));
    let told = text(&place, "runs --group method,dataset");
    assert!(told.starts_with("method  dataset  runs") && told.contains("\nhsic     digits     2         2"), "{told}");
    assert!(
        text(&place, "runs --group dataset,method --csv").starts_with("dataset,method,runs,finished,accuracy_mean")
    );

    let error = place.fails("runs --where acuracy>0.5");
    assert!(
        error.contains("acuracy: no such key, expected run, state") && error.contains("did you mean accuracy?"),
        "{error}"
    );
    assert!(place.fails("runs --sort batch-siz").contains("did you mean batch-size?"));
    assert!(place.fails("runs --where accuracy>high").contains("high is no number, expected one after >"));
    assert!(place.fails("runs --where accuracy").contains("accuracy: expected a key, one of ="));
    assert!(place.fails("runs nowhere").contains("nowhere"));
}

#[test]
fn two_runs_are_held_side_by_side() {
    let place = Place::new();
    place.run(&format!("train {SMALL} --epochs 1 --threads 1 --run a"));
    place.run(&format!("train {SMALL} --epochs 1 --sigma 2 --threads 2 --run b"));
    let found = place.json("runs diff a b --json");
    let keys = |part: &str| -> Vec<String> {
        found[part].as_array().unwrap().iter().map(|change| change["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys("options"), ["sigma", "threads"]);
    assert_eq!(found["options"][0], serde_json::json!({"key": "sigma", "first": 5.0, "second": 2.0}));
    assert!(keys("environment").contains(&"seconds".to_owned()));
    assert!(keys("results").iter().all(|key| !["run", "seconds", "seed"].contains(&key.as_str())), "{found}");
    let told = text(&place, "runs diff a b");
    assert!(told.starts_with("options    a    b\nsigma    5.0  2.0\nthreads    1    2\n"), "{told}");
    assert!(text(&place, "runs diff a a").starts_with("options: the same\ndata: the same\n"));
    assert!(place.fails("runs diff a c").contains("c: no config.toml, expected a run's folder"));
}

#[test]
fn a_changed_file_is_found_and_refused() {
    let place = Place::new();
    place.run(&format!("train {SMALL} --epochs 1 --run runs/a"));
    place.run(&format!("train {SMALL} --epochs 1 --sigma 1,5 --run runs/b"));
    let told = text(&place, "runs verify runs");
    assert_eq!(told.lines().count(), 4, "{told}");
    assert!(told.starts_with("runs/a: 9 files intact\n") && !told.contains("unknown"), "{told}");
    let mut readout = fs::read(place.path("runs/b/readout.json")).unwrap();
    readout[20] ^= 1;
    fs::write(place.path("runs/b/readout.json"), readout).unwrap();
    fs::remove_file(place.path("runs/b/sigma-5/weights.safetensors")).unwrap();
    let output = place.run("runs verify runs/a runs/b");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains(", 1 changed\n  readout.json: changed\n"), "{told}");
    assert!(told.contains(", 1 missing\n  weights.safetensors: missing\n"), "{told}");
    let error = place.fails("eval runs/b");
    assert!(error.contains("weights.safetensors"), "{error}");
    fs::copy(place.path("runs/a/weights.safetensors"), place.path("runs/b/sigma-5/weights.safetensors")).unwrap();
    let error = place.fails("eval runs/b").replace('\n', " ");
    assert!(error.contains("was changed since training left it") && error.contains("remove digests.json"), "{error}");
}

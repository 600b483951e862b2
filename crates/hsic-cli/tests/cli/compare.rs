//! Methods side by side, and what is told of each.

use crate::{Place, bytes};

const SMALL: &str = "compare --methods hsic,backprop,frozen --budget 4epochs --seeds 2 --train-size 300 --test-size 60 \
                     --widths 24x2 --batch-size 50 --output out";

#[test]
fn methods_are_compared_on_the_same_data_with_the_same_search() {
    let place = Place::new();
    let made = place.json(&format!("{SMALL} --quiet --json"));
    let rows = made["rows"].as_array().expect("rows");
    let names: Vec<&str> = rows.iter().filter_map(|row| row["method"].as_str()).collect();
    assert_eq!(names, ["hsic", "backprop", "frozen"]);
    for row in rows {
        let accuracies = row["test_accuracy"].as_array().expect("accuracies");
        assert_eq!((accuracies.len(), row["epochs"].as_u64(), row["trial_epochs"].as_u64()), (2, Some(4), Some(1)));
        let trials = row["trials"].as_array().expect("trials");
        let best = trials.iter().map(|trial| trial["accuracy"].as_f64().expect("an accuracy")).fold(0.0, f64::max);
        let chosen =
            trials.iter().find(|trial| trial["learning_rate"] == row["learning_rate"]).expect("the best trial");
        assert_eq!(chosen["accuracy"].as_f64(), Some(best));
        // Four, and more only while the best is at an end.
        assert!((4..=8).contains(&trials.len()), "{row}");
        assert_eq!((row["batch_size"].as_u64(), row["label"].as_str()), (Some(50), row["method"].as_str()));
        for trial in trials {
            assert!(trial["command"].as_str().expect("a command").contains("--validation 0.1"));
        }
        for command in row["commands"].as_array().expect("commands") {
            assert!(!command.as_str().expect("a command").contains("--validation"));
        }
        assert!(row["peak_memory_bytes"].as_array().expect("peaks").len() == 2 || cfg!(not(target_os = "linux")));
    }
    // 784-24-24-10: a local update touches the first block and no more, back-propagation all.
    let touched = |row: usize| rows[row]["parameters_at_once"].as_u64();
    assert_eq!((touched(0), touched(1)), (Some(785 * 24), Some(785 * 24 + 25 * 24 + 25 * 10)));
    let read = |name: &str| String::from_utf8(bytes(&place.path(&format!("out/{name}")))).expect("text");
    assert_eq!(read("comparison.csv").lines().count(), 7);
    assert!(read("report.html").contains("hsic,backprop,frozen"));
    assert!(read("report.md").starts_with("# Learning methods: mlp on digits (300 + 60)"));
    assert!(read("figure.svg").starts_with("<svg ") && read("points.csv").contains("Over time"));
    let told = place.json("report out --json");
    assert_eq!(told["kind"], "comparison");

    // The same command again trains nothing; a seed more trains that one.
    let runs = || std::fs::read_dir(place.path("out/runs")).expect("runs").count();
    let before = runs();
    assert_eq!(place.json(&format!("{SMALL} --quiet --json"))["rows"], made["rows"]);
    assert_eq!(runs(), before);
    // The pixels of an earlier figure, as a program with that feature leaves them, do not stay beside another.
    std::fs::write(place.path("out/figure.png"), "earlier").expect("written");
    let more = place.json(&format!("{} --quiet --json", SMALL.replace("--seeds 2", "--seeds 3")));
    assert_eq!(runs(), before + 3);
    let png = place.path("out/figure.png");
    assert!(png.exists() == cfg!(feature = "png") && (!png.exists() || bytes(&png) != b"earlier"));
    assert_eq!(more["rows"][0]["test_accuracy"][0], made["rows"][0]["test_accuracy"][0]);
}

#[test]
fn a_method_with_options_of_its_own_is_a_row_and_the_batch_may_be_searched() {
    let place = Place::new();
    let common = "--budget 1epochs --train-size 200 --test-size 40 --widths 8 --output out --quiet --json";
    let methods = "hsic-local:beta=1:feature=pool:4:learning-rate=1e-3,hsic-local:learning-rate=1e-3";
    let made = place.json(&format!("compare --methods {methods} --batch-size 20,50 {common}"));
    for (row, label) in made["rows"].as_array().expect("rows").iter().zip(methods.split(',')) {
        assert_eq!((row["label"].as_str(), row["method"].as_str()), (Some(label), Some("hsic-local")));
        let tried: Vec<_> =
            row["trials"].as_array().expect("trials").iter().map(|trial| trial["batch_size"].as_u64()).collect();
        assert_eq!(tried, [Some(20), Some(50)], "{row}");
    }
    let command = made["rows"][0]["commands"][0].as_str().expect("a command");
    assert!(command.contains("--feature pool:4") && command.contains("--beta 1"), "{command}");
    assert!(made["command"].as_str().expect("a command").ends_with("--batch-size 20,50"));
    let error = place.fails("compare --methods hsic:widths=8 --output none");
    assert!(error.contains("--widths is given for all that is compared"), "{error}");
    let error = place.fails("compare --methods frozen:momentum=2 --output none");
    assert!(error.contains("momentum = 2: expected a number in [0, 1)"), "{error}");
    assert!(!place.path("none").exists());
}

#[test]
fn a_budget_of_time_is_made_of_whole_epochs_and_a_failure_is_told() {
    let place = Place::new();
    let arguments = "compare --methods frozen --budget 2s --train-size 200 --test-size 40 --widths 8 --output out";
    let made = place.json(&format!("{arguments} --quiet --json"));
    let row = &made["rows"][0];
    assert!(row["epochs"].as_u64() > row["trial_epochs"].as_u64() && row["trial_epochs"].as_u64() >= Some(1), "{row}");
    // Target propagation trains dense blocks only; the others are compared all the same.
    let both =
        "compare --methods difference-target-propagation,frozen --model conv --widths 4 --budget 1epochs --output conv";
    let made = place.json(&format!("{both} --train-size 100 --test-size 40 --quiet --json"));
    let failure = made["rows"][0]["failure"].as_str().expect("a failure");
    assert!(failure.starts_with("difference-target-propagation cannot train block 0"), "{failure}");
    assert_eq!(made["rows"][1]["test_accuracy"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_cannot_be_compared_is_told() {
    let place = Place::new();
    let error = place.fails("compare --methods hsic,magic");
    assert!(error.starts_with("error: methods = magic: expected all, or hsic, "), "{error}");
    let error = place.fails("compare --budget 5");
    assert!(error.contains("expected a time as 5min or 90s, or epochs as 10epochs"), "{error}");
    assert!(place.fails("compare --seeds 0").contains("seeds = 0: expected a whole number >= 1"));
    // Data are looked at before anything is trained.
    let error = place.fails("compare --methods frozen --train-size 1 --output none");
    assert!(error.contains("rows asked of the validation part: expected 1"), "{error}");
    assert!(place.fails("compare --dataset nowhere.csv --output none").contains("nowhere.csv"));
    assert!(!place.path("none").exists());
    assert!(place.fails("compare --validation 0").contains("expected a number in (0, 1)"));
}

#[test]
fn methods_are_listed_and_explained() {
    let place = Place::new();
    let list = place.json("methods --json");
    let names: Vec<&str> =
        list["methods"].as_array().expect("methods").iter().filter_map(|m| m["name"].as_str()).collect();
    assert!(names.starts_with(&["hsic", "hsic-local"]) && names.ends_with(&["backprop", "frozen"]), "{names:?}");
    let text = String::from_utf8(place.run("methods").stdout).expect("text");
    for name in &names {
        assert!(text.contains(name));
        let explained = String::from_utf8(place.run(&format!("methods {name}")).stdout).expect("text");
        assert!(explained.contains("reference") && explained.contains("learning rate"), "{explained}");
    }
    let explained = place.json("methods backprop --json");
    assert_eq!(explained["options"][0]["flag"], "--recompute");
    assert!(place.fails("methods magic").starts_with("error: method = magic: expected hsic"));
}

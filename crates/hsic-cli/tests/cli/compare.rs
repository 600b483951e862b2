//! Methods side by side, and what is told of each.

use crate::{Place, bytes, stderr, unseal};

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

/// A table of two classes; another `shift` is other data of the same name and sizes.
fn table(shift: u32) -> String {
    (0..60).map(|row: u32| format!("{},{},k{}\n", (row * 37 + shift) % 101, row * row % 17, row % 2)).collect()
}

#[test]
fn data_of_the_same_name_are_told_apart_by_their_content() {
    let place = Place::new();
    for (folder, shift) in [("a", 0), ("b", 50)] {
        std::fs::create_dir(place.path(folder)).expect("a folder");
        place.write(&format!("{folder}/data.csv"), &table(shift));
    }
    let of = |folder: &str, more: &str| {
        format!(
            "compare --methods frozen{more} --dataset {folder}/data.csv --widths 6 --batch-size 8 --budget 1epochs \
                 --quiet --json"
        )
    };
    let folders = || {
        let entries = std::fs::read_dir(place.path("comparison")).expect("comparisons");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let first = place.json(&of("a", ""));
    let other = place.json(&of("b", ""));
    assert_ne!(first["content"]["sha256"], other["content"]["sha256"]);
    let both = folders();
    assert!(both.len() == 2 && both.iter().all(|name| name.starts_with("data-mlp-") && name.len() == 17), "{both:?}");
    // What is trained on the second is what is trained on it alone.
    let alone = place.json(&format!("{} --output alone", of("b", "")));
    assert_eq!(other["rows"][0]["test_accuracy"], alone["rows"][0]["test_accuracy"]);
    let of_trials = |record: &serde_json::Value| -> Vec<serde_json::Value> {
        let trials = record["rows"][0]["trials"].as_array().expect("trials");
        trials.iter().map(|trial| trial["accuracy"].clone()).collect()
    };
    assert_eq!(of_trials(&other), of_trials(&alone));
    // A method more is another row of the same data, in the same folder.
    assert_eq!(place.json(&of("b", ",backprop"))["rows"].as_array().map(Vec::len), Some(2));
    assert_eq!(folders(), both);

    // A folder that is named takes one set of data and settings, and says both.
    let error = place.fails(&format!("{} --output alone", of("a", "")));
    for content in [&first, &other] {
        assert!(error.contains(content["content"]["sha256"].as_str().expect("a hash")), "{error}");
    }
    let error = place.fails(&format!("{} --output alone", of("b", "").replace("--widths 6", "--widths 7")));
    assert!(error.contains("widths = \"6\"") && error.contains("widths = \"7\""), "{error}");
    // Edited in place, a file is other data.
    place.write("a/data.csv", &table(50));
    assert_eq!(place.json(&of("a", ""))["content"], other["content"]);
    place.write("a/data.csv", &table(51));
    assert_ne!(place.json(&of("a", ""))["content"], first["content"]);
    assert_eq!(folders().len(), 3);
}

#[test]
fn a_training_made_under_other_defaults_is_not_taken_for_this_one() {
    let place = Place::new();
    let command = "compare --methods frozen --train-size 60 --test-size 20 --widths 6 --budget 1epochs --output out \
                   --quiet --json";
    place.json(command);
    let runs = || -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(place.path("out/runs")).expect("runs");
        entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect()
    };
    let before = runs();
    assert_eq!(before.len(), 5);
    // As a version with another default, or without the option, would have left it.
    for change in [("momentum = 0.0", "momentum = 0.5"), ("momentum = 0.5\n", "")] {
        for run in &before {
            let path = run.join("config.toml");
            let text = String::from_utf8(bytes(&path)).expect("text");
            assert!(text.contains(change.0), "{text}");
            std::fs::write(&path, text.replacen(change.0, change.1, 1)).expect("written");
            unseal(&path);
        }
        let error = place.fails(command);
        assert!(error.contains("config.toml: other options, expected those of frozen"), "{error}");
    }
}

#[test]
fn a_method_with_options_of_its_own_is_a_row_and_the_batch_may_be_searched() {
    let place = Place::new();
    let common = "--budget 1epochs --train-size 200 --test-size 40 --widths 8 --output out --quiet --json";
    let methods = "hsic-local:beta=1:x=none:learning-rate=1e-3,hsic-local:learning-rate=1e-3";
    let made = place.json(&format!("compare --methods {methods} --batch-size 20,50 {common}"));
    for (row, label) in made["rows"].as_array().expect("rows").iter().zip(methods.split(',')) {
        assert_eq!((row["label"].as_str(), row["method"].as_str()), (Some(label), Some("hsic-local")));
        let tried: Vec<_> =
            row["trials"].as_array().expect("trials").iter().map(|trial| trial["batch_size"].as_u64()).collect();
        assert_eq!(tried, [Some(20), Some(50)], "{row}");
    }
    let command = made["rows"][0]["commands"][0].as_str().expect("a command");
    assert!(command.contains("--x none") && command.contains("--beta 1"), "{command}");
    assert!(made["command"].as_str().expect("a command").ends_with("--batch-size 20,50"));
    let error = place.fails("compare --methods hsic:widths=8 --output none");
    assert!(error.contains("--widths is given for all that is compared"), "{error}");
    let error = place.fails("compare --methods frozen:momentum=2 --output none");
    assert!(error.contains("momentum = 2: expected a number in [0, 1)"), "{error}");
    assert!(!place.path("none").exists());
}

#[test]
fn a_recipe_is_every_methods_and_units_stand_side_by_side() {
    let place = Place::new();
    let methods = "hsic-local:learning-rate=0.2,hsic-local:unit=2:learning-rate=0.2,backprop:learning-rate=0.2";
    let common = format!(
        "compare --methods {methods} --widths 4 --batch-size 40 --budget 1epochs --train-size 120 --test-size 40 --output out"
    );
    let made = place.json(&format!("{common} --recipe airbench --quiet --json"));
    assert!(made["command"].as_str().expect("a command").ends_with("--recipe airbench"));
    for (row, own) in made["rows"].as_array().expect("rows").iter().zip(["--unit 1", "--unit 2", "--method backprop"]) {
        let command = row["commands"][0].as_str().expect("a command");
        let trained = ["--model airbench", "--optimizer muon", "--label-smoothing 0.2", "--learning-rate 0.2"];
        assert!(trained.iter().all(|flag| command.contains(flag)) && !command.contains("--recipe"), "{command}");
        // One block is the default, which no command says.
        assert_eq!(command.contains(own), own != "--unit 1", "{command}");
        assert_eq!(row["test_time_accuracy"].as_array().map(Vec::len), Some(1), "{row}");
    }
    assert!(String::from_utf8(bytes(&place.path("out/report.md"))).expect("text").contains(" by looks"));
    // Without it, or with other units for all, it is another comparison.
    let error = place.fails(&format!("{common} --quiet"));
    assert!(error.contains("a comparison of recipe = airbench, expected no recipe as asked for"), "{error}");
    let error = place.fails(&format!("{common} --recipe airbench --unit 2 --quiet"));
    assert!(error.contains("unit = \"2\" as asked for"), "{error}");
    // None of these reads it.
    let error = place.fails("compare --methods backprop,dfa --unit 2 --output none");
    assert!(error.contains("unit = 2: expected not given for"), "{error}");
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
fn trainings_made_elsewhere_are_marked_rows() {
    let place = Place::new();
    let file = r#"{"version": 1, "label": "PyTorch-Adam", "made_by": "torch 2.9, rate 1e-3", "dataset": "digits",
        "runs": [{"seed": 1, "test_accuracy": 0.75, "seconds": 3.5, "peak_memory_bytes": 500000000}]}"#;
    place.write("adam.json", file);
    place.write("sgd.json", &file.replace("Adam", "SGD").replace("digits", "mnist"));
    let common = "compare --methods frozen --budget 1epochs --train-size 60 --test-size 20 --widths 6 --output out";
    let output = place.run(&format!("{common} --import adam.json --import sgd.json --quiet"));
    assert!(output.status.success(), "{}", stderr(&output));
    // The name of the data is all that can be held against those of the comparison.
    assert_eq!(stderr(&output), "warning: sgd.json: trainings on mnist, and this comparison is on digits\n");
    // Lines end where the terminal does.
    let told = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("PyTorch-Adam \u{2020}") && told.contains("PyTorch-SGD by torch 2.9, rate 1e-3;"), "{told}");
    let read = |name: &str| String::from_utf8(bytes(&place.path(&format!("out/{name}")))).expect("text");
    assert!(
        read("comparison.csv").contains("\nPyTorch-Adam,,,,1,0.75,3.5,,500000000,,,,,,,true\n"),
        "{}",
        read("comparison.csv")
    );
    assert!(read("report.md").contains("| PyTorch-Adam \u{2020} | 75.00 |"), "{}", read("report.md"));
    assert!(read("report.html").contains("PyTorch-SGD \u{2020}") && read("points.csv").contains("PyTorch-Adam"));
    // A page that is made anew from the record has the rows, and a comparison without the files has them no more.
    place.json("report out --json");
    assert!(read("report.md").contains("| PyTorch-SGD \u{2020} | 75.00 |"));
    let made = place.json(&format!("{common} --quiet --json"));
    assert_eq!(made["rows"].as_array().map(Vec::len), Some(1));
    let made = place.json(&format!("{common} --import adam.json --gather --quiet --json"));
    assert!(made["command"].as_str().expect("a command").ends_with(" --import adam.json"));
    assert_eq!(made["rows"][1]["made_elsewhere_by"], "torch 2.9, rate 1e-3");

    place.write("wrong.json", &file.replace("0.75", "75"));
    let error = place.fails(&format!("{common} --import wrong.json"));
    assert!(
        error.contains("wrong.json") && error.contains("runs[0].test_accuracy = 75: expected a fraction"),
        "{error}"
    );
    let error = place.fails(&format!("{common} --import adam.json --import adam.json"));
    assert!(error.contains("label = PyTorch-Adam: expected a name that no other row"), "{error}");
    assert!(place.fails(&format!("{common} --import nowhere.json")).contains("nowhere.json"));
}

#[test]
fn slices_of_a_batch_are_a_row_of_their_own_and_other_methods_refuse_them() {
    let place = Place::new();
    let methods = "backprop:learning-rate=1e-2,backprop:accumulate=4:learning-rate=1e-2";
    let common = "--budget 1epochs --train-size 200 --test-size 40 --widths 16 --batch-size 20";
    let made = place.json(&format!("compare --methods {methods} {common} --norm none --output out --quiet --json"));
    let row = |index: usize| &made["rows"][index];
    assert!(row(1)["commands"][0].as_str().expect("a command").contains("--accumulate 4"));
    assert!(row(1)["peak_memory_bytes"].as_array().map(Vec::len) == Some(1) || cfg!(not(target_os = "linux")));
    // Without statistics of a batch it is the same training up to rounding: of 40 rows none is judged otherwise.
    assert_eq!(row(0)["test_accuracy"], row(1)["test_accuracy"]);
    let error = place.fails(&format!("compare --methods hsic:accumulate=2 {common} --output none"));
    assert!(
        error.contains("accumulate = 2: expected not given for hsic, which does not read it; read by backprop"),
        "{error}"
    );
    let error = place.fails(&format!("compare --methods backprop:accumulate=11 {common} --output none"));
    assert!(error.contains("accumulate = 11: expected at most half the 20 rows of a batch (batch-size)"), "{error}");
    let error = place.fails("train --method backprop --accumulate 0 --run none");
    assert!(error.contains("accumulate = 0: expected a whole number >= 1"), "{error}");
    let error = place.fails("train --method backprop --model capsnet --accumulate 2 --run none");
    assert!(error.contains("accumulate = 2: expected 1 where capsules have a decoder"), "{error}");
    assert!(!place.path("none").exists());
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

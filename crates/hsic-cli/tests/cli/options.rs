//! Options that nothing reads, names and numbers as a user may write them, help.

use crate::{Place, bytes, stderr};

const SMALL: &str = "--train-size 100 --test-size 30 --widths 8 --epochs 1 --batch-size 50 --quiet";

fn out(place: &Place, arguments: &str) -> String {
    let output = place.run(arguments);
    assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn an_option_that_nothing_reads_is_refused_with_what_would_read_it() {
    let place = Place::new();
    place.write("t.csv", "a,b,k\n1,2,x\n2,1,y\n3,4,x\n4,3,y\n");
    for (arguments, told) in [
        ("train --method backprop --beta 100", "beta = 100: expected not given for backprop"),
        ("train --method backprop --beta 500", "beta = 500: expected not given for backprop"),
        ("train --label-column x", "label-column = x: expected not given for dataset = digits"),
        ("train --dataset t.csv --shift 1", "shift = 1: expected not given for dataset = t.csv"),
        ("train --dataset t.csv --cutout 3", "cutout = 3: expected not given for dataset = t.csv"),
        ("train --optimizer adamw --momentum 0.9", "momentum = 0.9: expected not given for optimizer = adamw"),
        ("train --data-dir d", "data-dir = d: expected not given for dataset = digits"),
        ("train --method dfa --schedule sequential", "schedule = sequential: expected not given for dfa"),
        ("train --format-epochs 0 --format-input all", "format-input = all: expected not given for format-epochs = 0"),
        ("train --feature flat", "feature = flat: expected not given for model = mlp"),
        (
            "compare --methods backprop,frozen --model vgg --feature flat",
            "feature = flat: expected not given for backprop",
        ),
        ("compare --methods frozen --label-column 3", "label-column = 3: expected not given for dataset = digits"),
        ("data info digits --data-dir d", "data-dir = d: expected not given for digits"),
        ("data verify digits --data-dir d", "data-dir = d: expected not given for digits"),
        ("measure t.csv t.csv --kernel linear --sigma 3", "sigma = 3: expected not given for kernel = linear"),
        ("measure t.csv t.csv --kernel delta --no-scale", "no-scale: expected not given for kernel = delta"),
        ("measure t.csv t.csv --sigma median --no-scale", "no-scale: expected not given for sigma = median"),
        ("measure t.csv t.csv --estimator cka --epsilon 1", "epsilon = 1: expected not given for estimator = cka"),
        ("test t.csv t.csv --method gamma --seed 3", "seed = 3: expected not given for method = gamma"),
        ("test t.csv t.csv --method gamma --permutations 9", "permutations = 9: expected not given for method = gamma"),
    ] {
        let error = place.fails(arguments);
        assert!(error.starts_with(&format!("error: {told}")), "{arguments}: {error}");
        assert!(error.contains("read by") || error.contains("never scaled"), "{arguments}: {error}");
    }
    assert!(!place.path("runs").exists() && !place.path("comparison").exists());

    assert!(place.run(&format!("train {SMALL} --run r")).status.success());
    let error = place.fails("eval r --flip true --normalize channel");
    assert_eq!(error.lines().count(), 2, "{error}");
    assert!(
        error.contains("flip = true: expected not given for an evaluation, which does not read it; read by hsic train")
    );
    let error = place.fails("format r --format-optimizer adamw --format-momentum 0.5");
    assert!(error.contains("format-momentum = 0.5: expected not given for format-optimizer = adamw"), "{error}");
}

#[test]
fn a_file_of_ones_own_is_asked_and_that_of_a_run_is_not() {
    let place = Place::new();
    place.write("own.toml", "[objective]\nmethod = \"backprop\"\nbeta = 100.0\n");
    let error = place.fails("train --config own.toml");
    assert!(error.contains("beta = 100: expected not given for backprop"), "{error}");
    // What a run stored holds defaults of what its method does not read.
    assert!(place.run(&format!("train {SMALL} --method backprop --run r")).status.success());
    let stored = String::from_utf8(bytes(&place.path("r/config.toml"))).expect("text");
    assert!(stored.contains("beta = 500.0") && stored.contains("momentum = 0.0"), "{stored}");
    place.write("copied.toml", &stored);
    for file in ["r/config.toml", "copied.toml"] {
        let summary = place.json(&format!("train --config {file} --quiet --json"));
        assert_eq!(summary["method"], "backprop", "{file}");
    }
    // As an earlier version left it that accepted the option.
    place.write("r/config.toml", &stored.replace("beta = 500.0", "beta = 100.0"));
    place.write("changed.toml", &stored.replace("beta = 500.0", "beta = 100.0"));
    assert_eq!(place.json("eval r --json")["rows"], 30);
    assert_eq!(place.json("train --config r/config.toml --quiet --json")["method"], "backprop");
    assert!(place.fails("train --config changed.toml").contains("beta = 100: expected not given for backprop"));
}

#[test]
fn a_comparison_takes_what_one_of_its_methods_reads_and_names_commands_that_run() {
    let place = Place::new();
    let made = place.json(
        "compare --methods hsic-local,frozen --model vgg --widths 4p --feature flat --train-size 60 --test-size 20 \
         --batch-size 30 --budget 1epochs --output out --quiet --json",
    );
    let commands: Vec<&str> =
        made["rows"].as_array().expect("rows").iter().filter_map(|row| row["commands"][0].as_str()).collect();
    assert!(commands[0].contains("--feature flat") && !commands[1].contains("--feature"), "{commands:?}");
    for command in commands {
        let accuracy = &place.json(&format!("{} --quiet --json", command.trim_start_matches("hsic ")))["test_accuracy"];
        let row = made["rows"].as_array().expect("rows").iter().find(|row| row["commands"][0] == command);
        assert_eq!(&row.expect("its row")["test_accuracy"][0], accuracy, "{command}");
    }
}

#[test]
fn names_forgive_case_and_answer_with_the_nearest() {
    let place = Place::new();
    let summary = place.json(&format!("train {SMALL} --dataset Digits --model MLP --method BackProp --run r --json"));
    assert_eq!((&summary["dataset"], &summary["model"]), (&"digits".into(), &"mlp".into()));
    assert_eq!(summary["method"], "backprop");
    assert!(out(&place, "methods HSIC").starts_with("hsic: "));
    assert!(out(&place, "data info DIGITS").starts_with("digits: "));
    place.write("x.csv", "1\n2\n3\n4\n");
    assert!(out(&place, "measure x.csv x.csv --estimator CKA --kernel Linear").starts_with("cka = "));
    for (arguments, nearest) in [
        ("train --dataset mnits", "mnist"),
        ("train --dataset FashionMNIST", "fashion-mnist"),
        ("train --method backprob", "backprop"),
        ("train --model vg8b", "vgg8b"),
        ("methods hsik", "hsic"),
        ("data fetch cifar", "cifar10"),
        ("compare --methods hsic,frozn", "frozen"),
        ("measure x.csv x.csv --estimator nhsick", "nhsic"),
    ] {
        let error = place.fails(arguments);
        assert!(error.ends_with(&format!("; did you mean {nearest}?\n")), "{arguments}: {error}");
    }
    // Values that clap lists it answers itself.
    assert!(place.fails("reproduce gradient").contains("a similar value exists: 'gradients'"));
}

#[test]
fn a_number_below_zero_is_a_value_out_of_range() {
    let place = Place::new();
    let error = place.fails("train --sigma -1 --beta -2.5 --learning-rate -1e-3");
    assert!(error.contains("sigma = -1: expected a finite number > 0"), "{error}");
    assert!(error.contains("beta = -2.5: expected a finite number >= 0"), "{error}");
    assert!(error.contains("learning-rate = -0.001: expected a finite number > 0"), "{error}");
    assert_eq!(place.fails("train --epochs -1"), "error: epochs = -1: expected a whole number >= 1\n");
    assert_eq!(place.fails("train --momentum x"), "error: momentum = x: expected a number in [0, 1)\n");
}

#[test]
fn help_fits_a_screen_and_completions_and_pages_name_every_verb() {
    let place = Place::new();
    assert!(out(&place, "train -h").lines().count() < 60);
    assert!(out(&place, "train --help").contains("--conditioned"));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = out(&place, &format!("completions {shell}"));
        for word in ["train", "reproduce", "completions", "data-dir", "format-epochs"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let page = out(&place, "man");
    assert!(page.contains(".TH hsic 1") && page.contains("hsic\\-train(1)"), "{page}");
    let page = out(&place, "man train");
    assert!(page.contains(".TH hsic-train 1") && page.contains("\\-\\-learning\\-rate"), "{page}");
    assert!(out(&place, "man data fetch").contains("\\-\\-mirror"));
    assert!(place.fails("man trian").contains("did you mean train?"));
    assert!(place.fails("man train more").contains("expected no more, since hsic-train has no verbs"));
}

#[test]
fn a_validation_part_is_called_one_and_the_summary_tells() {
    let place = Place::new();
    let summary = place.json(&format!("train {SMALL} --validation 0.2 --run v --json"));
    assert_eq!(summary["judged_on"], "validation");
    assert!(summary["test_accuracy"].is_number());
    assert_eq!(place.json(&format!("train {SMALL} --run t --json"))["judged_on"], "test");
    let loud = SMALL.replace("--quiet", "");
    let output = place.run(&format!("train {loud} --validation 0.2 --run w"));
    let (said, told) = (stderr(&output), String::from_utf8(output.stdout).expect("text"));
    assert!(said.contains("  validation ") && !said.contains("test"), "{said}");
    assert!(told.contains("validation accuracy") && !told.contains("test"), "{told}");
    assert!(out(&place, "eval v").contains(" rows held out of the training part: validation accuracy"));
    let told = out(&place, "format v --format-epochs 1");
    assert!(told.contains("validation accuracy") && !told.contains("test"), "{told}");
    out(&place, "report v");
    let page = String::from_utf8(bytes(&place.path("v/report.html"))).expect("text");
    let (shown, _) = page.split_once("id=\"settings\"").expect("settings");
    assert!(shown.contains("validation accuracy") && !shown.to_lowercase().contains("test"), "{shown}");
    let table = String::from_utf8(bytes(&place.path("v/report.md"))).expect("text");
    assert!(table.contains("| validation accuracy after format training |") && !table.contains("test"), "{table}");
}

#[test]
fn what_is_printed_fits_80_columns_and_60() {
    let place = Place::new();
    let loud = SMALL.replace("--quiet", "");
    for width in ["80", "60"] {
        let run = format!("r{width}");
        let mut command = place.command(&format!("train {loud} --run {run}"));
        let output = command.env("COLUMNS", width).output().expect("the command runs");
        let told = stderr(&output) + &String::from_utf8_lossy(&output.stdout);
        let most: usize = width.parse().expect("a number");
        for line in told.lines() {
            assert!(line.chars().count() <= most, "{line}");
        }
        assert!(told.ends_with(&format!("\nrun: {run}\nnext: hsic report {run}\n")), "{told}");
        for arguments in ["methods", "methods dni", "data list", "data info digits"] {
            let output = place.command(arguments).env("COLUMNS", width).output().expect("the command runs");
            let told = String::from_utf8(output.stdout).expect("text");
            let widest = told.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(most), "{arguments}: {told}");
        }
    }
}

#[test]
fn what_is_to_be_copied_is_quoted() {
    let place = Place::new();
    let arguments: Vec<&str> = SMALL.split(' ').collect();
    let output = place.command("train").args(&arguments).args(["--run", "my run"]).output().expect("the command runs");
    let told = String::from_utf8(output.stdout).expect("text");
    assert!(told.ends_with("next: hsic report 'my run'\n"), "{told}");
    let output = place.command("report").arg("my run").output().expect("the command runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let table = String::from_utf8(bytes(&place.path("my run/report.md"))).expect("text");
    assert!(table.contains("`hsic train --config 'my run/config.toml'`"), "{table}");
}

//! The shortest training that reaches an accuracy.

use crate::images::shades;
use crate::{Place, bytes, stderr};

const SMALL: &str = "speedrun --goals 30,10 --lengths 1,6 --dataset digits --train-size 300 --test-size 60 --widths 16 \
                     --batch-size 30 --method backprop --learning-rate 3e-3 --output out --quiet --json";

#[test]
fn goals_have_the_shortest_training_that_reaches_them() {
    let place = Place::new();
    let made = place.json(SMALL);
    let goals = made["goals"].as_array().expect("goals");
    assert_eq!(goals.iter().map(|row| row["goal"].as_f64()).collect::<Vec<_>>(), [Some(0.1), Some(0.3)]);
    let attempts = made["attempts"].as_array().expect("attempts");
    for row in goals {
        let (goal, epochs) = (row["goal"].as_f64().expect("a goal"), row["epochs"].as_u64().expect("epochs"));
        // It is the first length whose held-out accuracy is the goal or more.
        let reaches = |tried: &&serde_json::Value| tried["accuracy"].as_f64() >= Some(goal);
        assert_eq!(attempts.iter().find(reaches).and_then(|tried| tried["epochs"].as_u64()), Some(epochs));
        // 784-16-10 by back-propagation on 300 rows.
        let maps: u64 = 784 * 16 + 16 * 10;
        assert_eq!(row["operations"].as_u64(), Some(2 * 300 * epochs * (3 * maps - 784 * 16)));
        let command = row["command"].as_str().expect("a command");
        assert!(command.contains(&format!("--epochs {epochs} ")) && !command.contains("--validation"), "{command}");
        // The accuracy is that of the command that the row names.
        let alone = place.json(&format!("{} --run alone{epochs}{goal} --quiet --json", &command["hsic ".len()..]));
        assert_eq!(alone["test_accuracy"], row["test_accuracy"]);
    }
    let read = |name: &str| String::from_utf8(bytes(&place.path(&format!("out/{name}")))).expect("text");
    assert_eq!(read("speedrun.csv").lines().count(), 3);
    assert!(read("report.md").starts_with("# Speed run: mlp by backprop on digits (300 + 60)"));
    assert!(read("report.html").contains("Lengths that were tried") && read("figure.svg").starts_with("<svg "));
    assert_eq!(place.json("report out --json")["kind"], "speedrun");

    // The same command trains nothing; the one that the record names does the same.
    let runs = || std::fs::read_dir(place.path("out/runs")).expect("runs").count();
    let before = runs();
    assert_eq!(place.json(SMALL)["goals"], made["goals"]);
    let command = made["command"].as_str().expect("a command");
    assert_eq!(place.json(&format!("{} --quiet --json", &command["hsic ".len()..]))["goals"], made["goals"]);
    assert_eq!(runs(), before);
    // A goal that nothing reaches is an empty row, and is said.
    let output = place.run(&SMALL.replace("30,10", "100").replace(" --quiet --json", ""));
    assert!(output.status.success(), "{}", stderr(&output));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("goal (%)  epochs  operations  minutes"), "{told}");
    assert_eq!((lines[1], lines[2]), ("100", "No length that was tried reaches 100 %."), "{told}");
    // Other options are another speed run, whose folder is not this one.
    let error = place.fails(&SMALL.replace("--widths 16", "--widths 17"));
    assert!(error.contains("out/speedrun.json: the speed run digits-mlp-backprop-"), "{error}");
    assert!(error.trim_end().ends_with("as asked for, or another folder"), "{error}");
}

#[test]
fn images_named_cifar10_are_found_as_a_reproduction_finds_them() {
    let place = Place::new();
    shades(&place, "data/cifar10-jpeg");
    let common = "speedrun --data-dir data --model mlp --widths 8 --method backprop --batch-size 8 --learning-rate 1e-2 \
                  --normalize channel --goals 10 --lengths 1 --test-time flip --quiet --json";
    let made = place.json(common);
    assert_eq!(made["dataset"], "cifar10-jpeg");
    assert!(made["goals"][0]["test_time_accuracy"].as_f64().is_some(), "{made}");
    let entries = std::fs::read_dir(place.path("speedrun")).expect("speed runs");
    let names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    assert!(names.len() == 1 && names[0].starts_with("cifar10-jpeg-mlp-backprop-"), "{names:?}");
    // By its name it is the same.
    assert_eq!(place.json(&format!("{common} --dataset cifar10"))["goals"], made["goals"]);
    let error = place.fails(&common.replace("--data-dir data", "--data-dir nowhere"));
    assert!(error.contains("cifar10") && error.contains("hsic data fetch cifar10"), "{error}");
}

#[test]
fn what_a_speed_run_has_in_its_own_hands_is_refused() {
    let place = Place::new();
    for (arguments, expected) in [
        ("--epochs 3", "epochs = 3: expected --lengths, the epochs that are tried"),
        ("--restarts 2", "restarts = 2: expected none, since trainings of several lengths are made"),
        ("--budget 5epochs", "budget = 5epochs: expected a time as 2h, 30min or 90s"),
        ("--goals 0,80", "goals = 0: expected accuracies in %, above 0 and at most 100"),
        ("--goals 180", "goals = 180: expected accuracies in %, above 0 and at most 100"),
        ("--lengths 0", "lengths = 0: expected whole numbers >= 1"),
        ("--validation 0", "validation = 0: expected a number in (0, 1)"),
        ("--unit 2 --method backprop", "unit = 2: expected not given for"),
    ] {
        let error = place.fails(&format!("speedrun --dataset digits {arguments}"));
        assert!(error.contains(expected), "{error}");
    }
    assert!(!place.path("speedrun").exists());
}

#[test]
fn a_budget_that_is_spent_begins_nothing_more() {
    let place = Place::new();
    let common = "speedrun --goals 100 --dataset digits --train-size 300 --test-size 60 --widths 16 --batch-size 30 \
                  --method frozen --output out --quiet";
    let output = place.run(&format!("{common} --lengths 1,100000 --budget 60s"));
    assert!(output.status.success(), "{}", stderr(&output));
    // Lines end where the terminal does.
    let told = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("A training of 100000 epochs on a part of the training data was not begun"), "{told}");
    assert!(told.contains("The same command with a larger --budget goes on from here."), "{told}");
    let record = String::from_utf8(bytes(&place.path("out/speedrun.json"))).expect("text");
    assert!(record.contains("\"left_out\""));
    // Another list of lengths goes on in the same folder.
    let made = place.json(&format!("{common} --lengths 1,2 --budget 60s --json"));
    assert_eq!((made["attempts"].as_array().map(Vec::len), made.get("left_out")), (Some(2), None));
}

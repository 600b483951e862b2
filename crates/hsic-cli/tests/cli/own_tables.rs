//! Small tables by the command alone: what a user gets who gives nothing else.

use crate::{Place, stderr};

/// A table of so many classes and rows of each, in four columns: a class is a corner of a cube, and noise around it.
fn table(classes: usize, rows: usize) -> String {
    let mut state = 1u64;
    let mut noise = || {
        // Knuth's linear congruential generator; the upper bits, from -1 to 1.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    };
    let mut text = "a,b,c,d,kind\n".to_owned();
    for index in 0..classes * rows {
        let class = index % classes;
        let at = |digit: u32| (class / 3usize.pow(digit) % 3) as f64 * 3.0;
        text.push_str(&format!(
            "{:.4},{:.4},{:.4},{:.4},k{class}\n",
            at(0) + noise(),
            at(1) + noise(),
            at(2) + noise(),
            noise()
        ));
    }
    text
}

#[test]
fn two_classes_many_classes_and_classes_of_few_rows_are_learned_without_an_option() {
    let place = Place::new();
    // Corners lie 3 apart and noise within 1: every row can be told. Of the third a class has five rows to learn from, a batch
    // fewer rows than there are classes, and 20 rows judge, of which chance names one.
    for (name, classes, rows, least) in [("two", 2, 40, 0.95), ("many", 20, 30, 0.95), ("few", 20, 6, 0.6)] {
        place.write(&format!("{name}.csv"), &table(classes, rows));
        let summary = place.json(&format!("train --dataset {name}.csv --quiet --json --run {name}"));
        let format = summary["format_accuracy"].as_f64().expect("an accuracy");
        assert!(format >= least, "{name}: {summary}");
        assert!(summary["steps"].as_u64().expect("steps") >= 300, "{summary}");
        assert!(summary["test_accuracy"].is_number());
        // What is predicted and evaluated is the softmax layer's.
        assert_eq!(place.json(&format!("eval {name} --json"))["format_accuracy"].as_f64(), Some(format), "{name}");
    }
    let config = std::fs::read_to_string(place.path("two/config.toml")).expect("the settings");
    for line in
        ["epochs = 38", "batch-size = 8", "format-epochs = 38", "format-batch-size = 8", "format-input = \"all\""]
    {
        assert!(config.lines().any(|found| found == line), "{line}\n{config}");
    }
}

#[test]
fn units_are_read_and_layers_left_out_where_it_is_asked_for() {
    let place = Place::new();
    place.write("t.csv", &table(3, 30));
    place.json("train --dataset t.csv --widths 8x2 --quiet --json --run r");
    place.json("train --dataset t.csv --widths 8x2 --format-epochs 0 --quiet --json --run plain");
    let rows: String =
        table(3, 2).lines().skip(1).map(|line| format!("{}\n", &line[..line.rfind(',').unwrap()])).collect();
    place.write("rows.csv", &rows);
    let predictions = |command: &str| place.json(command)["predictions"].clone();
    let units = predictions("predict r rows.csv --unformatted --json");
    assert_eq!(units, predictions("predict plain rows.csv --json"));
    assert_ne!(units, predictions("predict r rows.csv --json"));
    for (run, more) in [("r", "--unformatted"), ("plain", "")] {
        assert!(place.run(&format!("export {run} {more} --format npz --output {run}.npz")).status.success());
    }
    assert!(std::fs::read(place.path("r.npz")).unwrap() == std::fs::read(place.path("plain.npz")).unwrap());
    // The softmax layer of a run that has none yet is trained by the size of the table too.
    place.json("format plain --json");
    let layer = |run: &str| std::fs::read(place.path(run).join("format.safetensors")).unwrap();
    assert!(layer("plain") == layer("r"));
}

#[test]
fn rows_of_both_parts_are_told_and_are_those_that_judge() {
    let place = Place::new();
    place.write("t.csv", &table(2, 10));
    let split = place.json("data split t.csv --split-seed 3 --validation 0.25 --json");
    let rows = |part: &str| -> Vec<u64> {
        split[part].as_array().expect("rows").iter().map(|row| row.as_u64().expect("a row")).collect()
    };
    // Of each class 10 rows: 2 are the test part, and a quarter of the other 8 is held out.
    assert_eq!((rows("train").len(), rows("test").len()), (12, 4));
    let plain = place.run("data split t.csv --split-seed 3 --validation 0.25");
    let text = String::from_utf8(plain.stdout).expect("text");
    let lines: Vec<String> = ["row,part".to_owned()]
        .into_iter()
        .chain(rows("train").iter().map(|row| format!("{row},train")))
        .chain(rows("test").iter().map(|row| format!("{row},validation")))
        .collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), lines);
    let error = place.fails("data split digits");
    assert!(
        error.contains("digits: its rows are not divided by a seed: expected a table without a test part"),
        "{error}"
    );
    assert_eq!(
        place.fails("data split t.csv --test-fraction 2"),
        "error: test-fraction = 2: expected a number in (0, 1)\n"
    );
}

#[test]
fn what_may_mislead_is_said_in_a_line_each() {
    let place = Place::new();
    // The third column holds one value, class k2 has one row, and each row of the others comes twice.
    let mut text = "a,b,c,kind\n".to_owned();
    for row in 0..40 {
        let half = row / 2;
        text.push_str(&format!("{},{},7,k{}\n", half % 7, half * half % 11, half % 2));
    }
    text.push_str("9,9,7,k2\n");
    place.write("t.csv", &text);
    let output = place.run("train --dataset t.csv --widths 8 --epochs 2 --quiet --run r");
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stderr(&output);
    for line in [
        "warning: class k2 has no rows in the test part, so that the accuracy says nothing of it (a larger --test-fraction \
         gives that part more rows)",
        "warning: column c: the same in every row",
        "warning: 16 steps in 2 epochs are few to learn from: expected a smaller --batch-size or --epochs 38",
    ] {
        assert!(said.lines().any(|found| found == line), "{line}\n---\n{said}");
    }
    assert!(said.contains(" rows of the test part are in the training part too"), "{said}");
}

#[test]
fn a_comparison_has_one_batch_and_its_epochs_by_the_rows() {
    let place = Place::new();
    place.write("t.csv", &table(2, 20));
    let compare =
        "compare --dataset t.csv --methods hsic:learning-rate=2e-3,frozen:learning-rate=1e-3 --widths 8 --quiet";
    let record = place.json(&format!("{compare} --output c --json"));
    // 32 training rows: batches of 4 for 38 epochs, though a rate would be tried on fewer rows.
    for row in record["rows"].as_array().expect("rows") {
        assert_eq!((&row["batch_size"], &row["epochs"]), (&4.into(), &38.into()), "{row}");
    }
    assert_eq!(record["budget"], "38epochs");
    let command = record["rows"][0]["commands"][0].as_str().expect("a command");
    assert!(command.contains("--batch-size 4") && command.contains("--format-epochs 0"), "{command}");
    // The same command finds all of it again.
    assert_eq!(place.json(&format!("{compare} --output c --json"))["rows"], record["rows"]);
}

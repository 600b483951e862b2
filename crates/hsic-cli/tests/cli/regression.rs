//! Tables whose targets are values.

use hsic::random::Stream;

use crate::{Place, bytes, stderr};

/// 300 rows of three columns and a count that two of them tell, some 90 different ones.
fn counts() -> String {
    let mut stream = Stream::new(3, "counts", 0);
    let mut text = "a,b,c,count\n".to_owned();
    for _ in 0..300 {
        let [a, b, c] = [(); 3].map(|()| stream.normal());
        let count = (50.0 + 12.0 * (a + (2.0 * b).sin()) + 2.0 * stream.normal()).round().max(0.0);
        text.push_str(&format!("{a},{b},{c},{count}\n"));
    }
    text
}

const TRAIN: &str = "train --dataset t.csv --widths 32x2 --epochs 15 --batch-size 32 --threads 1";

#[test]
fn a_count_is_learned_as_a_value_and_the_user_is_told() {
    let place = Place::new();
    place.write("t.csv", &counts());
    let output = place.run(&format!("{TRAIN} --run r"));
    let (told, text) = (stderr(&output), String::from_utf8(output.stdout).unwrap());
    assert!(output.status.success(), "{told}");
    assert!(told.contains("note: targets are "), "{told}");
    assert!(told.contains("different whole numbers in 300 rows: values are learned (regression; --task"), "{told}");
    assert!(told.contains("epoch  15  train R2 ") && told.contains(" RMSE "), "{told}");
    assert!(text.contains("test R2 0.") && text.contains("by the mean of the training rows"), "{text}");
    assert!(!text.contains("accuracy") && !told.contains("accuracy"), "{text}{told}");

    let summary: serde_json::Value = serde_json::from_slice(&bytes(&place.path("r/summary.json"))).unwrap();
    assert_eq!(summary["task"], "regression");
    let number = |key: &str| summary[key].as_f64().unwrap();
    assert!(number("test_r2") > 0.7 && number("test_rmse") < 0.6 * number("baseline_rmse"), "{summary}");

    // Evaluation gives the same figures, prediction the values themselves.
    let found = place.json("eval r --json");
    for key in ["task", "test_r2", "test_rmse", "baseline_rmse"] {
        assert_eq!(found[key], summary[key], "{key}");
    }
    assert_eq!((&found["part"], &found["rows"]), (&"test".into(), &60.into()));
    let text = String::from_utf8(place.run("eval r").stdout).unwrap();
    assert!(text.contains("60 rows of the test part: R2 0."), "{text}");
    let rows = counts().lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned() + "\n").collect::<String>();
    place.write("rows.csv", &rows);
    let found = place.json("predict r rows.csv --json");
    let told: Vec<f64> =
        found["predictions"].as_array().unwrap().iter().map(|row| row["value"].as_f64().unwrap()).collect();
    let truth: Vec<f64> =
        counts().lines().skip(1).map(|line| line.rsplit_once(',').unwrap().1.parse().unwrap()).collect();
    let mean = truth.iter().sum::<f64>() / 300.0;
    let missed: f64 = told.iter().zip(&truth).map(|(told, truth)| (told - truth).powi(2)).sum();
    let spread: f64 = truth.iter().map(|truth| (truth - mean).powi(2)).sum();
    assert!(told.len() == 300 && missed < 0.3 * spread, "{missed} {spread}");
    assert!(place.run("predict r rows.csv --output p.csv").status.success());
    let written = String::from_utf8(bytes(&place.path("p.csv"))).unwrap();
    assert_eq!(written.lines().nth(1), Some(&*format!("rows.csv,0,{}", told[0])));
    assert_eq!(written.lines().next(), Some("file,row,value"));
    assert!(place.fails("predict r rows.csv --top 2").contains("top = 2: expected 1 for a run that learned values"));
    assert!(
        place.fails("predict r rows.csv --unformatted").contains("unformatted = true: expected not given for a run")
    );

    // What is about classes alone is refused by name.
    assert!(place.fails("format r").contains("format training learns classes, and the targets of t are values"));
    assert!(place.fails("export r --output e.npz --format npz").contains("read by a line of the features"));
    let report = place.run("report r");
    assert!(report.status.success(), "{}", stderr(&report));
    let page = String::from_utf8(bytes(&place.path("r/report.html"))).unwrap();
    assert!(page.contains("Predicted and true values") && page.contains("test R2") && !page.contains("Confusion"));
}

#[test]
fn the_task_that_is_asked_for_is_done() {
    let place = Place::new();
    place.write("t.csv", &counts());
    let summary = place.json(&format!("{TRAIN} --task classification --run c --json --quiet"));
    assert_eq!(summary["task"], "classification");
    assert!(summary["class_names"].as_array().unwrap().len() > 60 && summary.get("test_r2").is_none());
    let told = place.fails(&format!("{TRAIN} --method predsim --run p"));
    assert!(told.contains(
        "predsim learns classes, and the targets of t are values: expected a method that learns values (hsic, "
    ));
    let told = place.fails("compare --dataset t.csv --methods hsic,backprop");
    assert!(told.contains("a comparison is of accuracies, and these targets are values"), "{told}");
    let told = place.fails(&format!("{TRAIN} --format-epochs 3 --run f"));
    assert!(told.contains("format-epochs = 3: expected not given for targets that are values"), "{told}");
    let told = place.fails("train --task regression --run d");
    assert!(told.contains("task = regression: expected not given"), "{told}");
    let info = place.json("data info t.csv --json");
    assert_eq!((&info["classes"], &info["notes"][0]["sign"]), (&serde_json::json!([]), &"many".into()));
    assert!(info["target"]["deviation"].as_f64().unwrap() > 10.0, "{info}");
    let text = String::from_utf8(place.run("data info t.csv").stdout).unwrap();
    assert!(text.contains("values to learn (regression)") && text.contains("training targets from"), "{text}");
}

#[test]
fn values_that_nothing_tells_are_warned_of() {
    let mut stream = Stream::new(5, "nothing", 0);
    let text: String = (0..120).map(|_| format!("{},{}\n", stream.normal(), stream.normal())).collect();
    let place = Place::new();
    place.write("t.csv", &text);
    let told = stderr(&place.run(&format!("{TRAIN} --quiet --run r")));
    assert!(told.contains("warning: R2 ") && told.contains("is not clearly above 0"), "{told}");
    assert!(told.contains("more epochs (hsic train --resume r --epochs 30)"), "{told}");
}

//! `predict`, `export` and `eval` on finished runs.

use std::fs;

use hsic::random::Stream;
use insta::assert_snapshot;

use crate::{Place, bytes, stderr};

/// Rows of three classes of different scales, with and without the class; a class lies around its own corner.
fn flowers(rows: usize, seed: u64, shift: f64) -> (String, String) {
    let mut stream = Stream::new(seed, "flowers", 0);
    let (mut labeled, mut bare) = ("length,width,height,kind\n".to_owned(), "length,width,height\n".to_owned());
    for row in 0..rows {
        let class = row % 3;
        let mut value =
            |column: usize, scale: f64| scale * (shift + f64::from(u8::from(column == class)) * 6.0 + stream.normal());
        let text = format!("{},{},{}", value(0, 1.0), value(1, 100.0), value(2, 0.01));
        labeled.push_str(&format!("{text},{}\n", ["aster", "lily", "rose"][class]));
        bare.push_str(&format!("{text}\n"));
    }
    (labeled, bare)
}

const TABLE: &str = "train --dataset flowers.csv --widths 16x2 --activation tanh --epochs 30 --batch-size 50 --seed 3 \
                     --quiet";

#[test]
fn new_rows_are_read_as_in_training() {
    let place = Place::new();
    place.write("flowers.csv", &flowers(300, 1, 5.0).0);
    place.json(&format!("{TABLE} --run r --json"));
    let (labeled, bare) = flowers(90, 2, 5.0);
    place.write("new.csv", &bare);
    place.write("labeled.csv", &labeled);
    let result = place.json("predict r new.csv --json");
    assert_eq!((&result["run"], &result["class_names"][1]), (&"r".into(), &"lily".into()));
    let predictions = result["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 90);
    let mut right = 0;
    for (row, prediction) in predictions.iter().enumerate() {
        right += usize::from(prediction["class"] == ["aster", "lily", "rose"][row % 3]);
        let all: Vec<f64> =
            prediction["probabilities"].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).collect();
        assert!((all.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{prediction}");
        assert!(all.contains(&prediction["probability"].as_f64().unwrap()));
    }
    // Corners six deviations apart: nearly all are right, if the rows are standardized by the record.
    assert!(right > 80, "{right} of 90");

    // A row is read the same alone, though alone it has no deviation of its own; files come in order.
    let first = bare.lines().take(2).map(|line| format!("{line}\n")).collect::<String>();
    place.write("one.csv", &first);
    let two = place.json("predict r one.csv new.csv --json");
    assert_eq!(two["predictions"].as_array().unwrap().len(), 91);
    // A product of one row is summed in another order than that of many: a rounding of f32.
    let p = |prediction: &serde_json::Value| prediction["probability"].as_f64().unwrap();
    assert!((p(&two["predictions"][0]) - p(&predictions[0])).abs() < 1e-6);
    assert_eq!(two["predictions"][1], predictions[0]);
    let text = String::from_utf8(place.run("predict r one.csv").stdout).unwrap();
    let probability = predictions[0]["probability"].as_f64().unwrap();
    assert_eq!(text, format!("one.csv:0  aster  {probability:.4}\n"));

    // A part of the rows, shifted and of two classes, is evaluated by the run's means and class names.
    let two_classes: String = labeled
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.ends_with("aster"))
        .map(|(_, line)| format!("{line}\n"))
        .collect();
    place.write("two.csv", &two_classes);
    let evaluation = place.json("eval r --dataset two.csv --json");
    assert_eq!((&evaluation["rows"], &evaluation["part"]), (&60.into(), &"all".into()));
    assert_eq!(evaluation["confusion"].as_array().unwrap().len(), 3);
    assert!(evaluation["test_accuracy"].as_f64().unwrap() > 0.85, "{evaluation}");
    assert_eq!(evaluation["confusion"][0], serde_json::json!([0, 0, 0]));

    // Labels that still stand in a file are passed over, and faults are told.
    assert_eq!(
        place.json("predict r labeled.csv --json")["predictions"][7]["probabilities"],
        predictions[7]["probabilities"]
    );
    place.write("wide.csv", "1,2,3,0\n");
    let error = place.fails("predict r wide.csv");
    assert_snapshot!(error, @"error: wide.csv: rows of 4 values, expected 3 as in training");
    assert!(place.fails("eval r --dataset digits").contains("digits has 784 columns and 10 classes: expected 3 and 3"));
    place.write("narrow.csv", "1,a\n2,b\n3,a\n4,b\n");
    let error = place.fails("eval r --dataset narrow.csv");
    assert_snapshot!(error, @"error: narrow.csv: rows of 1 values, expected 3 as in training");
    assert!(place.fails("predict r none.csv").contains("none.csv"));
}

#[test]
fn it_is_said_which_rows_judge_and_changed_data_are_refused() {
    let place = Place::new();
    place.write("flowers.csv", &flowers(300, 1, 5.0).0);
    place.json(&format!("{TABLE} --epochs 2 --run r --json").replace("--epochs 30 ", ""));
    let last = |arguments: &str| {
        let output = place.run(arguments);
        assert!(output.status.success(), "{}", stderr(&output));
        // A line that does not fit is broken, and what follows is indented.
        let text = String::from_utf8(output.stdout).unwrap().replace("\n  ", " ");
        text.lines().last().unwrap().to_owned()
    };
    // A fifth of 300 rows is the test part, wherever they lie; another file is judged whole, to its one row.
    assert!(last("eval r").starts_with("flowers.csv, 60 rows of the test part: test accuracy "));
    fs::copy(place.path("flowers.csv"), place.path("moved.csv")).unwrap();
    assert!(last("eval r --dataset moved.csv").starts_with("moved.csv, 60 rows of the test part: test accuracy "));
    assert!(last("eval r --part all").starts_with("flowers.csv, all 300 rows: accuracy "));
    assert!(last("eval r --part train").starts_with("flowers.csv, 240 rows of the training part: training accuracy "));
    place.write("one.csv", "length,width,height,kind\n11,500,0.05,aster\n");
    assert!(last("eval r --dataset one.csv").starts_with("one.csv, the one row: accuracy "));
    let error = place.fails("eval r --dataset one.csv --part test");
    assert_snapshot!(error, @"error: one.csv: no test part, since nothing divides it: expected all of it to be asked for (--part all)");
    place.write("one.csv", "length,width,height,kind\n11,500,0.05,tulip\n");
    let error = place.fails("eval r --dataset one.csv");
    assert_snapshot!(error, @"error: one.csv: label tulip, expected those of the run: aster, lily, rose");

    // Edited in place, it is not what the run was trained on: neither judged nor learned from without a word.
    let record: serde_json::Value = serde_json::from_slice(&bytes(&place.path("r/data.json"))).unwrap();
    let before = record["content"]["sha256"].as_str().unwrap().to_owned();
    assert_eq!((&record["split"]["seed"], &record["split"]["rows"]), (&1.into(), &300.into()));
    place.write("flowers.csv", &flowers(300, 2, 5.0).0);
    for command in ["eval r", "format r", "train --resume r"] {
        let error = place.fails(command);
        assert!(error.starts_with("error: DIR/flowers.csv: SHA-256 ") && error.contains(&before), "{command}: {error}");
        assert!(error.contains("hsic eval --dataset"), "{command}: {error}");
    }
    assert!(last("eval r --dataset flowers.csv").starts_with("flowers.csv, all 300 rows: accuracy "));
}

/// An array of bytes as NumPy writes it.
fn npy(rows: usize, columns: usize, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({rows}, {columns}), }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

#[test]
fn images_are_predicted_and_exported() {
    let place = Place::new();
    place.json("train --train-size 300 --test-size 50 --widths 16 --epochs 2 --run r --quiet --json");
    let pixels: Vec<u8> = (0..2 * 784).map(|i| (i * i % 256) as u8).collect();
    fs::write(place.path("x.npy"), npy(2, 784, &pixels)).unwrap();
    let text: String =
        pixels.chunks(784).map(|row| row.iter().map(u8::to_string).collect::<Vec<_>>().join(",") + "\n").collect();
    place.write("x.csv", &text);
    let result = place.json("predict r x.npy x.csv --json");
    let predictions = result["predictions"].as_array().unwrap();
    for row in 0..2 {
        assert_eq!(predictions[row]["probabilities"], predictions[row + 2]["probabilities"]);
    }

    for (format, other) in [("safetensors", "w2.safetensors"), ("npz", "w2.npz")] {
        let file = format!("w.{format}");
        for output in [file.as_str(), other] {
            let output = place.run(&format!("export r --format {format} --output {output}"));
            assert!(output.status.success() && output.stdout.is_empty(), "{}", stderr(&output));
        }
        assert!(bytes(&place.path(&file)) == bytes(&place.path(other)), "{format}");
        let error = place.fails(&format!("export r --format {format} --output {file}"));
        assert_eq!(error, format!("error: {file}: exists: expected a new file, or --force\n"));
        assert!(place.run(&format!("export r --format {format} --output {file} --force")).status.success());
    }
    let error = place.fails("export r --format npz --output none/w.npz");
    assert!(error.contains("none/w.npz") && error.contains("No such file"), "{error}");
}

#[test]
fn runs_that_are_not_finished_or_do_not_fit_together_are_told() {
    let place = Place::new();
    place.json("train --train-size 100 --test-size 20 --widths 8 --epochs 1 --run r --quiet --json");
    place.write("x.csv", "1\n");
    let readout = bytes(&place.path("r/readout.json"));
    for (text, expected) in [
        (r#"{"class_of_unit":[0,1]}"#, "classes of 2 units, expected 10, those of the network"),
        (r#"{"class_of_unit":[0,1,2,3,4,5,6,7,8,10]}"#, "class 10, expected a class below 10"),
        (r#"{"class_of_unit":[0,1,2,3,4,5,6,7,8,9],"temperature":-1}"#, "temperature -1, expected a finite number > 0"),
    ] {
        place.write("r/readout.json", text);
        for command in ["eval r", "predict r x.csv", "export r --format npz --output w.npz"] {
            assert_eq!(place.fails(command), format!("error: r/readout.json: {expected}\n"));
        }
    }
    fs::write(place.path("r/readout.json"), readout).unwrap();
    fs::rename(place.path("r/data.json"), place.path("data.json")).unwrap();
    assert!(place.fails("predict r x.csv").starts_with("error: r/data.json\n"));
    fs::remove_file(place.path("r/summary.json")).unwrap();
    let error = place.fails("predict r x.csv");
    assert_snapshot!(error, @"error: r: training has not ended, expected a finished run (hsic train --resume goes on with this one)");
    assert!(!place.path("w.npz").exists());
}

#[test]
fn a_late_fault_leaves_no_half_output() {
    let place = Place::new();
    place.write("flowers.csv", &flowers(300, 1, 5.0).0);
    place.json(&format!("{TABLE} --run r --json").replace("--epochs 30", "--epochs 1"));
    let row = |row: usize| format!("{}.5,{},0.0{}\n", row % 9, 500 + row % 90, row % 8);
    // More rows than are predicted at a time.
    let rows: String = (0..40_000).map(row).collect();
    place.write("good.csv", &format!("length,width,height\n{rows}"));
    place.write("bad.csv", &format!("length,width,height\n{rows}1,inf,2\n"));
    let said = "error: bad.csv: row 40000, column 1 (from 0): inf, expected a finite number";
    let exists = |name: &str| place.path(name).exists();

    // What was there stays, and nothing is left beside it.
    place.write("out.csv", "before");
    let told = place.fails("predict r bad.csv --output out.csv --force");
    assert!(told.starts_with(said), "{told}");
    assert_eq!(bytes(&place.path("out.csv")), b"before");
    place.fails("predict r bad.csv --output new.csv");
    assert!(!exists("out.csv.part") && !exists("new.csv") && !exists("new.csv.part"));

    // Of several files, the rows of the others are told, whichever comes first.
    let good = place.run("predict r good.csv --output good-alone.csv");
    assert_eq!(String::from_utf8(good.stdout).unwrap(), "good-alone.csv: 40000 rows of 1 files\n");
    let alone = String::from_utf8(bytes(&place.path("good-alone.csv"))).unwrap();
    assert_eq!(alone.lines().count(), 40_001);
    for (files, twice) in [("bad.csv good.csv", false), ("good.csv bad.csv good.csv", true)] {
        let output = place.run(&format!("predict r {files} --output out.csv --force"));
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        let names = alone.split_once('\n').unwrap().0.len() + 1;
        let expected = if twice { format!("{alone}{}", &alone[names..]) } else { alone.clone() };
        assert!(bytes(&place.path("out.csv")) == expected.into_bytes(), "{files}");
    }

    // Standard output has what came before, and says what the file lacks.
    let output = place.run("predict r bad.csv --json");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let told = result["predictions"].as_array().unwrap().len();
    assert!((1..40_000).contains(&told), "{told}");
    assert_eq!(result["misfits"][0]["error"], said.strip_prefix("error: ").unwrap());
    let output = place.run("predict r bad.csv good.csv");
    let told = "warning: 1 of 2 files did not fit, and of their rows only those are predicted that were printed\n";
    assert!(output.status.code() == Some(1) && stderr(&output).ends_with(told), "{}", stderr(&output));
}

//! Files of tables: their endings and encodings, standard input, and a file of its own for testing.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::tables::{TRAIN, plain, rows, said, table};
use crate::{Place, bytes, stderr};

/// Runs with a text as standard input.
fn fed(place: &Place, arguments: &str, input: &str) -> Output {
    let mut child = place
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("the input is taken");
    child.wait_with_output().expect("the command ends")
}

fn fed_json(place: &Place, arguments: &str, input: &str) -> Value {
    let output = fed(place, arguments, input);
    assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[test]
fn a_table_is_the_same_however_it_is_written() {
    let place = Place::new();
    let data = rows(90, 1);
    let text = plain(&data);
    let semicolons = text.replace(',', ";").replace('.', ",");
    let wide: Vec<u8> =
        format!("\u{feff}{}", text.replace(',', "\t")).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    place.write("t.csv", &text);
    place.write("s.csv", &semicolons);
    place.write("t.tsv", &text.replace(',', "\t"));
    std::fs::write(place.path("w.csv"), wide).unwrap();
    std::fs::write(place.path("t.csv.gz"), packed.finish().unwrap()).unwrap();
    place.json(&format!("train --dataset t.csv {TRAIN} --run r"));
    let expected = bytes(&place.path("r/weights.safetensors"));
    for (name, run) in [("s.csv", "s"), ("t.tsv", "v"), ("w.csv", "w"), ("t.csv.gz", "z")] {
        place.json(&format!("train --dataset {name} {TRAIN} --run {run}"));
        assert!(bytes(&place.path(&format!("{run}/weights.safetensors"))) == expected, "{name}");
    }
    // What gzip adds is no part of what data are.
    assert_eq!(place.json("eval r --dataset t.csv.gz --json")["part"], "test");

    let latin =
        table(&data, |row, column, cell| if column == 4 { ["h\u{e4}", "b", "c"][row % 3].to_owned() } else { cell });
    let latin: Vec<u8> = latin.chars().map(|letter| letter as u8).collect();
    std::fs::write(place.path("l.csv"), latin).unwrap();
    let refused = place.fails("data info l.csv");
    assert!(
        refused.contains("l.csv: line 2 is not in UTF-8") && refused.contains("(--encoding windows-1252, or"),
        "{refused}"
    );
    assert_eq!(place.json("data info l.csv --encoding latin1 --json")["classes"][2]["name"], "h\u{e4}");
}

#[test]
fn standard_input_is_a_table() {
    let place = Place::new();
    let (text, new) = (plain(&rows(90, 1)), plain(&rows(12, 2)));
    let trained = fed_json(&place, &format!("train --dataset - {TRAIN} --run r"), &text);
    assert!(trained["test_accuracy"].as_f64().unwrap() > 0.9, "{trained}");
    assert_eq!(bytes(&place.path("r/data.csv")), text.as_bytes());
    // The run finds its own data, also where it is moved to.
    std::fs::rename(place.path("r"), place.path("moved")).unwrap();
    let evaluated = place.json("eval moved --json");
    assert_eq!((&evaluated["part"], &evaluated["rows"]), (&json!("test"), &json!(18)));
    place.json("train --resume moved --epochs 32 --quiet --json");
    place.write("new.csv", &new);
    let from_file = place.json("predict moved new.csv --json");
    let piped = fed_json(&place, "predict moved - --json", &new);
    assert_eq!(piped["predictions"][5]["probabilities"], from_file["predictions"][5]["probabilities"]);
    assert_eq!(piped["predictions"][5]["file"], "-");
    let judged = fed_json(&place, "eval moved --dataset - --json", &new);
    assert_eq!(
        (&judged["rows"], &judged["confusion"]),
        (&json!(12), &place.json("eval moved --dataset new.csv --json")["confusion"])
    );

    place.write("y.csv", "1\n2\n4\n8\n16\n");
    let measured = fed_json(&place, "measure - y.csv --estimator hsic-biased --json", "3\n5\n2\n9\n1\n");
    place.write("x.csv", "3\n5\n2\n9\n1\n");
    assert_eq!(measured["value"], place.json("measure x.csv y.csv --estimator hsic-biased --json")["value"]);
    let tested = fed_json(&place, "test x.csv - --permutations 100 --json", "1\n2\n4\n8\n16\n");
    assert_eq!(tested["p_value"], place.json("test x.csv y.csv --permutations 100 --json")["p_value"]);
    let refused = place.fails("compare --methods backprop,frozen --dataset -");
    assert!(refused.contains("dataset = -: expected a file"), "{refused}");
}

#[test]
fn a_file_of_its_own_tests() {
    let place = Place::new();
    let test = rows(60, 2);
    place.write("train.csv", &plain(&rows(90, 1)));
    // Its columns stand in another order.
    let reordered: String =
        plain(&test).lines().map(|line| line.split(',').rev().collect::<Vec<_>>().join(",") + "\n").collect();
    place.write("test.csv", &reordered);
    let trained = place.json(&format!("train --dataset train.csv --test-dataset test.csv {TRAIN} --run r"));
    assert!(trained["test_accuracy"].as_f64().unwrap() > 0.9, "{trained}");
    let record: Value = serde_json::from_slice(&bytes(&place.path("r/data.json"))).unwrap();
    assert_eq!((&record["train_rows"], &record["test_rows"], &record["split"]), (&json!(90), &json!(60), &Value::Null));
    let evaluated = place.json("eval r --json");
    assert_eq!((&evaluated["rows"], &evaluated["part"]), (&json!(60), &json!("test")));
    assert_eq!(evaluated["test_accuracy"], trained["test_accuracy"]);
    // A run without one judges the file as other data, and as well.
    place.json(&format!("train --dataset train.csv {TRAIN} --run plain"));
    assert_eq!(place.json("eval plain --dataset test.csv --json")["rows"], 60);

    let refused =
        place.fails(&format!("train --dataset train.csv --test-dataset test.csv --test-fraction 0.3 {TRAIN}"));
    assert!(refused.contains("test-fraction = 0.3: expected not given for data with a test-dataset"), "{refused}");
    // Another class, and other rows than when the run began.
    place.write("odd.csv", &plain(&test).replacen(",0\n", ",9\n", 1));
    let refused = place.fails(&format!("train --dataset train.csv --test-dataset odd.csv {TRAIN} --run odd"));
    assert_eq!(refused, "error: odd.csv: label 9 in the test part, expected a label of the training part\n");
    place.write("test.csv", &plain(&test[1..]));
    let refused = place.fails("train --resume r --epochs 40 --quiet");
    assert!(refused.contains("SHA-256"), "{refused}");
    assert!(place.fails("eval r").contains("SHA-256"));
    let refused = place.fails("train --test-dataset test.csv");
    assert!(refused.contains("test-dataset = test.csv: expected not given for dataset = digits"), "{refused}");
}

#[test]
fn an_export_says_how_its_input_is_scaled() {
    let place = Place::new();
    place.write(
        "t.csv",
        &table(&rows(90, 1), |row, column, cell| if column == 3 { ["p", "q"][row % 2].into() } else { cell }),
    );
    place.json(&format!("train --dataset t.csv {TRAIN} --run r"));
    let told = said(&place, "export r --format safetensors --output e.safetensors");
    assert!(told.contains("input"), "{told}");
    let file = bytes(&place.path("e.safetensors"));
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let metadata = &header["__metadata__"];
    assert_eq!(metadata["format"], "pt");
    let input: Value = serde_json::from_str(metadata["input"].as_str().unwrap()).unwrap();
    let record: Value = serde_json::from_slice(&bytes(&place.path("r/data.json"))).unwrap();
    assert_eq!(input["standardization"], record["standardization"]);
    assert_eq!(input["columns"], json!(["w", "x", "y", "z=p", "z=q"]));
    assert_eq!(input["encoding"], record["columns"]);
}

//! Which columns a run relies on.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{Place, stderr};

/// 240 rows: the class follows `port` (a word) and `size`, of which `length` is a copy but for a little; `noise` says nothing.
fn table() -> String {
    let mut text = "noise,port,size,length,kind\n".to_owned();
    // A sequence that visits 0 to 1 evenly and knows nothing of the row's number.
    let even = |row: usize, step: f64| (row as f64 * step).fract();
    for row in 0..240 {
        let (noise, size) = (even(row, 0.618_033_988_7), even(row, 0.414_213_562_4));
        let port = ["north", "south"][usize::from(even(row, 0.732_050_807_6) < 0.5)];
        let length = 10.0 * size + 0.01 * noise;
        let kind = match (port, size < 0.5) {
            ("north", true) => "a",
            ("north", false) => "b",
            _ => "c",
        };
        let _ = writeln!(text, "{noise:.4},{port},{size:.4},{length:.4},{kind}");
    }
    text
}

const TRAIN: &str = "train --dataset t.csv --method backprop --widths 16 --epochs 40 --batch-size 16 \
                     --learning-rate 1e-2 --threads 1 --quiet --json --run run";

#[test]
fn columns_are_told_by_what_is_lost_without_them_and_by_their_dependence_on_the_target() {
    let place = Place::new();
    place.write("t.csv", &table());
    let accuracy = place.json(TRAIN)["test_accuracy"].as_f64().unwrap();
    let told = place.json("importance run --threads 1 --json");
    assert_eq!((&told["metric"], &told["part"], &told["rows"]), (&"accuracy".into(), &"test".into(), &48.into()));
    assert_eq!(told["value"].as_f64().unwrap(), accuracy);
    let columns = told["columns"].as_array().unwrap();
    let of = |name: &str| columns.iter().find(|column| column["name"] == name).unwrap();
    let number = |name: &str, key: &str| of(name)[key].as_f64().unwrap();
    // A row of a known port is right with chance 1 of 2 (c) or with both halves of size; dealt out anew, half of all ports
    // are others, and a wrong one is always wrong.
    assert_eq!(columns[0]["name"], "port");
    assert!((number("port", "importance") - 0.5).abs() < 0.12, "{told}");
    for name in ["port", "size", "length"] {
        assert!(of(name)["interval"][0].as_f64().unwrap() > 0.0, "{name}: {told}");
        assert!(number(name, "p_value") < 0.05, "{name}: {told}");
    }
    assert!(of("noise")["interval"][0].as_f64().unwrap() <= 0.0 && number("noise", "p_value") > 0.05, "{told}");
    let alike: Vec<&Value> = told["alike"].as_array().unwrap().iter().map(|pair| &pair["columns"]).collect();
    assert_eq!(alike, [&serde_json::json!(["size", "length"])]);
    // The number of threads changes nothing, and the seed what chance there is.
    assert_eq!(place.json("importance run --threads 2 --json"), told);
    assert_ne!(place.json("importance run --seed 2 --json")["columns"], told["columns"]);
    let text = String::from_utf8(place.run("importance run").stdout).unwrap();
    assert!(text.starts_with("column  importance   95 % interval") && text.contains("\nport  "), "{text}");
    assert!(text.ends_with("share their importance: size and length (1.00)\n"), "{text}");
}

#[test]
fn what_has_no_columns_and_numbers_out_of_range_are_refused() {
    let place = Place::new();
    let train = place.run("train --train-size 40 --test-size 10 --widths 8 --epochs 1 --quiet --run digits");
    assert!(train.status.success(), "{}", stderr(&train));
    let error = place.fails("importance digits");
    assert!(error.contains("samples of 1 x 28 x 28, expected rows of a table"), "{error}");
    place.write("t.csv", &table());
    place.json(TRAIN);
    assert!(place.fails("importance run --shuffles 0").contains("shuffles = 0: expected a whole number >= 1"));
    place.write("one.csv", "noise,port,size,length,kind\n0.5,north,0.2,2,a\n");
    let error = place.fails("importance run --dataset one.csv");
    assert!(error.contains("one.csv: 1 rows, expected at least 2"), "{error}");
}

//! Tables as people have them: names, words, gaps, columns to leave out, and rows that come later in another order.

use hsic::random::Stream;
use serde_json::{Value, json};

use crate::{Place, bytes, stderr};

/// Trains in a second on three classes that lie apart.
pub(crate) const TRAIN: &str =
    "--method backprop --widths 16 --epochs 30 --batch-size 16 --learning-rate 1e-2 --threads 1 --quiet --json";

/// Rows of four numbers and their class: the first number of class 1 and the second of class 2 lie six deviations off.
pub(crate) fn rows(count: usize, seed: u64) -> Vec<([f64; 4], usize)> {
    let mut stream = Stream::new(seed, "tables", 0);
    let mut row = |row: usize| {
        let class = row % 3;
        let mut value = |of: usize| 6.0 * f64::from(u8::from(class == of)) + stream.normal();
        ([value(1), value(2), value(3), value(4)].map(|value| (value * 1e4).round() / 1e4), class)
    };
    (0..count).map(&mut row).collect()
}

/// A table of the columns w, x, y, z and kind, each cell as a function of row and column says.
pub(crate) fn table(rows: &[([f64; 4], usize)], cell: impl Fn(usize, usize, String) -> String) -> String {
    let mut text = "w,x,y,z,kind\n".to_owned();
    for (row, (values, class)) in rows.iter().enumerate() {
        let cells = values.iter().map(f64::to_string).chain([class.to_string()]).enumerate();
        let cells: Vec<String> = cells.map(|(column, text)| cell(row, column, text)).collect();
        text.push_str(&(cells.join(",") + "\n"));
    }
    text
}

pub(crate) fn plain(rows: &[([f64; 4], usize)]) -> String {
    table(rows, |_, _, cell| cell)
}

/// What a command said beside its result, on one line.
pub(crate) fn said(place: &Place, arguments: &str) -> String {
    let output = place.run(arguments);
    assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    stderr(&output).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn classes(predicted: &Value) -> Vec<String> {
    let of = |one: &Value| one["class"].as_str().expect("a class").to_owned();
    predicted["predictions"].as_array().expect("predictions").iter().map(of).collect()
}

/// Columns of a table in another order.
fn reordered(text: &str, order: &[usize]) -> String {
    let line = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        order.iter().map(|&column| cells[column]).collect::<Vec<_>>().join(",") + "\n"
    };
    text.lines().map(line).collect()
}

#[test]
fn columns_are_matched_by_name() {
    let place = Place::new();
    place.write("t.csv", &plain(&rows(120, 1)));
    let trained = place.json(&format!("train --dataset t.csv {TRAIN} --run r"));
    assert!(trained["test_accuracy"].as_f64().unwrap() > 0.9, "{trained}");
    let new = plain(&rows(30, 2));
    place.write("same.csv", &reordered(&new, &[0, 1, 2, 3]));
    place.write("other.csv", &reordered(&new, &[3, 2, 4, 0, 1]));
    let same = place.json("predict r same.csv --json");
    let other = place.json("predict r other.csv --json");
    assert_eq!(classes(&same), classes(&other));
    assert!(other["notes"].is_null());
    let right = classes(&same).iter().enumerate().filter(|(row, class)| **class == (row % 3).to_string()).count();
    assert!(right > 27, "{right} of 30");
    // The same rows are judged alike, wherever their labels stand.
    place.write("full.csv", &new);
    let evaluated = place.json("eval r --dataset full.csv --json");
    assert_eq!(place.json("eval r --dataset other.csv --json")["confusion"], evaluated["confusion"]);
    assert_eq!(evaluated["rows"], 30);

    place.write("lacks.csv", &reordered(&new, &[0, 1, 2]));
    assert_eq!(
        place.fails("predict r lacks.csv"),
        "error: lacks.csv: no column z, expected every column of the training; there are w, x, y\n"
    );
    let more: String =
        new.lines().enumerate().map(|(row, line)| format!("{},{line}\n", if row == 0 { "id" } else { "7" })).collect();
    place.write("more.csv", &more);
    let told = place.json("predict r more.csv --json");
    assert_eq!(classes(&told), classes(&same));
    assert_eq!(told["notes"], json!([{ "file": "more.csv", "notes": [{ "kind": "other_columns", "names": ["id"] }] }]));
    assert!(said(&place, "predict r more.csv").contains("note: more.csv: column id ignored"));
    // Without names columns are taken by their places, with a word.
    place.write(
        "bare.csv",
        new.split_once('\n').unwrap().1.replace(",0\n", "\n").replace(",1\n", "\n").replace(",2\n", "\n").as_str(),
    );
    assert_eq!(classes(&place.json("predict r bare.csv --json")), classes(&same));
    assert!(said(&place, "predict r bare.csv").contains("warning: bare.csv: the file has no names of columns"));
}

#[test]
fn numbers_can_be_names() {
    let place = Place::new();
    let numbered = |text: &str, names: &str| format!("{names}\n{}", text.split_once('\n').unwrap().1);
    place.write("t.csv", &numbered(&plain(&rows(90, 1)), "0,1,2,3,4"));
    let info = place.json("data info t.csv --json");
    let counts = |info: &Value| info["train_rows"].as_u64().unwrap() + info["test_rows"].as_u64().unwrap();
    assert_eq!((counts(&info), info["classes"].as_array().unwrap().len()), (90, 3));
    assert_eq!(info["notes"], json!([{ "kind": "numbers_are_names", "names": ["0", "1", "2", "3", "4"] }]));
    assert_eq!(counts(&place.json("data info t.csv --header no --json")), 91);
    // Rows under names that count, for a training under words: the names are no row, and places tell the columns.
    place.write("words.csv", &plain(&rows(90, 1)));
    place.json(&format!("train --dataset words.csv {TRAIN} --run r"));
    let new: String = plain(&rows(5, 2))
        .lines()
        .skip(1)
        .map(|line| line.rsplit_once(',').map_or("", |cells| cells.0).to_owned() + "\n")
        .collect();
    place.write("new.csv", &format!("0,1,2,3\n{new}"));
    place.write("named.csv", &format!("w,x,y,z\n{new}"));
    let predicted = place.json("predict r new.csv --json");
    assert_eq!(classes(&predicted), classes(&place.json("predict r named.csv --json")));
    assert_eq!(
        (classes(&predicted).len(), &predicted["notes"][0]["notes"][0]["kind"]),
        (5, &json!("matched_by_place"))
    );
}

#[test]
fn gaps_are_filled_and_said() {
    let place = Place::new();
    let data = rows(120, 1);
    let gap = |row: usize, column: usize| row % 10 == 3 && column == 1;
    place.write("t.csv", &table(&data, |row, column, cell| if gap(row, column) { "NA".to_owned() } else { cell }));
    let trained = place.json(&format!("train --dataset t.csv {TRAIN} --run r"));
    assert!(trained["test_accuracy"].as_f64().unwrap() > 0.8, "{trained}");
    let record: Value = serde_json::from_slice(&bytes(&place.path("r/data.json"))).unwrap();
    assert_eq!(record["shape"]["width"], 5);
    let sources = record["columns"]["sources"].as_array().unwrap();
    assert_eq!((&sources[1]["indicator"], &sources[0]["indicator"]), (&json!(true), &json!(false)));
    // The mean is that of the training part: of what is there, in rows that are not tested.
    let info = place.json("data info t.csv --json");
    assert_eq!(info["columns"][1]["missing"], sources[1]["gaps"]);
    assert_eq!(info["columns"][1]["values"], 2);
    let told = said(&place, "data info t.csv");
    assert!(told.contains("missing cells of the training part filled by the column's mean"), "{told}");

    let refused = place.fails("data info t.csv --missing refuse");
    let expected = "error: t.csv: line 5, column 2: \"NA\" stands for a missing value, expected a number (--missing mean fills it, --missing drop leaves such rows out)";
    assert_eq!(refused.split_whitespace().collect::<Vec<_>>().join(" "), expected);
    let dropped = place.json("data info t.csv --missing drop --json");
    assert_eq!(dropped["train_rows"].as_u64().unwrap() + dropped["test_rows"].as_u64().unwrap(), 108);
    assert_eq!(dropped["notes"], json!([{ "kind": "rows_missing", "rows": 12, "columns": ["x"] }]));

    // At work a gap in a column that had none is filled and counted.
    place.write(
        "new.csv",
        &table(&rows(9, 2), |row, column, cell| if row == 1 && column == 3 { String::new() } else { cell }),
    );
    let predicted = place.json("predict r new.csv --json");
    assert_eq!(predicted["notes"][0]["notes"], json!([{ "kind": "gaps_elsewhere", "columns": [["z", 1]] }]));
    assert_eq!(predicted["predictions"].as_array().unwrap().len(), 9);
}

#[test]
fn rows_without_a_label_are_left_out_and_counted() {
    let place = Place::new();
    place.write(
        "t.csv",
        &table(&rows(60, 1), |row, column, cell| if column == 4 && row < 2 { "NA".into() } else { cell }),
    );
    let info = place.json("data info t.csv --json");
    assert_eq!(info["train_rows"].as_u64().unwrap() + info["test_rows"].as_u64().unwrap(), 58);
    assert_eq!(info["classes"].as_array().unwrap().len(), 3);
    assert_eq!(info["notes"], json!([{ "kind": "labels_missing", "rows": 2 }]));
    let refused = place.fails("data info t.csv --missing refuse");
    assert!(
        refused.contains("no label in line 2, expected a whole number or text (--missing mean or drop"),
        "{refused}"
    );
}

#[test]
fn words_become_columns() {
    let place = Place::new();
    let ports = ["north", "south", "east"];
    let port = |row: usize, column: usize, cell: String| {
        // The class is in the word alone: numbers are those of another row.
        if column == 3 {
            ports[row % 3].to_owned()
        } else if column < 3 {
            "1.5".to_owned()
        } else {
            cell
        }
    };
    place.write("t.csv", &table(&rows(120, 1), port));
    let output = place.run(&format!("train --dataset t.csv {TRAIN} --run r"));
    let trained: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(trained["test_accuracy"], 1.0);
    let record: Value = serde_json::from_slice(&bytes(&place.path("r/data.json"))).unwrap();
    assert_eq!(record["columns"]["sources"][3]["words"], json!(["east", "north", "south"]));
    assert_eq!((&record["shape"]["width"], &record["standardization"]["deviations"][4]), (&json!(6), &json!(1.0)));
    place.write("new.csv", "z,y,x,w\nsouth,1.5,1.5,1.5\nnorth,1.5,1.5,1.5\nwest,1.5,1.5,1.5\n");
    let predicted = place.json("predict r new.csv --json");
    assert_eq!(classes(&predicted)[..2], ["1", "0"]);
    assert_eq!(predicted["notes"][0]["notes"], json!([{ "kind": "unknown_words", "columns": [["z", 1, "west"]] }]));

    // More words than fifty are refused with what leaves them out.
    place.write(
        "names.csv",
        &table(&rows(120, 1), |row, column, cell| if column == 0 { format!("patient {row}") } else { cell }),
    );
    let refused = place.fails("data info names.csv");
    assert!(
        refused.contains("expected numbers, or at most 50 words") && refused.contains("(--drop w leaves"),
        "{refused}"
    );
    let info = place.json("data info names.csv --drop w --json");
    assert_eq!((&info["shape"]["width"], &info["columns"][0]["kind"]), (&json!(3), &json!("left out")));
    assert_eq!(place.json("data info names.csv --columns x,2 --json")["shape"]["width"], 2);
    place.json(&format!("train --dataset names.csv --drop w {TRAIN} --run n"));
    // A column that training left out need not be there.
    place.write("new.csv", "y,z,x\n1,2,3\n");
    assert!(place.json("predict n new.csv --json")["notes"].is_null());
}

#[test]
fn columns_that_should_not_be_learned_from_are_told() {
    let place = Place::new();
    let counted: String = plain(&rows(60, 1))
        .lines()
        .enumerate()
        .map(|(row, line)| if row == 0 { format!(",{line}\n") } else { format!("{},{line}\n", row - 1) })
        .collect();
    place.write("t.csv", &counted);
    let told = said(&place, &format!("train --dataset t.csv {TRAIN} --run r"));
    assert!(told.contains("warning: column 0 counts the rows (--drop 0 leaves it out)"), "{told}");
    assert_eq!(place.json("data info t.csv --drop 0 --json")["notes"], json!([]));

    let one_hot: String = plain(&rows(60, 1))
        .lines()
        .enumerate()
        .map(|(row, line)| {
            let flags = if row == 0 {
                "is_a,is_b,is_c".to_owned()
            } else {
                [0, 1, 2].map(|class| usize::from((row - 1) % 3 == class).to_string()).join(",")
            };
            format!("{},{flags}\n", line.rsplit_once(',').unwrap().0)
        })
        .collect();
    place.write("hot.csv", &one_hot);
    let notes = &place.json("data info hot.csv --json")["notes"];
    assert_eq!(*notes, json!([{ "kind": "tells_label", "columns": ["is_a", "is_b"], "label": "is_c" }]));
    assert!(said(&place, "data info hot.csv").contains("(--drop is_a,is_b leaves them out)"));
}

#[test]
fn a_label_that_stands_elsewhere_is_pointed_at() {
    let place = Place::new();
    let first = reordered(&plain(&rows(60, 1)), &[4, 0, 1, 2, 3]).replacen("kind", "label", 1);
    place.write("t.csv", &first);
    let refused = place.run("data info t.csv");
    assert!(stderr(&refused).contains("--label-column"), "{}", stderr(&refused));
    let info = place.json("data info t.csv --label-column label --json");
    assert_eq!((&info["label"], info["classes"].as_array().unwrap().len()), (&json!("label"), 3));
    let refused = place.fails("data info t.csv --label-column label --drop label");
    assert!(refused.contains("drop leaves out the column of the labels, label"), "{refused}");
}

#[test]
fn a_run_of_an_earlier_version_goes_by_places() {
    let place = Place::new();
    place.write("t.csv", &plain(&rows(90, 1)));
    let trained = place.json(&format!("train --dataset t.csv {TRAIN} --run r"));
    let new = plain(&rows(12, 2));
    place.write("new.csv", &reordered(&new, &[0, 1, 2, 3]));
    place.write("full.csv", &new);
    let (predicted, judged) = (place.json("predict r new.csv --json"), place.json("eval r --dataset full.csv --json"));
    // Such a run did not record its columns.
    let mut record: Value = serde_json::from_slice(&bytes(&place.path("r/data.json"))).expect("a record");
    assert!(record.as_object_mut().expect("an object").remove("columns").is_some());
    place.write("r/data.json", &record.to_string());
    assert_eq!(place.json("predict r new.csv --json"), predicted);
    place.write("other.csv", &reordered(&new, &[3, 2, 1, 0]));
    assert_ne!(classes(&place.json("predict r other.csv --json")), classes(&predicted));
    assert_eq!(place.json("eval r --dataset full.csv --json")["confusion"], judged["confusion"]);
    assert_eq!(place.json("eval r --json")["test_accuracy"], trained["test_accuracy"]);
    let told = place.fails("predict r full.csv");
    assert_eq!(told, "error: full.csv: rows of 5 values, expected 4 as in training (1 x 1 x 4)\n");
    let further = place.json("train --resume r --epochs 32 --quiet --json");
    assert_eq!(further["epochs"], 32);
}

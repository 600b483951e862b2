//! Arrays of NumPy and IDX files as users bring them, from training to prediction.

use std::fs;
use std::io::{Cursor, Write};

use crate::{Place, bytes};

/// An array as NumPy writes it.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn npz(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(format!("{name}.npy"), options).expect("an entry");
        writer.write_all(content).expect("its bytes");
    }
    writer.finish().expect("an archive").into_inner()
}

/// Images of 12 x 9 pixels of two classes in turn: bright above, or bright below.
fn images(rows: usize) -> Vec<u8> {
    let pixel = |row: usize, y: usize, x: usize| {
        let bright = (y < 6) == row.is_multiple_of(2);
        (if bright { 200 } else { 30 }) + ((row * 7 + y * 5 + x * 3) % 23) as u8
    };
    (0..rows).flat_map(|row| (0..12).flat_map(move |y| (0..9).map(move |x| pixel(row, y, x)))).collect()
}

fn classes(rows: usize) -> Vec<u8> {
    (0..rows).map(|row| 3 + 5 * (row % 2) as u8).collect()
}

const TRAINED: &str = "--method backprop --batch-size 8 --learning-rate 1e-2 --threads 1 --quiet --json";

#[test]
fn images_in_arrays_train_a_convolutional_network_that_knows_pictures() {
    let place = Place::new();
    let members = [
        ("x_train", npy("'|u1'", "(40, 12, 9)", &images(40))),
        ("y_train", npy("'|u1'", "(40,)", &classes(40))),
        ("x_test", npy("'|u1'", "(20, 12, 9)", &images(20))),
        ("y_test", npy("'|u1'", "(20,)", &classes(20))),
    ];
    fs::write(place.path("m.npz"), npz(&members)).unwrap();
    let info = place.json("data info m.npz --json");
    assert_eq!((&info["shape"]["height"], &info["shape"]["width"]), (&12.into(), &9.into()));
    let model = "--model conv --widths 8 --shift 1 --epochs 8";
    let summary = place.json(&format!("train --dataset m.npz {model} {TRAINED} --run r"));
    assert_eq!(summary["test_accuracy"], 1.0, "bright above or below, whatever the shift");

    let mut picture = Vec::new();
    let mut encoder = png::Encoder::new(&mut picture, 9, 12);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(&images(2)[108..]).unwrap();
    fs::write(place.path("below.png"), picture).unwrap();
    fs::write(place.path("two.npy"), npy("'|u1'", "(2, 12, 9)", &images(2))).unwrap();
    let found = place.json("predict r two.npy below.png --json");
    let predictions = found["predictions"].as_array().unwrap();
    let names: Vec<&str> = predictions.iter().map(|prediction| prediction["class"].as_str().unwrap()).collect();
    assert_eq!(names, ["3", "8", "8"]);
    // The same pixels; sums of f32 in batches of two and of one row.
    let probability = |row: usize| predictions[row]["probability"].as_f64().unwrap();
    assert!((probability(1) - probability(2)).abs() < 1e-6, "{found}");
    fs::write(place.path("wide.npy"), npy("'|u1'", "(2, 9, 12)", &images(2))).unwrap();
    let error = place.fails("predict r wide.npy");
    assert!(
        error.contains("wide.npy: images of 1 x 9 x 12 (channels x height x width), expected 1 x 12 x 9"),
        "{error}"
    );
}

#[test]
fn a_run_of_an_early_version_goes_on_with_rows_of_numbers() {
    let place = Place::new();
    // Two dimensions are rows of numbers for every version: the run is what an early one made of images.
    let members = |shape: &str| {
        let test = shape.replace("40", "20");
        npz(&[
            ("x_train", npy("'|u1'", shape, &images(40))),
            ("y_train", npy("'|u1'", "(40,)", &classes(40))),
            ("x_test", npy("'|u1'", &test, &images(20))),
            ("y_test", npy("'|u1'", "(20,)", &classes(20))),
        ])
    };
    fs::write(place.path("m.npz"), members("(40, 108)")).unwrap();
    place.json(&format!("train --dataset m.npz --widths 8 --epochs 2 {TRAINED} --run r"));
    let before = place.json("eval r --json");
    // An early record does not know the content.
    let mut record: serde_json::Value = serde_json::from_slice(&bytes(&place.path("r/data.json"))).unwrap();
    record.as_object_mut().unwrap().remove("content");
    place.write("r/data.json", &record.to_string());
    fs::write(place.path("m.npz"), members("(40, 12, 9)")).unwrap();
    assert_eq!(place.json("eval r --json"), before);
    place.json("train --resume r --quiet --json");
    place.json("format r --format-epochs 1 --json");
    fs::write(place.path("new.npy"), npy("'|u1'", "(2, 12, 9)", &images(2))).unwrap();
    assert_eq!(place.json("predict r new.npy --json")["predictions"].as_array().unwrap().len(), 2);
}

#[test]
fn arrays_are_named_where_their_names_say_nothing() {
    let place = Place::new();
    let members = [("spectra", npy("'|u1'", "(40, 108)", &images(40))), ("kind", npy("'|u1'", "(40,)", &classes(40)))];
    fs::write(place.path("a.npz"), npz(&members)).unwrap();
    let told = "a.npz: arrays kind, spectra, expected x and y, or x_train and y_train (with x_test and y_test for a test \
                part) (--arrays x=NAME,y=NAME)";
    assert_eq!(place.fails("data info a.npz"), format!("error: {told}\n"));
    let info = place.json("data info a.npz --arrays x=spectra,y=kind --json");
    assert_eq!((&info["train_rows"], &info["classes"][1]["name"]), (&32.into(), &"8".into()));
    let summary =
        place.json(&format!("train --dataset a.npz --arrays x=spectra,y=kind --widths 8 --epochs 4 {TRAINED} --run r"));
    assert_eq!(summary["test_accuracy"], 1.0);
    // The run knows its arrays.
    assert_eq!(place.json("eval r --json")["rows"], 8);
    let error = place.fails("train --dataset a.npz --arrays x=spectra --run s");
    assert!(error.contains("arrays = x=spectra: expected x=NAME,y=NAME"), "{error}");
    let error = place.fails("train --arrays x=a,y=b --run s");
    assert!(error.contains("arrays = x=a,y=b") && error.contains("read by arrays (.npz)"), "{error}");
}

#[test]
fn a_structured_array_has_its_label_by_name() {
    let place = Place::new();
    let mut data = Vec::new();
    for row in 0..40 {
        let class = row % 2;
        data.extend((f64::from(class) + f64::from(row) / 100.0).to_le_bytes());
        data.extend((i16::try_from(class).unwrap() * 4 - 2).to_be_bytes());
        data.extend((f64::from(row % 5)).to_le_bytes());
    }
    fs::write(place.path("t.npy"), npy("[('w', '<f8'), ('kind', '>i2'), ('x', '<f8')]", "(40,)", &data)).unwrap();
    let train = format!("train --dataset t.npy --label-column kind --widths 8 --epochs 8 {TRAINED} --run r");
    assert_eq!(place.json(&train)["test_accuracy"], 1.0);
    let info = place.json("data info t.npy --label-column kind --json");
    assert_eq!((&info["shape"]["width"], &info["classes"][0]["name"]), (&2.into(), &"-2".into()));
    let error = place.fails("data info t.npy --label-column color");
    assert!(error.contains("no label column \"color\", expected w, kind, x or an index from 0 to 2"), "{error}");
}

/// The four files of a data set of four rows a part, in MNIST's format, `separator` before `idx`.
fn write_idx(place: &Place, folder: &str, separator: char, labels: [u8; 4]) {
    fs::create_dir_all(place.path(folder)).expect("a folder");
    let pixels: Vec<u8> = (0..4 * 784).map(|i| (i * 31 % 251) as u8).collect();
    for part in ["train", "t10k"] {
        for (what, words, data) in
            [("images", &[0x803u32, 4, 28, 28][..], &pixels[..]), ("labels", &[0x801u32, 4][..], &labels[..])]
        {
            let dimensions = words.len() - 1;
            let name = format!("{part}-{what}{separator}idx{dimensions}-ubyte");
            let header = words.iter().flat_map(|word| word.to_be_bytes());
            let bytes: Vec<u8> = header.chain(data.iter().copied()).collect();
            fs::write(place.path(folder).join(name), bytes).expect("a file written");
        }
    }
}

#[test]
fn idx_files_are_read_under_either_name_and_with_any_classes() {
    let place = Place::new();
    write_idx(&place, "d/mnist", '.', [0, 1, 2, 9]);
    let info = place.json("data info mnist --data-dir d --json");
    assert_eq!((&info["train_rows"], &info["classes"][9]["train"]), (&4.into(), &1.into()));
    assert!(info["files"][0]["path"].as_str().unwrap().ends_with("train-images.idx3-ubyte"), "{info}");

    write_idx(&place, "letters", '-', [1, 26, 1, 26]);
    let error = place.fails("data info mnist --data-dir letters");
    let told = "letters/train-labels-idx1-ubyte: label 26 at index 1, expected a class below 10 (--dataset letters takes the \
                classes of its labels, however many)";
    assert_eq!(error, format!("error: {told}\n"));
    let info = place.json("data info letters --json");
    assert_eq!(
        (&info["name"], &info["classes"][1]["name"], &info["test_rows"]),
        (&"letters".into(), &"26".into(), &4.into())
    );
    let summary =
        place.json("train --dataset letters --widths 8 --epochs 1 --batch-size 4 --threads 1 --quiet --json --run r");
    assert!(summary["dataset"].as_str().unwrap().ends_with("letters"), "{summary}");
    assert_eq!(place.json("eval r --dataset letters --json")["rows"], 4);
}

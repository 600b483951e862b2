//! Folders of images as their owners have them: trained on, described, predicted.

use std::fs;

use crate::{Place, bytes, stderr};

/// A PNG file of one shade: gray, or with three values a pixel.
fn png(side: u32, height: u32, channels: usize, shade: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, height);
    encoder.set_color(if channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    let data = vec![shade; side as usize * height as usize * channels];
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&data)).expect("a PNG file");
    bytes
}

fn write(place: &Place, name: &str, bytes: &[u8]) {
    let path = place.path(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder made");
    fs::write(path, bytes).expect("a file written");
}

/// Dark and light images of three sizes.
pub(crate) fn shades(place: &Place, set: &str) {
    for (part, rows) in [("train", 12), ("valid", 4)] {
        for index in 0..rows {
            let side = 8 + u32::from(index % 3);
            write(place, &format!("{set}/{part}/dark/{index}.png"), &png(side, side, 1, 20 + index));
            write(place, &format!("{set}/{part}/light/{index}.png"), &png(side, side, 1, 220 + index));
        }
    }
}

const TRAIN: &str = "--method backprop --widths 8 --epochs 20 --batch-size 8 --learning-rate 1e-2 --quiet --json";

#[test]
fn images_of_any_size_are_read_as_those_of_the_training() {
    let place = Place::new();
    shades(&place, "set");
    let info = place.json("data info set --json");
    let kinds: Vec<_> = info["notes"].as_array().unwrap().iter().map(|note| note["kind"].clone()).collect();
    // The images of the part that judges are some of those that are trained on.
    assert_eq!(kinds, ["validation_is_test", "resized", "shared"]);
    assert_eq!((&info["train_rows"], &info["test_rows"], &info["shape"]["width"]), (&24.into(), &8.into(), &9.into()));
    let output = place.run(&format!("train --dataset set --run r {TRAIN}"));
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("note: set/valid is the test part, since there is no other\n"), "{said}");
    assert!(said.contains("note: 22 images of 8 x 8 to 10 x 10 (height x width) brought to 9 x 9: "), "{said}");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["test_accuracy"], 1.0);
    let record: serde_json::Value = serde_json::from_slice(&bytes(&place.path("r/data.json"))).unwrap();
    assert_eq!(record["reading"], serde_json::json!({"fit": "crop", "background": 255}));

    // A folder, one of whose files is broken: the others are predicted.
    write(&place, "new/light.png", &png(30, 17, 3, 230));
    write(&place, "new/below/dark.png", &png(8, 8, 1, 25));
    write(&place, "new/broken.png", b"none");
    write(&place, "new/notes.txt", b"none");
    let output = place.run("predict r new --top 2 --json");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let predictions = result["predictions"].as_array().unwrap();
    let told: Vec<_> =
        predictions.iter().map(|p| (p["file"].as_str().unwrap(), p["class"].as_str().unwrap())).collect();
    assert_eq!(told, [("new/light.png", "light"), ("new/below/dark.png", "dark")]);
    for prediction in predictions {
        let [first, second] =
            [&prediction["probability"], &prediction["next"][0]["probability"]].map(|p| p.as_f64().unwrap());
        assert!(
            (prediction["margin"].as_f64().unwrap() - (first - second)).abs() < 1e-12 && first > 0.5,
            "{prediction}"
        );
    }
    assert_eq!(result["misfits"][0]["file"], "new/broken.png");
    let said = stderr(&output);
    assert!(said.starts_with("error: new/broken.png: not readable, expected a PNG, "), "{said}");
    assert!(said.ends_with("warning: 1 of 3 files did not fit, and nothing is predicted of them\n"), "{said}");
    // Files alone are predicted to the same bits.
    let alone = place.json("predict r new/below/dark.png --top 2 --json");
    assert_eq!(alone["predictions"][0], predictions[1]);

    // The same as a table.
    let output = place.run("predict r new --top 2 --output p.csv");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "p.csv: 2 rows of 2 files\n");
    let table = String::from_utf8(bytes(&place.path("p.csv"))).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "file,row,class,probability,margin,class_2,probability_2"));
    assert!(lines[1].starts_with("new/light.png,0,light,0.") && lines[1].contains(",dark,"), "{}", lines[1]);
    assert_eq!(place.fails("predict r new --output p.csv"), "error: p.csv: exists: expected a new file, or --force\n");
    assert!(place.run("predict r new/light.png --output p.csv --force").status.success());
    // Nothing is left to predict.
    let error = place.fails("predict r new/broken.png");
    assert!(error.starts_with("error: new/broken.png: not readable"), "{error}");
    assert!(place.fails("predict r new --top 0").starts_with("error: top = 0: expected a whole number >= 1"));
    write(&place, "empty/notes.txt", b"none");
    assert!(place.fails("predict r empty").starts_with("error: empty: no image, expected files that end in .png"));

    // Other images are evaluated through the same reading, and so are the run's own when it is taken up.
    write(&place, "other/dark/0.png", &png(40, 30, 1, 30));
    write(&place, "other/light/0.png", &png(5, 5, 1, 210));
    let evaluation = place.json("eval r --dataset other --json");
    assert_eq!((&evaluation["rows"], &evaluation["test_accuracy"]), (&2.into(), &1.0.into()));
    assert!(
        place
            .fails("eval r --dataset other --image-size 4")
            .contains("image-size = 4: expected not given for an evaluation")
    );
    let weights = bytes(&place.path("r/weights.safetensors"));
    fs::remove_file(place.path("r/summary.json")).unwrap();
    place.json("train --resume r --quiet --json");
    assert!(bytes(&place.path("r/weights.safetensors")) == weights);
}

#[test]
fn a_broken_file_names_the_option_that_leaves_it_out() {
    let place = Place::new();
    shades(&place, "set");
    write(&place, "set/train/dark/3.png", b"none");
    for command in [format!("train --dataset set --run r {TRAIN}"), "data info set".to_owned()] {
        let error = place.fails(&command);
        let told = "error: set/train/dark/3.png: not readable, expected a PNG, JPEG, BMP, GIF, TIFF or WebP image \
                    (--skip-broken leaves such files out)\n";
        assert!(error.starts_with(told), "{error}");
    }
    let output =
        place.run(&format!("train --dataset set --skip-broken --image-size 6 --image-fit pad --run r {TRAIN}"));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("warning: 1 file left out that cannot be read; the first: set/train/dark/3.png: ")
    );
    let record: serde_json::Value = serde_json::from_slice(&bytes(&place.path("r/data.json"))).unwrap();
    assert_eq!((&record["train_rows"], &record["shape"]["height"]), (&23.into(), &6.into()));
    assert_eq!(record["reading"]["fit"], "pad");
    assert_eq!(place.json("data info set --skip-broken --json")["train_rows"], 23);
    let error = place.fails("train --dataset set --image-size 0");
    assert!(error.contains("image-size = 0: expected a whole number in 1 to 2048"), "{error}");
}

//! `export` to a folder for a hub and to TensorBoard, and where exports go if nobody says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;

use serde_json::Value;

use crate::{Place, bytes, stderr};

/// A run on a table in a folder of its own.
fn trained(more: &str) -> Place {
    let place = Place::new();
    let row = |index: i32| format!("{}.5,{},{}\n", index % 7, index % 11, ["<red>", "blue"][(index % 7 > 3) as usize]);
    fs::create_dir(place.path("own")).unwrap();
    place.write("own/table.csv", &format!("a,b,color\n{}", (0..80).map(row).collect::<String>()));
    let line =
        format!("train --dataset own/table.csv --label-column color --widths 8x2 --epochs 2 --quiet --run r {more}");
    let output = place.run(&line);
    assert!(output.status.success(), "{}", stderr(&output));
    place
}

fn told(place: &Place, arguments: &str) -> String {
    let output = place.run(arguments);
    assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn files(place: &Place, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(place.path(folder)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_folder_for_a_hub_says_what_the_model_is_and_names_no_path() {
    let place = trained("");
    assert_eq!(told(&place, "export r --format hub"), "r/hub\n");
    assert_eq!(files(&place, "r/hub"), ["README.md", "config.json", "model.safetensors"]);
    let card = fs::read_to_string(place.path("r/hub/README.md")).unwrap();
    let summary: Value = serde_json::from_slice(&bytes(&place.path("r/summary.json"))).unwrap();
    let data: Value = serde_json::from_slice(&bytes(&place.path("r/data.json"))).unwrap();
    let head = "---\nlibrary_name: hsic\npipeline_tag: tabular-classification\ntags:\n- \"hsic\"\n- local-learning\n\
                metrics:\n- accuracy\nmodel-index:\n- name: ";
    assert!(card.starts_with(head), "{card}");
    let accuracy = summary["format_accuracy"].as_f64().unwrap();
    assert!(card.contains(&format!("    - type: accuracy\n      value: {accuracy}\n---\n")), "{card}");
    let digest = data["content"]["sha256"].as_str().unwrap();
    for part in [
        &format!("SHA-256 `{digest}`"),
        "| &lt;red> |",
        "of each class of 80 rows were drawn as the test part by seed",
        "`hsic train --dataset table.csv",
        "## Limits",
    ] {
        assert!(card.contains(part), "{part}: {card}");
    }
    let config = fs::read_to_string(place.path("r/hub/config.json")).unwrap();
    let here = place.path("").to_string_lossy().into_owned();
    assert!(!card.contains(&here) && !config.contains(&here) && !config.contains("own/"), "{config}");
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["classes"], serde_json::json!(["<red>", "blue"]));
    assert_eq!((&config["model_type"], &config["method"]), (&"mlp".into(), &"hsic".into()));
    assert_eq!(config["options"]["data"]["dataset"], "table.csv");
    assert_eq!(config["input"]["standardization"], data["standardization"]);
    // The command is one that trains the same, where the data are.
    let (_, command) = card.split_once("`hsic train ").unwrap();
    let (command, _) = command.split_once('`').unwrap();
    let command = command.replace("--dataset table.csv", "--dataset own/table.csv");
    told(&place, &format!("train {command} --quiet --run again"));
    assert!(bytes(&place.path("again/weights.safetensors")) == bytes(&place.path("r/weights.safetensors")));
    // The tensors are those of the other format.
    told(&place, "export r --format safetensors --output w.safetensors");
    assert!(bytes(&place.path("w.safetensors")) == bytes(&place.path("r/hub/model.safetensors")));

    assert!(
        place.fails("export r --format hub").contains("model.safetensors: exists: expected a new file, or --force")
    );
    told(&place, "export r --format hub --force");
}

#[test]
fn an_export_has_its_place_in_the_run_and_is_a_part_of_it() {
    let place = trained("");
    for (format, file) in [("safetensors", "model.safetensors"), ("npz", "model.npz"), ("onnx", "model.onnx")] {
        assert_eq!(told(&place, &format!("export r --format {format}")), format!("r/export/{file}\n"));
    }
    told(&place, "export r --format hub");
    assert_eq!(told(&place, "export r --format tensorboard"), "tensorboard --logdir r\n");
    assert_eq!(files(&place, "r/export"), ["model.npz", "model.onnx", "model.safetensors"]);
    // The digests of the run are of its own files.
    assert!(place.run("runs verify r").status.success());
    let again = "train --train-size 100 --test-size 20 --widths 8 --epochs 1 --quiet --run r --force";
    place.write("r/hub/notes.txt", "mine");
    assert!(place.fails(again).contains("notes.txt: is no file of a run"));
    fs::remove_file(place.path("r/hub/notes.txt")).unwrap();
    told(&place, again);
    assert!(["export", "hub", "tensorboard"].iter().all(|folder| !place.path("r").join(folder).exists()));
}

#[test]
fn a_run_is_told_to_tensorboard_finished_or_not_and_while_it_is_trained() {
    let place = trained("--tensorboard");
    let live = files(&place, "r/tensorboard");
    assert!(live.len() == 1 && live[0].starts_with("events.out.tfevents."), "{live:?}");
    // Files of another making are not mixed with.
    assert!(place.fails("export r --format tensorboard").contains("expected a new file, or --force"));
    told(&place, "export r --format tensorboard --force");
    let made = files(&place, "r/tensorboard");
    assert!(made.len() == 1 && made != live, "{made:?}");
    let holds = |file: &std::path::Path, tag: &str| {
        let found = bytes(file);
        found.windows(tag.len()).any(|window| window == tag.as_bytes())
    };
    let file = place.path("r/tensorboard").join(&made[0]);
    assert!(holds(&file, "weights/block 0 (0.weight)") && holds(&file, "confusion") && holds(&file, "accuracy/test"));
    // As far as it has come.
    for name in ["summary.json", "digests.json"] {
        fs::remove_file(place.path(&format!("r/{name}"))).unwrap();
    }
    assert_eq!(told(&place, "export r --format tensorboard --output far"), "tensorboard --logdir far\n");
    let file = place.path("far").join(&files(&place, "far")[0]);
    assert!(holds(&file, "accuracy/test") && !holds(&file, "confusion"));
    assert!(place.fails("export r --format npz").contains("training has not ended"));

    let several =
        "train --train-size 100 --test-size 20 --widths 8 --epochs 1 --format-epochs 1 --sigma 1,5 --quiet --run s";
    assert!(place.fails(&format!("{several} --tensorboard")).contains("--tensorboard: expected one sigma"));
    assert!(!place.path("s").exists());
    told(&place, several);
    told(&place, "export s --format tensorboard");
    assert!(["s/sigma-1/tensorboard", "s/sigma-5/tensorboard"].iter().all(|folder| files(&place, folder).len() == 1));
}

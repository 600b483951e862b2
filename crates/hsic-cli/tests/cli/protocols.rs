//! What follows or stands beside HSIC training: format training, combined sigmas, back-propagation, the authors'
//! protocol, the monitor, networks of one's own.

use serde_json::Value;

use crate::{Place, bytes, stderr};

const SMALL: &str = "--train-size 1500 --test-size 300 --widths 48x2 --batch-size 64 --epochs 2 --seed 1 --quiet";

fn records(place: &Place, run: &str, kind: &str) -> Vec<Value> {
    let text = String::from_utf8(bytes(&place.path(run).join("metrics.jsonl"))).expect("text");
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a record a line"));
    records.filter(|record| record["type"] == kind).collect()
}

#[test]
fn format_training_reads_a_frozen_network_better_than_its_units() {
    let place = Place::new();
    let summary =
        place.json(&format!("train {SMALL} --outputs 32 --run r --format-epochs 5 --format-input last --json"));
    let accuracy = |summary: &Value, key: &str| summary[key].as_f64().unwrap();
    // 300 test samples: chance 0.1. 32 units for ten classes are of little use without a layer on top.
    assert!(accuracy(&summary, "format_accuracy") > 0.6, "{summary}");
    assert!(accuracy(&summary, "format_accuracy") > accuracy(&summary, "test_accuracy") + 0.1, "{summary}");
    assert_eq!(records(&place, "r", "format")[0]["test_accuracy"].as_array().unwrap().len(), 5);

    let weights = bytes(&place.path("r/weights.safetensors"));
    let evaluated = place.json("eval r --json");
    // The saved layer is the trained one with the standardization folded in: rounding may turn a sample or two.
    assert!((accuracy(&evaluated, "format_accuracy") - accuracy(&summary, "format_accuracy")).abs() < 0.01);
    let again = place.json("format r --format-epochs 5 --format-input all --json");
    assert!(accuracy(&again, "format_accuracy") > 0.6, "{again}");
    assert_eq!(bytes(&place.path("r/weights.safetensors")), weights);
    assert!(place.run("export r --format npz --output all.npz").status.success());
    place.json("format r --format-epochs 1 --format-input last --json");
    assert!(place.run("export r --format npz --output net.npz").status.success());
}

#[test]
fn format_training_later_gives_the_layer_of_format_training_at_once() {
    let place = Place::new();
    place.json(&format!("train {SMALL} --run a --format-epochs 3 --json"));
    place.json(&format!("train {SMALL} --format-epochs 0 --run b --json"));
    place.json("format b --format-epochs 3 --json");
    assert_eq!(bytes(&place.path("a/format.safetensors")), bytes(&place.path("b/format.safetensors")));
}

#[test]
fn labels_written_over_samples_are_read_by_goodness_or_by_a_layer() {
    let place = Place::new();
    let rule = "--train-size 3000 --test-size 300 --widths 200x2 --batch-size 32 --epochs 4 --seed 1 --quiet \
                --method forward-forward";
    let accuracy = |summary: &Value, key: &str| summary[key].as_f64().unwrap();
    let summary = place.json(&format!("train {rule} --format-epochs 0 --run r --json"));
    assert!(summary["format_accuracy"].is_null());
    // 300 test samples: chance 0.1; 0.52 was seen.
    assert!(accuracy(&summary, "test_accuracy") > 0.4, "{summary}");
    assert_eq!(accuracy(&place.json("eval r --json"), "test_accuracy"), accuracy(&summary, "test_accuracy"));
    let error = place.fails("export r --format npz --output net.npz");
    assert!(error.contains("its classes are read by the goodness of labels"), "{error}");

    let layered = place.json(&format!("train {rule} --format-input last --run s --json"));
    assert_eq!(accuracy(&layered, "test_accuracy"), accuracy(&summary, "test_accuracy"));
    assert!(accuracy(&layered, "format_accuracy") > 0.5, "{layered}");
    assert!(place.run("export s --format npz --output net.npz").status.success());
}

#[test]
fn combined_sigmas_train_a_network_each_and_go_on_after_an_interruption() {
    let place = Place::new();
    let combined = format!("{SMALL} --sigma 2,5,10 --format-epochs 3");
    let summary = place.json(&format!("train {combined} --run r --json"));
    assert!(summary["format_accuracy"].as_f64().unwrap() > 0.6, "{summary}");
    assert_eq!(summary["steps"], 3 * 2 * 24);
    for sigma in ["2", "5", "10"] {
        place.json(&format!("train {SMALL} --sigma {sigma} --run alone-{sigma} --json"));
        let member = bytes(&place.path(&format!("r/sigma-{sigma}/weights.safetensors")));
        assert_eq!(member, bytes(&place.path(&format!("alone-{sigma}/weights.safetensors"))));
    }
    // As if it had been stopped between the second network and the third.
    std::fs::remove_dir_all(place.path("r/sigma-10")).unwrap();
    std::fs::remove_file(place.path("r/summary.json")).unwrap();
    let layer = bytes(&place.path("r/format.safetensors"));
    place.json("train --resume r --json --quiet");
    assert_eq!(bytes(&place.path("r/format.safetensors")), layer);
    assert_eq!(place.json("eval r --json")["rows"], 300);
    assert!(place.run(&format!("train {combined} --run r --force")).status.success());
    let error = place.fails("train --sigma 1,5 --format-epochs 0");
    assert!(error.contains("format-epochs = 0: expected at least 1 with several sigmas"), "{error}");
}

#[test]
fn back_propagation_trains_the_same_networks() {
    let place = Place::new();
    let train = "--method backprop --optimizer sgd --learning-rate 0.1 --momentum 0.9";
    for (run, more) in [("a", "--threads 1"), ("b", "--threads 2")] {
        let summary = place.json(&format!("train {SMALL} {train} --run {run} --json {more}"));
        assert!(summary["test_accuracy"].as_f64().unwrap() > 0.7, "{summary}");
        assert!(summary["formatted"].as_bool().unwrap());
    }
    assert_eq!(bytes(&place.path("a/weights.safetensors")), bytes(&place.path("b/weights.safetensors")));
    let epoch = &records(&place, "a", "epoch")[1];
    assert!(epoch["nhsic_x"].as_array().unwrap().is_empty() && epoch["loss"][0].as_f64().unwrap() > 0.0);
}

#[test]
fn the_monitor_measures_every_block_of_any_method() {
    let place = Place::new();
    for method in ["hsic", "backprop"] {
        place.json(&format!("train {SMALL} --method {method} --monitor-steps 10 --run {method} --json"));
        let records = records(&place, method, "monitor");
        assert_eq!(records.len(), 4);
        for (index, record) in records.iter().enumerate() {
            assert_eq!(record["step"], 10 * (index as u64 + 1));
            for key in ["nhsic_x", "nhsic_y", "gradient_norm"] {
                let values = record[key].as_array().unwrap();
                assert!(values.len() == 3 && values.iter().all(|value| value.as_f64().unwrap() > 0.0), "{record}");
            }
            // tr R_Y at sigma 5 with ten balanced classes is 8.78, the bound of nHSIC(Y, Z).
            assert!(record["nhsic_y"][0].as_f64().unwrap() < 8.78, "{record}");
        }
    }
    place.json(&format!("train {SMALL} --run plain --json"));
    assert_eq!(bytes(&place.path("plain/weights.safetensors")), bytes(&place.path("hsic/weights.safetensors")));
}

#[test]
fn the_authors_accuracy_beside_the_fair_one_is_that_of_their_protocol() {
    let place = Place::new();
    let beside = place.json(&format!("train {SMALL} --authors-beside true --run beside --json"));
    let authors = place.json(&format!("train {SMALL} --readout authors --bn authors --run authors --json"));
    let fair = place.json(&format!("train {SMALL} --run fair --json"));
    assert_eq!(beside["authors_test_accuracy"], authors["test_accuracy"]);
    assert_eq!(beside["test_accuracy"], fair["test_accuracy"]);
    let by_epoch = |run: &str, key: &str| -> Vec<Value> {
        records(&place, run, "epoch").iter().map(|record| record[key].clone()).collect()
    };
    assert_eq!(by_epoch("beside", "authors_test_accuracy"), by_epoch("authors", "test_accuracy"));
    assert_eq!(bytes(&place.path("beside/weights.safetensors")), bytes(&place.path("fair/weights.safetensors")));
}

#[test]
fn a_layer_from_random_weights_is_slower_at_a_small_rate_than_one_from_zero() {
    let place = Place::new();
    let layer = "--outputs 32 --format-input last --format-epochs 1 --format-learning-rate 0.004 --format-momentum 0 --format-decay constant \
                 --format-standardize false";
    let accuracy = |run: &str, start: &str| {
        let summary = place.json(&format!("train {SMALL} {layer} --format-start {start} --run {run} --json"));
        summary["format_accuracy"].as_f64().unwrap()
    };
    // Ten classes: what is drawn at random names one in ten.
    let (zero, uniform) = (accuracy("zero", "zero"), accuracy("uniform", "uniform"));
    assert!(uniform < 0.5 * zero, "{uniform} {zero}");
    place.json(&format!("train {SMALL} {layer} --format-start uniform --run again --json"));
    assert_eq!(bytes(&place.path("again/format.safetensors")), bytes(&place.path("uniform/format.safetensors")));
}

#[test]
fn samples_in_the_order_of_the_file_are_another_training() {
    let place = Place::new();
    for (run, more) in [("file", "--shuffle false"), ("threads", "--shuffle false --threads 1"), ("own", "")] {
        place.json(&format!("train {SMALL} {more} --run {run} --json"));
    }
    let weights = |run: &str| bytes(&place.path(run).join("weights.safetensors"));
    assert_eq!(weights("file"), weights("threads"));
    assert_ne!(weights("file"), weights("own"));
}

#[test]
fn the_authors_protocol_is_said_to_be_theirs() {
    let place = Place::new();
    let output = place.run(&format!("train {SMALL} --run r --readout authors --bn authors"));
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("UNFORMATTED") && text.contains("authors' protocol"), "{text}");
}

#[test]
fn a_list_of_blocks_is_a_network() {
    let place = Place::new();
    place.write(
        "net.toml",
        "[network]\nmodel = \"custom\"\n\n[[block]]\nkind = \"conv\"\noutputs = 6\nkernel = 5\nstride = 2\n\n\
         [[block]]\nkind = \"conv\"\noutputs = 6\nkernel = 3\npadding = 1\nresidual = true\n\n\
         [[block]]\nkind = \"dense\"\noutputs = 10\nactivation = \"tanh\"\n",
    );
    let data = "--train-size 300 --test-size 100 --epochs 1 --batch-size 64 --quiet";
    let summary = place.json(&format!("train --config net.toml {data} --run r --json"));
    assert_eq!(summary["parameters"], 25 * 6 + 6 + 9 * 36 + 6 + 144 * 6 * 10 + 10);
    for (run, more) in [("a", "--threads 1"), ("b", "--schedule sequential")] {
        place.json(&format!("train --config net.toml {data} --run {run} --json {more}"));
        let weights = bytes(&place.path(run).join("weights.safetensors"));
        assert_eq!(weights, bytes(&place.path("r/weights.safetensors")));
    }
    place.write("bad.toml", "[network]\nmodel = \"custom\"\n\n[[block]]\nkind = \"conv\"\noutputs = 6\nkernel = 40\n");
    let error = place.fails(&format!("train --config bad.toml {data} --run bad"));
    assert_eq!(error, "error: block 0: kernel = 40: expected at most 28, the map with its padding\n");
    let error = place.fails("train --model custom");
    assert!(error.contains("expected a [[block]] list for model = custom"), "{error}");
}

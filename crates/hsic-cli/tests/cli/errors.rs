//! What the command says when something is wrong.

use std::process::Stdio;

use insta::assert_snapshot;

use crate::Place;

#[test]
fn all_faults_are_reported_at_once() {
    let place = Place::new();
    let error = place.fails("train --beta=-3 --sigma 0 --batch-size 1 --model cnn --widths 12,x --learning-rate nan");
    assert_snapshot!(error, @r"
    error: model = cnn: expected mlp, residual-mlp, conv, resnet-conv, needle, vgg, pyramid, vgg8b, vgg11b, airbench, airbench-map, capsnet, custom
           widths = 12,x: expected positive widths as 256,128 or 256x6, 10,000 blocks at the most
           sigma = 0: expected a finite number > 0
           beta = -3: expected a finite number >= 0
           learning-rate = NaN: expected a finite number > 0
           batch-size = 1: expected a whole number >= 2
    ");
    assert!(!place.path("runs").exists());
}

#[test]
fn an_unknown_key_of_a_file_is_named_with_its_line() {
    let place = Place::new();
    place.write("run.toml", "[objective]\nbeta = 10.0\nsigme = 3.0\n");
    let error = place.fails("train --config run.toml");
    assert!(error.contains("run.toml") && error.contains("line 3") && error.contains("sigme"), "{error}");
    let error = place.fails("train --config none.toml");
    assert!(error.contains("none.toml") && error.contains("No such file"), "{error}");
}

#[test]
fn data_that_is_not_there_is_named() {
    let place = Place::new();
    let error = place.fails("train --dataset mnist --data-dir nowhere");
    assert!(error.contains("nowhere") && error.contains("train-images-idx3-ubyte"), "{error}");
    let error = place.fails("train --dataset nothing");
    assert!(error.contains("nothing") && error.contains("digits") && error.contains("fashion-mnist"), "{error}");
    // The reason once, though the errors of two libraries stand behind it.
    for file in ["none.csv", "none.npy", "none.npz", "none.tar.xz"] {
        let error = place.fails(&format!("train --dataset {file}"));
        assert_eq!(error, format!("error: {file}\n       because No such file or directory (os error 2)\n"));
    }
    place.write("broken.npz", "no archive");
    let error = place.fails("train --dataset broken.npz");
    assert_snapshot!(error, @r"
    error: broken.npz: not readable, expected a zip archive of arrays
           because invalid Zip archive: Could not find EOCD
    ");
    place.write("bad.csv", "a,b,c\n1,2,x\n3,oops,y\n4,5,x\n6,7,y\n8,9,x\n1,4,y\n");
    let error = place.fails("train --dataset bad.csv");
    assert!(error.contains("bad.csv: line 3") && error.contains("oops"), "{error}");
}

#[test]
fn nothing_is_overwritten_and_a_foreign_folder_is_no_run() {
    let place = Place::new();
    std::fs::create_dir(place.path("full")).unwrap();
    place.write("full/file", "x");
    let error = place.fails("train --epochs 1 --train-size 100 --test-size 20 --widths 8 --run full");
    assert_snapshot!(error, @"error: full: is not empty: expected a new folder, or --resume");
    let error = place.fails("eval full");
    assert_snapshot!(error, @"error: full: no config.toml, expected a run's folder with a config.toml");
    let error = place.fails("train --resume full --beta 3");
    assert!(error.contains("expected no other settings than --threads and --epochs"), "{error}");
}

#[test]
fn statistics_name_the_file_and_the_value() {
    let place = Place::new();
    place.write("x.csv", "1\n2\n3\n4\n");
    place.write("short.csv", "1\n2\n3\n");
    place.write("nan.csv", "1\n2\nnan\n4\n");
    let error = place.fails("measure x.csv short.csv");
    assert_snapshot!(error, @"error: x.csv has 4 rows and short.csv has 3: expected the same number");
    let error = place.fails("measure x.csv x.csv --estimator mutual-information");
    assert!(error.contains("estimator = mutual-information: expected hsic-biased, "), "{error}");
    let error = place.fails("measure x.csv x.csv --sigma wide");
    assert_snapshot!(error, @"error: sigma = wide: expected a number > 0, or median");
    let error = place.fails("test x.csv nan.csv");
    assert!(error.contains("nan.csv"), "{error}");
    let error = place.fails("test x.csv x.csv --permutations 0");
    assert_snapshot!(error, @"error: permutations = 0: expected a whole number >= 1");
    let error = place.fails("test x.csv x.csv --method gamma");
    assert!(error.contains("4 rows: expected at least 6"), "{error}");
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let place = Place::new();
    place.write("x.csv", "1\n2\n3\n4\n");
    let mut child = place.command("measure x.csv x.csv --json").stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

//! A finished run at work, against the network itself.

use std::sync::atomic::AtomicBool;

use hsic::random::Stream;
use hsic_bottleneck::Error;
use hsic_bottleneck::assemble::build_network;
use hsic_bottleneck::config::{Numbers, TrainOptions};
use hsic_bottleneck::dataset::{Classes, Dataset, Samples, Targets};
use hsic_bottleneck::importance::{ImportanceOptions, importance};
use hsic_bottleneck::judge::readout::Readout;
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::run::{READOUT, Run, RunError};
use hsic_bottleneck::trainer::train;
use tempfile::TempDir;

use crate::{largest, points, row};

fn finished(method: &str, format_epochs: u64) -> (TempDir, Run) {
    finished_by(method, format_epochs, None)
}

fn finished_by(method: &str, format_epochs: u64, sigmas: Option<&[f64]>) -> (TempDir, Run) {
    let mut options = TrainOptions::default();
    options.objective.method = Some(method.to_owned());
    options.network.widths = Some("8,5".to_owned());
    options.training.epochs = Some(20);
    options.training.batch_size = Some(16);
    options.format.format_epochs = Some(format_epochs);
    options.objective.sigma = sigmas.map(|sigmas| Numbers(sigmas.to_vec()));
    let (folder, config) = (tempfile::tempdir().unwrap(), options.resolve().unwrap());
    let run = Run::create(&folder.path().join("r"), &config).unwrap();
    train(&config, &points(), &run, &mut [], &AtomicBool::new(false)).unwrap();
    (folder, run)
}

#[test]
fn a_prediction_is_the_class_of_the_largest_output_whatever_rows_come_with_it() {
    let data = points();
    for method in ["hsic", "backprop"] {
        let (_folder, run) = finished(method, 0);
        let predictor = Predictor::open(&run).unwrap();
        let mut network = build_network(&run.config().unwrap(), data.train.shape, 3).unwrap();
        run.load_weights(&mut network).unwrap();
        let readout: Readout = run.read_json(READOUT, "a readout").unwrap();
        let rows: Vec<Vec<f32>> = (0..30).map(|index| row(&data.test, index)).collect();
        let together = predictor.predict(&rows.concat());
        let mut seen = [0; 3];
        for (row, beside) in rows.iter().zip(&together) {
            let alone = &predictor.predict(row)[0];
            let expected = readout.assignment.class_of_unit[largest(&network.infer(1, row))];
            assert_eq!((alone.class, beside.class), (expected, expected), "{method}");
            // Outputs of f32 round to 6e-8 of their size, by how many rows are multiplied at once.
            assert!((alone.probability - beside.probability).abs() < 1e-5, "{alone:?} {beside:?}");
            assert_eq!(alone.probability, alone.probabilities[alone.class]);
            assert!(alone.probabilities.iter().all(|&share| (0.0..=alone.probability).contains(&share)), "{alone:?}");
            // A sum of three numbers rounds at 1e-16.
            assert!((alone.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-14);
            seen[alone.class] += 1;
        }
        assert!(seen.iter().all(|&count| count > 0), "{method}: {seen:?}");
    }
}

#[test]
fn data_sets_are_judged_by_the_names_of_their_classes() {
    let data = points();
    for (format_epochs, method) in [(0, "hsic"), (5, "hsic")] {
        let (_folder, run) = finished(method, format_epochs);
        let predictor = Predictor::open(&run).unwrap();
        assert_eq!(predictor.format().is_some(), format_epochs > 0);
        let table = predictor.evaluate(&data.test).unwrap();
        let mut counts = vec![vec![0; 3]; 3];
        for index in 0..30 {
            let class = predictor.predict(&row(&data.test, index))[0].class;
            counts[usize::from(data.test.labels()[index])][class] += 1;
        }
        assert_eq!(table.counts, counts);
        // The same rows where the file's classes have another order, and where it holds two of them.
        let mut turned = data.test.clone();
        let classes = |data: &mut Dataset, change: &dyn Fn(&mut Classes)| match &mut data.targets {
            Targets::Classes(classes) => change(classes),
            Targets::Values(_) => panic!("classes expected"),
        };
        classes(&mut turned, &|classes| {
            classes.names.rotate_left(1);
            classes.labels.iter_mut().for_each(|label| *label = (*label + 2) % 3);
        });
        assert_eq!(predictor.check(&turned).unwrap(), [1, 2, 0]);
        assert_eq!(predictor.evaluate(&turned).unwrap(), table);
        assert_eq!(
            predictor.unformatted_accuracy(&turned).unwrap(),
            predictor.unformatted_accuracy(&data.test).unwrap()
        );
        // A name that the run does not know stands for no class of it, wherever it stands.
        classes(&mut turned, &|classes| classes.names[0] = "else".to_owned());
        let error = predictor.check(&turned).unwrap_err().to_string();
        assert_eq!(error, "points: label else, expected those of the run: left, middle, right");
        classes(&mut turned, &|classes| classes.names.push("fourth".to_owned()));
        let error = predictor.check(&turned).unwrap_err().to_string();
        assert_eq!(error, "points: labels else, fourth, expected those of the run: left, middle, right");
        turned.shape.width = 5;
        let error = predictor.check(&turned).unwrap_err();
        assert!(matches!(error, Error::Shape { found: 5, found_classes: 4, expected_classes: 3, .. }), "{error}");
    }
}

#[test]
fn a_run_that_has_not_ended_or_does_not_fit_together_is_told() {
    let (_folder, run) = finished("hsic", 0);
    let readout = std::fs::read_to_string(run.file(READOUT)).unwrap();
    std::fs::write(run.file(READOUT), readout.replace("[0,", "[7,").replace(",0]", ",7]").replace(",0,", ",7,"))
        .unwrap();
    let error = Predictor::open(&run).err().unwrap().to_string();
    assert!(error.contains("readout.json"), "{error}");
    std::fs::remove_file(run.file("summary.json")).unwrap();
    let error = Predictor::open(&run).err().unwrap();
    assert!(matches!(error, Error::Run(RunError::Unfinished { .. })), "{error}");
}

#[test]
#[should_panic(expected = "rows have as many values as the network takes")]
fn half_a_row_is_refused() {
    let (_folder, run) = finished("hsic", 0);
    drop(Predictor::open(&run).unwrap().predict(&[0.0; 9]));
}

#[test]
fn what_is_said_of_rows_by_pieces_is_said_of_them_in_the_whole_to_the_bit() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("new.csv");
    let mut stream = Stream::new(3, "pieces", 0);
    let mut text = String::new();
    // A piece of such a network, and a second one whose last task has a single row.
    for _ in 0..80_640 + 257 {
        let row: Vec<String> = (0..6).map(|_| format!("{:.3}", stream.normal())).collect();
        text.push_str(&row.join(","));
        text.push('\n');
    }
    std::fs::write(&path, text).unwrap();
    for (method, format_epochs, sigmas) in
        [("hsic", 0, None), ("backprop", 3, None), ("hsic", 3, Some(&[2.0, 5.0][..]))]
    {
        let (_folder, run) = finished_by(method, format_epochs, sigmas);
        let predictor = Predictor::open(&run).unwrap();
        let whole = predictor.predict(&predictor.read(&path).unwrap());
        let (mut rows, mut pieces) = (0, 0);
        for piece in predictor.pieces(&path).unwrap() {
            let found = predictor.predict(&piece.unwrap());
            assert!(found == whole[rows..rows + found.len()], "{method}, rows from {rows} on");
            (rows, pieces) = (rows + found.len(), pieces + 1);
        }
        assert!(rows == whole.len() && pieces == 2, "{rows} rows in {pieces} pieces");
    }
}

#[test]
fn columns_without_names_are_numbered_and_each_is_dealt_out() {
    let (_folder, run) = finished("backprop", 0);
    let predictor = Predictor::open(&run).unwrap();
    // Three columns follow the class as in training, and three have one value.
    let mut rows: Vec<Vec<f32>> = (0..30).map(|index| row(&points().test, index)).collect();
    rows.iter_mut().for_each(|row| row[3..].fill(0.5));
    let data = Dataset { samples: Samples::Floats(rows.concat()), ..points().test };
    let options = ImportanceOptions { permutations: 199, ..ImportanceOptions::default() };
    let found = importance(&predictor, &data, options, &AtomicBool::new(false)).unwrap().unwrap();
    let right = predictor
        .predict(&rows.concat())
        .iter()
        .zip(data.labels())
        .filter(|(told, own)| told.class == usize::from(**own))
        .count();
    assert!((found.value - right as f64 / 30.0).abs() < 1e-12);
    let mut columns = found.columns;
    columns.sort_by(|a, b| a.name.cmp(&b.name));
    let names: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
    assert_eq!(names, ["column 0", "column 1", "column 2", "column 3", "column 4", "column 5"]);
    let (told, silent) = columns.split_at(3);
    // A class lies 1.2 deviations from the others in its column.
    assert!(told.iter().all(|column| column.hsic > 0.0), "{told:?}");
    assert!(
        silent.iter().all(|column| (column.importance, column.hsic, column.p_value) == (0.0, 0.0, 1.0)),
        "{silent:?}"
    );
}

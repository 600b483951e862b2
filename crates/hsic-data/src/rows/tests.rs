//! Rows of every kind of file.

use super::*;
use crate::dataset::{Normalization, Standardization};

fn record(pixels: bool, standardization: Option<Standardization>) -> Provenance {
    Provenance {
        name: "t".into(),
        shape: Shape { channels: 1, height: 1, width: 2 },
        class_names: vec!["a".into(), "b".into()],
        target: None,
        pixels,
        train_rows: 0,
        test_rows: 0,
        standardization,
        normalization: None,
        content: None,
        split: None,
        validation: None,
        reading: None,
        encoding: None,
    }
}

/// An array of two columns as NumPy writes it.
fn npy(descr: &str, rows: usize, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, 2), }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn rows(name: &str, content: impl AsRef<[u8]>, record: &Provenance) -> Result<Vec<f32>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let read = read(&path, record, TextRules::default()).map(|(rows, _)| rows);
    read.map_err(|error| error.to_string().replace(folder.path().to_str().unwrap(), ""))
}

#[test]
fn tables_are_standardized_by_the_record_and_not_by_themselves() {
    let standardization = Standardization { means: vec![1.0, 5.0], deviations: vec![4.0, 0.0] };
    let record = record(false, Some(standardization));
    assert_eq!(rows("t.csv", "a,b\n3,9\n-1,5\n", &record).unwrap(), [0.5, 0.0, -0.5, 0.0]);
    let doubles: Vec<u8> = [3.0f64, 9.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(rows("t.npy", npy("<f8", 1, &doubles), &record).unwrap(), [0.5, 0.0]);
}

#[test]
fn what_a_pixel_means_follows_from_how_it_is_stored() {
    let record = record(true, None);
    let expected = [1.0, 51.0f32 / 255.0];
    assert_eq!(rows("t.npy", npy("|u1", 1, &[255, 51]), &record).unwrap(), expected);
    assert_eq!(rows("t.csv", "255,51\n", &record).unwrap(), expected);
    let floats: Vec<u8> = [1.0f32, 0.25].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(rows("t.npy", npy("<f4", 1, &floats), &record).unwrap(), [1.0, 0.25]);
    let floats: Vec<u8> = [0.0f32, 1.0, 0.5, 200.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(
        rows("t.npy", npy("<f4", 2, &floats), &record).unwrap_err(),
        "/t.npy: row 1, column 1 (from 0): 200, expected a pixel in [0, 1], or an array of bytes (uint8) of 0 to 255"
    );
    for (text, value) in [("0.5,1\n", "0.5"), ("256,1\n", "256"), ("-1,0\n", "-1")] {
        let message = rows("t.csv", text, &record).unwrap_err();
        let expected = "expected a pixel, a whole number of 0 to 255";
        assert_eq!(message, format!("/t.csv: row 0, column 0 (from 0): {value}, {expected}"));
    }
}

#[test]
fn a_pixel_is_one_number_to_the_network_whichever_file_it_comes_in() {
    // All 256 bytes in two channels, of numbers that no power of two divides.
    let normalization = Normalization { means: vec![0.130_66, 0.4914], deviations: vec![0.308_1, 0.247] };
    let shape = Shape { channels: 2, height: 1, width: 256 };
    let bytes: Vec<u8> = (0..512).map(|i| (i % 256) as u8).collect();
    let mut expected = vec![0.0; 512];
    normalization.apply(&bytes, &mut expected);
    let record = Provenance { shape, normalization: Some(normalization), ..record(true, None) };
    let text = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",") + "\n";
    assert_eq!(rows("t.csv", text, &record).unwrap(), expected);
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 512), }\n";
    let head = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
    assert_eq!(rows("t.npy", [&head[..], &bytes].concat(), &record).unwrap(), expected);
    // A number of f32 that stands for byte / 255 is rounded, to 6e-8 of it, and so is what becomes of it.
    let header = header.replace("|u1", "<f4");
    let head = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
    let floats: Vec<u8> = bytes.iter().flat_map(|&byte| (f32::from(byte) / 255.0).to_le_bytes()).collect();
    for (found, expected) in rows("t.npy", [head, floats].concat(), &record).unwrap().iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
}

#[test]
fn rows_that_do_not_fit_are_told() {
    let record = record(false, None);
    let message = rows("t.csv", "1,2,0\n", &record).unwrap_err();
    assert_eq!(message, "/t.csv: rows of 3 values, expected 2 as in training (1 x 1 x 2)");
    let message = rows("t.csv", "1,2\n1e300,2\n", &record).unwrap_err();
    assert!(message.starts_with("/t.csv: row 1, column 0 (from 0): 1") && message.ends_with("a finite number"));
    assert!(rows("t.xlsx", "1,2\n", &record).unwrap_err().contains(".csv"));
}

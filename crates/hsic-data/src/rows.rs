//! From a file, by its kind, to rows as a network takes them.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::dataset::{
    DatasetError, Header, Note, Shape, TextEncoding, Values, is_image, pixels, read_columns, read_image, read_sample,
    read_samples,
};
use crate::provenance::Provenance;

/// Why the rows of a file do not fit the network.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RowsError {
    /// The file cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Rows of another length.
    #[error("{}: rows of {found} values, expected {} as in training ({shape})", .path.display(), .shape.columns())]
    Columns {
        /// The file.
        path: PathBuf,
        /// Values in a row of it.
        found: usize,
        /// Sizes of a sample in training.
        shape: Shape,
    },
    /// An image of other sizes, or for a network that was trained on no images.
    #[error(
        "{}: an image of {found}, expected {} of {shape} as in training",
        .path.display(), if *.images { "one" } else { "rows of numbers in a table" }
    )]
    Image {
        /// The file.
        path: PathBuf,
        /// Its sizes.
        found: Shape,
        /// Sizes of a sample in training.
        shape: Shape,
        /// Whether the network was trained on images.
        images: bool,
    },
    /// A value that is no pixel.
    #[error("{}: row {row}, column {column} (from 0): {value}, expected {expected}", .path.display())]
    Pixel {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: usize,
        /// The column, from 0.
        column: usize,
        /// What is there.
        value: f64,
        /// What may be.
        expected: &'static str,
    },
}

/// How a table of text is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextRules {
    /// What its first line is.
    pub header: Header,
    /// How it is encoded. Default: UTF-8, or UTF-16 by its byte order mark.
    pub encoding: Option<TextEncoding>,
}

/// The rows of a file: m x columns, and what is to be said of them. A further kind of file is a further way to such rows.
///
/// # Errors
/// Whatever is wrong with the file, or does not fit the network.
pub fn read(path: &Path, record: &Provenance, rules: TextRules) -> Result<(Vec<f32>, Vec<Note>), RowsError> {
    if is_image(path) {
        return Ok((image(path, record)?, Vec::new()));
    }
    if let Some(encoding) = &record.encoding {
        let TextRules { header, encoding: text } = rules;
        return Ok(read_columns(path, encoding, record.standardization.as_ref(), header, text)?);
    }
    Ok((values(path, record)?, Vec::new()))
}

/// Rows of numbers by their places: of arrays, of images in tables, and for runs of early versions.
fn values(path: &Path, record: &Provenance) -> Result<Vec<f32>, RowsError> {
    let (table, values) = read_samples(path, record.shape)?;
    if table.cols != record.columns() {
        let (found, shape) = (table.cols, record.shape);
        return Err(RowsError::Columns { path: path.into(), found, shape });
    }
    if record.pixels {
        return pixel_rows(path, &table.values, values, record);
    }
    let mut numbers = table.values;
    if let Some(standardization) = &record.standardization {
        for row in numbers.chunks_exact_mut(table.cols) {
            standardization.apply(row);
        }
    }
    let rows: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
    match rows.iter().position(|number| !number.is_finite()) {
        None => Ok(rows),
        Some(i) => {
            let (row, column, value) = (i / table.cols, i % table.cols, numbers[i]);
            Err(DatasetError::NotFinite { path: path.into(), row, column, value }.into())
        }
    }
}

/// An image is one row.
fn image(path: &Path, record: &Provenance) -> Result<Vec<f32>, RowsError> {
    let bytes = match &record.reading {
        Some(reading) if record.pixels => read_sample(path, record.shape, reading)?,
        _ => {
            let (found, bytes) = read_image(path)?;
            if !record.pixels || found != record.shape {
                let images = record.pixels;
                return Err(RowsError::Image { path: path.into(), found, shape: record.shape, images });
            }
            bytes
        }
    };
    let mut row = vec![0.0; bytes.len()];
    pixels(record.normalization.as_ref(), &bytes, &mut row);
    Ok(row)
}

/// Rows of pixels, or which value is none. What a number means follows from how the file stores it, never from the numbers
/// around it: bytes go the way of an image's, whole numbers in text are bytes.
fn pixel_rows(path: &Path, numbers: &[f64], values: Values, record: &Provenance) -> Result<Vec<f32>, RowsError> {
    let (most, expected) = match values {
        Values::Bytes => (255.0, "a byte"),
        Values::Text => (255.0, "a pixel, a whole number of 0 to 255"),
        Values::Numbers => (1.0, "a pixel in [0, 1], or an array of bytes (uint8) of 0 to 255"),
    };
    let (columns, whole) = (record.columns(), values == Values::Text);
    let wrong = |value: &f64| !(0.0..=most).contains(value) || (whole && value.fract() != 0.0);
    if let Some(i) = numbers.iter().position(wrong) {
        let (row, column, value) = (i / columns, i % columns, numbers[i]);
        return Err(RowsError::Pixel { path: path.into(), row, column, value, expected });
    }
    if values == Values::Numbers {
        let Some(normalization) = &record.normalization else {
            return Ok(numbers.iter().map(|&number| number as f32).collect());
        };
        let mut rows: Vec<f32> = numbers.iter().map(|&number| (255.0 * number) as f32).collect();
        rows.chunks_exact_mut(columns).for_each(|row| normalization.apply_in_place(row));
        return Ok(rows);
    }
    let bytes: Vec<u8> = numbers.iter().map(|&number| number as u8).collect();
    let mut rows = vec![0.0; bytes.len()];
    for (row, bytes) in rows.chunks_exact_mut(columns).zip(bytes.chunks_exact(columns)) {
        pixels(record.normalization.as_ref(), bytes, row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
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
}

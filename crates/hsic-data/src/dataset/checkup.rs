//! What in the data of a user may mislead: classes that a part lacks, columns that say nothing, rows in both parts.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};

use super::data::{Dataset, Origin, Piece};
use super::error::DatasetError;
use super::notes::Note;

/// Share of the rows that judge from which on it is said how many of them were trained on too.
const SHARED: f64 = 1.0 / 3.0;

/// What should be said of two parts.
///
/// # Errors
/// What is wrong with a file that samples lie in.
///
/// # Cost
/// Each value is looked at once, of the part that judges twice; 16 bytes a row of that part.
pub(super) fn checkup(train: &Dataset, test: &Dataset, origin: &Origin) -> Result<Vec<Note>, DatasetError> {
    let judged = if origin.validation.is_some() { "validation" } else { "test" };
    let lacking = [(train, "training"), (test, judged)].map(|(part, name)| lacking(part, name));
    // Columns of a table whose names are known are told by them, where they are looked at one by one.
    let constant = if origin.encoding.is_none() { constant(train)? } else { None };
    Ok(lacking.into_iter().flatten().chain(constant).chain(shared(train, test, judged)?).collect())
}

fn lacking(part: &Dataset, name: &'static str) -> Option<Note> {
    if part.of_values().is_some() {
        return None;
    }
    let counts = part.class_names().iter().zip(part.class_counts());
    let classes: Vec<String> = counts.filter(|&(_, count)| count == 0).map(|(class, _)| class.clone()).collect();
    (!classes.is_empty()).then_some(Note::NoRows { part: name.into(), classes })
}

/// Columns of a table that hold one value. Pixels at the border of images do so, of which nobody wants to hear.
fn constant(train: &Dataset) -> Result<Option<Note>, DatasetError> {
    if train.samples.are_pixels() || train.rows() < 2 {
        return Ok(None);
    }
    let mut first = vec![0.0; train.columns()];
    train.fill_row(0, &mut first)?;
    let mut same = vec![true; first.len()];
    train.pass(|piece| {
        let Piece::Floats(values) = piece else { return };
        for row in values.chunks_exact(first.len()) {
            for ((same, value), first) in same.iter_mut().zip(row).zip(&first) {
                *same &= value == first;
            }
        }
    })?;
    let columns: Vec<usize> = (0..same.len()).filter(|&column| same[column]).collect();
    Ok((!columns.is_empty()).then_some(Note::Constant { columns }))
}

/// Rows that judge and lie in the training part too, if they are many.
fn shared(train: &Dataset, test: &Dataset, part: &'static str) -> Result<Option<Note>, DatasetError> {
    let mut known = HashSet::new();
    each_row(test, |row| {
        known.insert(row);
    })?;
    // Of each row that judges, whether it was met among those that are trained on.
    let mut met = HashSet::new();
    each_row(train, |row| {
        if known.contains(&row) {
            met.insert(row);
        }
    })?;
    let (mut shared, of) = (0, test.rows());
    if !met.is_empty() {
        each_row(test, |row| shared += usize::from(met.contains(&row)))?;
    }
    Ok((of > 0 && shared as f64 >= SHARED * of as f64).then_some(Note::Shared { part: part.into(), rows: shared, of }))
}

/// Shows of each row a number of 128 bits that two rows share if they are equal, and else by a chance of 2^-128.
fn each_row(part: &Dataset, mut each: impl FnMut(u128)) -> Result<(), DatasetError> {
    let width = part.columns().max(1);
    part.pass(|piece| {
        let (bytes, width) = match piece {
            Piece::Bytes(bytes) => (bytes, width),
            Piece::Floats(floats) => (bytemuck::cast_slice(floats), width * size_of::<f32>()),
        };
        for row in bytes.chunks_exact(width) {
            let half = |first: u8| {
                let mut hasher = DefaultHasher::new();
                hasher.write_u8(first);
                hasher.write(row);
                u128::from(hasher.finish())
            };
            each(half(0) << 64 | half(1));
        }
    })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::dataset::{Drawn, Samples, Shape, Targets};

    fn part(values: &[f32], labels: &[u16]) -> Dataset {
        Dataset {
            name: "d".into(),
            samples: Samples::Floats(values.to_vec()),
            shape: Shape { channels: 2, height: 1, width: 1 },
            targets: Targets::classes(labels.to_vec(), vec!["a".into(), "b".into(), "c".into()]),
            normalization: None,
        }
    }

    fn notes(train: &Dataset, test: &Dataset) -> Vec<Note> {
        checkup(train, test, &Origin::default()).unwrap()
    }

    #[test]
    fn a_class_without_rows_is_named_with_its_part() {
        let all = part(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[0, 1, 2]);
        let one = part(&[7.0, 8.0, 9.0, 1.0], &[0, 0]);
        let missing = |part, classes: &[&str]| Note::NoRows {
            part: Cow::Borrowed(part),
            classes: classes.iter().map(|&class| class.to_owned()).collect(),
        };
        assert_eq!(notes(&all, &all).len(), 1);
        assert_eq!(notes(&all, &one), [missing("test", &["b", "c"])]);
        assert_eq!(notes(&one, &all), [missing("training", &["b", "c"])]);
        let validation = Some(Drawn { seed: 1, fraction: 0.4, rows: 5 });
        let held_out = checkup(&all, &one, &Origin { validation, ..Origin::default() });
        assert_eq!(held_out.unwrap(), [missing("validation", &["b", "c"])]);
    }

    #[test]
    fn columns_of_one_value_are_told_of_tables_alone() {
        let mut train = part(&[1.0, 5.0, 2.0, 5.0, 3.0, 5.0], &[0, 1, 2]);
        let test = part(&[9.0, 6.0, 8.0, 6.0, 7.0, 7.0], &[0, 1, 2]);
        assert_eq!(notes(&train, &test), [Note::Constant { columns: vec![1] }]);
        train.samples = Samples::Bytes(vec![1, 5, 2, 5, 3, 5]);
        let test = Dataset { samples: Samples::Bytes(vec![9, 6, 8, 6, 7, 7]), ..test };
        assert_eq!(notes(&train, &test), []);
    }

    #[test]
    fn rows_in_both_parts_are_told_from_a_third_on() {
        let train = part(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1.0, 2.0], &[0, 1, 2, 0]);
        // One of three and one of four: the row that the training part has twice.
        let three = part(&[1.0, 2.0, 7.0, 8.0, 9.0, 9.0], &[0, 1, 2]);
        let four = part(&[1.0, 2.0, 7.0, 8.0, 9.0, 9.0, 2.0, 1.0], &[0, 1, 2, 0]);
        assert_eq!(notes(&train, &three), [Note::Shared { part: "test".into(), rows: 1, of: 3 }]);
        assert_eq!(notes(&train, &four), []);
    }
}

//! What in the data of a user may mislead: classes that a part lacks, columns that say nothing, rows in both parts.

use std::collections::HashSet;

use super::data::{Dataset, Samples, Split};
use super::notes::Note;

/// Share of the rows that judge from which on it is said how many of them were trained on too.
const SHARED: f64 = 1.0 / 3.0;

/// What should be said of two parts.
///
/// # Cost
/// Each value is looked at once; memory for the hashes of the part that judges.
pub(super) fn checkup(split: &Split) -> Vec<Note> {
    let judged = if split.origin.validation.is_some() { "validation" } else { "test" };
    let lacking = [(&split.train, "training"), (&split.test, judged)].map(|(part, name)| lacking(part, name));
    // Columns of a table whose names are known are told by them, where they are looked at one by one.
    let constant = if split.origin.encoding.is_none() { constant(&split.train) } else { None };
    lacking.into_iter().flatten().chain(constant).chain(shared(split, judged)).collect()
}

fn lacking(part: &Dataset, name: &'static str) -> Option<Note> {
    if part.of_values().is_some() {
        return None;
    }
    let counts = part.class_names().iter().zip(part.class_counts());
    let classes: Vec<String> = counts.filter(|&(_, count)| count == 0).map(|(class, _)| class.clone()).collect();
    (!classes.is_empty()).then_some(Note::NoRows { part: name, classes })
}

/// Columns of a table that hold one value. Pixels at the border of images do so, of which nobody wants to hear.
fn constant(train: &Dataset) -> Option<Note> {
    let Samples::Floats(values) = &train.samples else { return None };
    let first = values.get(..train.columns())?;
    let mut same = vec![true; first.len()];
    for row in values.chunks_exact(first.len()) {
        for ((same, value), first) in same.iter_mut().zip(row).zip(first) {
            *same &= value == first;
        }
    }
    let columns: Vec<usize> = (0..same.len()).filter(|&column| same[column]).collect();
    (!columns.is_empty() && train.rows() > 1).then_some(Note::Constant { columns })
}

/// Rows that judge and lie in the training part too, value by value, if they are many.
fn shared(split: &Split, part: &'static str) -> Option<Note> {
    let columns = split.train.columns();
    let known: HashSet<&[u8]> = rows(&split.test, columns).collect();
    // Of each row that judges, whether it was met among those that are trained on.
    let met: HashSet<&[u8]> = rows(&split.train, columns).filter(|row| known.contains(row)).collect();
    let shared = rows(&split.test, columns).filter(|row| met.contains(row)).count();
    let of = split.test.rows();
    (of > 0 && shared as f64 >= SHARED * of as f64).then_some(Note::Shared { part, rows: shared, of })
}

/// The bytes of each row.
fn rows(part: &Dataset, columns: usize) -> impl Iterator<Item = &[u8]> {
    let (bytes, width): (&[u8], usize) = match &part.samples {
        Samples::Bytes(bytes) => (bytes, columns),
        Samples::Floats(floats) => (bytemuck::cast_slice(floats), columns * size_of::<f32>()),
    };
    bytes.chunks_exact(width.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Drawn, Origin, Shape, Targets};

    fn part(values: &[f32], labels: &[u16]) -> Dataset {
        Dataset {
            name: "d".into(),
            samples: Samples::Floats(values.to_vec()),
            shape: Shape { channels: 2, height: 1, width: 1 },
            targets: Targets::classes(labels.to_vec(), vec!["a".into(), "b".into(), "c".into()]),
            normalization: None,
        }
    }

    fn split(train: Dataset, test: Dataset) -> Split {
        Split { train, test, standardization: None, origin: Origin::default() }
    }

    #[test]
    fn a_class_without_rows_is_named_with_its_part() {
        let all = part(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[0, 1, 2]);
        let one = part(&[7.0, 8.0, 9.0, 1.0], &[0, 0]);
        let missing = |part, classes: &[&str]| Note::NoRows {
            part,
            classes: classes.iter().map(|&class| class.to_owned()).collect(),
        };
        assert_eq!(checkup(&split(all.clone(), all.clone())).len(), 1);
        assert_eq!(checkup(&split(all.clone(), one.clone())), [missing("test", &["b", "c"])]);
        assert_eq!(checkup(&split(one.clone(), all.clone())), [missing("training", &["b", "c"])]);
        let mut held_out = split(all, one);
        held_out.origin.validation = Some(Drawn { seed: 1, fraction: 0.4, rows: 5 });
        assert_eq!(checkup(&held_out), [missing("validation", &["b", "c"])]);
    }

    #[test]
    fn columns_of_one_value_are_told_of_tables_alone() {
        let mut train = part(&[1.0, 5.0, 2.0, 5.0, 3.0, 5.0], &[0, 1, 2]);
        let test = part(&[9.0, 6.0, 8.0, 6.0, 7.0, 7.0], &[0, 1, 2]);
        assert_eq!(checkup(&split(train.clone(), test.clone())), [Note::Constant { columns: vec![1] }]);
        train.samples = Samples::Bytes(vec![1, 5, 2, 5, 3, 5]);
        let test = Dataset { samples: Samples::Bytes(vec![9, 6, 8, 6, 7, 7]), ..test };
        assert_eq!(checkup(&split(train, test)), []);
    }

    #[test]
    fn rows_in_both_parts_are_told_from_a_third_on() {
        let train = part(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1.0, 2.0], &[0, 1, 2, 0]);
        // One of three and one of four: the row that the training part has twice.
        let three = part(&[1.0, 2.0, 7.0, 8.0, 9.0, 9.0], &[0, 1, 2]);
        let four = part(&[1.0, 2.0, 7.0, 8.0, 9.0, 9.0, 2.0, 1.0], &[0, 1, 2, 0]);
        assert_eq!(checkup(&split(train.clone(), three)), [Note::Shared { part: "test", rows: 1, of: 3 }]);
        assert_eq!(checkup(&split(train, four)), []);
    }
}

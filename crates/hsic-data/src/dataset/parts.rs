//! Which rows of a data set are trained on and which judge: drawn by class, by a seed of its own.

use hsic::random::Stream;
use serde::{Deserialize, Serialize};

use super::DatasetError;

/// How a part of a data set was drawn: seed, share and rows, from which the same rows follow again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// The seed.
    pub seed: u64,
    /// The share of each class.
    pub fraction: f64,
    /// Rows among which it was drawn.
    pub rows: usize,
}

/// Training and test rows: of each class the fraction asked for, rounded, but never all of it, drawn by the seed. Both
/// parts come in random order, so that the first rows of a part are a fair sample of it.
pub(super) fn split(labels: &[u16], classes: usize, drawn: Drawn) -> Result<(Vec<usize>, Vec<usize>), DatasetError> {
    let Drawn { seed, fraction, .. } = drawn;
    let wrong = || DatasetError::TestFraction { value: fraction, rows: labels.len() };
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(wrong());
    }
    let mut members = vec![Vec::new(); classes];
    for (row, &label) in labels.iter().enumerate() {
        members[usize::from(label)].push(row);
    }
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (class, mut rows) in members.into_iter().enumerate() {
        Stream::new(seed, "table-split", class as u64).shuffle(&mut rows);
        let tested = share(rows.len(), fraction);
        train.extend_from_slice(&rows[tested..]);
        test.extend_from_slice(&rows[..tested]);
    }
    if test.is_empty() {
        return Err(wrong());
    }
    Stream::new(seed, "table-order", 0).shuffle(&mut train);
    Stream::new(seed, "table-order", 1).shuffle(&mut test);
    Ok((train, test))
}

/// Rows that stay in the training part, and those of each class that are held out of it, both in order. A class keeps a
/// row at least, or it could not be learned.
pub(super) fn hold_out(labels: &[u16], classes: usize, drawn: Drawn) -> Result<(Vec<usize>, Vec<usize>), DatasetError> {
    let mut counts = vec![0usize; classes];
    labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
    let mut left: Vec<usize> = counts.into_iter().map(|count| share(count, drawn.fraction)).collect();
    let mut order: Vec<usize> = (0..labels.len()).collect();
    Stream::new(drawn.seed, "validation", 0).shuffle(&mut order);
    let (mut kept, mut held) = (Vec::new(), Vec::new());
    for row in order {
        let left = &mut left[usize::from(labels[row])];
        if *left > 0 {
            *left -= 1;
            held.push(row);
        } else {
            kept.push(row);
        }
    }
    if held.is_empty() || kept.is_empty() {
        let (asked, available) = ((labels.len() as f64 * drawn.fraction) as usize, labels.len().saturating_sub(1));
        return Err(DatasetError::PartSize { part: "validation", asked, available });
    }
    kept.sort_unstable();
    held.sort_unstable();
    Ok((kept, held))
}

/// A fraction of so many rows of a class, rounded, but never all of them.
fn share(rows: usize, fraction: f64) -> usize {
    ((fraction * rows as f64).round() as usize).min(rows.saturating_sub(1))
}

/// The first `size` rows, if a size is asked for.
pub(super) fn first<R>(mut rows: Vec<R>, part: &'static str, size: Option<usize>) -> Result<Vec<R>, DatasetError> {
    if let Some(asked) = size {
        if asked == 0 || asked > rows.len() {
            return Err(DatasetError::PartSize { part, asked, available: rows.len() });
        }
        rows.truncate(asked);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 40, 10 and 1 rows of three classes.
    fn labels() -> Vec<u16> {
        (0..51).map(|row| if row < 40 { 0 } else { 1 + u16::from(row == 50) }).collect()
    }

    fn drawn(seed: u64, fraction: f64) -> Drawn {
        Drawn { seed, fraction, rows: 51 }
    }

    fn counts(rows: &[usize]) -> [usize; 3] {
        let labels = labels();
        [0, 1, 2].map(|class| rows.iter().filter(|&&row| labels[row] == class).count())
    }

    #[test]
    fn each_class_gives_its_share_to_the_test_part_and_keeps_a_row() {
        // A quarter is 10, 2.5 (rounded to 3), and 0.25 (rounded to 0).
        let labels = labels();
        let (train, test) = split(&labels, 3, drawn(0, 0.25)).unwrap();
        assert_eq!((counts(&train), counts(&test)), ([30, 7, 1], [10, 3, 0]));
        let mut all = [train.clone(), test.clone()].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..51));
        assert_eq!(split(&labels, 3, drawn(0, 0.25)).unwrap(), (train.clone(), test));
        assert_ne!(split(&labels, 3, drawn(8, 0.25)).unwrap().0, train);
        // However large the share, a row of each class is trained on.
        let (train, _) = split(&labels, 3, drawn(0, 0.999)).unwrap();
        assert_eq!(counts(&train), [1, 1, 1]);
        for fraction in [0.0, 1.0, -0.5, f64::NAN, 0.001] {
            assert!(matches!(split(&labels, 3, drawn(0, fraction)), Err(DatasetError::TestFraction { .. })));
        }
    }

    #[test]
    fn no_class_is_held_out_as_a_whole() {
        let labels = labels();
        // Half of one row rounds to one, which is the whole class.
        for (fraction, kept, held) in
            [(0.25, [30, 7, 1], [10, 3, 0]), (0.5, [20, 5, 1], [20, 5, 0]), (0.97, [1, 1, 1], [39, 9, 0])]
        {
            let found = hold_out(&labels, 3, drawn(1, fraction)).unwrap();
            assert_eq!((counts(&found.0), counts(&found.1)), (kept, held), "{fraction}");
            assert!(found.0.is_sorted() && found.1.is_sorted());
        }
        assert_eq!(hold_out(&labels, 3, drawn(1, 0.25)).unwrap(), hold_out(&labels, 3, drawn(1, 0.25)).unwrap());
        assert_ne!(hold_out(&labels, 3, drawn(1, 0.25)).unwrap(), hold_out(&labels, 3, drawn(2, 0.25)).unwrap());
        // A class without rows gives none; rows of which none can be given are told.
        assert_eq!(hold_out(&[0, 0, 2, 2], 3, drawn(1, 0.5)).unwrap().1.len(), 2);
        let error = hold_out(&[0, 1, 2], 3, drawn(1, 0.9)).unwrap_err();
        assert!(matches!(error, DatasetError::PartSize { part: "validation", asked: 2, available: 2 }), "{error}");
    }

    #[test]
    fn parts_are_cut_to_the_sizes_asked_for_and_no_larger_ones_are_made() {
        assert_eq!(first(vec![4, 5, 6], "test", Some(2)).unwrap(), [4, 5]);
        assert_eq!(first(vec![4, 5, 6], "test", None).unwrap(), [4, 5, 6]);
        for asked in [0, 4] {
            let error = first(vec![4, 5, 6], "test", Some(asked)).unwrap_err();
            assert!(matches!(error, DatasetError::PartSize { part: "test", available: 3, .. }), "{error}");
        }
    }
}

//! Which samples are kept: of classes some that were confused, the surest and the least sure, of values the largest and the
//! smallest errors.

use std::collections::BTreeMap;

use hsic_learn::judge::surety::Told;

use super::kept::Why;

/// Most samples of one confused pair.
const OF_A_PAIR: usize = 4;

/// Rows to keep, `most` of them: three fifths confused, a fifth surest, a fifth least sure. Rows of which nothing finite is
/// said are left out, and of equal ones the first comes first.
pub(super) fn of_classes(told: &[Told], most: usize) -> Vec<(Why, Told)> {
    let mut by_surety: Vec<Told> = told.iter().copied().filter(|told| told.probability.is_finite()).collect();
    by_surety.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.row.cmp(&b.row)));
    let mut pairs: BTreeMap<(usize, usize), Vec<Told>> = BTreeMap::new();
    for &told in by_surety.iter().filter(|told| told.class != told.read) {
        pairs.entry((told.class, told.read)).or_default().push(told);
    }
    let mut pairs: Vec<Vec<Told>> = pairs.into_values().collect();
    // The order is stable: of pairs of one size the first by class.
    pairs.sort_by_key(|pair| std::cmp::Reverse(pair.len()));
    let each = most / 5;
    let confused = pairs.into_iter().flat_map(|pair| pair.into_iter().take(OF_A_PAIR)).take(most - 2 * each);
    let surest = by_surety.iter().take(each).copied();
    let mut doubtful = by_surety.clone();
    doubtful.sort_by(|a, b| a.probability.total_cmp(&b.probability).then(a.row.cmp(&b.row)));
    let least = doubtful.into_iter().take(each);
    let with = |why| move |told| (why, told);
    confused
        .map(with(Why::Confused))
        .chain(surest.map(with(Why::Surest)))
        .chain(least.map(with(Why::LeastSure)))
        .collect()
}

/// Rows to keep of values, at most `most` of them and each once: half of them those of the largest errors, the others those of the
/// smallest. Rows without a finite error are left out, and of equal ones the first comes first.
pub(super) fn of_values(truth: &[f64], predicted: &[f64], most: usize) -> Vec<(Why, usize)> {
    let errors: Vec<f64> = truth.iter().zip(predicted).map(|(truth, predicted)| (predicted - truth).abs()).collect();
    let mut order: Vec<usize> = (0..errors.len()).filter(|&row| errors[row].is_finite()).collect();
    order.sort_by(|&a, &b| errors[b].total_cmp(&errors[a]).then(a.cmp(&b)));
    let each = (most / 2).min(order.len().div_ceil(2));
    let largest = order.iter().take(each).map(|&row| (Why::LargestError, row));
    let mut rest = order[each..].to_vec();
    rest.sort_by(|&a, &b| errors[a].total_cmp(&errors[b]).then(a.cmp(&b)));
    let smallest = rest.into_iter().take(each).map(|row| (Why::SmallestError, row));
    largest.chain(smallest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(row: usize, class: usize, read: usize, probability: f64) -> Told {
        Told { row, class, read, probability }
    }

    #[test]
    fn the_most_confused_pair_comes_first_and_each_end_of_surety_is_kept() {
        let mut all = vec![told(0, 0, 1, 0.5), told(1, 2, 0, 0.9), told(2, 2, 0, 0.95), told(3, 1, 1, f64::NAN)];
        all.extend((4..14).map(|row| told(row, 1, 1, row as f64 / 20.0)));
        let kept: Vec<(Why, usize)> = of_classes(&all, 10).into_iter().map(|(why, told)| (why, told.row)).collect();
        let expected = [(Why::Confused, 2), (Why::Confused, 1), (Why::Confused, 0)];
        assert_eq!(kept[..3], expected);
        assert_eq!(kept[3..], [(Why::Surest, 2), (Why::Surest, 1), (Why::LeastSure, 4), (Why::LeastSure, 5)]);
        let many: Vec<Told> = (0..20).map(|row| told(row, 0, 1, 0.5)).collect();
        let rows: Vec<usize> = of_classes(&many, 40).iter().map(|(_, told)| told.row).collect();
        // Four of a pair; of equal ones the first.
        assert_eq!(rows[..6], [0, 1, 2, 3, 0, 1]);
        assert_eq!(rows.len(), 4 + 8 + 8);
    }

    #[test]
    fn both_ends_of_errors_are_kept_and_no_row_twice() {
        let truth = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let predicted = [0.5, 3.0, f64::NAN, 3.0, 2.0, 4.75];
        let (large, small) = (Why::LargestError, Why::SmallestError);
        // Errors of 0.5, 2, none, 0, 2 and 0.25.
        assert_eq!(of_values(&truth, &predicted, 4), [(large, 1), (large, 4), (small, 3), (small, 5)]);
        assert_eq!(of_values(&truth, &predicted, 40), [(large, 1), (large, 4), (large, 0), (small, 3), (small, 5)]);
        assert_eq!(of_values(&truth[..1], &predicted[..1], 40), [(large, 0)]);
        assert_eq!(of_values(&[1.0], &[f64::INFINITY], 40), []);
    }
}

//! The search for a learning rate: as many trials for every method, each where the ones before it point, and more of them
//! as long as the best rate is the least or the largest of those tried.

/// Trials of a method whose best rate lies between others.
pub(super) const TRIALS: usize = 4;

/// Trials whose rates follow from the default alone.
pub(super) const FIRST: usize = 3;

/// Most trials of a method: by then the rates are a factor of 1024 from the default on one side.
pub(super) const MOST_TRIALS: usize = 8;

/// Factor between the first rates.
const FACTOR: f64 = 4.0;

/// The rate to be tried next around a default: first the default, a quarter and four times of it; then, if the best of
/// these lies at an end, the next one beyond it, else half-way (by factors) towards its better neighbor; then beyond the
/// end for as long as the best lies there. `None` when all trials are done.
pub(super) fn next(default: f64, tried: &[(f64, Option<f64>)]) -> Option<f64> {
    let first: [f64; FIRST] = [default / FACTOR, default, default * FACTOR];
    if let Some(&rate) = first.get(tried.len()) {
        return Some(rate);
    }
    if tried.len() >= MOST_TRIALS {
        return None;
    }
    // Where all have failed, one smaller rate is tried.
    let Some(best) = best(tried) else { return (tried.len() < TRIALS).then_some(first[0] / FACTOR) };
    match end(best, tried) {
        Some(End::Least) => Some(best / FACTOR),
        Some(End::Largest) => Some(best * FACTOR),
        None if tried.len() < TRIALS => {
            let accuracy = |index: usize| tried[index].1.unwrap_or(-1.0);
            Some(if accuracy(0) > accuracy(2) { default / FACTOR.sqrt() } else { default * FACTOR.sqrt() })
        }
        None => None,
    }
}

/// An end of the rates that were tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// None is smaller.
    Least,
    /// None is larger.
    Largest,
}

/// Which end of the rates a rate is; `None` if there are others on both sides, or none at all.
pub(super) fn end(of: f64, tried: &[(f64, Option<f64>)]) -> Option<End> {
    let smaller = tried.iter().any(|&(rate, _)| rate < of);
    let larger = tried.iter().any(|&(rate, _)| rate > of);
    match (smaller, larger) {
        (false, true) => Some(End::Least),
        (true, false) => Some(End::Largest),
        _ => None,
    }
}

/// The rate of the best accuracy, the first of equals; `None` if all failed.
pub(super) fn best(tried: &[(f64, Option<f64>)]) -> Option<f64> {
    let mut best: Option<(f64, f64)> = None;
    for &(rate, accuracy) in tried {
        if let Some(accuracy) = accuracy
            && best.is_none_or(|(_, most)| accuracy > most)
        {
            best = Some((rate, accuracy));
        }
    }
    best.map(|(rate, _)| rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rates tried where accuracy is `of` the rate.
    fn searched(of: impl Fn(f64) -> Option<f64>) -> Vec<f64> {
        let mut tried = Vec::new();
        while let Some(rate) = next(1.0, &tried) {
            tried.push((rate, of(rate)));
        }
        tried.into_iter().map(|(rate, _)| rate).collect()
    }

    #[test]
    fn the_fourth_trial_goes_where_the_first_three_point() {
        let peak = |at: f64| move |rate: f64| Some(1.0 - 0.1 * (rate / at).ln().abs());
        assert_eq!(searched(peak(0.7)), [0.25, 1.0, 4.0, 0.5]);
        assert_eq!(searched(peak(1.4)), [0.25, 1.0, 4.0, 2.0]);
        assert_eq!(searched(|_| None), [0.25, 1.0, 4.0, 0.0625]);
        assert_eq!(searched(|rate| (rate < 2.0).then_some(rate)), [0.25, 1.0, 4.0, 0.5]);
    }

    #[test]
    fn the_search_goes_on_while_the_best_is_at_an_end() {
        let peak = |at: f64| move |rate: f64| Some(1.0 - 0.1 * (rate / at).ln().abs());
        // The best of the first three is 0.25; 1/16 is better, 1/64 is not.
        assert_eq!(searched(peak(0.07)), [0.25, 1.0, 4.0, 0.0625, 0.015_625]);
        assert_eq!(searched(peak(100.0)), [0.25, 1.0, 4.0, 16.0, 64.0, 256.0]);
        // It ends somewhere even so, and says where.
        let without_end = searched(Some);
        assert_eq!(without_end, [0.25, 1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0]);
        let tried: Vec<(f64, Option<f64>)> = without_end.into_iter().map(|rate| (rate, Some(rate))).collect();
        assert_eq!(
            (end(4096.0, &tried), end(0.25, &tried), end(1.0, &tried)),
            (Some(End::Largest), Some(End::Least), None)
        );
        assert_eq!(end(1.0, &[(1.0, Some(0.5))]), None);
        // A smaller rate that works after three that failed is followed.
        let found = searched(|rate| (rate < 0.1).then_some(1.0 / rate));
        assert_eq!(found[..5], [0.25, 1.0, 4.0, 0.0625, 0.015_625]);
    }

    #[test]
    fn the_best_is_the_first_of_equals() {
        assert_eq!(best(&[(1.0, None), (2.0, Some(0.5)), (3.0, Some(0.5))]), Some(2.0));
        assert_eq!(best(&[(1.0, None)]), None);
    }
}

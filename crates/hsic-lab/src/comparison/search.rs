//! The search for a learning rate: as many trials for every method, each where the ones before it point.

/// Trials of a method.
pub(super) const TRIALS: usize = 4;

/// Factor between the first rates.
const FACTOR: f64 = 4.0;

/// The rate to be tried next around a default: first the default, a quarter and four times of it; then, if the best of
/// these lies at an end, the next one beyond it, else half-way (by factors) towards its better neighbor. `None` when all
/// trials are done.
pub(super) fn next(default: f64, tried: &[(f64, Option<f64>)]) -> Option<f64> {
    let first = [default / FACTOR, default, default * FACTOR];
    if let Some(&rate) = first.get(tried.len()) {
        return Some(rate);
    }
    if tried.len() >= TRIALS {
        return None;
    }
    let accuracy = |index: usize| tried[index].1.unwrap_or(-1.0);
    let best = best(tried).unwrap_or(first[0]);
    Some(match first.iter().position(|&rate| rate == best) {
        Some(1) if accuracy(0) > accuracy(2) => default / FACTOR.sqrt(),
        Some(1) => default * FACTOR.sqrt(),
        Some(2) => best * FACTOR,
        // Where all have failed, too: a smaller one.
        _ => best / FACTOR,
    })
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
        assert_eq!(searched(peak(0.01)), [0.25, 1.0, 4.0, 0.0625]);
        assert_eq!(searched(peak(100.0)), [0.25, 1.0, 4.0, 16.0]);
        assert_eq!(searched(peak(0.7)), [0.25, 1.0, 4.0, 0.5]);
        assert_eq!(searched(peak(1.4)), [0.25, 1.0, 4.0, 2.0]);
        assert_eq!(searched(|_| None), [0.25, 1.0, 4.0, 0.0625]);
        assert_eq!(searched(|rate| (rate < 2.0).then_some(rate)), [0.25, 1.0, 4.0, 0.5]);
    }

    #[test]
    fn the_best_is_the_first_of_equals() {
        assert_eq!(best(&[(1.0, None), (2.0, Some(0.5)), (3.0, Some(0.5))]), Some(2.0));
        assert_eq!(best(&[(1.0, None)]), None);
    }
}

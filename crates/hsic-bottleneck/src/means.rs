//! Means of what blocks tell of themselves, over the steps of an epoch.

use std::collections::BTreeMap;

use hsic_learn::objective::Signal;

/// Means of an epoch's signals, by block.
#[derive(Default)]
pub(crate) struct Means {
    pub(crate) steps: u64,
    pub(crate) sums: Vec<[f64; 3]>,
    /// Steps that measured the second and third, if not all did.
    pub(crate) measured: Vec<[u64; 2]>,
    /// Of the second and third sum.
    pub(crate) names: [&'static str; 2],
}

/// Means of an epoch, by block.
#[derive(Default)]
pub(crate) struct EpochMeans {
    pub(crate) loss: Vec<f64>,
    /// Those that have a name.
    pub(crate) terms: BTreeMap<String, Vec<f64>>,
}

impl Means {
    /// Takes in the signals of a step; one that measured nothing has none.
    pub(crate) fn add(&mut self, signals: &[Signal]) {
        if signals.is_empty() {
            return;
        }
        self.steps += 1;
        self.sums.resize(signals.len(), [0.0; 3]);
        self.measured.resize(signals.len(), [0; 2]);
        for ((sum, measured), signal) in self.sums.iter_mut().zip(&mut self.measured).zip(signals) {
            sum[0] += signal.loss;
            for (index, (name, value)) in signal.terms.into_iter().enumerate() {
                if !value.is_nan() {
                    sum[index + 1] += value;
                    measured[index] += 1;
                }
                // A block may have no such term (the classifier among blocks of another rule).
                let known = &mut self.names[index];
                *known = if known.is_empty() { name } else { known };
            }
        }
    }

    pub(crate) fn take(&mut self) -> EpochMeans {
        let loss = self.sums.iter().map(|sum| sum[0] / self.steps.max(1) as f64).collect();
        let means = |term: usize| {
            let blocks = self.sums.iter().zip(&self.measured);
            blocks.map(|(sum, measured)| sum[term + 1] / measured[term].max(1) as f64).collect()
        };
        let named = self
            .names
            .iter()
            .enumerate()
            .filter(|(index, name)| !name.is_empty() && self.measured.iter().any(|measured| measured[*index] > 0));
        let terms = named.map(|(index, &name)| (name.to_owned(), means(index))).collect();
        let means = EpochMeans { loss, terms };
        *self = Self::default();
        means
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_measured_nothing_does_not_count() {
        let mut means = Means::default();
        for loss in [1.0, 3.0] {
            means.add(&[Signal { loss, ..Signal::default() }]);
            means.add(&[]);
        }
        assert_eq!(means.take().loss, [2.0]);
    }

    #[test]
    fn a_term_that_is_not_measured_at_every_step_has_the_mean_of_those_that_are() {
        let mut means = Means::default();
        for (loss, cosine) in [(1.0, 0.5), (2.0, f64::NAN), (3.0, 0.25), (6.0, f64::NAN)] {
            let measured = Signal { loss, terms: [("bp_cosine", cosine), ("", 0.0)], ..Signal::default() };
            means.add(&[measured, Signal { loss, ..Signal::default() }]);
        }
        let EpochMeans { loss, terms } = means.take();
        assert_eq!((loss, terms), (vec![3.0; 2], BTreeMap::from([("bp_cosine".to_owned(), vec![0.375, 0.0])])));
        let never = Signal { loss: 1.0, terms: [("bp_cosine", f64::NAN), ("", 0.0)], ..Signal::default() };
        means.add(&[never]);
        assert!(means.take().terms.is_empty());
    }
}

//! From unformatted outputs to probabilities: the run's readout.
//!
//! P(class k) = sum over the units u that stand for k of softmax(z / T)_u.
//!
//! HSIC training gives outputs no scale, so softmax(z) alone says nothing of how sure a network is. One temperature T
//! is therefore fitted to training samples by maximum likelihood (Guo, Pleiss, Sun, Weinberger 2017, "On calibration
//! of modern neural networks"); it changes no prediction. It is fitted where the network was trained, and so is as sure
//! as the network is right *there*: on data that it fits less well it is too sure.

use hsic::random::Stream;
use hsic_data::batch::Batch;
use hsic_data::dataset::{Dataset, DatasetError};
use serde::{Deserialize, Serialize};

use crate::judge::assignment::Assignment;
use crate::judge::at_rest::AtRest;

/// Training samples that the temperature is fitted to, at the most: of more one from each of so many equal parts.
const ROWS: usize = 2000;

/// Temperatures looked at lie between 1 / this and this.
const WIDEST: f64 = 1e4;

/// Halvings (by the golden ratio) of the interval of ln T: to 1e-7 of its length.
const HALVINGS: u32 = 34;

/// How outputs are read, `readout.json` in a run's folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Readout {
    /// Which class each unit stands for.
    #[serde(flatten)]
    pub assignment: Assignment,
    /// T, > 0; outputs are divided by it before softmax.
    #[serde(default = "one")]
    pub temperature: f64,
}

fn one() -> f64 {
    1.0
}

impl Readout {
    /// The readout with the temperature that makes the labels of up to 2000 rows most likely; 1 if the
    /// rows tell nothing. The same network and rows give the same bits.
    ///
    /// # Errors
    /// What is wrong with a file that samples lie in.
    ///
    /// # Cost
    /// One inference of those rows and some 40 exponentials a unit and row: milliseconds.
    pub fn fit(at_rest: &AtRest<'_>, dataset: &Dataset, assignment: Assignment) -> Result<Self, DatasetError> {
        let rows = Stream::new(1, "temperature rows", 0).spread(dataset.rows(), ROWS);
        let mut batch = Batch::default();
        batch.fill(dataset, &rows)?;
        let outputs = at_rest.scores(rows.len(), &batch.x);
        let temperature = temperature(&outputs, &batch.labels, &assignment);
        Ok(Self { assignment, temperature })
    }

    /// Probability of each class from one sample's outputs; they sum to 1, and a class without a unit has 0.
    #[must_use]
    pub fn probabilities(&self, outputs: &[f32], classes: usize) -> Vec<f64> {
        let largest = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |&output: &f32| libm::exp((f64::from(output) - f64::from(largest)) / self.temperature);
        let total: f64 = outputs.iter().map(weight).sum();
        let mut probabilities = vec![0.0; classes];
        for (output, &class) in outputs.iter().zip(&self.assignment.class_of_unit) {
            probabilities[class] += weight(output) / total;
        }
        probabilities
    }

    /// What is wrong with a readout that was read, for a network of so many units and data of so many classes.
    #[must_use]
    pub fn fault(&self, units: usize, classes: usize) -> Option<(String, String)> {
        let of = &self.assignment.class_of_unit;
        if of.len() != units {
            return Some((format!("classes of {} units", of.len()), format!("{units}, those of the network")));
        }
        if let Some(class) = of.iter().find(|&&class| class >= classes) {
            return Some((format!("class {class}"), format!("a class below {classes}")));
        }
        let valid = self.temperature > 0.0 && self.temperature.is_finite();
        (!valid).then(|| (format!("temperature {}", self.temperature), "a finite number > 0".to_owned()))
    }
}

/// The most likely temperature, by golden-section search in ln T: the likelihood has one peak if no class has two
/// units.
fn temperature(outputs: &[f32], labels: &[usize], assignment: &Assignment) -> f64 {
    let units = assignment.class_of_unit.len();
    let known = labels.iter().filter(|label| assignment.class_of_unit.contains(label)).count();
    if known == 0 {
        return 1.0;
    }
    // As if each unit had been seen right once more than it was: n samples that are all right are no proof of
    // certainty, and without this T would fall to 0.
    let doubt = units as f64 / (known + units) as f64;
    let loss = |log: f64| -> f64 {
        let scale = libm::exp(-log);
        let rows = outputs.chunks_exact(units).zip(labels);
        rows.map(|(row, &label)| row_loss(row, label, assignment, scale, doubt)).sum()
    };
    let ratio = 0.5 * (5.0f64.sqrt() - 1.0);
    let (mut low, mut high) = (-libm::log(WIDEST), libm::log(WIDEST));
    let (mut left, mut right) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_left, mut at_right) = (loss(left), loss(right));
    for _ in 0..HALVINGS {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - ratio * (high - low);
            at_left = loss(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + ratio * (high - low);
            at_right = loss(right);
        }
    }
    libm::exp(0.5 * (low + high))
}

/// -ln P of one sample's label at outputs times `scale`, mixed with the mean over all units by `doubt`; 0 for a class
/// that no unit stands for.
fn row_loss(row: &[f32], label: usize, assignment: &Assignment, scale: f64, doubt: f64) -> f64 {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut all, mut right, mut mean, mut best) = (0.0, 0.0, 0.0, f64::NEG_INFINITY);
    let shifted = |output: f32| (f64::from(output) - f64::from(largest)) * scale;
    for (&output, &class) in row.iter().zip(&assignment.class_of_unit) {
        all += libm::exp(shifted(output));
        mean += shifted(output) / row.len() as f64;
        if class == label {
            best = best.max(shifted(output));
        }
    }
    if best == f64::NEG_INFINITY {
        return 0.0;
    }
    // Relative to the largest of its own, so that a label far behind does not vanish.
    for (&output, &class) in row.iter().zip(&assignment.class_of_unit) {
        if class == label {
            right += libm::exp(shifted(output) - best);
        }
    }
    libm::log(all) - (1.0 - doubt) * (best + libm::log(right)) - doubt * mean
}

#[cfg(test)]
mod tests {
    use hsic::random::Stream;

    use super::*;

    fn readout(class_of_unit: &[usize], temperature: f64) -> Readout {
        Readout { assignment: Assignment { class_of_unit: class_of_unit.to_vec() }, temperature }
    }

    #[test]
    fn probabilities_are_sums_of_softmax_over_the_units_of_a_class() {
        let p = readout(&[1, 0, 1], 2.0).probabilities(&[2.0, 4.0, 0.0], 3);
        // exp(0) for unit 1; exp(-1) and exp(-2) for units 0 and 2.
        let (a, b, c) = ((-1.0f64).exp(), 1.0, (-2.0f64).exp());
        for (found, expected) in p.iter().zip([b / (a + b + c), (a + c) / (a + b + c), 0.0]) {
            assert!((found - expected).abs() < 1e-15, "{p:?}");
        }
        // Outputs far apart neither overflow nor give NaN.
        assert_eq!(readout(&[0, 1], 1e-3).probabilities(&[3e38, -3e38], 2), [1.0, 0.0]);
    }

    #[test]
    fn the_temperature_of_samples_drawn_from_one_is_found_again() {
        // Labels drawn from softmax(z / 3), whose unit u stands for class 3 - u.
        let assignment = Assignment { class_of_unit: vec![3, 2, 1, 0] };
        let drawn = readout(&[3, 2, 1, 0], 3.0);
        let mut stream = Stream::new(8, "temperature", 0);
        let mut outputs = Vec::new();
        let mut labels = Vec::new();
        for _ in 0..20_000 {
            let row: Vec<f32> = (0..4).map(|_| 6.0 * stream.normal() as f32).collect();
            let mut left = stream.uniform();
            let p = drawn.probabilities(&row, 4);
            labels.push(
                (0..3)
                    .find(|&k| {
                        left -= p[k];
                        left < 0.0
                    })
                    .unwrap_or(3),
            );
            outputs.extend(row);
        }
        let found = temperature(&outputs, &labels, &assignment);
        // The estimate's deviation is about 3 / sqrt(20,000).
        assert!((found - 3.0).abs() < 0.08, "{found}");
        let doubled: Vec<f32> = outputs.iter().map(|z| 2.0 * z).collect();
        assert!((temperature(&doubled, &labels, &assignment) / found - 2.0).abs() < 1e-5);
    }

    #[test]
    fn samples_that_are_all_right_do_not_make_certain() {
        let assignment = Assignment { class_of_unit: vec![0, 1] };
        let outputs: Vec<f32> = (0..98).flat_map(|row| if row % 2 == 0 { [1.0, 0.0] } else { [0.0, 1.0] }).collect();
        let labels: Vec<usize> = (0..98).map(|row| row % 2).collect();
        let fitted = Readout { temperature: temperature(&outputs, &labels, &assignment), assignment };
        // 98 seen right of 98, and each of the two units once more: 99 of 100.
        let p = fitted.probabilities(&[1.0, 0.0], 2)[0];
        assert!((p - 0.99).abs() < 1e-6, "{p}");
        assert_eq!(temperature(&[], &[], &fitted.assignment), 1.0);
    }

    #[test]
    fn readouts_that_cannot_be_are_told_and_old_ones_are_read() {
        assert_eq!(readout(&[0, 1], 1.0).fault(2, 2), None);
        assert_eq!(readout(&[0], 1.0).fault(2, 2).unwrap().0, "classes of 1 units");
        assert_eq!(readout(&[0, 2], 1.0).fault(2, 2).unwrap(), ("class 2".into(), "a class below 2".into()));
        assert_eq!(readout(&[0, 1], 0.0).fault(2, 2).unwrap().0, "temperature 0");
        let read: Readout = serde_json::from_str(r#"{"class_of_unit":[1,0]}"#).unwrap();
        assert_eq!(read, readout(&[1, 0], 1.0));
    }
}

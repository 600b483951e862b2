//! Classes told by ridge regression of their indicators: what a linear readout of features is worth.
//!
//! Each class has a line of its own, fitted to 1 for its rows and 0 for all others, and the class of the largest line is
//! told. One penalty serves all lines. It is the one of the least squared error of rows that are left out, summed over the
//! classes.

use faer::MatRef;

use super::system::{Columns, System};
use crate::error::{Error, check_finite, check_rows, check_shape};
use crate::random::Stream;

/// Rows on which the penalty is chosen, at the most: one from each of so many equal parts.
const CHOSEN_ON: usize = 1024;

/// Penalties that are tried: 10 to these powers.
const POWERS: std::ops::RangeInclusive<i32> = -5..=1;

/// A line of the features for each class.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassRidge {
    /// Weight of each column for each class (d x classes, row-major).
    pub weights: Vec<f64>,
    /// What is added, by class.
    pub intercepts: Vec<f64>,
    /// The penalty p, as in [`Ridge`](super::Ridge).
    pub penalty: f64,
}

impl ClassRidge {
    /// Fits classes (n labels, below `classes`) to features (n x d).
    ///
    /// # Errors
    /// `RowMismatch`, `TooFewRows` for n < 3, `NoColumns`, `NotFinite`.
    ///
    /// # Panics
    /// If a label is not below `classes`.
    ///
    /// # Cost
    /// n s^2 operations for the Gram matrix of s = min(n, d), and for each of 7 penalties some s^3, of columns also 1024 s^2, on
    /// one thread: the same bits wherever it runs.
    pub fn fit(x: MatRef<'_, f32>, labels: &[usize], classes: usize) -> Result<Self, Error> {
        check_shape("features", x, 3)?;
        check_rows("features", x.nrows(), "labels", labels.len())?;
        check_finite("features", x)?;
        let (n, d) = (x.nrows(), x.ncols());
        let x: Vec<f32> = (0..n).flat_map(|i| (0..d).map(move |j| (i, j))).map(|(i, j)| x[(i, j)]).collect();
        let penalty = choose(&x, labels, classes)?;
        let columns = Columns::of(&x, d);
        let (means, centered) = indicators(labels, classes);
        let system = System::of(&columns, &x, &centered, classes);
        let mut weights = system.weights(&columns, &x, penalty * n as f64)?;
        let mut intercepts = means;
        for ((weights, scale), mean) in weights.chunks_exact_mut(classes).zip(&columns.scales).zip(&columns.means) {
            for (weight, intercept) in weights.iter_mut().zip(&mut intercepts) {
                *weight *= scale;
                *intercept -= *weight * mean;
            }
        }
        Ok(Self { weights, intercepts, penalty })
    }

    /// The class of a row of features: that of the largest line, the first of equals.
    ///
    /// # Panics
    /// If the row has another number of columns.
    #[must_use]
    pub fn class(&self, row: &[f32]) -> usize {
        let classes = self.intercepts.len();
        assert_eq!(row.len() * classes, self.weights.len(), "a row has a value of each column");
        let mut lines = self.intercepts.clone();
        for (&value, weights) in row.iter().zip(self.weights.chunks_exact(classes)) {
            lines.iter_mut().zip(weights).for_each(|(line, weight)| *line += f64::from(value) * weight);
        }
        (1..classes).fold(0, |best, class| if lines[class] > lines[best] { class } else { best })
    }
}

/// The share of each class, and 1 for the class of a row and 0 for the others less that share (n x classes, row-major).
fn indicators(labels: &[usize], classes: usize) -> (Vec<f64>, Vec<f64>) {
    let mut shares = vec![0.0; classes];
    labels.iter().for_each(|&label| shares[label] += 1.0 / labels.len() as f64);
    let of = |&label: &usize| {
        shares.iter().enumerate().map(move |(class, share)| f64::from(u8::from(class == label)) - share)
    };
    let centered = labels.iter().flat_map(of).collect();
    (shares, centered)
}

/// The penalty of the least error of rows that are left out; of equal errors the larger one, which is the simpler line.
fn choose(x: &[f32], labels: &[usize], classes: usize) -> Result<f64, Error> {
    let d = x.len() / labels.len();
    let places = Stream::new(1, "ridge rows", 0).spread(labels.len(), CHOSEN_ON);
    let n = places.len();
    let x: Vec<f32> = places.iter().flat_map(|place| &x[place * d..][..d]).copied().collect();
    let labels: Vec<usize> = places.iter().map(|&place| labels[place]).collect();
    let columns = Columns::of(&x, d);
    let (_, centered) = indicators(&labels, classes);
    let (system, values) = (System::of(&columns, &x, &centered, classes), columns.standardized(&x));
    let mut best = (f64::INFINITY, 1.0);
    for power in POWERS {
        let penalty = 10f64.powi(power);
        let error = system.left_out(&values, &centered, penalty * n as f64)?;
        if error <= best.0 {
            best = (error, penalty);
        }
    }
    Ok(best.1)
}

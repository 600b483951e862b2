//! Ridge regression of values or classes on features, its penalty chosen by leaving each row out, in closed form.
//!
//! Columns are brought to mean 0 and deviation 1 (X of n x d), y to mean 0, so that the intercept is not penalized:
//!
//! w = (X'X + lambda I)^-1 X'y = X'(XX' + lambda I)^-1 y,  lambda = p n,
//!
//! whichever system is the smaller. p is a penalty that does not depend on the number of rows: a column by itself is shrunk
//! by 1 / (1 + p). What a row's prediction misses when the row is left out follows from the fit with all rows (the
//! intercept is fitted anew as well; Allen 1974):
//!
//! e_i = (y_i - x_i w) / (1 - 1/n - h_i),  h_i = x_i (X'X + lambda I)^-1 x_i'
//!     = lambda a_i / (lambda G_ii - 1/n),  G = (XX' + lambda I)^-1,  a = G y.
//!
//! G is taken as N'N with N an inverse Cholesky factor, as everywhere here: h_i = |N x_i'|^2.

mod classes;
mod system;

use faer::MatRef;
use rayon::prelude::*;

use crate::error::{Error, check_finite, check_rows, check_shape};
use crate::random::Stream;
use system::{Columns, System};

pub use classes::ClassRidge;

/// Rows on which the penalty is chosen, at the most: of a longer table one from each of so many equal parts.
pub const CHOSEN_ON: usize = 2048;

/// Penalties that are tried first: 10 to these powers.
const DECADES: std::ops::RangeInclusive<i32> = -5..=5;

/// A fitted line.
#[derive(Clone, Debug, PartialEq)]
pub struct Ridge {
    /// Weight of each column as it came.
    pub weights: Vec<f64>,
    /// What is added.
    pub intercept: f64,
    /// The penalty p.
    pub penalty: f64,
    /// Mean squared error of rows that were left out, at that penalty.
    pub left_out: f64,
}

impl Ridge {
    /// Fits values (n) to features (n x d, row-major), with the penalty of the least error of rows that are left out: of
    /// 10^-5 to 10^5 by decades, then by half a decade around the best.
    ///
    /// # Errors
    /// `RowMismatch`, `TooFewRows` for n < 3, `NoColumns`, `NotFinite`.
    ///
    /// # Cost
    /// n s^2 operations for the Gram matrix of s = min(n, d), and for each of 13 penalties some s^3, of columns also n s^2, on
    /// at most 2,048 rows; penalties go over the threads of the current rayon pool, with the same bits for
    /// any number of them.
    pub fn fit(x: MatRef<'_, f32>, y: &[f64]) -> Result<Self, Error> {
        check_shape("features", x, 3)?;
        check_rows("features", x.nrows(), "values", y.len())?;
        check_finite("features", x)?;
        if let Some(row) = y.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite { argument: "values", row, col: 0 });
        }
        let (n, d) = (x.nrows(), x.ncols());
        let x: Vec<f32> = (0..n).flat_map(|i| (0..d).map(move |j| (i, j))).map(|(i, j)| x[(i, j)]).collect();
        let (penalty, left_out) = choose(&x, y, d)?;
        let columns = Columns::of(&x, d);
        let mean = y.iter().sum::<f64>() / n as f64;
        let centered: Vec<f64> = y.iter().map(|value| value - mean).collect();
        let system = System::of(&columns, &x, &centered, 1);
        let weights = system.weights(&columns, &x, penalty * n as f64)?;
        let weights: Vec<f64> = weights.iter().zip(&columns.scales).map(|(weight, scale)| weight * scale).collect();
        let intercept = mean - weights.iter().zip(&columns.means).map(|(weight, mean)| weight * mean).sum::<f64>();
        Ok(Self { weights, intercept, penalty, left_out })
    }
}

/// The penalty of the least error of rows that are left out, and that error.
fn choose(x: &[f32], y: &[f64], d: usize) -> Result<(f64, f64), Error> {
    let places = Stream::new(1, "ridge rows", 0).spread(y.len(), CHOSEN_ON);
    let n = places.len();
    let x: Vec<f32> = places.iter().flat_map(|place| &x[place * d..][..d]).copied().collect();
    let y: Vec<f64> = places.iter().map(|&place| y[place]).collect();
    let columns = Columns::of(&x, d);
    let mean = y.iter().sum::<f64>() / n as f64;
    let y: Vec<f64> = y.iter().map(|value| value - mean).collect();
    let (system, values) = (System::of(&columns, &x, &y, 1), columns.standardized(&x));
    let tried = |powers: Vec<f64>| -> Result<Vec<(f64, f64)>, Error> {
        let of = |power: f64| {
            let penalty = 10f64.powf(power);
            Ok((power, system.left_out(&values, &y, penalty * n as f64)?))
        };
        powers.into_par_iter().map(of).collect()
    };
    // Of equal errors the larger penalty: the simpler line.
    let best = |tried: &[(f64, f64)]| {
        tried.iter().copied().reduce(|best, next| if next.1 <= best.1 { next } else { best }).unwrap_or((0.0, 0.0))
    };
    let mut all = tried(DECADES.map(f64::from).collect())?;
    let (power, _) = best(&all);
    all.extend(tried(vec![power - 0.5, power + 0.5])?);
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (power, left_out) = best(&all);
    Ok((10f64.powf(power), left_out))
}

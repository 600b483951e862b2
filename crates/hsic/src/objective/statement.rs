//! What the objective is stated in: its numbers and its two terms.

use crate::error::{Error, check_positive};

/// The numbers of the objective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bottleneck {
    /// Bandwidth of the activations' and the input's kernel exp(-D / (2 sigma^2 d)), > 0.
    pub sigma: f64,
    /// Bandwidth of the labels' kernel exp(-D / (2 sigma^2 C)), or of the values' of q columns, exp(-D / (2 sigma^2 q)), > 0.
    pub sigma_labels: f64,
    /// Ridge as a fraction of the rows, > 0.
    pub epsilon: f64,
    /// Weight of nHSIC(Z, Y), >= 0.
    pub beta: f64,
    /// Weight of nHSIC(Z, X), >= 0; 0 leaves the term out, and its cost.
    pub x_weight: f64,
}

impl Default for Bottleneck {
    /// sigma 5, beta 500, epsilon 1e-5: the values that the paper's text names.
    fn default() -> Self {
        Self { sigma: 5.0, sigma_labels: 5.0, epsilon: 1e-5, beta: 500.0, x_weight: 1.0 }
    }
}

impl Bottleneck {
    /// Checks every number.
    ///
    /// # Errors
    /// `Parameter` with the first one out of its range.
    pub fn check(&self) -> Result<(), Error> {
        check_positive("sigma", self.sigma)?;
        check_positive("sigma_labels", self.sigma_labels)?;
        check_positive("epsilon", self.epsilon)?;
        for (name, value) in [("beta", self.beta), ("x_weight", self.x_weight)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::Parameter { name, value, expected: "a finite number >= 0" });
            }
        }
        Ok(())
    }
}

/// The two terms of the objective at one Z.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Terms {
    /// nHSIC(Z, X), in [0, m); 0 if its weight is 0.
    pub x: f64,
    /// nHSIC(Z, Y), in [0, tr R_Y].
    pub y: f64,
    /// w nHSIC(Z, X) - beta nHSIC(Z, Y).
    pub loss: f64,
    /// All rows of Z are equal: every term is 0 and so is the gradient, a point the method cannot leave.
    pub dead: bool,
}

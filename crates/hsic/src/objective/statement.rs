//! What the objective is stated in: its numbers and its two terms.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, check_positive};

/// How the dependence on the labels is measured. As text: `in-sample`, `leave-one-out`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelFit {
    /// nHSIC(Z, Y): what the batch's rows tell of their own labels. Near its bound as soon as Z has as many columns as the
    /// batch has rows, whatever was learned.
    #[default]
    InSample,
    /// What the other rows tell of each row's label: one minus the error of leaving one out, at most 1; 0 or less where
    /// nothing was learned. Formula: `objective/left_out.rs`.
    LeaveOneOut,
}

impl fmt::Display for LabelFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InSample => "in-sample",
            Self::LeaveOneOut => "leave-one-out",
        })
    }
}

impl FromStr for LabelFit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = [Self::InSample, Self::LeaveOneOut].into_iter().find(|fit| fit.to_string() == text);
        named.ok_or_else(|| "expected in-sample or leave-one-out".to_owned())
    }
}

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
    /// How the dependence on the labels is measured.
    pub label_fit: LabelFit,
}

impl Default for Bottleneck {
    /// sigma 5, beta 500, epsilon 1e-5: the values that the paper's text names.
    fn default() -> Self {
        Self { sigma: 5.0, sigma_labels: 5.0, epsilon: 1e-5, beta: 500.0, x_weight: 1.0, label_fit: LabelFit::InSample }
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
    /// nHSIC(Z, Y), in [0, tr R_Y]; where one row is left out at a time ([`LabelFit::LeaveOneOut`]) that fit, at most 1.
    pub y: f64,
    /// w nHSIC(Z, X) - beta y.
    pub loss: f64,
    /// All rows of Z are equal: every term is 0 and so is the gradient, a point the method cannot leave.
    pub dead: bool,
}

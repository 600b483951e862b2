//! Kernels, the exact formula of each, and their bandwidths.

use crate::error::{Error, check_positive};

/// A similarity of two rows x and y of one table with d columns.
///
/// All are symmetric and positive semi-definite.
///
/// # Examples
/// ```
/// use hsic::kernel::Kernel;
/// assert_eq!(Kernel::gaussian(5.0)?.name(), "gaussian");
/// assert!(Kernel::gaussian(0.0).is_err());
/// # Ok::<(), hsic::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kernel {
    /// exp(-|x - y|^2 / (2 w^2)), where w is the width that the bandwidth gives.
    Gaussian {
        /// How wide; the width w has the unit of the rows' Euclidean distance.
        bandwidth: Bandwidth,
    },
    /// exp(-|x - y|_1 / w), on the sum of absolute differences.
    Laplacian {
        /// How wide; the width w has the unit of the rows' L1 distance.
        bandwidth: Bandwidth,
    },
    /// x . y. Computed from columns less their means: the figures of this crate centre K in any case, so the result is
    /// the same and a large common offset costs no digits.
    Linear,
    /// x . y / (|x| |y|) of the rows as they are; 0 if either is a row of zeros, with itself too.
    Cosine,
    /// 1 where the rows are equal in every column, else 0.
    Delta,
}

impl Kernel {
    /// The Gaussian exp(-|x - y|^2 / (2 sigma^2 d)), whose width grows with the number of columns d.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `sigma` is finite and above 0.
    pub fn gaussian(sigma: f64) -> Result<Self, Error> {
        Ok(Self::Gaussian { bandwidth: Bandwidth::scaled(sigma)? })
    }

    /// The Gaussian whose width is the median distance of the rows it is applied to.
    #[must_use]
    pub const fn gaussian_median() -> Self {
        Self::Gaussian { bandwidth: Bandwidth::Median }
    }

    /// Name in lower case, as on the command line.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Gaussian { .. } => "gaussian",
            Self::Laplacian { .. } => "laplacian",
            Self::Linear => "linear",
            Self::Cosine => "cosine",
            Self::Delta => "delta",
        }
    }

    /// Whether 0 <= k(x, y) <= k(x, x) = 1 for all rows: what the gamma approximation needs.
    #[must_use]
    pub const fn is_unit(&self) -> bool {
        matches!(self, Self::Gaussian { .. } | Self::Laplacian { .. } | Self::Delta)
    }
}

/// How the width w of a [`Kernel`] is chosen, for a table with d columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bandwidth {
    /// w = sigma sqrt(d) for the Gaussian, sigma d for the Laplacian: exp(-D / (2 sigma^2 d)) and exp(-D / (sigma d)).
    /// Rows of independent standardised columns then give similar values whatever d (Ma, Lewis and Kleijn 2020).
    Scaled(Sigma),
    /// w = sigma: exp(-D / (2 sigma^2)) and exp(-D / sigma).
    Unscaled(Sigma),
    /// w = the median of the positive distances (not squared) between two different rows of the same table; the mean
    /// of the middle two if their number is even. If all rows are equal every width gives the same kernel, and w = 1.
    Median,
}

impl Bandwidth {
    /// `sigma` times a power of the number of columns.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `sigma` is finite and above 0.
    pub fn scaled(sigma: f64) -> Result<Self, Error> {
        Sigma::new(sigma).map(Self::Scaled)
    }

    /// `sigma` as it is.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `sigma` is finite and above 0.
    pub fn unscaled(sigma: f64) -> Result<Self, Error> {
        Sigma::new(sigma).map(Self::Unscaled)
    }
}

/// A bandwidth parameter: a finite number above 0.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Sigma(f64);

impl Sigma {
    /// Checks the range.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `sigma` is finite and above 0.
    pub fn new(sigma: f64) -> Result<Self, Error> {
        check_positive("sigma", sigma).map(|()| Self(sigma))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

//! Kernel dependence on faer matrices: HSIC, nHSIC, CKA, independence tests, and the HSIC-bottleneck objective with
//! its gradient in closed form.

pub mod error;
pub mod random;
pub mod scalar;

pub use error::Error;
pub use scalar::Scalar;

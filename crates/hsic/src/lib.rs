//! Kernel dependence on faer matrices: HSIC, nHSIC, CKA, independence tests, and the HSIC-bottleneck objective with
//! its gradient in closed form.

pub mod error;
mod factor;
pub mod labels;
pub mod objective;
pub mod random;
pub mod scalar;
mod view;

pub use error::Error;
pub use labels::LabelFactor;
pub use objective::{BatchOperator, Bottleneck, Evaluation, Terms, Workspace};
pub use scalar::Scalar;

//! Kernel dependence on faer matrices: HSIC, nHSIC, CKA, independence tests, and the HSIC-bottleneck objective with
//! its gradient in closed form.

pub mod approximation;
pub mod components;
mod distance;
pub mod double;
pub mod error;
pub mod estimator;
mod factor;
pub mod gram;
pub mod independence;
pub mod kernel;
pub mod labels;
pub mod memory;
pub mod objective;
pub mod parts;
pub mod product;
pub mod random;
pub mod ridge;
pub mod scalar;
pub mod sums;
pub mod targets;
mod view;

pub use approximation::{ApproximateOperator, ApproximateWorkspace, Approximation};
pub use error::Error;
pub use estimator::{Estimator, Measurement};
pub use faer;
pub use gram::Gram;
pub use independence::{
    PermutationPart, TestResult, gamma_test, permutation_part, permutation_part_until, permutation_test,
    permutation_test_until,
};
pub use kernel::{Bandwidth, Kernel, Sigma};
pub use labels::LabelFactor;
pub use objective::{BatchOperator, Bottleneck, Evaluation, LabelFit, Terms, Workspace};
pub use ridge::{ClassRidge, Ridge};
pub use scalar::Scalar;
pub use targets::Targets;

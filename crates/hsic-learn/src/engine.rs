//! How signals, gradients and targets travel through a network in a step.

pub(crate) mod angle;
pub(crate) mod chain;
pub(crate) mod clock;
pub(crate) mod in_parts;
pub(crate) mod local;
pub(crate) mod lookahead;
pub(crate) mod pass;
pub(crate) mod pool;
pub(crate) mod top;
pub(crate) mod transport;

pub use chain::Backprop;
pub use in_parts::InParts;
pub use local::Local;
pub use lookahead::Lookahead;
pub use transport::Feedback;

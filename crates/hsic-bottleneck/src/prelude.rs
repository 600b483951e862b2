//! What most programs need, by one line: `use hsic_bottleneck::prelude::*;`.

pub use hsic::faer::{MatMut, MatRef};
pub use hsic_data::dataset::{self, Dataset, LoadOptions, Samples, Shape, Split};
pub use hsic_learn::engine::{Backprop, Local};
pub use hsic_learn::error::BoxError;
pub use hsic_learn::judge::at_rest::AtRest;
pub use hsic_learn::method::bottleneck::Hsic;
pub use hsic_learn::method::{Method, Outputs, Recipe};
pub use hsic_learn::methods::Methods;
pub use hsic_learn::objective::{ByRule, Labels, Objective, Rule};
pub use hsic_learn::update::Update;
pub use hsic_nn::network::{Activation, Block, BlockSpec, Cache, Network, Norm};
pub use hsic_nn::optimizer::{Decay, LearningRate, Optimizer};

pub use crate::config::{TrainConfig, TrainOptions};
pub use crate::log::{EpochReport, Observer};
pub use crate::predict::Predictor;
pub use crate::run::Run;
pub use crate::trainer::{Outcome, train};
pub use crate::training::{History, Training};

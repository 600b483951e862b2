//! What a user can say of the optimizer.

use hsic_data::fault::Faults;
use hsic_data::options::options;
use serde::{Deserialize, Serialize};

use super::{Algorithm, Decay, Entrywise, GroupRates, LearningRate, Optimizer};

/// Which optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerName {
    /// Gradient descent with momentum.
    Sgd,
    /// Adam with decoupled weight decay.
    #[cfg_attr(feature = "clap", value(name = "adamw"))]
    #[serde(rename = "adamw")]
    AdamW,
    /// Matrices along their momentum with singular values near 1, all else by sgd or adamw.
    Muon,
}

impl OptimizerName {
    /// As it is given.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::AdamW => "adamw",
            Self::Muon => "muon",
        }
    }
}

/// What Muon does with what is no matrix before the output layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum MuonRest {
    /// Gradient descent with a momentum that looks ahead.
    #[default]
    Sgd,
    /// Adam with decoupled weight decay.
    #[cfg_attr(feature = "clap", value(name = "adamw"))]
    #[serde(rename = "adamw")]
    AdamW,
}

/// What weights are taken of those that a training passes through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Average {
    /// The last.
    #[default]
    None,
    /// Weights and an average of them exchange values every five steps.
    Lookahead,
}

/// The rate of Muon where none is named: it is a relative one.
const MUON_RATE: f64 = 0.1;

options! {
    /// How a gradient changes the weights.
    OptimizerOptions, "Optimizer" {
        /// Optimizer [default: the method's; hsic: sgd]
        optimizer: OptimizerName,
        /// Learning rate, > 0 [default: the method's; hsic: 2e-3; muon: 0.1]
        learning_rate: f64,
        /// Course of the learning rate [default: cosine]
        decay: Decay,
        /// Steps over which the rate rises from 0 [default: 0]
        warmup_steps: u64,
        /// Momentum of sgd and of muon's matrices, in [0, 1) [default: 0; muon: 0.6]
        momentum: f64,
        /// Let sgd's momentum look ahead, by Nesterov [default: false]
        nesterov: bool,
        /// What muon does with biases, norms and the output layer: sgd (with Nesterov's momentum) or adamw [default: sgd]
        muon_rest: MuonRest,
        /// Momentum of that sgd, in [0, 1) [default: 0.85]
        rest_momentum: f64,
        /// Factor of the learning rate for the shifts after norms, >= 0 [default: 1]
        norm_bias_rate: f64,
        /// Factor of the learning rate for a linear output layer, >= 0 [default: 1]
        head_rate: f64,
        /// Factor of the learning rate for the linear classifiers beside blocks, >= 0 [default: head-rate]
        classifier_rate: f64,
        /// Weight decay, of muon that of what is no matrix, >= 0 [default: 0]
        weight_decay: f64,
        /// Weights that a training goes on from: none (the last) or lookahead (an average of them, every five steps)
        /// [default: none]
        average: Average,
        /// Decay of adamw's mean gradient, in [0, 1) [default: 0.9]
        beta1: f64,
        /// Decay of adamw's mean squared gradient, in [0, 1) [default: 0.999]
        beta2: f64,
        /// Added to adamw's root, > 0 [default: 1e-8]
        adam_epsilon: f64,
        /// Shorten gradients whose norm is above this, > 0: that of all blocks together by backprop and what else trains the
        /// network by one loss, by any other method that of each block, and of each layer beside it [default: none]
        clip_norm: f64,
    }
}

impl OptimizerOptions {
    /// Fills in the rate of an optimizer for which a method's own default means nothing.
    pub fn settle_rate(&mut self) {
        if self.optimizer == Some(OptimizerName::Muon) {
            self.learning_rate.get_or_insert(MUON_RATE);
        }
    }

    /// Fills in the defaults and notes what is out of range.
    pub fn resolve(&mut self, faults: &mut Faults) -> (Optimizer, LearningRate) {
        let name = *self.optimizer.get_or_insert(OptimizerName::Sgd);
        let learning_rate = LearningRate {
            peak: *self.learning_rate.get_or_insert(2e-3),
            decay: *self.decay.get_or_insert(Decay::Cosine),
            warmup_steps: *self.warmup_steps.get_or_insert(0),
        };
        let momentum = *self.momentum.get_or_insert(if name == OptimizerName::Muon { 0.6 } else { 0.0 });
        let nesterov = *self.nesterov.get_or_insert(false);
        let weight_decay = *self.weight_decay.get_or_insert(0.0);
        let (beta1, beta2) = (*self.beta1.get_or_insert(0.9), *self.beta2.get_or_insert(0.999));
        let epsilon = *self.adam_epsilon.get_or_insert(1e-8);
        faults.positive("learning-rate", learning_rate.peak);
        faults.share("momentum", momentum);
        faults.not_negative("weight-decay", weight_decay);
        faults.share("beta1", beta1);
        faults.share("beta2", beta2);
        faults.positive("adam-epsilon", epsilon);
        if let Some(bound) = self.clip_norm {
            faults.positive("clip-norm", bound);
        }
        faults.check("nesterov", nesterov, !nesterov || momentum > 0.0, "false where momentum = 0");
        let muon_rest = *self.muon_rest.get_or_insert_default();
        let rest_momentum = *self.rest_momentum.get_or_insert(0.85);
        faults.share("rest-momentum", rest_momentum);
        let head = *self.head_rate.get_or_insert(1.0);
        let rates = GroupRates {
            norm_bias: *self.norm_bias_rate.get_or_insert(1.0),
            head,
            classifier: *self.classifier_rate.get_or_insert(head),
        };
        faults.not_negative("norm-bias-rate", rates.norm_bias);
        faults.not_negative("head-rate", rates.head);
        faults.not_negative("classifier-rate", rates.classifier);
        let adamw = Entrywise::AdamW { beta1, beta2, epsilon, weight_decay };
        let algorithm = match (name, muon_rest) {
            (OptimizerName::Sgd, _) => Algorithm::Entrywise(Entrywise::Sgd { momentum, nesterov, weight_decay }),
            (OptimizerName::AdamW, _) => Algorithm::Entrywise(adamw),
            (OptimizerName::Muon, MuonRest::AdamW) => Algorithm::Muon { momentum, rest: adamw },
            (OptimizerName::Muon, MuonRest::Sgd) => {
                let rest = Entrywise::Sgd { momentum: rest_momentum, nesterov: true, weight_decay };
                Algorithm::Muon { momentum, rest }
            }
        };
        (Optimizer { algorithm, bound: self.clip_norm, rates }, learning_rate)
    }
}

//! What a user can say of how a trained network is judged.

use hsic_data::fault::Faults;
use hsic_data::options::options;
use hsic_nn::optimizer::{Decay, Optimizer, OptimizerName};
use serde::{Deserialize, Serialize};

use crate::judge::at_rest::{FormatInput, NormProtocol, Protocol, ReadoutProtocol};
use crate::judge::softmax::{FormatSettings, FormatStart};
use crate::judge::test_time::TestTime;

options! {
    /// How unformatted outputs are judged.
    EvaluationOptions, "Evaluation" {
        /// From outputs to classes: fair, or authors (fitted on the evaluated data, for like-for-like comparison only)
        /// [default: fair]
        readout: ReadoutProtocol,
        /// Batch norm in evaluation: fair (running statistics), or authors (those of the evaluated batch, for
        /// like-for-like comparison only) [default: fair]
        bn: NormProtocol,
        /// Record the test accuracy by the authors' protocol beside the one above [default: false]
        authors_beside: bool,
        /// Judge images by several looks too, whose scores are averaged, and tell that accuracy beside the plain one: flip
        /// (mirrored), flip-shift (both, and moved by a pixel) [default: none]
        test_time: TestTime,
    }
}

options! {
    /// How a softmax layer learns on the frozen network, after it.
    FormatOptions, "Format training" {
        /// Passes of format training over the training data; 0 for none [default: 10 where outputs are not trained to name
        /// classes, as by hsic, and more of data of one's own with under 7,680 rows; else 0]
        format_epochs: u64,
        /// What the softmax layer sees: the last block's outputs or the features of all blocks [default: all where outputs
        /// are not trained to name classes, else last]
        format_input: FormatInput,
        /// Weights that the layer starts from: zero, or uniform (the authors') [default: zero]
        format_start: FormatStart,
        /// Optimizer of the layer [default: sgd]
        format_optimizer: OptimizerName,
        /// Its learning rate, > 0 [default: from the features' curvature; adamw: 1e-3]
        format_learning_rate: f64,
        /// Course of that rate [default: cosine]
        format_decay: Decay,
        /// Momentum of sgd, in [0, 1) [default: 0.9]
        format_momentum: f64,
        /// Weight decay, >= 0 [default: 0]
        format_weight_decay: f64,
        /// Rows of its batches, >= 1 [default: 256; of data of one's own with under 2,048 rows an eighth of them]
        format_batch_size: usize,
        /// Bring features to mean 0 and deviation 1 first [default: true]
        format_standardize: bool,
    }
}

impl FormatOptions {
    /// Fills in the defaults, notes what is out of range, and gives what format training goes by.
    pub fn resolve(&mut self, seed: u64, faults: &mut Faults) -> FormatSettings {
        let name = *self.format_optimizer.get_or_insert(OptimizerName::Sgd);
        let momentum = *self.format_momentum.get_or_insert(0.9);
        let weight_decay = *self.format_weight_decay.get_or_insert(0.0);
        let batch_size = *self.format_batch_size.get_or_insert(256);
        faults.check("format-optimizer", "muon", name != OptimizerName::Muon, "sgd or adamw for a softmax layer");
        faults.positive("format-learning-rate", self.format_learning_rate.unwrap_or(1.0));
        faults.share("format-momentum", momentum);
        faults.not_negative("format-weight-decay", weight_decay);
        faults.check("format-batch-size", batch_size, batch_size >= 1, "a whole number >= 1");
        FormatSettings {
            input: *self.format_input.get_or_insert(FormatInput::Last),
            start: *self.format_start.get_or_insert(FormatStart::Zero),
            epochs: *self.format_epochs.get_or_insert(0),
            batch_size,
            optimizer: match name {
                OptimizerName::Sgd => Optimizer::momentum(momentum),
                OptimizerName::AdamW | OptimizerName::Muon => Optimizer::adamw(),
            }
            .decayed(weight_decay),
            learning_rate: self.format_learning_rate,
            decay: *self.format_decay.get_or_insert(Decay::Cosine),
            standardize: *self.format_standardize.get_or_insert(true),
            seed,
        }
    }
}

impl EvaluationOptions {
    /// Fills in the defaults: the protocol for batches of so many rows, whether that of the authors is recorded too, and the
    /// looks at an image.
    pub fn resolve(&mut self, batch_size: usize) -> (Protocol, bool, TestTime) {
        let protocol = Protocol {
            readout: *self.readout.get_or_insert(ReadoutProtocol::Fair),
            norm: *self.bn.get_or_insert(NormProtocol::Fair),
            batch_size,
        };
        (protocol, *self.authors_beside.get_or_insert(false), *self.test_time.get_or_insert_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_their_range_are_noted_and_those_at_its_edge_are_not() {
        let found = |options: FormatOptions| {
            let mut faults = Faults::default();
            let settings = { options }.resolve(1, &mut faults);
            (settings.batch_size, faults.0.into_iter().map(|fault| (fault.key, fault.value)).collect::<Vec<_>>())
        };
        let edge = FormatOptions {
            format_batch_size: Some(1),
            format_momentum: Some(0.0),
            format_weight_decay: Some(0.0),
            format_learning_rate: Some(f64::MIN_POSITIVE),
            ..FormatOptions::default()
        };
        assert_eq!(found(edge), (1, vec![]));
        assert_eq!(found(FormatOptions::default()), (256, vec![]));
        let beyond = FormatOptions {
            format_optimizer: Some(OptimizerName::Muon),
            format_batch_size: Some(0),
            format_momentum: Some(1.0),
            format_weight_decay: Some(-0.5),
            format_learning_rate: Some(0.0),
            ..FormatOptions::default()
        };
        let noted = [("optimizer", "muon"), ("learning-rate", "0"), ("momentum", "1"), ("weight-decay", "-0.5")];
        let noted = noted.into_iter().chain([("batch-size", "0")]);
        let noted: Vec<_> = noted.map(|(key, value)| (format!("format-{key}"), value.to_owned())).collect();
        assert_eq!(found(beyond), (0, noted));
    }
}

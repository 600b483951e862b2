//! Other weights in the place of a block's own, for gradients to go back through.

use std::ops::Range;

use hsic::Scalar;
use hsic::random::Stream;
use hsic::scalar::vectorize;
use hsic_nn::network::{Block, Network, class_names};

use crate::error::StepError;

/// What gradients go back through, in place of a block's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feedback {
    /// Fixed random weights.
    Random,
    /// The signs of the block's own, of one size.
    Sign,
}

/// The feedback of a whole network.
pub(crate) struct Transport<T> {
    /// Name of the method, for what it cannot train.
    method: &'static str,
    feedback: Feedback,
    seed: u64,
    carriers: Vec<Carrier<T>>,
}

/// The feedback through one block.
struct Carrier<T> {
    /// Where the weights are among the block's parameters.
    place: Range<usize>,
    /// Inputs of one unit.
    fan_in: usize,
    weights: Vec<T>,
}

impl<T: Scalar> Transport<T> {
    pub(crate) fn new(method: &'static str, feedback: Feedback, seed: u64) -> Self {
        Self { method, feedback, seed, carriers: Vec::new() }
    }

    /// Draws the feedback of a network that was not seen before.
    ///
    /// # Errors
    /// `Method` with the first block that has not exactly one tensor of weights, or whose own gradient reads it, as that of
    /// routed capsules does.
    pub(crate) fn meet(&mut self, network: &Network<T>) -> Result<(), StepError> {
        if self.carriers.len() == network.blocks().len() {
            return Ok(());
        }
        let carrier = |(index, block): (usize, &dyn Block<T>)| {
            let mut carrier = carrier(self.method, index, block)?;
            // Nothing goes back beyond the first block.
            if index > 0 {
                let (mut stream, bound) = (Stream::new(self.seed, "feedback", index as u64), carrier.bound());
                carrier.weights.extend((0..carrier.place.len()).map(|_| T::of(stream.between(-bound, bound))));
            }
            Ok(carrier)
        };
        let blocks = network.blocks().iter().map(|block| &**block);
        self.carriers = blocks.enumerate().map(carrier).collect::<Result<_, StepError>>()?;
        Ok(())
    }

    /// Runs `gradient` on block `index` while its weights are the feedback's. Gradients of its parameters are its own, since
    /// its weights may be exchanged; what goes back is the feedback's.
    pub(crate) fn through(&mut self, index: usize, block: &mut dyn Block<T>, gradient: impl FnOnce(&dyn Block<T>)) {
        // The root mean square of fresh weights, which are uniform in +-bound.
        let size = T::of(self.carriers[index].bound() / 3.0f64.sqrt());
        let Carrier { place, weights, .. } = &mut self.carriers[index];
        let own = &mut block.parameters_mut()[place.clone()];
        if self.feedback == Feedback::Sign {
            vectorize(
                #[inline(always)]
                || weights.iter_mut().zip(&*own).for_each(|(sign, &own)| *sign = signed(size, own)),
            );
        }
        own.swap_with_slice(weights);
        gradient(block);
        block.parameters_mut()[place.clone()].swap_with_slice(weights);
    }
}

/// `size` with the sign of `of`; 0 of 0.
fn signed<T: Scalar>(size: T, of: T) -> T {
    if of > T::ZERO {
        size
    } else if of < T::ZERO {
        -size
    } else {
        T::ZERO
    }
}

impl<T> Carrier<T> {
    fn bound(&self) -> f64 {
        1.0 / (self.fan_in as f64).sqrt()
    }
}

/// The weights of a block that gradients go back through.
fn carrier<T: Scalar>(method: &'static str, index: usize, block: &dyn Block<T>) -> Result<Carrier<T>, StepError> {
    let weights = block.weights().ok_or_else(|| {
        let found = format!("block {index}, which has not exactly one");
        StepError::Method { method, found, expected: "one tensor of weights in each block" }
    })?;
    // Nothing goes back through the first block, whose weights stay where they are.
    if index > 0 && !weights.exchangeable {
        let found = format!("block {index} ({}), whose gradient reads its weights", class_names(block));
        let expected = "blocks whose own gradient does not read the weights that gradients go back through";
        return Err(StepError::Method { method, found, expected });
    }
    Ok(Carrier { place: weights.place, fan_in: weights.fan_in, weights: Vec::new() })
}

#[cfg(test)]
mod tests {
    use hsic_data::batch::Batch;
    use hsic_data::dataset::Shape;
    use hsic_nn::network::models::with_classifier;
    use hsic_nn::network::parse_widths;
    use hsic_nn::network::{Activation, BlockSpec, Entrance, NETWORKS, NetworkSettings, Norm};
    use hsic_nn::optimizer::Optimizer;

    use super::*;
    use crate::engine::Backprop;
    use crate::method::direct_feedback::DirectFeedback;
    use crate::options::Recompute;
    use crate::update::Update;

    const SHAPE: Shape = Shape { channels: 1, height: 6, width: 6 };
    const SGD: Optimizer = Optimizer::momentum(0.9).decayed(1e-4);

    fn network(name: &str, widths: &str, norm: Norm) -> Network {
        let kind = NETWORKS.iter().find(|kind| kind.name == name).unwrap();
        let settings = NetworkSettings { widths: parse_widths(widths), outputs: None, classes: 4, side: 8 };
        let blocks = with_classifier((kind.blocks)(&settings), 4);
        let network = Network::build(SHAPE, &blocks, kind.activation, norm, 1).unwrap();
        network.with_entrances(Entrance { dropout: 0.2, ..Entrance::default() }, 1)
    }

    fn batch(step: u64) -> Batch {
        let mut stream = Stream::new(5, "batch", step);
        let labels: Vec<usize> = (0..20).map(|_| stream.below(4) as usize).collect();
        let x = (0..20 * SHAPE.columns()).map(|_| stream.normal() as f32).collect();
        Batch { x, columns: SHAPE.columns(), labels, classes: 4, values: Vec::new(), smoothing: 0.0, step }
    }

    fn stepped(mut update: Backprop, mut network: Network) -> Vec<Vec<f32>> {
        update.step(&mut network, &batch(0), 0.1).unwrap();
        network.blocks().iter().map(|block| block.parameters().to_vec()).collect()
    }

    #[test]
    fn feedback_through_the_blocks_own_weights_is_back_propagation() {
        for (name, widths) in [("mlp", "16x3"), ("residual-mlp", "12x3"), ("vgg", "4p,6,8")] {
            for norm in [Norm::Batch, Norm::BatchAffine, Norm::None] {
                let start = network(name, widths, norm);
                let mut transport = Transport::new("test", Feedback::Random, 1);
                transport.meet(&start).unwrap();
                for (carrier, block) in transport.carriers.iter_mut().zip(start.blocks()).skip(1) {
                    carrier.weights.copy_from_slice(&block.parameters()[carrier.place.clone()]);
                }
                let plain = stepped(Backprop::new(SGD), network(name, widths, norm));
                let own = Backprop::new(SGD).through_transport(transport);
                assert!(stepped(own, start) == plain, "{name} {norm:?}");
                let other =
                    stepped(Backprop::new(SGD).with_feedback("test", Feedback::Random, 1), network(name, widths, norm));
                // The last block learns from the error itself, those before it from what came through the feedback.
                assert!(other.last() == plain.last() && other[..other.len() - 1] != plain[..plain.len() - 1]);
            }
        }
    }

    #[test]
    fn signs_of_weights_of_that_size_are_the_weights() {
        let even = || {
            let mut network = network("mlp", "16x3", Norm::BatchAffine);
            for (index, block) in network.blocks_mut().iter_mut().enumerate() {
                let Carrier { place, fan_in, .. } = carrier("test", index, &**block).unwrap();
                let size = (1.0 / (fan_in as f64).sqrt() / 3.0f64.sqrt()) as f32;
                block.parameters_mut()[place].iter_mut().for_each(|weight| *weight = size.copysign(*weight));
            }
            network
        };
        let plain = stepped(Backprop::new(SGD), even());
        assert!(stepped(Backprop::new(SGD).with_feedback("test", Feedback::Sign, 1), even()) == plain);
        let uneven = || network("mlp", "16x3", Norm::BatchAffine);
        let found = stepped(Backprop::new(SGD).with_feedback("test", Feedback::Sign, 1), uneven());
        assert!(found != stepped(Backprop::new(SGD), uneven()));
    }

    #[test]
    fn what_comes_through_one_hidden_block_is_direct_feedback() {
        let shallow = || {
            let blocks = with_classifier(vec![BlockSpec::dense(16)], 4);
            Network::build(SHAPE, &blocks, Activation::Relu, Norm::Batch, 1).unwrap()
        };
        let mut transport = Transport::new("test", Feedback::Random, 1);
        transport.meet(&shallow()).unwrap();
        let feedback = transport.carriers[1].weights.clone();
        let found = stepped(Backprop::new(SGD).through_transport(transport), shallow());
        let mut direct = shallow();
        let mut update = DirectFeedback::new(SGD, 1);
        update.set_feedback(&direct, vec![feedback, Vec::new()]);
        update.step(&mut direct, &batch(0), 0.1).unwrap();
        let direct: Vec<Vec<f32>> = direct.blocks().iter().map(|block| block.parameters().to_vec()).collect();
        assert!(found == direct);
    }

    #[test]
    fn capsules_are_refused_since_routing_reads_its_weights() {
        let shape = Shape { channels: 1, height: 6, width: 6 };
        let capsules = || {
            let blocks = vec![
                BlockSpec::PrimaryCapsules { outputs: 2, dimensions: 4, kernel: 3, stride: 2, padding: 0 },
                BlockSpec::Capsules { outputs: 4, dimensions: 3, rounds: 3, bias: false },
            ];
            Network::build(shape, &with_classifier(blocks, 4), Activation::Relu, Norm::None, 1).unwrap()
        };
        for feedback in [Feedback::Random, Feedback::Sign] {
            let mut update = Backprop::<f32>::new(SGD).with_feedback("test", feedback, 1);
            let error = update.step(&mut capsules(), &batch(0), 0.1).unwrap_err().to_string();
            let expected = "test cannot train block 1 (RoutedCapsules), whose gradient reads its weights: expected blocks \
                            whose own gradient does not read the weights that gradients go back through";
            assert_eq!(error, expected);
        }
        // A vote is a sum of the values of one input capsule.
        assert_eq!(capsules().blocks()[1].weights().map(|weights| weights.fan_in), Some(4));
    }

    #[test]
    fn what_goes_back_is_recomputed_as_it_is_kept() {
        for feedback in [Feedback::Random, Feedback::Sign] {
            let chain = || Backprop::new(SGD).with_feedback("test", feedback, 1);
            let kept = stepped(chain(), network("mlp", "16x4", Norm::Batch));
            let again = chain().recomputing(Recompute::Auto);
            assert!(stepped(again, network("mlp", "16x4", Norm::Batch)) == kept);
        }
    }
}

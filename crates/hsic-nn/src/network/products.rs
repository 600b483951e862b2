//! How much a block computes: multiply-adds of weights with the values of one sample.

/// Multiply-adds of a block's weights with one sample. One of them is two floating-point operations.
///
/// Windows of a convolution that reach over the border count in full. Norms, nonlinearities, pooling and biases do not count:
/// they grow with the values of a map, and products with those times the size of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Products {
    /// Those of the forward pass.
    pub forward: u64,
    /// Those of the gradient of what the block learns. The gradient of its input takes as many.
    pub learned: u64,
}

impl Products {
    /// Of a block all of whose weights learn.
    #[must_use]
    pub fn all(count: usize) -> Self {
        Self { forward: count as u64, learned: count as u64 }
    }
}

#[cfg(test)]
mod tests {
    use hsic_data::dataset::Shape;

    use super::*;
    use crate::network::models::{AIRBENCH, with_classifier};
    use crate::network::{Activation, Design, NETWORKS, Network, NetworkSettings, Norm, build::build};

    fn forward(network: &Network) -> Option<u64> {
        network.blocks().iter().map(|block| Some(block.products()?.forward)).sum()
    }

    fn named(name: &str, side: usize, design: Design) -> Network {
        let kind = NETWORKS.iter().find(|kind| kind.name == name).unwrap();
        let settings =
            NetworkSettings { widths: None, outputs: None, classes: 10, side: side - usize::from(design.whiten) };
        let shape = Shape { channels: 3, height: side, width: side };
        let blocks = (kind.blocks)(&settings);
        let blocks = if name == "capsnet" { blocks } else { with_classifier(blocks, 10) };
        build(design, shape, &blocks, 1).unwrap()
    }

    #[test]
    fn a_perceptron_multiplies_each_weight_once() {
        let network = Network::<f32>::mlp(784, &[256, 128], 10, Activation::Relu, Norm::Batch, 1);
        assert_eq!(forward(&network), Some(784 * 256 + 256 * 128 + 128 * 10));
    }

    #[test]
    fn the_speed_runs_network_takes_118_million_a_sample() {
        let design = Design { whiten: true, ..Design::new(Activation::Gelu, Norm::BatchBias) };
        let network = named(AIRBENCH, 32, design);
        // Maps of 31, 15, 7 and 3 pixels a side; windows of 2 x 2 of 3 channels, then of 3 x 3.
        let layers = [
            31 * 31 * 24 * 12,
            31 * 31 * 64 * 9 * 24,
            15 * 15 * 64 * 9 * 64,
            15 * 15 * 256 * 9 * 64,
            7 * 7 * 256 * 9 * 256,
            7 * 7 * 256 * 9 * 256,
            3 * 3 * 256 * 9 * 256,
            256 * 10,
        ];
        let all: u64 = layers.iter().sum();
        assert_eq!(forward(&network), Some(all));
        // The published program's own count is 118.1 million.
        assert_eq!(all / 100_000, 1181);
        // The whitened layer does not learn.
        assert_eq!(
            network.blocks()[0].products(),
            Some(Products { forward: layers[0] + layers[1], learned: layers[1] })
        );
    }

    #[test]
    fn routing_is_not_counted_and_so_nothing_is_told() {
        let design = Design::new(Activation::Relu, Norm::None);
        let network = named("capsnet", 32, design);
        assert!(network.blocks()[0].products().is_some());
        assert_eq!(forward(&network), None);
    }
}

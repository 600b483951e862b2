//! How weights start, where they are not drawn as PyTorch draws them.

use hsic::Scalar;
use hsic::random::Stream;
use serde::{Deserialize, Serialize};

/// How weights start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Uniform in +-1/sqrt(fan-in), PyTorch's default.
    #[default]
    Uniform,
    /// The same, but that the first channels of a convolution, as many as come in, pass one of these on as it is (Zagoruyko
    /// and Komodakis 2017).
    Dirac,
}

/// How the weights of a linear output layer start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum HeadStart {
    /// As the others do.
    #[default]
    Uniform,
    /// Normal, of deviation 1/n for n inputs, with biases of 0 (Jordan 2024): outputs are near 0, so that what they say at first
    /// has not to be unlearned, and yet each class has a direction of its own in which the block before can go at once.
    Small,
}

impl HeadStart {
    /// Draws the parameters of a layer of so many outputs and inputs anew: weights, output by output, then what else there is.
    pub fn draw<T: Scalar>(self, (outputs, inputs): (usize, usize), parameters: &mut [T], stream: &mut Stream) {
        if self == Self::Small {
            let (weights, others) = parameters.split_at_mut(outputs * inputs);
            weights.iter_mut().for_each(|weight| *weight = T::of(stream.normal() / inputs as f64));
            others.fill(T::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_weights_have_the_deviation_of_the_inputs_share() {
        let uniform: Vec<f64> = (0..10 * 401).map(f64::from).collect();
        let mut drawn = uniform.clone();
        HeadStart::Uniform.draw((10, 400), &mut drawn, &mut Stream::new(1, "test", 0));
        assert_eq!(drawn, uniform);
        HeadStart::Small.draw((10, 400), &mut drawn, &mut Stream::new(1, "test", 0));
        let (weights, biases) = drawn.split_at(4000);
        assert_eq!(biases, [0.0; 10]);
        // The deviation of 4,000 normal numbers is within 4 % of theirs: four of its standard errors, 1/sqrt(8000).
        let deviation = (weights.iter().map(|w| w * w).sum::<f64>() / 4000.0).sqrt();
        assert!((deviation * 400.0 - 1.0).abs() < 0.045, "{deviation}");
    }
}

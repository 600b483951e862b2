//! From a list of blocks to a network with fresh weights.

use hsic::Scalar;
use hsic::random::Stream;
use hsic_data::dataset::Shape;

use super::Network;
use super::activation::Activation;
use super::block::Block;
use super::capsule::{PrimaryCapsules, RoutedCapsules, RoutedSettings};
use super::conv::{Conv, ConvSettings};
use super::dense::Dense;
use super::design::Design;
use super::error::NetworkError;
use super::norm::Norm;
use super::pooled::{PoolAt, Pooled, pooled};
use super::residual::Residual;
use super::spec::BlockSpec;
use super::start::Start;
use super::whitened::{SIDE, Whitened, whitened};

/// Most numbers that one block may learn: 2^31, 8 GB.
const MOST_PARAMETERS: usize = 1 << 31;

/// Most rounds of routing: with more than a few it overfits, and each costs as much as the first.
const MOST_ROUNDS: usize = 100;

impl<T: Scalar> Network<T> {
    /// The network of a list of blocks on samples of sizes `input`. Weights come from the seed, each block's from a
    /// stream of its own.
    ///
    /// # Errors
    /// `Number` and `Residual` with the block that cannot be built.
    pub fn build(
        input: Shape,
        specs: &[BlockSpec],
        activation: Activation,
        norm: Norm,
        seed: u64,
    ) -> Result<Self, NetworkError> {
        Self::designed(Design::new(activation, norm), input, specs, seed)
    }

    /// [`build`](Self::build) by all that a design says.
    ///
    /// # Errors
    /// Those of [`build`](Self::build).
    pub fn designed(design: Design, input: Shape, specs: &[BlockSpec], seed: u64) -> Result<Self, NetworkError> {
        if specs.is_empty() {
            return Err(NetworkError::Empty);
        }
        let mut blocks: Vec<Box<dyn Block<T>>> = Vec::with_capacity(specs.len());
        // What comes in, and the window by which it is pooled before it does.
        let (mut from, mut capsule, mut window) = (input, None, 1);
        if design.whiten {
            let (value, expected) = (input.height.min(input.width), "at least 2, the side of the windows".to_owned());
            if value < SIDE {
                return Err(NetworkError::Number { block: 0, key: "whiten", value, expected });
            }
            from = whitened(input);
        }
        for (index, spec) in specs.iter().enumerate() {
            let taken = if window > 1 { pooled(from, window) } else { from };
            let mut spec = spec.clone();
            let later = match &mut spec {
                BlockSpec::Conv { pool, pool_at, .. }
                    if pool_at.unwrap_or(design.pool_at) == PoolAt::Entrance && index + 1 < specs.len() =>
                {
                    std::mem::replace(pool, 1)
                }
                _ => 1,
            };
            let mut block = build_block(index, (taken, capsule), &spec, design, seed)?;
            if index == 0 && design.whiten {
                block = Box::new(Whitened::new(block, input, design.activation));
            }
            if window > 1 {
                block = Box::new(Pooled::new(block, from, window));
            }
            (from, capsule, window) = (block.shape(), block.capsule(), later);
            let side = from.height.min(from.width);
            if !(1..=side).contains(&window) {
                let expected = format!("1 to {side}, the side of the map");
                return Err(NetworkError::Number { block: index, key: "pool", value: window, expected });
            }
            blocks.push(block);
        }
        Ok(Self::new(blocks))
    }
}

/// [`Network::designed`] in single precision, which is compiled here for all crates that call it.
///
/// # Errors
/// Those of [`Network::build`].
#[inline(never)]
pub fn build(design: Design, input: Shape, specs: &[BlockSpec], seed: u64) -> Result<Network, NetworkError> {
    Network::designed(design, input, specs, seed)
}

fn build_block<T: Scalar>(
    block: usize,
    (from, capsule): (Shape, Option<usize>),
    spec: &BlockSpec,
    design: Design,
    seed: u64,
) -> Result<Box<dyn Block<T>>, NetworkError> {
    let mut stream = Stream::new(seed, "init", block as u64);
    // Samples lie channel by channel, what blocks give pixel by pixel.
    let planar = block == 0 && !design.whiten;
    let check = |key: &'static str, value: usize, valid: bool, expected: String| {
        if valid { Ok(()) } else { Err(NetworkError::Number { block, key, value, expected }) }
    };
    let size = |outputs: usize, depth: usize| {
        check("outputs", outputs, outputs >= 1, "a whole number >= 1".to_owned())?;
        let most = MOST_PARAMETERS / depth.max(1);
        check("outputs", outputs, outputs <= most, format!("at most {most} after {depth} inputs"))
    };
    // Inputs of one output of a window; a padding as wide as the kernel lets any kernel pass.
    let taps = |kernel: usize| kernel.saturating_mul(kernel).saturating_mul(from.channels);
    // Whether a window fits; gives the shorter side of what it leaves.
    let window = |kernel: usize, stride: usize, padding: usize| {
        let side = from.height.min(from.width).saturating_add(padding.saturating_mul(2));
        check("kernel", kernel, kernel >= 1, "a whole number >= 1".to_owned())?;
        check("stride", stride, stride >= 1, "a whole number >= 1".to_owned())?;
        check("padding", padding, padding < kernel, format!("less than the kernel, {kernel}"))?;
        check("kernel", kernel, side >= kernel, format!("at most {side}, the map with its padding"))?;
        Ok((side - kernel) / stride + 1)
    };
    match *spec {
        BlockSpec::Dense { outputs, residual, activation: own, norm: own_norm } => {
            size(outputs, from.columns())?;
            let (activation, norm) = (own.unwrap_or(design.activation), own_norm.unwrap_or(design.norm));
            let mut dense = Dense::new(from.columns(), outputs, activation, norm, &mut stream);
            if (own, own_norm) == (Some(Activation::Identity), Some(Norm::None)) {
                dense = dense.as_head().starting(design.head_start, &mut stream);
            }
            if !planar && from.height * from.width > 1 {
                dense = dense.after(from);
            }
            if !residual {
                return Ok(Box::new(dense));
            }
            let to = dense.shape();
            if to.columns() != from.columns() {
                return Err(NetworkError::Residual { block, from, to });
            }
            Ok(Box::new(Residual::new(dense, activation, norm)))
        }
        BlockSpec::Conv {
            outputs,
            kernel,
            stride,
            padding,
            pool,
            pool_at,
            residual,
            activation: own,
            norm: own_norm,
        } => {
            let rest = window(kernel, stride, padding)?;
            size(outputs, taps(kernel))?;
            check("pool", pool, pool >= 1 && pool <= rest, format!("1 to {rest}, the side of the map"))?;
            let (activation, norm) = (own.unwrap_or(design.activation), own_norm.unwrap_or(design.norm));
            let settings = ConvSettings { outputs, kernel, stride, padding, pool, activation, norm };
            let mut conv = Conv::new(from, planar, settings, &mut stream);
            if pool_at.unwrap_or(design.pool_at) == PoolAt::Map {
                conv = conv.pooling_first();
            }
            if design.start == Start::Dirac {
                conv = conv.passing_on();
            }
            if !residual {
                return Ok(Box::new(conv));
            }
            let to = conv.shape();
            if to != from || planar {
                return Err(NetworkError::Residual { block, from, to });
            }
            Ok(Box::new(Residual::new(conv, activation, norm)))
        }
        BlockSpec::PrimaryCapsules { outputs, dimensions, kernel, stride, padding } => {
            window(kernel, stride, padding)?;
            check("dimensions", dimensions, dimensions >= 1, "a whole number >= 1".to_owned())?;
            size(outputs, taps(kernel).saturating_mul(dimensions))?;
            let (kind, window) = ((outputs, dimensions), (kernel, stride, padding));
            Ok(Box::new(PrimaryCapsules::new(from, planar, kind, window, &mut stream)))
        }
        BlockSpec::Capsules { outputs, dimensions, rounds, bias } => {
            let depth = capsule.ok_or(NetworkError::NoCapsules { block })?;
            check("dimensions", dimensions, dimensions >= 1, "a whole number >= 1".to_owned())?;
            check("rounds", rounds, (1..=MOST_ROUNDS).contains(&rounds), format!("1 to {MOST_ROUNDS}"))?;
            size(outputs, from.columns().saturating_mul(dimensions))?;
            let settings = RoutedSettings { outputs, dimensions, rounds, bias };
            Ok(Box::new(RoutedCapsules::new(from, depth, settings, &mut stream)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MNIST: Shape = Shape { channels: 1, height: 28, width: 28 };

    #[test]
    fn what_cannot_be_built_is_named() {
        let build = |specs: &[BlockSpec]| {
            Network::<f32>::build(MNIST, specs, Activation::Relu, Norm::Batch, 0).err().unwrap().to_string()
        };
        assert_eq!(build(&[]), "a network without blocks: expected at least one");
        assert_eq!(
            build(&[BlockSpec::conv(4, 31, 1, 1, 1)]),
            "block 0: kernel = 31: expected at most 30, the map with its padding"
        );
        assert_eq!(
            build(&[BlockSpec::conv(4, 3, 1, 1, 1), BlockSpec::conv(5, 3, 1, 1, 1).residual()]),
            "block 1 is residual and makes 5 x 28 x 28 of 4 x 28 x 28: expected equal sizes"
        );
        let capsules = |rounds| BlockSpec::Capsules { outputs: 2, dimensions: 4, rounds, bias: false };
        assert_eq!(
            build(&[BlockSpec::dense(8), capsules(3)]),
            "block 1 routes capsules: expected primary-capsules or capsules before it"
        );
        let primary = |kernel| BlockSpec::PrimaryCapsules { outputs: 1, dimensions: 2, kernel, stride: 1, padding: 0 };
        assert_eq!(build(&[primary(28), capsules(0)]), "block 1: rounds = 0: expected 1 to 100");
        assert_eq!(build(&[primary(29)]), "block 0: kernel = 29: expected at most 28, the map with its padding");
    }

    #[test]
    fn what_has_too_many_parameters_is_refused_by_their_number() {
        let build = |input: Shape, spec: BlockSpec| {
            Network::<f32>::build(input, &[spec], Activation::Relu, Norm::Batch, 0).err().unwrap().to_string()
        };
        let input = Shape { channels: 3, height: 28, width: 28 };
        let outputs = MOST_PARAMETERS;
        let refused = |depth: usize| {
            format!("block 0: outputs = {outputs}: expected at most {} after {depth} inputs", MOST_PARAMETERS / depth)
        };
        assert_eq!(build(input, BlockSpec::dense(outputs)), refused(3 * 28 * 28));
        assert_eq!(build(input, BlockSpec::conv(outputs, 5, 1, 1, 1)), refused(5 * 5 * 3));
        let primary = BlockSpec::PrimaryCapsules { outputs, dimensions: 7, kernel: 5, stride: 1, padding: 0 };
        assert_eq!(build(input, primary), refused(5 * 5 * 3 * 7));
        // Squares that no number holds are not taken for small ones.
        for kernel in [1 << 33, usize::MAX] {
            let conv = BlockSpec::conv(1, kernel, 1, kernel - 1, 1);
            let expected = format!("block 0: outputs = 1: expected at most 0 after {} inputs", usize::MAX);
            assert_eq!(build(input, conv), expected);
        }
    }
}

//! Networks by name, and as lists of blocks.
//!
//! A name stands for a list of [`BlockSpec`]; a user's own list (`[[block]]` in TOML) is built in the same way.

use hsic::Scalar;
use hsic::random::Stream;
use hsic_data::dataset::Shape;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Network;
use super::activation::Activation;
use super::block::Block;
use super::capsule::{PrimaryCapsules, RoutedCapsules, RoutedSettings};
use super::conv::{Conv, ConvSettings};
use super::dense::Dense;
use super::norm::Norm;
use super::residual::Residual;

/// One block of a network. Activation and norm are the network's where they are not named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum BlockSpec {
    /// Linear map of all values of the block before.
    Dense {
        /// Units.
        outputs: usize,
        /// Adds the input to the output (as many units as inputs).
        #[serde(default)]
        residual: bool,
        /// Nonlinearity.
        #[serde(skip_serializing_if = "Option::is_none")]
        activation: Option<Activation>,
        /// What stands before it.
        #[serde(skip_serializing_if = "Option::is_none")]
        norm: Option<Norm>,
    },
    /// Convolution of a map.
    Conv {
        /// Channels.
        outputs: usize,
        /// Lines and columns of the window.
        kernel: usize,
        /// Step of the window.
        #[serde(default = "one")]
        stride: usize,
        /// Zeros on each side.
        #[serde(default)]
        padding: usize,
        /// Side and step of max pooling; 1 for none.
        #[serde(default = "one")]
        pool: usize,
        /// Adds the input to the output (of equal sizes).
        #[serde(default)]
        residual: bool,
        /// Nonlinearity.
        #[serde(skip_serializing_if = "Option::is_none")]
        activation: Option<Activation>,
        /// What stands before it.
        #[serde(skip_serializing_if = "Option::is_none")]
        norm: Option<Norm>,
    },
    /// Convolution whose channels are squashed in groups: the first capsules.
    PrimaryCapsules {
        /// Types of capsules.
        outputs: usize,
        /// Values of a capsule.
        #[serde(default = "eight")]
        dimensions: usize,
        /// Lines and columns of the window.
        kernel: usize,
        /// Step of the window.
        #[serde(default = "one")]
        stride: usize,
        /// Zeros on each side.
        #[serde(default)]
        padding: usize,
    },
    /// Capsules that the capsules of the block before are routed to by agreement.
    Capsules {
        /// Capsules.
        outputs: usize,
        /// Values of a capsule.
        #[serde(default = "sixteen")]
        dimensions: usize,
        /// Rounds of routing.
        #[serde(default = "three")]
        rounds: usize,
        /// Whether each value has a bias.
        #[serde(default)]
        bias: bool,
    },
}

fn three() -> usize {
    3
}

fn eight() -> usize {
    8
}

fn sixteen() -> usize {
    16
}

fn one() -> usize {
    1
}

impl BlockSpec {
    /// A dense block.
    #[must_use]
    pub fn dense(outputs: usize) -> Self {
        Self::Dense { outputs, residual: false, activation: None, norm: None }
    }

    /// A convolution.
    #[must_use]
    pub fn conv(outputs: usize, kernel: usize, stride: usize, padding: usize, pool: usize) -> Self {
        Self::Conv { outputs, kernel, stride, padding, pool, residual: false, activation: None, norm: None }
    }

    fn residual(mut self) -> Self {
        if let Self::Dense { residual, .. } | Self::Conv { residual, .. } = &mut self {
            *residual = true;
        }
        self
    }
}

/// A width of a `--widths` list, and whether max pooling follows (`64p`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    /// Units or channels.
    pub outputs: usize,
    /// Whether 2 x 2 max pooling follows.
    pub pool: bool,
}

/// What a named network's blocks follow from.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkSettings {
    /// Blocks before the output block; `None` for the model's own.
    pub widths: Option<Vec<Width>>,
    /// Units of the output block; `None` for the model's own (mostly the number of classes).
    pub outputs: Option<usize>,
    /// Number of classes.
    pub classes: usize,
}

impl NetworkSettings {
    fn widths_or(&self, own: &str) -> Vec<Width> {
        self.widths.clone().or_else(|| parse_widths(own)).unwrap_or_default()
    }
}

/// A network by name.
pub struct NetworkKind {
    /// Name on the command line.
    pub name: &'static str,
    /// One line: its shape.
    pub summary: &'static str,
    /// Nonlinearity if none is named.
    pub activation: Activation,
    /// What stands before it if nothing is named.
    pub norm: Norm,
    /// Its blocks.
    pub blocks: fn(&NetworkSettings) -> Vec<BlockSpec>,
}

/// Every network.
pub static NETWORKS: &[NetworkKind] = &[
    NetworkKind {
        name: "mlp",
        summary: "dense blocks of the given widths (256x6), then the output block",
        activation: Activation::Relu,
        norm: Norm::Batch,
        blocks: |s| with_output(s.widths_or("256x6").iter().map(|w| BlockSpec::dense(w.outputs)).collect(), s),
    },
    NetworkKind {
        name: "residual-mlp",
        summary: "a dense block, then residual dense blocks wherever a width repeats (256x6), then the output block",
        activation: Activation::Relu,
        norm: Norm::Batch,
        blocks: |s| {
            let widths = s.widths_or("256x6");
            let repeats = |i: usize| i > 0 && widths[i - 1].outputs == widths[i].outputs;
            let block = |(i, w): (usize, &Width)| {
                let block = BlockSpec::dense(w.outputs);
                if repeats(i) { block.residual() } else { block }
            };
            with_output(widths.iter().enumerate().map(block).collect(), s)
        },
    },
    NetworkKind {
        name: "conv",
        summary: "the paper's: 5x5 convolutions without padding (8x6 channels), then the output block",
        activation: Activation::Relu,
        norm: Norm::Batch,
        blocks: |s| {
            let conv = |w: &Width| BlockSpec::conv(w.outputs, 5, 1, 0, 1 + usize::from(w.pool));
            with_output(s.widths_or("8x6").iter().map(conv).collect(), s)
        },
    },
    NetworkKind {
        name: "resnet-conv",
        summary: "the paper's: 5x5 convolution of stride 2, then residual 5x5 blocks (64x6 channels), then 512 dense units",
        activation: Activation::Relu,
        norm: Norm::Batch,
        blocks: |s| {
            let block = |(i, w): (usize, &Width)| match i {
                0 => BlockSpec::conv(w.outputs, 5, 2, 0, 1),
                _ => BlockSpec::conv(w.outputs, 5, 1, 2, 1).residual(),
            };
            let mut blocks: Vec<BlockSpec> = s.widths_or("64x6").iter().enumerate().map(block).collect();
            blocks.push(BlockSpec::dense(s.outputs.unwrap_or(512)));
            blocks
        },
    },
    NetworkKind {
        name: "needle",
        summary: "784-256-128-64-32-16-8-1, tanh: a single output unit (the earlier one: --widths 64,32,16,8,4,2)",
        activation: Activation::Tanh,
        norm: Norm::Batch,
        blocks: |s| {
            let widths = s.widths_or("256,128,64,32,16,8");
            let mut blocks: Vec<BlockSpec> = widths.iter().map(|w| BlockSpec::dense(w.outputs)).collect();
            blocks.push(BlockSpec::dense(s.outputs.unwrap_or(1)));
            blocks
        },
    },
    NetworkKind {
        name: "vgg",
        summary: "3x3 convolutions (32,64p,64p,128,128p; p: max pooling), then the output block",
        activation: Activation::Relu,
        norm: Norm::Batch,
        blocks: |s| vgg(s, "32,64p,64p,128,128p", &[]),
    },
    NetworkKind {
        name: "vgg8b",
        summary: "128, 256p, 256, 512p, 512p, 512p, dense 1024 (Nokland and Eidnes 2019), then the output block",
        activation: Activation::Relu,
        norm: Norm::Batch,
        blocks: |s| vgg(s, "128,256p,256,512p,512p,512p", &[1024]),
    },
    NetworkKind {
        name: "vgg11b",
        summary: "128x3, 256p, 256, 512p, 512x2, 512p, 512p, dense 1024 (Nokland and Eidnes 2019), then the output block",
        activation: Activation::Relu,
        norm: Norm::Batch,
        blocks: |s| vgg(s, "128x3,256p,256,512p,512x2p,512p", &[1024]),
    },
    NetworkKind {
        name: CAPSNET,
        summary: "9x9 convolutions, then types of 8-D capsules (256,32), then a 16-D capsule a class, 3 rounds of routing",
        activation: Activation::Relu,
        norm: Norm::None,
        blocks: |s| {
            let widths = s.widths_or("256,32");
            let (types, channels) = widths.split_last().map_or((1, &[][..]), |(last, rest)| (last.outputs, rest));
            let conv = |w: &Width| BlockSpec::conv(w.outputs, 9, 1, 0, 1 + usize::from(w.pool));
            let mut blocks: Vec<BlockSpec> = channels.iter().map(conv).collect();
            let (dimensions, kernel, stride, padding) = (eight(), 9, 2, 0);
            blocks.push(BlockSpec::PrimaryCapsules { outputs: types, dimensions, kernel, stride, padding });
            let outputs = s.outputs.unwrap_or(s.classes);
            blocks.push(BlockSpec::Capsules { outputs, dimensions: sixteen(), rounds: three(), bias: false });
            blocks
        },
    },
];

/// The network of capsules, whose convolutions have no norm unless one is asked for.
pub const CAPSNET: &str = "capsnet";

/// Whether the last of some blocks gives a capsule for each class, whose length says how sure it is.
#[must_use]
pub fn ends_in_capsules(blocks: &[BlockSpec], classes: usize) -> bool {
    matches!(blocks.last(), Some(BlockSpec::Capsules { outputs, .. }) if *outputs == classes)
}

fn with_output(mut blocks: Vec<BlockSpec>, settings: &NetworkSettings) -> Vec<BlockSpec> {
    blocks.push(BlockSpec::dense(settings.outputs.unwrap_or(settings.classes)));
    blocks
}

fn vgg(settings: &NetworkSettings, own: &str, dense: &[usize]) -> Vec<BlockSpec> {
    let widths = settings.widths_or(own);
    let mut blocks: Vec<BlockSpec> =
        widths.iter().map(|w| BlockSpec::conv(w.outputs, 3, 1, 1, 1 + usize::from(w.pool))).collect();
    blocks.extend(dense.iter().map(|&units| BlockSpec::dense(units)));
    with_output(blocks, settings)
}

/// These blocks with a linear output block, for methods that train class scores: the output block loses norm and
/// nonlinearity if it has a unit a class, else one such block is added.
#[must_use]
pub fn with_classifier(mut blocks: Vec<BlockSpec>, classes: usize) -> Vec<BlockSpec> {
    if matches!(blocks.last(), Some(BlockSpec::Dense { outputs, residual: false, .. }) if *outputs == classes) {
        blocks.pop();
    }
    let (activation, norm) = (Some(Activation::Identity), Some(Norm::None));
    blocks.push(BlockSpec::Dense { outputs: classes, residual: false, activation, norm });
    blocks
}

/// These blocks without the output block of a unit a class, for methods that name no classes themselves: a block
/// before it is trained to be a good feature, and one of so few units would be a poor one. A network of that block alone
/// keeps it.
#[must_use]
pub fn without_classifier(mut blocks: Vec<BlockSpec>, classes: usize) -> Vec<BlockSpec> {
    let names = matches!(blocks.last(), Some(BlockSpec::Dense { outputs, residual: false, .. }) if *outputs == classes);
    if names && blocks.len() > 1 {
        blocks.pop();
    }
    blocks
}

/// Why a network cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// No block.
    #[error("a network without blocks: expected at least one")]
    Empty,
    /// A number of a block is out of its range.
    #[error("block {block}: {key} = {value}: expected {expected}")]
    Number {
        /// Index from 0.
        block: usize,
        /// Which number.
        key: &'static str,
        /// What was given.
        value: usize,
        /// What may be given.
        expected: String,
    },
    /// A residual block changes the sizes.
    #[error("block {block} is residual and makes {to} of {from}: expected equal sizes")]
    Residual {
        /// Index from 0.
        block: usize,
        /// Sizes of its input.
        from: Shape,
        /// Sizes of its output.
        to: Shape,
    },
    /// A block does not take what the one before it gives.
    #[error("block {block} takes {taken} values and the one before it gives {given}: expected as many")]
    Joint {
        /// Index from 0.
        block: usize,
        /// Outputs of the block before it.
        given: usize,
        /// Its inputs.
        taken: usize,
    },
    /// Nothing can be routed.
    #[error("block {block} routes capsules: expected primary-capsules or capsules before it")]
    NoCapsules {
        /// Index from 0.
        block: usize,
    },
}

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
        if specs.is_empty() {
            return Err(NetworkError::Empty);
        }
        let mut blocks: Vec<Box<dyn Block<T>>> = Vec::with_capacity(specs.len());
        let (mut from, mut capsule) = (input, None);
        for (index, spec) in specs.iter().enumerate() {
            let block = build_block(index, (from, capsule), spec, (activation, norm), seed)?;
            (from, capsule) = (block.shape(), block.capsule());
            blocks.push(block);
        }
        Ok(Self::new(blocks))
    }
}

fn build_block<T: Scalar>(
    block: usize,
    (from, capsule): (Shape, Option<usize>),
    spec: &BlockSpec,
    (activation, norm): (Activation, Norm),
    seed: u64,
) -> Result<Box<dyn Block<T>>, NetworkError> {
    let mut stream = Stream::new(seed, "init", block as u64);
    let check = |key: &'static str, value: usize, valid: bool, expected: String| {
        if valid { Ok(()) } else { Err(NetworkError::Number { block, key, value, expected }) }
    };
    let size = |outputs: usize, depth: usize| {
        check("outputs", outputs, outputs >= 1, "a whole number >= 1".to_owned())?;
        let most = MOST_PARAMETERS / depth.max(1);
        check("outputs", outputs, outputs <= most, format!("at most {most} after {depth} inputs"))
    };
    // Whether a window fits; gives the shorter side of what it leaves.
    let window = |kernel: usize, stride: usize, padding: usize| {
        let side = from.height.min(from.width) + 2 * padding;
        check("kernel", kernel, kernel >= 1, "a whole number >= 1".to_owned())?;
        check("stride", stride, stride >= 1, "a whole number >= 1".to_owned())?;
        check("padding", padding, padding < kernel, format!("less than the kernel, {kernel}"))?;
        check("kernel", kernel, side >= kernel, format!("at most {side}, the map with its padding"))?;
        Ok((side - kernel) / stride + 1)
    };
    match *spec {
        BlockSpec::Dense { outputs, residual, activation: own, norm: own_norm } => {
            size(outputs, from.columns())?;
            let (activation, norm) = (own.unwrap_or(activation), own_norm.unwrap_or(norm));
            let mut dense = Dense::new(from.columns(), outputs, activation, norm, &mut stream);
            if block > 0 && from.height * from.width > 1 {
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
        BlockSpec::Conv { outputs, kernel, stride, padding, pool, residual, activation: own, norm: own_norm } => {
            let rest = window(kernel, stride, padding)?;
            size(outputs, kernel * kernel * from.channels)?;
            check("pool", pool, pool >= 1 && pool <= rest, format!("1 to {rest}, the side of the map"))?;
            let (activation, norm) = (own.unwrap_or(activation), own_norm.unwrap_or(norm));
            let settings = ConvSettings { outputs, kernel, stride, padding, pool, activation, norm };
            let conv = Conv::new(from, block == 0, settings, &mut stream);
            if !residual {
                return Ok(Box::new(conv));
            }
            let to = conv.shape();
            if to != from || block == 0 {
                return Err(NetworkError::Residual { block, from, to });
            }
            Ok(Box::new(Residual::new(conv, activation, norm)))
        }
        BlockSpec::PrimaryCapsules { outputs, dimensions, kernel, stride, padding } => {
            window(kernel, stride, padding)?;
            check("dimensions", dimensions, dimensions >= 1, "a whole number >= 1".to_owned())?;
            size(outputs, (kernel * kernel * from.channels).saturating_mul(dimensions))?;
            let (kind, window) = ((outputs, dimensions), (kernel, stride, padding));
            Ok(Box::new(PrimaryCapsules::new(from, block == 0, kind, window, &mut stream)))
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

/// `256x6` is six of 256, `64p` is 64 with pooling after it (`64x2p`: after the last of them); parts are separated by
/// commas. `None` for anything else, for a width of 0 or beyond a million, and for more than 10,000 blocks.
#[must_use]
pub fn parse_widths(text: &str) -> Option<Vec<Width>> {
    let mut widths = Vec::new();
    for part in text.split(',') {
        let part = part.trim();
        let (part, pool) = part.strip_suffix('p').map_or((part, false), |part| (part, true));
        let (width, count) = part.split_once('x').unwrap_or((part, "1"));
        let (width, count) = (width.parse::<u32>().ok()?, count.parse::<u32>().ok()?);
        if width == 0 || width > 1_000_000 || count == 0 || count > 10_000 {
            return None;
        }
        widths.extend((1..=count).map(|i| Width { outputs: width as usize, pool: pool && i == count }));
    }
    (widths.len() <= 10_000).then_some(widths)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MNIST: Shape = Shape { channels: 1, height: 28, width: 28 };
    const CIFAR: Shape = Shape { channels: 3, height: 32, width: 32 };

    fn build(name: &str, input: Shape, widths: Option<&str>) -> Network {
        let kind = NETWORKS.iter().find(|kind| kind.name == name).unwrap();
        let settings =
            NetworkSettings { widths: widths.map(|text| parse_widths(text).unwrap()), outputs: None, classes: 10 };
        Network::build(input, &(kind.blocks)(&settings), kind.activation, Norm::Batch, 0).unwrap()
    }

    #[test]
    fn the_papers_networks_have_their_sizes() {
        // METHODS' source: flattened 128 on MNIST for `conv`; 144 ch (MNIST) and 196 ch (CIFAR) for `resnet-conv`.
        let conv = build("conv", MNIST, None);
        assert_eq!(conv.blocks().last().unwrap().inputs(), 128);
        let resnet = build("resnet-conv", MNIST, None);
        assert_eq!((resnet.blocks().len(), resnet.outputs()), (7, 512));
        assert_eq!(resnet.blocks().last().unwrap().inputs(), 144 * 64);
        assert_eq!(build("resnet-conv", CIFAR, None).blocks().last().unwrap().inputs(), 196 * 64);
        assert_eq!(
            build("needle", MNIST, None).parameter_count(),
            785 * 256 + 257 * 128 + 129 * 64 + 65 * 32 + 33 * 16 + 17 * 8 + 9
        );
    }

    #[test]
    fn vgg8b_is_the_published_one() {
        // 3x3 convolutions 3-128-256-256-512-512-512, dense 2048-1024-10, each with a bias.
        let network = build("vgg8b", CIFAR, None);
        let conv = |from: usize, to: usize| (9 * from + 1) * to;
        let expected = conv(3, 128) + conv(128, 256) + conv(256, 256) + conv(256, 512) + 2 * conv(512, 512);
        assert_eq!(network.parameter_count(), expected + 2049 * 1024 + 1025 * 10);
        let names: Vec<String> = network.tensors().into_iter().map(|tensor| tensor.name).collect();
        assert_eq!(names[..5], ["0.weight", "0.bias", "1.running_mean", "1.running_var", "3.weight"]);
    }

    #[test]
    fn the_network_of_capsules_is_the_published_one() {
        let network = build("capsnet", MNIST, None);
        let shapes: Vec<Shape> = network.blocks().iter().map(|block| block.shape()).collect();
        let map = |side| Shape { channels: 256, height: side, width: side };
        assert_eq!(shapes, [map(20), map(6), Shape { channels: 160, height: 1, width: 1 }]);
        // 20,992 + 5,308,672 + 1,474,560; the decoder, which the method has, makes it 8,215,568.
        assert_eq!(network.parameter_count() + 1_411_344, 8_215_568);
        let settings = NetworkSettings { widths: None, outputs: None, classes: 10 };
        let mut blocks = (NETWORKS.iter().find(|kind| kind.name == CAPSNET).unwrap().blocks)(&settings);
        if let Some(BlockSpec::Capsules { bias, .. }) = blocks.last_mut() {
            *bias = true;
        }
        let biased = Network::<f32>::build(MNIST, &blocks, Activation::Relu, Norm::None, 0).unwrap();
        assert_eq!(biased.parameter_count(), network.parameter_count() + 160);
        let names: Vec<(String, Vec<usize>)> =
            biased.stored_tensors().into_iter().map(|tensor| (tensor.name, tensor.shape)).collect();
        assert_eq!(names[4], ("4.weight".to_owned(), vec![10, 1152, 16, 8]));
        assert_eq!(names[5], ("4.bias".to_owned(), vec![10, 16]));
        assert_eq!(build("capsnet", CIFAR, Some("8,8,2")).blocks().len(), 4);
    }

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
    fn widths_are_lists_and_repetitions() {
        let plain = |outputs| Width { outputs, pool: false };
        assert_eq!(parse_widths("256x2, 64"), Some(vec![plain(256), plain(256), plain(64)]));
        assert_eq!(parse_widths("8x2p"), Some(vec![plain(8), Width { outputs: 8, pool: true }]));
        for wrong in ["0", "8x99999", "", "p", "8x0", "-1"] {
            assert_eq!(parse_widths(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn tensors_of_a_convolutional_network_go_out_and_come_back() {
        let network = build("vgg", CIFAR, Some("4p,5p"));
        let mut other = Network::build(
            CIFAR,
            &[BlockSpec::conv(4, 3, 1, 1, 2), BlockSpec::conv(5, 3, 1, 1, 2), BlockSpec::dense(10)],
            Activation::Relu,
            Norm::Batch,
            7,
        )
        .unwrap();
        assert_ne!(network.tensors(), other.tensors());
        other.set_tensors(&network.tensors());
        assert_eq!(network.tensors(), other.tensors());
        let x: Vec<f32> = (0..2 * 3072).map(|i| (i as f32 * 0.1).sin()).collect();
        assert_eq!(network.infer(2, &x), other.infer(2, &x));
    }
}

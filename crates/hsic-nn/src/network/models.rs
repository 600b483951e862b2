//! Networks by name.
//!
//! A name stands for a list of [`BlockSpec`]; a user's own list (`[[block]]` in TOML) is built in the same way.

use super::activation::Activation;
use super::feature::Feature;
use super::norm::Norm;
use super::pooled::PoolAt;
use super::spec::{BlockSpec, Width, eight, parse_widths, sixteen, three};

/// What a named network's blocks follow from.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkSettings {
    /// Blocks before the output block; `None` for the model's own.
    pub widths: Option<Vec<Width>>,
    /// Units of the output block; `None` for the model's own (mostly the number of classes).
    pub outputs: Option<usize>,
    /// Number of classes.
    pub classes: usize,
    /// Height or width of what comes in, whichever is less: of a sample, or of its whitened map.
    pub side: usize,
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
    /// What the objective sees of a map if nothing is named.
    pub feature: Feature,
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
        feature: Feature::Pool(2),
        blocks: |s| with_output(s.widths_or("256x6").iter().map(|w| BlockSpec::dense(w.outputs)).collect(), s),
    },
    NetworkKind {
        name: "residual-mlp",
        summary: "a dense block, then residual dense blocks wherever a width repeats (256x6), then the output block",
        activation: Activation::Relu,
        norm: Norm::Batch,
        feature: Feature::Pool(2),
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
        feature: Feature::Pool(2),
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
        feature: Feature::Pool(2),
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
        feature: Feature::Pool(2),
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
        feature: Feature::Pool(2),
        blocks: |s| vgg(s, "32,64p,64p,128,128p", &[]),
    },
    NetworkKind {
        name: PYRAMID,
        summary: "3x3 convolutions with max pooling (32p,64p,128p,128p, as many as maps are 4 pixels wide), then the output \
                  block",
        activation: Activation::Relu,
        norm: Norm::Batch,
        feature: Feature::Channels,
        blocks: pyramid,
    },
    NetworkKind {
        name: "vgg8b",
        summary: "128, 256p, 256, 512p, 512p, 512p, dense 1024 (Nokland and Eidnes 2019), then the output block",
        activation: Activation::Relu,
        norm: Norm::Batch,
        feature: Feature::Pool(2),
        blocks: |s| vgg(s, "128,256p,256,512p,512p,512p", &[1024]),
    },
    NetworkKind {
        name: "vgg11b",
        summary: "128x3, 256p, 256, 512p, 512x2, 512p, 512p, dense 1024 (Nokland and Eidnes 2019), then the output block",
        activation: Activation::Relu,
        norm: Norm::Batch,
        feature: Feature::Pool(2),
        blocks: |s| vgg(s, "128x3,256p,256,512p,512x2p,512p", &[1024]),
    },
    NetworkKind {
        name: AIRBENCH,
        summary: "groups of two 3x3 convolutions (64,256,256), the first pooled before its norm, all that is left pooled \
                  behind the last (Jordan 2024), then the output block",
        activation: Activation::Gelu,
        norm: Norm::BatchBias,
        feature: Feature::Pool(4),
        blocks: |s| airbench(s, true),
    },
    NetworkKind {
        name: AIRBENCH_MAP,
        summary: "airbench whose output block sees the last map, which is not pooled: a block that learns for itself says \
                  where in it a thing is",
        activation: Activation::Gelu,
        norm: Norm::BatchBias,
        feature: Feature::Pool(4),
        blocks: |s| airbench(s, false),
    },
    NetworkKind {
        name: CAPSNET,
        summary: "9x9 convolutions, then types of 8-D capsules (256,32), then a 16-D capsule a class, 3 rounds of routing",
        activation: Activation::Relu,
        norm: Norm::None,
        feature: Feature::Pool(2),
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

/// The network of images of one's own.
pub const PYRAMID: &str = "pyramid";

/// The network of the speed run on CIFAR-10.
pub const AIRBENCH: &str = "airbench";

/// That network with an output block that sees where in the last map a thing is.
pub const AIRBENCH_MAP: &str = "airbench-map";

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

/// The network that images of a user's own are trained on unless another is named. What it sees of a map says which
/// shapes there are and not where, and every pooling doubles how far a pixel of the next map sees.
fn pyramid(settings: &NetworkSettings) -> Vec<BlockSpec> {
    let own = ["32", "64", "128", "128"];
    // A map of under 4 pixels leaves nothing to a convolution of 3 after it is pooled.
    let pooled = own.iter().enumerate().take_while(|&(depth, _)| settings.side >> depth >= 4);
    let widths: Vec<String> = pooled.map(|(_, width)| format!("{width}p")).collect();
    let own = if widths.is_empty() { own[0].to_owned() } else { widths.join(",") };
    vgg(settings, &own, &[])
}

/// Two convolutions a width; the first is pooled, and of the map behind the last a pixel is left if it is `pooled` too.
fn airbench(settings: &NetworkSettings, pooled: bool) -> Vec<BlockSpec> {
    let widths = settings.widths_or("64,256,256");
    let mut blocks = Vec::with_capacity(2 * widths.len() + 1);
    for (group, width) in widths.iter().enumerate() {
        let mut first = BlockSpec::conv(width.outputs, 3, 1, 1, 2);
        if let BlockSpec::Conv { pool_at, .. } = &mut first {
            *pool_at = Some(PoolAt::Map);
        }
        let left = if pooled && group + 1 == widths.len() { settings.side >> widths.len() } else { 1 };
        blocks.extend([first, BlockSpec::conv(width.outputs, 3, 1, 1, left)]);
    }
    with_output(blocks, settings)
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

#[cfg(test)]
mod tests {
    use hsic_data::dataset::Shape;

    use super::*;
    use crate::network::{Design, Network};

    const MNIST: Shape = Shape { channels: 1, height: 28, width: 28 };
    const CIFAR: Shape = Shape { channels: 3, height: 32, width: 32 };

    fn build(name: &str, input: Shape, widths: Option<&str>) -> Network {
        let kind = NETWORKS.iter().find(|kind| kind.name == name).unwrap();
        let settings = NetworkSettings {
            widths: widths.map(|text| parse_widths(text).unwrap()),
            outputs: None,
            classes: 10,
            side: input.height,
        };
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
    fn dense_blocks_are_residual_where_a_width_repeats() {
        let settings =
            NetworkSettings { widths: parse_widths("8,8,4,4,4,8"), outputs: None, classes: 10, side: MNIST.height };
        let kind = NETWORKS.iter().find(|kind| kind.name == "residual-mlp").unwrap();
        let residual = |spec: &BlockSpec| matches!(spec, BlockSpec::Dense { residual: true, .. });
        let found: Vec<bool> = (kind.blocks)(&settings).iter().map(residual).collect();
        assert_eq!(found, [false, true, false, true, true, false, false]);
    }

    #[test]
    fn a_pyramid_has_as_many_blocks_as_a_side_can_be_halved_to() {
        let shape = |side| Shape { channels: 3, height: side, width: side };
        for (side, maps) in
            [(64, vec![32, 16, 8, 4]), (100, vec![50, 25, 12, 6]), (28, vec![14, 7, 3]), (4, vec![2]), (3, vec![3])]
        {
            let network = build(PYRAMID, shape(side), None);
            let found: Vec<usize> = network.blocks().iter().map(|block| block.shape().height).collect();
            assert_eq!(found, [maps, vec![1]].concat(), "{side}");
        }
    }

    #[test]
    fn the_network_of_the_speed_run_has_its_maps() {
        // Behind whitened windows of 32 x 32 pixels the maps have 31, 15, 7, 3 pixels, and one is left.
        let blocks = |side, pooled| {
            let settings = NetworkSettings { widths: None, outputs: None, classes: 10, side };
            airbench(&settings, pooled)
        };
        for (side, maps) in
            [(32, [15, 15, 7, 7, 3, 1, 1]), (28, [13, 13, 6, 6, 3, 1, 1]), (24, [11, 11, 5, 5, 2, 1, 1])]
        {
            let input = Shape { channels: 3, height: side, width: side };
            let design = Design { whiten: true, ..Design::new(Activation::Gelu, Norm::BatchBias) };
            let network = |pooled| Network::<f32>::designed(design, input, &blocks(side - 1, pooled), 1).unwrap();
            let unpooled = network(false);
            let network = network(true);
            let found: Vec<usize> = network.blocks().iter().map(|block| block.shape().height).collect();
            assert_eq!(found, maps, "{side}");
            // Convolutions of 24, 64, 64, 256, 256, 256 channels, biases before a norm and the shifts behind it, the output.
            let conv = |from: usize, to: usize| 9 * from * to + 2 * to;
            let all = conv(24, 64) + conv(64, 64) + conv(64, 256) + 3 * conv(256, 256);
            assert_eq!(network.parameter_count(), all + 256 * 10 + 10 + 10);
            let fields = maps[4] * maps[4];
            assert_eq!(unpooled.parameter_count(), all + fields * 256 * 10 + 10 + 10, "{side}");
            assert_eq!(unpooled.blocks()[5].shape().height, maps[4], "{side}");
        }
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
        let settings = NetworkSettings { widths: None, outputs: None, classes: 10, side: 28 };
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

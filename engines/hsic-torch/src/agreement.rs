//! Blocks and objectives beside those of the CPU, at the same numbers; `agreement_of_steps.rs` has steps.
//!
//! Tolerances are those that a study of prototypes found to hold with a margin of ten: 1e-5 for outputs, 2e-4 for dL/dZ, 1e-3 for
//! the gradient of dense weights, 1e-2 for that of convolutions, whose relu masks and largest values in windows flip where two
//! values differ in the seventh digit. They are relative, of Euclidean norms.

use hsic::faer::{MatMut, MatRef};
use hsic::random::Stream;
use hsic::{Approximation, Bottleneck, LabelFit};
use hsic_bottleneck::assemble::build_network;
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::config::{TrainConfig, TrainOptions};
use hsic_bottleneck::dataset::{Shape, TargetKind};
use hsic_bottleneck::method::bottleneck::HsicObjective;
use hsic_bottleneck::network::{Cache, Network as HostNetwork};
use hsic_bottleneck::objective::{Objective as HostObjective, Site as HostSite};
use hsic_bottleneck::rule_options::InputTerm;
use tch::Tensor;

use crate::bottleneck::{Form, Hsic};
use crate::device::{Device, Place};
use crate::fourier::Fourier;
use crate::methods::network;
use crate::objective::{DeviceBatch, Objective, Signal, Site};

pub(crate) const CLASSES: usize = 4;
const OUTPUTS: f64 = 1e-5;
const TO_OUTPUTS: f64 = 2e-4;
pub(crate) const DENSE: f64 = 1e-3;
pub(crate) const CONVOLUTION: f64 = 1e-2;

/// The device that HSIC_DEVICE names, or the processors, on one thread: libtorch's threads spin where cores are busy.
pub(crate) fn device() -> Device {
    tch::set_num_threads(1);
    let place = std::env::var("HSIC_DEVICE").map_or(Ok(Place::Cpu), |name| name.parse());
    Device::meet(place.expect("the name of a device"), false).expect("the device")
}

/// A configuration from TOML.
pub(crate) fn config(text: &str) -> TrainConfig {
    let options: TrainOptions = toml::from_str(text).expect("settings");
    options.resolve().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// |a - b| / |b|.
pub(crate) fn distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|value| f64::from(value).powi(2)).sum::<f64>();
    let (difference, length) = (square(&mut a.iter().zip(b).map(|(a, b)| a - b)), square(&mut b.iter().copied()));
    if length == 0.0 { difference.sqrt() } else { (difference / length).sqrt() }
}

pub(crate) fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f64) {
    let distance = distance(found, expected);
    assert!(distance <= tolerance, "{what}: {distance:e}, expected at most {tolerance:e}");
}

fn normal(count: usize, purpose: &str) -> Vec<f32> {
    let mut stream = Stream::new(3, purpose, 0);
    (0..count).map(|_| stream.normal() as f32).collect()
}

/// Rows of classes that differ, with noise.
pub(crate) fn batch(shape: Shape, rows: usize, kind: TargetKind) -> Batch {
    let labels: Vec<usize> = (0..rows).map(|row| row * 7 % CLASSES).collect();
    let (means, mut x) = (normal(CLASSES * shape.columns(), "means"), normal(rows * shape.columns(), "rows"));
    for (row, label) in x.chunks_exact_mut(shape.columns()).zip(&labels) {
        row.iter_mut().zip(&means[label * shape.columns()..]).for_each(|(x, mean)| *x = 0.5 * *x + mean);
    }
    let values = labels.iter().map(|&label| label as f64 - 1.5).collect();
    let (labels, classes, values) = match kind {
        TargetKind::Values => (Vec::new(), 0, values),
        TargetKind::Classes(_) => (labels, CLASSES, Vec::new()),
    };
    Batch { x, columns: shape.columns(), labels, classes, values, smoothing: 0.0, step: 5 }
}

const ROW: Shape = Shape { channels: 1, height: 1, width: 20 };
pub(crate) const IMAGE: Shape = Shape { channels: 2, height: 9, width: 8 };

/// Blocks of every kind on an image: what is not said is relu behind batch norm.
pub(crate) const BLOCKS: &str = "
[[block]]
kind = 'conv'
outputs = 6
kernel = 3
padding = 1
[[block]]
kind = 'conv'
outputs = 6
kernel = 3
padding = 1
residual = true
norm = 'batch-affine'
[[block]]
kind = 'conv'
outputs = 8
kernel = 4
stride = 2
padding = 1
pool = 2
activation = 'tanh'
norm = 'none'
[[block]]
kind = 'dense'
outputs = 12
activation = 'elu'
[[block]]
kind = 'dense'
outputs = 12
residual = true
activation = 'sigmoid'
[[block]]
kind = 'dense'
outputs = 12
activation = 'gelu'
norm = 'batch-affine'
[[block]]
kind = 'dense'
outputs = 4
activation = 'leaky-relu'
norm = 'none'
";

pub(crate) fn network_of(text: &str, shape: Shape, kind: TargetKind) -> (TrainConfig, HostNetwork) {
    let config = config(text);
    let mut host = build_network(&config, shape, kind).expect("a network");
    host.see(&batch(shape, 30, kind).x);
    // Away from where scales are 1 and shifts 0, which hide mistakes.
    for (index, block) in host.blocks_mut().iter_mut().enumerate() {
        let moved = normal(block.parameters().len(), &format!("block {index}"));
        block.parameters_mut().iter_mut().zip(moved).for_each(|(value, moved)| *value += 0.1 * moved);
    }
    (config, host)
}

/// The network of the recipe, small: four convolutions, then the output block.
pub(crate) const RECIPE: &str =
    "[network]\nmodel = 'airbench'\nwidths = '6,8'\nwhiten = true\nstart = 'dirac'\nhead-start = 'small'\n";

#[test]
fn blocks_have_the_numbers_of_the_cpu_s() {
    let pools = "pool-at = 'entrance'\ndropout = 0.2\ndropout-by = 'channel'\n";
    let of = |extra: &str| format!("[network]\nmodel = 'custom'\n{extra}[objective]\nmethod = 'backprop'\n{BLOCKS}");
    for extra in ["", "dropout = 0.3\n", "activation = 'silu'\npool-at = 'map'\n", pools] {
        check_blocks(&of(extra), 3);
    }
    for extra in ["", "norm = 'none'\nactivation = 'relu'\n"] {
        check_blocks(&format!("{RECIPE}{extra}[objective]\nmethod = 'backprop'\n"), 4);
    }
}

/// Every block of a network, of which the first so many are convolutions: forward, at rest and back.
fn check_blocks(text: &str, convolutions: usize) {
    let device = device();
    let (config, mut host) = network_of(text, IMAGE, TargetKind::Classes(CLASSES));
    let m = 30;
    let mut own = network(&host, IMAGE, config.seed, &device).expect("blocks");
    let mut x = batch(IMAGE, m, TargetKind::Classes(CLASSES)).x;
    for (index, (block, own)) in host.blocks_mut().iter_mut().zip(&mut own.blocks).enumerate() {
        let what = |part: &str| format!("{part} of block {index} of {text}");
        let mut cache = Cache::shared();
        cache.set_draw(Some(5));
        let (mut z, dz) = (vec![0.0; m * block.outputs()], normal(m * block.outputs(), "dz"));
        block.forward(m, &x, &mut z, &mut cache);
        let (mut gradient, mut dx) = (vec![0.0; block.parameters().len()], vec![0.0; x.len()]);
        block.gradient(m, &x, &z, &mut dz.clone(), &mut cache, &mut gradient, Some(&mut dx));
        block.absorb_statistics(m, &mut cache);

        let (own_z, kept) = own.forward(&device.take_rows(m, &x), Some(5));
        let (own_gradient, own_dx) = own.gradient(&kept, device.take_rows(m, &dz), true);
        own.absorb(&kept, None);
        assert_close(&what("z"), &device.read(&own_z), &z, OUTPUTS);
        let tolerance = if index < convolutions { CONVOLUTION } else { DENSE };
        assert_close(&what("dW"), &device.read(&own_gradient), &gradient, tolerance);
        // Nobody asks for dL/d(the samples), which the CPU gives in another order than it takes them.
        if index > 0 {
            assert_close(&what("dx"), &device.read(&own_dx.expect("dx")), &dx, DENSE);
        }

        let (mut at_rest, statistics) = (vec![0.0; z.len()], block.statistics().concat());
        block.infer(m, &x, &mut at_rest);
        assert_close(&what("z at rest"), &device.read(&own.infer(&device.take_rows(m, &x))), &at_rest, OUTPUTS);
        // Back to the CPU's block: what is stored is what the CPU has.
        own.store(&mut **block, &device);
        assert_close(&what("statistics"), &block.statistics().concat(), &statistics, OUTPUTS);
        x = z;
    }
}

/// The objective of a rule at one block: value, terms and dL/dZ.
fn check_hsic(options: Bottleneck, x: InputTerm, form: Approximation, kind: TargetKind) {
    let (device, what) = (device(), format!("{options:?} {x:?} {form}"));
    let batch = batch(ROW, 60, kind);
    let (m, d) = (60, 15);
    let weights = normal(ROW.columns() * d, "weights");
    let (rows, weights) = (batch.matrix(), MatRef::from_row_major_slice(&weights, ROW.columns(), d));
    let product = rows * weights;
    let z: Vec<f32> = (0..m).flat_map(|i| (0..d).map(move |j| (i, j))).map(|place| product[place].max(0.0)).collect();

    let rule = HsicObjective::approximate(options, form, 7).expect("numbers").comparing(x);
    let mut scratch = Default::default();
    let shared = HostObjective::<f32>::prepare(&rule, &batch, None, &mut scratch).expect("a batch");
    let site = HostSite { block: 0, last: false, shape: Shape { channels: d, height: 1, width: 1 }, x: rows };
    let mut dz = vec![0.0; m * d];
    let (z_rows, dz_rows) = (MatRef::from_row_major_slice(&z, m, d), MatMut::from_row_major_slice_mut(&mut dz, m, d));
    let expected = rule.signal(&shared, site, z_rows, dz_rows, &mut [], &mut scratch).expect("a signal");

    let own_form = match form {
        Approximation::Fourier(features) => Form::Fourier(Fourier::new(features, 7)),
        _ => Form::Exact,
    };
    let mut own = Hsic::new(options, x, None, own_form, &device);
    let on_device = DeviceBatch::of(&batch, &device);
    own.prepare(&on_device).expect("a batch");
    let feature = Shape { channels: d, height: 1, width: 1 };
    let site = Site { last: false, feature, channels: d, x: &on_device.x };
    let Signal { dz: own_dz, value, dead, lost } =
        own.signal(&site, &device.take_rows(m, &z), &mut [], true).expect("a signal");
    assert_close(&what, &device.read(&own_dz), &dz, TO_OUTPUTS);
    let value = value.expect("it is measured");
    for (found, expected) in [
        (Some(&value.loss), expected.loss),
        (value.terms[0].1.as_ref(), expected.terms[0].1),
        (value.terms[1].1.as_ref(), expected.terms[1].1),
    ] {
        let found = found.map_or(f64::NAN, |found| found.double_value(&[]));
        // The CPU forms its values from factors of R_X, whose ridge is about the rounding of f32.
        assert!((found - expected).abs() <= 1e-4 * expected.abs() + 1e-3, "{what}: {found}, expected {expected}");
    }
    let flag = |flag: Option<Tensor>| flag.is_some_and(|flag| flag.int64_value(&[]) != 0);
    assert_eq!((flag(dead), flag(lost)), (false, false), "{what}");
}

#[test]
fn the_hsic_objective_has_the_numbers_of_the_cpu_s() {
    let usual = Bottleneck::default();
    let narrow = Bottleneck { sigma: 1.0, beta: 20.0, epsilon: 1e-4, ..usual };
    let left_out = Bottleneck { label_fit: LabelFit::LeaveOneOut, beta: 5.0, epsilon: 1e-3, ..usual };
    for kind in [TargetKind::Classes(CLASSES), TargetKind::Values] {
        for options in [usual, narrow] {
            for x in [InputTerm::Input, InputTerm::Block, InputTerm::None] {
                let options = Bottleneck { x_weight: if x == InputTerm::None { 0.0 } else { 0.7 }, ..options };
                check_hsic(options, x, Approximation::Exact, kind);
                check_hsic(options, x, Approximation::Fourier(32), kind);
            }
        }
        for x in [InputTerm::Input, InputTerm::None] {
            let x_weight = if x == InputTerm::None { 0.0 } else { 0.7 };
            check_hsic(Bottleneck { x_weight, ..left_out }, x, Approximation::Exact, kind);
        }
    }
}

//! Graphs carried out by the operators' definitions, beside the run itself.

use std::sync::atomic::AtomicBool;

use hsic::random::Stream;
use hsic_data::dataset::{Dataset, Origin, Samples, Split, Targets};

use super::*;
use crate::config::TrainOptions;
use crate::run::Run;
use crate::trainer::train;

#[derive(Clone, Debug)]
struct Tensor {
    sizes: Vec<usize>,
    values: Vec<f64>,
}

impl Tensor {
    fn made(sizes: Vec<usize>, entry: impl Fn(&[usize]) -> f64) -> Self {
        let place = |flat: usize| {
            let (mut place, mut rest) = (vec![0; sizes.len()], flat);
            for (along, size) in place.iter_mut().zip(&sizes).rev() {
                (*along, rest) = (rest % size, rest / size);
            }
            place
        };
        let values = (0..sizes.iter().product()).map(|flat| entry(&place(flat))).collect();
        Self { sizes, values }
    }

    /// The entry at a place of a tensor with at least as many axes; an axis of one entry is as long as is asked for.
    fn at(&self, place: &[usize]) -> f64 {
        let own = &place[place.len() - self.sizes.len()..];
        let index = |flat: usize, (&along, &size): (&usize, &usize)| flat * size + if size == 1 { 0 } else { along };
        self.values[own.iter().zip(&self.sizes).fold(0, index)]
    }

    fn each(&self, of: impl Fn(f64) -> f64) -> Self {
        Self { sizes: self.sizes.clone(), values: self.values.iter().map(|&value| of(value)).collect() }
    }

    fn shaped(&self, sizes: Vec<usize>) -> Self {
        assert_eq!(sizes.iter().product::<usize>(), self.values.len());
        Self { sizes, values: self.values.clone() }
    }
}

/// Sizes of two tensors together.
fn joint(a: &[usize], b: &[usize]) -> Vec<usize> {
    let rank = a.len().max(b.len());
    let of = |sizes: &[usize], axis: usize| (axis + sizes.len()).checked_sub(rank).map_or(1, |axis| sizes[axis]);
    (0..rank).map(|axis| of(a, axis).max(of(b, axis))).collect()
}

fn both(a: &Tensor, b: &Tensor, of: impl Fn(f64, f64) -> f64) -> Tensor {
    Tensor::made(joint(&a.sizes, &b.sizes), |place| of(a.at(place), b.at(place)))
}

fn product(a: &Tensor, b: &Tensor) -> Tensor {
    let ((lead_a, own_a), (lead_b, own_b)) = (a.sizes.split_at(a.sizes.len() - 2), b.sizes.split_at(b.sizes.len() - 2));
    assert_eq!(own_a[1], own_b[0]);
    let sizes = [joint(lead_a, lead_b), vec![own_a[0], own_b[1]]].concat();
    Tensor::made(sizes, |place| {
        let (lead, own) = place.split_at(place.len() - 2);
        let term = |k: usize| a.at(&[lead, &[own[0], k]].concat()) * b.at(&[lead, &[k, own[1]]].concat());
        (0..own_a[1]).map(term).sum()
    })
}

/// The places of a window of a map, and the entries of `x` there; `beyond` stands for what lies outside.
fn window(x: &Tensor, sample: usize, channel: usize, corner: [isize; 2], side: usize, beyond: f64) -> Vec<f64> {
    let [height, width] = [x.sizes[2] as isize, x.sizes[3] as isize];
    let entry = |i: usize| {
        let (line, pixel) = (corner[0] + (i / side) as isize, corner[1] + (i % side) as isize);
        let within = (0..height).contains(&line) && (0..width).contains(&pixel);
        if within { x.at(&[sample, channel, line as usize, pixel as usize]) } else { beyond }
    };
    (0..side * side).map(entry).collect()
}

/// What a node makes of its inputs, by the definition of its operator (ONNX, version 17).
fn carried_out(node: &Node, inputs: &[&Tensor]) -> Tensor {
    let attribute = |name: &str| node.attributes.iter().find(|(own, _)| *own == name).map(|(_, value)| value);
    let int = |name: &str| match attribute(name) {
        Some(&Attribute::Int(value)) => value,
        other => panic!("{} has {other:?} for {name}", node.operator),
    };
    let ints = |name: &str| -> Vec<usize> {
        match attribute(name) {
            Some(Attribute::Ints(values)) => values.iter().map(|&value| value as usize).collect(),
            other => panic!("{} has {other:?} for {name}", node.operator),
        }
    };
    let x = inputs[0];
    let whole = |tensor: &Tensor| -> Vec<i64> { tensor.values.iter().map(|&value| value as i64).collect() };
    match node.operator {
        "Add" => both(x, inputs[1], |a, b| a + b),
        "Sub" => both(x, inputs[1], |a, b| a - b),
        "Mul" => both(x, inputs[1], |a, b| a * b),
        "Div" => both(x, inputs[1], |a, b| a / b),
        "Mean" => {
            inputs[1..].iter().fold(x.clone(), |a, b| both(&a, b, |a, b| a + b)).each(|sum| sum / inputs.len() as f64)
        }
        "Sqrt" => x.each(f64::sqrt),
        "Relu" => x.each(|value| value.max(0.0)),
        "Tanh" => x.each(f64::tanh),
        "MatMul" => product(x, inputs[1]),
        "Gemm" => {
            assert_eq!(int("transB"), 1);
            let weight = inputs[1];
            let turned = Tensor::made(vec![weight.sizes[1], weight.sizes[0]], |place| weight.at(&[place[1], place[0]]));
            inputs.get(2).iter().fold(product(x, &turned), |sum, bias| both(&sum, bias, |a, b| a + b))
        }
        "BatchNormalization" => {
            let Some(&Attribute::Float(epsilon)) = attribute("epsilon") else { panic!("a norm without epsilon") };
            Tensor::made(x.sizes.clone(), |place| {
                let [scale, shift, mean, variance] = [1, 2, 3, 4].map(|index| inputs[index].values[place[1]]);
                (x.at(place) - mean) / (variance + f64::from(epsilon)).sqrt() * scale + shift
            })
        }
        "Conv" | "MaxPool" => {
            let (side, stride) = (ints("kernel_shape")[0], ints("strides")[0]);
            let padding = attribute("pads").map_or(0, |_| ints("pads")[0]);
            let length = |length: usize| (length + 2 * padding - side) / stride + 1;
            let channels = inputs.get(1).map_or(x.sizes[1], |weight| weight.sizes[0]);
            let corner = |along: usize| (along * stride) as isize - padding as isize;
            Tensor::made(vec![x.sizes[0], channels, length(x.sizes[2]), length(x.sizes[3])], |place| {
                let corner = [corner(place[2]), corner(place[3])];
                let Some(weight) = inputs.get(1) else {
                    return window(x, place[0], place[1], corner, side, f64::MIN).into_iter().fold(f64::MIN, f64::max);
                };
                let of = |channel: usize| -> f64 {
                    let values = window(x, place[0], channel, corner, side, 0.0);
                    let term = |(i, value): (usize, &f64)| value * weight.at(&[place[1], channel, i / side, i % side]);
                    values.iter().enumerate().map(term).sum()
                };
                let bias = inputs.get(2).map_or(0.0, |bias| bias.values[place[1]]);
                (0..x.sizes[1]).map(of).sum::<f64>() + bias
            })
        }
        "Flatten" => x.shaped(vec![x.sizes[0], x.values.len() / x.sizes[0]]),
        "Transpose" => {
            let order = ints("perm");
            Tensor::made(order.iter().map(|&axis| x.sizes[axis]).collect(), |place| {
                let mut from = vec![0; place.len()];
                order.iter().zip(place).for_each(|(&axis, &along)| from[axis] = along);
                x.at(&from)
            })
        }
        "Reshape" => {
            let sizes = whole(inputs[1]);
            let known: i64 = sizes.iter().filter(|&&size| size > 0).product();
            let rest = x.values.len() / known as usize;
            x.shaped(sizes.iter().map(|&size| if size < 0 { rest } else { size as usize }).collect())
        }
        "ReduceMean" => {
            let axes = ints("axes");
            assert_eq!(int("keepdims"), 1);
            let sizes = |axis: usize| if axes.contains(&axis) { 1 } else { x.sizes[axis] };
            let mut sums = Tensor::made((0..x.sizes.len()).map(sizes).collect(), |_| 0.0);
            let share = sums.values.len() as f64 / x.values.len() as f64;
            let of = Tensor::made(x.sizes.clone(), |place| {
                let kept = place.iter().zip(&sums.sizes).map(|(&along, &size)| if size == 1 { 0 } else { along });
                kept.zip(&sums.sizes).fold(0, |flat, (along, &size)| flat * size + along) as f64
            });
            x.values.iter().zip(of.values).for_each(|(value, at)| sums.values[at as usize] += value * share);
            sums
        }
        "Concat" => {
            assert_eq!(int("axis"), 1);
            let sizes =
                [vec![x.sizes[0], inputs.iter().map(|input| input.sizes[1]).sum()], x.sizes[2..].to_vec()].concat();
            Tensor::made(sizes, |place| {
                let (mut place, mut index) = (place.to_vec(), 0);
                while place[1] >= inputs[index].sizes[1] {
                    place[1] -= inputs[index].sizes[1];
                    index += 1;
                }
                inputs[index].at(&place)
            })
        }
        "Softmax" => {
            assert_eq!((int("axis"), x.sizes.len()), (1, 2));
            let row = |row: usize| (0..x.sizes[1]).map(move |column| x.at(&[row, column]).exp()).sum::<f64>();
            Tensor::made(x.sizes.clone(), |place| x.at(place).exp() / row(place[0]))
        }
        "ArgMax" => {
            assert_eq!((int("axis"), int("keepdims"), x.sizes.len()), (1, 0, 2));
            Tensor::made(vec![x.sizes[0]], |place| {
                let better =
                    |best: usize, k: usize| if x.at(&[place[0], k]) > x.at(&[place[0], best]) { k } else { best };
                (1..x.sizes[1]).fold(0, better) as f64
            })
        }
        "Gather" => inputs[1].each(|index| x.values[index as usize]),
        other => panic!("no definition of {other} here"),
    }
}

/// The outputs of a graph by their names.
fn outputs(model: &Model, x: Tensor) -> HashMap<&str, Tensor> {
    let mut known = HashMap::from([(model.inputs[0].name, x)]);
    for constant in &model.constants {
        let values = match &constant.entries {
            Entries::Floats(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Entries::Ints(values) => values.iter().map(|&value| value as f64).collect(),
        };
        known.insert(&constant.name, Tensor { sizes: constant.sizes.clone(), values });
    }
    for node in &model.nodes {
        let value = |name: &String| known.get(name.as_str()).unwrap_or_else(|| panic!("{node:?}: no value {name:?}"));
        let made = carried_out(node, &node.inputs.iter().map(value).collect::<Vec<_>>());
        assert!(known.insert(&node.output, made).is_none(), "{} is made twice", node.output);
    }
    model.outputs.iter().map(|port| (port.name, known[port.name].clone())).collect()
}

const ROWS: usize = 24;

/// Samples whose class shows in their values.
fn split(shape: Shape) -> Split {
    let part = |purpose: &str, rows: usize| {
        let mut stream = Stream::new(2, purpose, 0);
        let labels: Vec<u16> = (0..rows).map(|row| (row % 3) as u16).collect();
        let value = |label: u16, at: usize| if usize::from(label) == at % 3 { 1.2 } else { 0.0 };
        let values = labels.iter().flat_map(|&label| (0..shape.columns()).map(move |at| value(label, at)));
        Dataset {
            name: "points".to_owned(),
            samples: Samples::Floats(values.map(|value| value + stream.normal() as f32).collect()),
            shape,
            targets: Targets::classes(labels, ["left", "middle", "right"].map(str::to_owned).to_vec()),
            normalization: None,
        }
    };
    Split { train: part("train", 60), test: part("test", ROWS), standardization: None, origin: Origin::default() }
}

#[test]
fn graphs_give_what_their_runs_predict() {
    let (vector, map) = ([1, 1, 6], [2, 6, 8]);
    let all = "[format]\nformat-epochs = 2\nformat-input = 'all'";
    let last = "[format]\nformat-epochs = 0";
    let cases = [
        (vector, format!("[network]\nwidths = '8,5'\n[objective]\nmethod = 'hsic'\n{all}")),
        (vector, format!("[network]\nwidths = '8,5'\n[objective]\nmethod = 'hsic'\n{last}")),
        (vector, format!("[network]\nwidths = '8,5'\nactivation = 'tanh'\n[objective]\nmethod = 'backprop'\n{last}")),
        (
            vector,
            format!(
                "[network]\nmodel = 'residual-mlp'\nwidths = '6x3'\n[objective]\nmethod = 'hsic'\nsigma = [3.0, 7.0]\n{all}"
            ),
        ),
        (map, format!("[network]\nmodel = 'vgg'\nwidths = '3,4p'\n[objective]\nmethod = 'hsic'\n{all}")),
        (map, format!("[network]\nmodel = 'vgg'\nwidths = '3p,4'\n[objective]\nmethod = 'backprop'\n{last}")),
    ];
    for ([channels, height, width], text) in cases {
        let text = format!("[training]\nepochs = 3\nbatch-size = 20\n{text}");
        let config = toml::from_str::<TrainOptions>(&text).unwrap().resolve().unwrap();
        let data = split(Shape { channels, height, width });
        let folder = tempfile::tempdir().unwrap();
        let run = Run::create(&folder.path().join("r"), &config).unwrap();
        train(&config, &data, &run, &mut [], &AtomicBool::new(false)).unwrap();
        let predictor = Predictor::open(&run).unwrap();
        let Samples::Floats(x) = &data.test.samples else { unreachable!("made of numbers") };
        let model = Graph::of(&predictor, false).unwrap();
        let sizes = [vec![ROWS], model.inputs[0].sizes.clone()].concat();
        let found = outputs(&model, Tensor { sizes, values: x.iter().map(|&value| f64::from(value)).collect() });
        for (row, expected) in predictor.predict(x).iter().enumerate() {
            assert_eq!(found["class"].values[row], expected.class as f64, "{text}");
            let shares = &found["probabilities"].values[row * 3..][..3];
            // The run's numbers have single precision, and sums of up to a hundred terms.
            let near = shares.iter().zip(&expected.probabilities).all(|(a, b)| (a - b).abs() < 1e-5);
            assert!(near, "{text}: {shares:?} {expected:?}");
        }
    }
}

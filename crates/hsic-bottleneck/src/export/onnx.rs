//! A finished run as one ONNX graph, from the values of a sample to its class: what becomes of the values, the networks of
//! all sigmas, and the softmax layer, the assignment of units or the line that reads them.
//!
//! The graph is made from the PyTorch modules that blocks stand for ([`Block::modules`]) and their tensors. Maps lie channels
//! first in it, as ONNX has them; rows of numbers that follow a map are in the order of storage: channels last, but for rows of
//! the input, which has channel after channel.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use hsic_data::dataset::{Shape, stem};
use hsic_learn::judge::at_rest::{FormatInput, NormProtocol};
use hsic_learn::judge::values::ValueReadout;
use hsic_nn::network::{Feature, Module, NamedTensor, Network};
use thiserror::Error;

use super::input::Input;
use super::wire::{Attribute, Constant, Entries, Model, Node, Port};
use crate::files::{FileError, write_atomically};
use crate::predict::Predictor;

/// Why a run has no ONNX file.
#[derive(Debug, Error)]
pub enum OnnxError {
    /// A part of it that no operators are known for.
    #[error("{}: {part} has no form in ONNX here, expected {expected}", .run.display())]
    Unsupported {
        /// The run's folder.
        run: PathBuf,
        /// The part.
        part: String,
        /// What could be exported.
        expected: &'static str,
    },
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Writes a finished run as an ONNX graph (operators of version 17, any number of samples) to `path`, whole or not at all.
///
/// The input `x` is samples x values of a row, or of images samples x channels x height x width; pixels are 0 to 255. The
/// outputs are `probabilities` (samples x classes) and `class` (samples), or of values `value` (samples), in their unit. The
/// metadata has `classes`, the names by their numbers, and `input`, as in a safetensors file. The same run gives the same
/// bytes.
///
/// # Arguments
/// - `unformatted`: leaves out the softmax layer of format training; classes are read from the units of the last block.
///
/// # Errors
/// `Unsupported` for capsules, for classes that are read by the goodness of labels, and for batch norm with the statistics of
/// what it is evaluated on; `File`.
pub fn onnx(predictor: &Predictor, unformatted: bool, run: &Path, path: &Path) -> Result<(), OnnxError> {
    let model = Graph::of(predictor, unformatted).map_err(|(part, expected)| OnnxError::Unsupported {
        run: run.into(),
        part,
        expected,
    })?;
    Ok(write_atomically(path, &model.bytes())?)
}

/// A part without a form, and what has one.
type Lack = (String, &'static str);

/// A value in the graph.
#[derive(Clone)]
struct Value {
    name: String,
    /// Sizes of a map, channels first in the graph; a row has one pixel.
    shape: Shape,
    /// Whether the value has the four axes of a map; else samples x columns.
    map: bool,
    /// Whether its row has channel after channel, as that of an image has; maps of blocks lie channels last.
    planar: bool,
}

#[derive(Default)]
struct Graph {
    model: Model,
    count: usize,
}

const ROW_RMS_EPSILON: f32 = 1e-8;
const CHANNELS_EPSILON: f32 = 1e-5;
const NORM_EPSILON: f32 = 1e-5;

impl Graph {
    fn of(predictor: &Predictor, unformatted: bool) -> Result<Model, Lack> {
        let record = predictor.provenance();
        let networks = predictor.networks();
        let mut graph = Self::default();
        let map = record.shape.height * record.shape.width > 1 && record.shape.height > 1;
        let sizes = match map {
            true => vec![record.shape.channels, record.shape.height, record.shape.width],
            false => vec![record.columns()],
        };
        graph.model.inputs.push(Port { name: "x", whole: false, sizes });
        let shape = if map { record.shape } else { Shape { channels: record.columns(), height: 1, width: 1 } };
        let input = Input::of(record);
        let x = graph.scaled(Value { name: "x".to_owned(), shape, map, planar: true }, &input);
        let format = predictor.format().filter(|_| !unformatted);
        let line = match predictor.value_readout() {
            Some(ValueReadout::Line(line)) => Some(line),
            _ => None,
        };
        let all = line.is_some() || matches!(format, Some((FormatInput::All, _)));
        if networks.len() > 1 && predictor.config().protocol.norm == NormProtocol::Authors && format.is_some() {
            return Err(("a layer on statistics of the batch".to_owned(), "a run of --bn fair"));
        }
        if networks[0].capsule().is_some() {
            return Err(("a network of capsules".to_owned(), "one of dense, convolutional or residual blocks"));
        }
        if networks[0].label().is_some() && format.is_none() && line.is_none() {
            let expected = "a run with a softmax layer (--format-epochs N), and no --unformatted";
            return Err(("reading classes by the goodness of labels, a pass for each,".to_owned(), expected));
        }
        let mut members = Vec::new();
        for (index, network) in networks.iter().enumerate() {
            members.push(graph.network(&format!("n{index}"), network, x.clone(), all)?);
        }
        let features = match &members[..] {
            [one] => one.clone(),
            _ => graph.node("Mean", &members.iter().map(String::as_str).collect::<Vec<_>>(), Vec::new()),
        };
        if let Some((readout, scale)) = predictor.values_read() {
            let standardized = match readout {
                ValueReadout::Line(line) => {
                    let weights = line.weights.clone();
                    graph.affine("line", &features, (1, weights.len()), weights, Some(vec![line.intercept]))
                }
                ValueReadout::Output => graph.columns(&features, 0, 1),
            };
            let deviation = graph.floats("deviation", &[], vec![scale.deviation as f32]);
            let mean = graph.floats("mean", &[], vec![scale.mean as f32]);
            let scaled = graph.node("Mul", &[&standardized, &deviation], Vec::new());
            let value = graph.node("Add", &[&scaled, &mean], Vec::new());
            let axis = graph.ints("one", &[1], vec![1]);
            graph.named("Squeeze", &[&value, &axis], "value", Vec::new());
            graph.model.outputs.push(Port { name: "value", whole: false, sizes: Vec::new() });
        } else {
            let classes = record.classes();
            let axis = || vec![("axis", Attribute::Int(1))];
            let largest = || vec![("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(0))];
            match (format, predictor.readout()) {
                (Some((_, layer)), _) => {
                    let (weight, bias) = (layer.weight().to_vec(), layer.bias().to_vec());
                    let scores = graph.affine("format", &features, (classes, layer.inputs()), weight, Some(bias));
                    graph.named("Softmax", &[&scores], "probabilities", axis());
                    graph.named("ArgMax", &[&scores], "class", largest());
                }
                (None, Some(readout)) => {
                    let of_unit = &readout.assignment.class_of_unit;
                    let temperature = graph.floats("temperature", &[], vec![readout.temperature as f32]);
                    let cool = graph.node("Div", &[&features, &temperature], Vec::new());
                    let shares = graph.node("Softmax", &[&cool], axis());
                    let mut sum = vec![0.0; of_unit.len() * classes];
                    of_unit.iter().enumerate().for_each(|(unit, class)| sum[unit * classes + class] = 1.0);
                    let sum = graph.floats("units", &[of_unit.len(), classes], sum);
                    graph.named("MatMul", &[&shares, &sum], "probabilities", Vec::new());
                    let unit = graph.node("ArgMax", &[&features], largest());
                    let table = of_unit.iter().map(|&class| class as i64).collect();
                    let table = graph.ints("class_of_unit", &[of_unit.len()], table);
                    graph.named("Gather", &[&table, &unit], "class", Vec::new());
                }
                (None, None) => return Err(("a run without a readout".to_owned(), "one of classes or values")),
            }
            graph.model.outputs.push(Port { name: "probabilities", whole: false, sizes: vec![classes] });
            graph.model.outputs.push(Port { name: "class", whole: true, sizes: Vec::new() });
            let names = serde_json::json!(record.class_names).to_string();
            graph.model.metadata.push(("classes".to_owned(), names));
        }
        graph.model.metadata.push(("input".to_owned(), serde_json::json!(input).to_string()));
        let config = predictor.config();
        graph.model.description =
            format!("{} on {} by {}", config.model, stem(Path::new(&config.dataset)), config.method.name);
        Ok(graph.model)
    }

    /// A name that nothing has yet.
    fn fresh(&mut self, of: &str) -> String {
        self.count += 1;
        format!("{of}_{}", self.count)
    }

    fn node(&mut self, operator: &'static str, inputs: &[&str], attributes: Vec<(&'static str, Attribute)>) -> String {
        let output = self.fresh(operator);
        self.named(operator, inputs, &output, attributes);
        output
    }

    fn named(
        &mut self,
        operator: &'static str,
        inputs: &[&str],
        output: &str,
        attributes: Vec<(&'static str, Attribute)>,
    ) {
        let inputs = inputs.iter().map(|&input| input.to_owned()).collect();
        self.model.nodes.push(Node { operator, inputs, output: output.to_owned(), attributes });
    }

    fn floats(&mut self, of: &str, sizes: &[usize], values: Vec<f32>) -> String {
        self.constant(of, sizes, Entries::Floats(values))
    }

    fn ints(&mut self, of: &str, sizes: &[usize], values: Vec<i64>) -> String {
        self.constant(of, sizes, Entries::Ints(values))
    }

    fn constant(&mut self, of: &str, sizes: &[usize], entries: Entries) -> String {
        let name = self.fresh(of);
        self.model.constants.push(Constant { name: name.clone(), sizes: sizes.to_vec(), entries });
        name
    }

    /// x W' + b.
    fn affine(
        &mut self,
        of: &str,
        x: &str,
        (outputs, inputs): (usize, usize),
        weight: Vec<f32>,
        bias: Option<Vec<f32>>,
    ) -> String {
        let weight = self.floats(&format!("{of}.weight"), &[outputs, inputs], weight);
        let bias = bias.map(|bias| self.floats(&format!("{of}.bias"), &[outputs], bias));
        let inputs: Vec<&str> = [x, &weight].into_iter().chain(bias.as_deref()).collect();
        self.node("Gemm", &inputs, vec![("transB", Attribute::Int(1))])
    }

    /// Some columns of rows.
    fn columns(&mut self, x: &str, from: i64, to: i64) -> String {
        let [from, to, axis] = [from, to, 1].map(|place| self.ints("place", &[1], vec![place]));
        self.node("Slice", &[x, &from, &to, &axis], Vec::new())
    }

    /// The values of a sample as the network sees them.
    fn scaled(&mut self, x: Value, input: &Input) -> Value {
        let mut name = x.name.clone();
        // Numbers for each channel of a map, or each column of a row.
        let sizes = |count: usize| if x.map { vec![1, count, 1, 1] } else { vec![1, count] };
        if input.pixels {
            let most = self.floats("most", &[], vec![255.0]);
            name = self.node("Div", &[&name, &most], Vec::new());
        }
        let channels = input.normalization.as_ref().map(|own| (&own.means, &own.deviations));
        let columns = input.standardization.as_ref().map(|own| (&own.means, &own.deviations));
        for (means, deviations) in [channels, columns].into_iter().flatten() {
            // Values of a row that has several for each number: pixels, channel after channel.
            let count = if x.map { means.len() } else { x.shape.channels };
            let each = |of: &dyn Fn(f64, f64) -> f32| {
                let numbers = (0..count).map(|index| index * means.len() / count);
                numbers.map(|number| of(means[number], deviations[number])).collect()
            };
            let mean = self.floats("means", &sizes(count), each(&|mean, _| mean as f32));
            // What is constant becomes 0.
            let slope = |_, deviation: f64| if deviation == 0.0 { 0.0 } else { (1.0 / deviation) as f32 };
            let slope = self.floats("slopes", &sizes(count), each(&slope));
            name = self.node("Sub", &[&name, &mean], Vec::new());
            name = self.node("Mul", &[&name, &slope], Vec::new());
        }
        Value { name, ..x }
    }

    /// A value as rows in the order of storage, channels last.
    fn row(&mut self, x: Value) -> Value {
        if !x.map {
            return x;
        }
        let mut name = x.name;
        if !x.planar && x.shape.height * x.shape.width > 1 {
            let order = Attribute::Ints(vec![0, 2, 3, 1]);
            name = self.node("Transpose", &[&name], vec![("perm", order)]);
        }
        name = self.node("Flatten", &[&name], vec![("axis", Attribute::Int(1))]);
        Value { name, shape: Shape { channels: x.shape.columns(), height: 1, width: 1 }, map: false, planar: x.planar }
    }

    /// A value as a map of sizes `shape`.
    fn map(&mut self, x: Value, shape: Shape) -> Value {
        if x.map {
            return x;
        }
        if x.planar {
            let sizes = [-1, shape.channels as i64, shape.height as i64, shape.width as i64];
            let sizes = self.ints("sizes", &[4], sizes.to_vec());
            return Value {
                name: self.node("Reshape", &[&x.name, &sizes], Vec::new()),
                shape,
                map: true,
                planar: true,
            };
        }
        let sizes = [-1, shape.height as i64, shape.width as i64, shape.channels as i64];
        let sizes = self.ints("sizes", &[4], sizes.to_vec());
        let name = self.node("Reshape", &[&x.name, &sizes], Vec::new());
        let order = Attribute::Ints(vec![0, 3, 1, 2]);
        Value { name: self.node("Transpose", &[&name], vec![("perm", order)]), shape, map: true, planar: false }
    }

    /// What is taken of a network: its last outputs, or the features of all blocks side by side.
    fn network(&mut self, of: &str, network: &Network, x: Value, all: bool) -> Result<String, Lack> {
        let tensors: HashMap<String, NamedTensor<f32>> =
            network.tensors().into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
        let own = Own { of, tensors: &tensors };
        let (shape, mut x, mut module) = (x.shape, x, 0);
        if let Some(label) = network.label() {
            let mut neutral = vec![0.0; x.shape.columns()];
            label.neutral(&mut neutral[..label.classes]);
            let mask: Vec<f32> = (0..neutral.len()).map(|column| f32::from(column >= label.classes)).collect();
            let (was_map, row) = (x.map, self.row(x));
            let mask = self.floats("mask", &[1, mask.len()], mask);
            let neutral = self.floats("label", &[1, neutral.len()], neutral);
            let name = self.node("Mul", &[&row.name, &mask], Vec::new());
            x = Value { name: self.node("Add", &[&name, &neutral], Vec::new()), ..row };
            if was_map {
                x = self.map(x, shape);
            }
            module = 1;
        }
        let mut features = Vec::new();
        for block in network.blocks() {
            for part in block.modules() {
                x = self.module(&own, &module.to_string(), &part, x)?;
                module += 1;
            }
            if all {
                let feature = self.feature(network.feature(), x.clone());
                features.push(feature);
            }
        }
        if !all {
            return Ok(self.row(x).name);
        }
        match &features[..] {
            [one] => Ok(one.clone()),
            _ => {
                let inputs: Vec<&str> = features.iter().map(String::as_str).collect();
                Ok(self.node("Concat", &inputs, vec![("axis", Attribute::Int(1))]))
            }
        }
    }

    /// The feature of a block's map, as rows.
    fn feature(&mut self, feature: Feature, x: Value) -> String {
        if feature.is_whole(x.shape) || !x.map {
            return self.row(x).name;
        }
        match feature {
            Feature::Flat => self.row(x).name,
            Feature::Pool(side) => {
                // Means over fields of lines, then of pixels: a product each.
                let (height, width) = (x.shape.height, x.shape.width);
                let shape = feature.shape(x.shape);
                let across = self.floats("pixels", &[width, shape.width], transposed(&means(width, side), width));
                let down = self.floats("lines", &[shape.height, height], means(height, side));
                let name = self.node("MatMul", &[&x.name, &across], Vec::new());
                let name = self.node("MatMul", &[&down, &name], Vec::new());
                self.row(Value { name, shape, map: true, planar: false }).name
            }
            Feature::Channels => {
                let over = || vec![("axes", Attribute::Ints(vec![2, 3])), ("keepdims", Attribute::Int(1))];
                let mean = self.node("ReduceMean", &[&x.name], over());
                let apart = self.node("Sub", &[&x.name, &mean], Vec::new());
                let squares = self.node("Mul", &[&apart, &apart], Vec::new());
                let variance = self.node("ReduceMean", &[&squares], over());
                let epsilon = self.floats("epsilon", &[], vec![CHANNELS_EPSILON]);
                let variance = self.node("Add", &[&variance, &epsilon], Vec::new());
                let deviation = self.node("Sqrt", &[&variance], Vec::new());
                let name = self.node("Concat", &[&mean, &deviation], vec![("axis", Attribute::Int(1))]);
                self.node("Flatten", &[&name], vec![("axis", Attribute::Int(1))])
            }
        }
    }

    /// One PyTorch module; `path` is that of its tensors.
    fn module(&mut self, own: &Own<'_>, path: &str, module: &Module, x: Value) -> Result<Value, Lack> {
        let argument = |index: usize| module.arguments.get(index).copied().unwrap_or_default() as usize;
        Ok(match module.class {
            "Dropout" | "Dropout2d" => x,
            "Flatten" => {
                let name = self.node("Flatten", &[&x.name], vec![("axis", Attribute::Int(1))]);
                let shape = Shape { channels: x.shape.columns(), height: 1, width: 1 };
                Value { name, shape, map: false, planar: false }
            }
            "Linear" => {
                let (x, outputs) = (self.row(x), argument(1));
                let (weight, bias) = (own.values(path, "weight")?, own.values(path, "bias").ok());
                let of = format!("{}.{path}", own.of);
                let name = self.affine(&of, &x.name, (outputs, argument(0)), weight, bias);
                Value { name, shape: Shape { channels: outputs, height: 1, width: 1 }, map: false, planar: false }
            }
            "Conv2d" => self.convolution(own, path, module, x)?,
            "BatchNorm1d" | "BatchNorm2d" => self.norm(own, &format!("{path}."), x)?,
            "MaxPool2d" => {
                let side = argument(0);
                let sides = || Attribute::Ints(vec![side as i64; 2]);
                let shape = Shape { height: x.shape.height / side, width: x.shape.width / side, ..x.shape };
                let name = self.node("MaxPool", &[&x.name], vec![("kernel_shape", sides()), ("strides", sides())]);
                Value { name, shape, map: true, planar: x.planar }
            }
            "RowRms" => {
                let axes = Attribute::Ints(if x.map { vec![1, 2, 3] } else { vec![1] });
                let squares = self.node("Mul", &[&x.name, &x.name], Vec::new());
                let mean = self.node("ReduceMean", &[&squares], vec![("axes", axes), ("keepdims", Attribute::Int(1))]);
                let epsilon = self.floats("epsilon", &[], vec![ROW_RMS_EPSILON]);
                let mean = self.node("Add", &[&mean, &epsilon], Vec::new());
                let root = self.node("Sqrt", &[&mean], Vec::new());
                Value { name: self.node("Div", &[&x.name, &root], Vec::new()), ..x }
            }
            "DivisiveNorm" => self.divisive(argument(0), x),
            "Residual" => self.residual(own, path, module, x)?,
            other => self.activation(other, x)?,
        })
    }

    fn activation(&mut self, class: &str, x: Value) -> Result<Value, Lack> {
        let alpha = |value| vec![("alpha", Attribute::Float(value))];
        let name = match class {
            "ReLU" => self.node("Relu", &[&x.name], Vec::new()),
            "LeakyReLU" => self.node("LeakyRelu", &[&x.name], alpha(0.01)),
            "Tanh" => self.node("Tanh", &[&x.name], Vec::new()),
            "ELU" => self.node("Elu", &[&x.name], alpha(1.0)),
            "Sigmoid" => self.node("Sigmoid", &[&x.name], Vec::new()),
            "SiLU" => {
                let gate = self.node("Sigmoid", &[&x.name], Vec::new());
                self.node("Mul", &[&x.name, &gate], Vec::new())
            }
            "GELU" => {
                // a (1 + erf(a / sqrt 2)) / 2.
                let [root, one, half] =
                    [std::f32::consts::FRAC_1_SQRT_2, 1.0, 0.5].map(|v| self.floats("c", &[], vec![v]));
                let scaled = self.node("Mul", &[&x.name, &root], Vec::new());
                let error = self.node("Erf", &[&scaled], Vec::new());
                let above = self.node("Add", &[&error, &one], Vec::new());
                let twice = self.node("Mul", &[&x.name, &above], Vec::new());
                self.node("Mul", &[&twice, &half], Vec::new())
            }
            other => return Err((format!("a module {other}"), "a network of dense, convolutional or residual blocks")),
        };
        Ok(Value { name, ..x })
    }

    fn convolution(&mut self, own: &Own<'_>, path: &str, module: &Module, x: Value) -> Result<Value, Lack> {
        let [channels, outputs, kernel, stride, padding] =
            [0, 1, 2, 3, 4].map(|index| module.arguments.get(index).copied().unwrap_or_default() as usize);
        if !x.map && x.shape.columns() != channels {
            return Err(("a convolution on rows".to_owned(), "one on images of two lines at least"));
        }
        let shape = x.shape;
        let x = self.map(x, shape);
        let of = format!("{}.{path}", own.of);
        let weight = own.values(path, "weight")?;
        let weight = self.floats(&format!("{of}.weight"), &[outputs, channels, kernel, kernel], weight);
        let bias = own.values(path, "bias").ok().map(|bias| self.floats(&format!("{of}.bias"), &[outputs], bias));
        let attributes = vec![
            ("kernel_shape", Attribute::Ints(vec![kernel as i64; 2])),
            ("strides", Attribute::Ints(vec![stride as i64; 2])),
            ("pads", Attribute::Ints(vec![padding as i64; 4])),
        ];
        let inputs: Vec<&str> = [x.name.as_str(), &weight].into_iter().chain(bias.as_deref()).collect();
        let name = self.node("Conv", &inputs, attributes);
        let side = |length: usize| (length + 2 * padding - kernel) / stride + 1;
        let shape = Shape { channels: outputs, height: side(x.shape.height), width: side(x.shape.width) };
        Ok(Value { name, shape, map: true, planar: false })
    }

    /// Batch norm with the running statistics; `path` ends with a dot.
    fn norm(&mut self, own: &Own<'_>, path: &str, x: Value) -> Result<Value, Lack> {
        let channels = x.shape.channels;
        let path = path.trim_end_matches('.');
        let scale = own.values(path, "weight").unwrap_or_else(|_| vec![1.0; channels]);
        let shift = own.values(path, "bias").unwrap_or_else(|_| vec![0.0; channels]);
        let (mean, variance) = (own.values(path, "running_mean")?, own.values(path, "running_var")?);
        let of = format!("{}.{path}", own.of);
        let parts = [("weight", scale), ("bias", shift), ("running_mean", mean), ("running_var", variance)];
        let parts = parts.map(|(name, values)| self.floats(&format!("{of}.{name}"), &[channels], values));
        let inputs: Vec<&str> = [x.name.as_str()].into_iter().chain(parts.iter().map(String::as_str)).collect();
        let name = self.node("BatchNormalization", &inputs, vec![("epsilon", Attribute::Float(NORM_EPSILON))]);
        Ok(Value { name, ..x })
    }

    /// (x - mean) / (variance + 1/n)^0.2 in groups of channels.
    fn divisive(&mut self, groups: usize, x: Value) -> Value {
        let size = x.shape.columns() / groups;
        let apart = self.ints("groups", &[3], vec![-1, groups as i64, size as i64]);
        let back = match x.map {
            true => vec![-1, x.shape.channels as i64, x.shape.height as i64, x.shape.width as i64],
            false => vec![-1, x.shape.channels as i64],
        };
        let back = self.ints("sizes", &[back.len()], back);
        let over = || vec![("axes", Attribute::Ints(vec![2])), ("keepdims", Attribute::Int(1))];
        let grouped = self.node("Reshape", &[&x.name, &apart], Vec::new());
        let mean = self.node("ReduceMean", &[&grouped], over());
        let centered = self.node("Sub", &[&grouped, &mean], Vec::new());
        let squares = self.node("Mul", &[&centered, &centered], Vec::new());
        let variance = self.node("ReduceMean", &[&squares], over());
        let share = self.floats("share", &[], vec![1.0 / size as f32]);
        let raised = self.node("Add", &[&variance, &share], Vec::new());
        let power = self.floats("power", &[], vec![0.2]);
        let divisor = self.node("Pow", &[&raised, &power], Vec::new());
        let divided = self.node("Div", &[&centered, &divisor], Vec::new());
        Value { name: self.node("Reshape", &[&divided, &back], Vec::new()), ..x }
    }

    /// activation(norm(inner(x) + x)).
    fn residual(&mut self, own: &Own<'_>, path: &str, module: &Module, x: Value) -> Result<Value, Lack> {
        let Some((inner, behind)) = module.inner.split_first() else { return Ok(x) };
        let mut around = x.clone();
        for (index, part) in inner.inner.iter().enumerate() {
            around = self.module(own, &format!("{path}.inner.{index}"), part, around)?;
        }
        let x = if around.map == x.map { x } else { self.row(x) };
        let mut sum = Value { name: self.node("Add", &[&around.name, &x.name], Vec::new()), ..around };
        for part in behind {
            sum = match part.class {
                "BatchNorm1d" | "BatchNorm2d" => self.norm(own, &format!("{path}.norm."), sum)?,
                other => self.activation(other, sum)?,
            };
        }
        Ok(sum)
    }
}

/// The tensors of one network.
struct Own<'n> {
    /// Starts the names of its constants.
    of: &'n str,
    tensors: &'n HashMap<String, NamedTensor<f32>>,
}

impl Own<'_> {
    fn values(&self, path: &str, name: &str) -> Result<Vec<f32>, Lack> {
        let tensor = self.tensors.get(&format!("{path}.{name}"));
        let lack = || (format!("a module without its tensor {path}.{name}"), "the tensors of PyTorch's module");
        tensor.map(|tensor| tensor.values.clone()).ok_or_else(lack)
    }
}

/// Rows that take means over the fields of a side of `length`: fields x length.
fn means(length: usize, fields: usize) -> Vec<f32> {
    let fields = fields.min(length);
    let mut rows = vec![0.0; fields * length];
    for (index, row) in rows.chunks_exact_mut(length).enumerate() {
        let own = index * length / fields..(index + 1) * length / fields;
        let share = 1.0 / own.len() as f32;
        row[own].fill(share);
    }
    rows
}

/// The transpose of a matrix with so many columns.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns).copied()).collect()
}

#[cfg(test)]
#[path = "onnx_tests.rs"]
mod tests;

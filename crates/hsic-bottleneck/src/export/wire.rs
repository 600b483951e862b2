//! The few messages of an ONNX model.
//!
//! Field numbers are those of `onnx.proto` (ONNX 1.12, IR version 8), <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>.

use super::message::Message;

/// IR version of the files.
const IR_VERSION: u64 = 8;

/// Version of the operators: that of ONNX 1.12 (2022), which current runtimes and converters know.
const OPSET: u64 = 17;

/// Numbers of types of elements.
const FLOAT: u64 = 1;
const INT64: u64 = 7;

/// What an operator is told beside its inputs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Attribute {
    Float(f32),
    Int(i64),
    Ints(Vec<i64>),
}

/// An operator.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) operator: &'static str,
    pub(super) inputs: Vec<String>,
    pub(super) output: String,
    pub(super) attributes: Vec<(&'static str, Attribute)>,
}

/// Entries of a constant.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entries {
    Floats(Vec<f32>),
    Ints(Vec<i64>),
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constant {
    pub(super) name: String,
    pub(super) sizes: Vec<usize>,
    pub(super) entries: Entries,
}

/// What goes in or comes out: its name, whether it is of whole numbers, and its sizes behind the number of samples.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Port {
    pub(super) name: &'static str,
    pub(super) whole: bool,
    pub(super) sizes: Vec<usize>,
}

/// A model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    pub(super) nodes: Vec<Node>,
    pub(super) constants: Vec<Constant>,
    pub(super) inputs: Vec<Port>,
    pub(super) outputs: Vec<Port>,
    /// Texts by name.
    pub(super) metadata: Vec<(String, String)>,
    /// What the model is, in words.
    pub(super) description: String,
}

impl Model {
    /// The file.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut graph = Message::default();
        for node in &self.nodes {
            graph.message(1, &node.message());
        }
        graph.text(2, "hsic");
        for constant in &self.constants {
            graph.message(5, &constant.message());
        }
        for (field, ports) in [(11, &self.inputs), (12, &self.outputs)] {
            for port in ports {
                graph.message(field, &port.message());
            }
        }
        let mut operators = Message::default();
        operators.text(1, "").int(2, OPSET);
        let mut model = Message::default();
        model.int(1, IR_VERSION).text(2, "hsic").text(3, env!("CARGO_PKG_VERSION")).text(6, &self.description);
        model.message(7, &graph).message(8, &operators);
        for (name, text) in &self.metadata {
            let mut entry = Message::default();
            entry.text(1, name).text(2, text);
            model.message(14, &entry);
        }
        model.into_bytes()
    }
}

impl Node {
    fn message(&self) -> Message {
        let mut node = Message::default();
        for input in &self.inputs {
            node.text(1, input);
        }
        node.text(2, &self.output).text(3, &self.output).text(4, self.operator);
        for (name, value) in &self.attributes {
            let mut attribute = Message::default();
            attribute.text(1, name);
            match value {
                Attribute::Float(value) => attribute.float(2, *value).int(20, 1),
                Attribute::Int(value) => attribute.int(3, value.cast_unsigned()).int(20, 2),
                Attribute::Ints(values) => {
                    for value in values {
                        attribute.int(8, value.cast_unsigned());
                    }
                    attribute.int(20, 7)
                }
            };
            node.message(5, &attribute);
        }
        node
    }
}

impl Constant {
    fn message(&self) -> Message {
        let mut tensor = Message::default();
        for &size in &self.sizes {
            tensor.int(1, size as u64);
        }
        // Entries lie little-endian, whatever the machine.
        let (kind, raw): (u64, Vec<u8>) = match &self.entries {
            Entries::Floats(values) => (FLOAT, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            Entries::Ints(values) => (INT64, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        };
        tensor.int(2, kind).text(8, &self.name).bytes(9, &raw);
        tensor
    }
}

impl Port {
    fn message(&self) -> Message {
        let mut sizes = Message::default();
        let mut any = Message::default();
        any.text(2, "samples");
        sizes.message(1, &any);
        for &size in &self.sizes {
            let mut one = Message::default();
            one.int(1, size as u64);
            sizes.message(1, &one);
        }
        let (mut tensor, mut kind, mut port) = (Message::default(), Message::default(), Message::default());
        tensor.int(1, if self.whole { INT64 } else { FLOAT }).message(2, &sizes);
        kind.message(1, &tensor);
        port.text(1, self.name).message(2, &kind);
        port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_the_bytes_of_its_messages() {
        let port = |name, whole, sizes: &[usize]| Port { name, whole, sizes: sizes.to_vec() };
        let model = Model {
            nodes: vec![Node {
                operator: "Elu",
                inputs: vec!["x".to_owned()],
                output: "y".to_owned(),
                attributes: vec![("alpha", Attribute::Float(1.0)), ("k", Attribute::Ints(vec![-1, 300]))],
            }],
            constants: vec![Constant { name: "c".to_owned(), sizes: vec![1], entries: Entries::Floats(vec![0.5]) }],
            inputs: vec![port("x", false, &[2])],
            outputs: vec![port("y", true, &[])],
            metadata: vec![("a".to_owned(), "b".to_owned())],
            description: String::new(),
        };
        // By hand: protocol buffers' encoding guide (varints, length-delimited fields) and the field numbers of onnx.proto.
        let alpha = [b"\x0a\x05alpha\x15".as_slice(), &1f32.to_le_bytes(), b"\xa0\x01\x01"].concat();
        let k = [b"\x0a\x01k\x40".as_slice(), &[0xff; 9], b"\x01\x40\xac\x02\xa0\x01\x07"].concat();
        let node = [
            b"\x0a\x01x\x12\x01y\x1a\x01y\x22\x03Elu\x2a".as_slice(),
            &[alpha.len() as u8],
            &alpha,
            b"\x2a",
            &[k.len() as u8],
            &k,
        ]
        .concat();
        let tensor = [b"\x08\x01\x10\x01\x42\x01c\x4a\x04".as_slice(), &0.5f32.to_le_bytes()].concat();
        let input = b"\x0a\x01x\x12\x17\x0a\x15\x08\x01\x12\x11\x0a\x09\x12\x07samples\x0a\x02\x08\x02".as_slice();
        // One size less: four bytes.
        let output = b"\x0a\x01y\x12\x13\x0a\x11\x08\x07\x12\x0d\x0a\x09\x12\x07samples".as_slice();
        let input = [&input[..4], b"\x15\x0a\x13\x08\x01\x12\x0f", &input[11..]].concat();
        let output = [&output[..4], b"\x11\x0a\x0f\x08\x07\x12\x0b", &output[11..]].concat();
        let graph = [
            b"\x0a".as_slice(),
            &[node.len() as u8],
            &node,
            b"\x12\x04hsic\x2a",
            &[tensor.len() as u8],
            &tensor,
            b"\x5a",
            &[input.len() as u8],
            &input,
            b"\x62",
            &[output.len() as u8],
            &output,
        ]
        .concat();
        let version = env!("CARGO_PKG_VERSION").as_bytes();
        let head = [b"\x08\x08\x12\x04hsic\x1a".as_slice(), &[version.len() as u8], version, b"\x32\x00\x3a"].concat();
        let length = [(graph.len() & 0x7f) as u8 | 0x80, (graph.len() >> 7) as u8];
        assert!(graph.len() >= 128, "the length takes two bytes: {}", graph.len());
        let tail = b"\x42\x04\x0a\x00\x10\x11\x72\x06\x0a\x01a\x12\x01b".as_slice();
        assert_eq!(model.bytes(), [head, length.to_vec(), graph, tail.to_vec()].concat());
    }
}

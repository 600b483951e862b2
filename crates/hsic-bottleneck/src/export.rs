//! A run's network for other programs: one file of tensors under the names of one flat PyTorch `Sequential`.
//!
//! A softmax layer on the last outputs is the last module of it. One on the features of all blocks is none, since it sees what
//! lies between the modules: its tensors are `format.weight` and `format.bias`, and `features` tells after which modules its
//! columns are taken.
//!
//! The same run gives the same bytes.

mod events;
mod input;
mod message;
mod onnx;
mod picture;
mod tensorboard;
mod wire;

use std::io::{BufWriter, Write};
use std::path::Path;

use hsic_data::disk::{self, Opening};
use hsic_learn::judge::at_rest::FormatInput;
use hsic_learn::judge::softmax::SoftmaxLayer;
use hsic_nn::network::{Block, Feature, Module, NamedTensor, Network};
use serde::Serialize;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::files::{FileError, replace};
use crate::tensor_file;

pub use input::Input;
pub use onnx::{OnnxError, onnx};
pub use tensorboard::{TensorBoard, tensorboard};

/// How tensors are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum ExportFormat {
    /// The safetensors format
    Safetensors,
    /// NumPy's archive: an uncompressed zip with a .npy for each tensor
    Npz,
}

/// Where the columns are taken that a softmax layer on all blocks sees.
#[derive(Serialize)]
struct Features {
    /// Modules after which a block's map is taken, block by block.
    after: Vec<usize>,
    /// What of a map is taken.
    of: Feature,
}

impl Features {
    fn of(network: &Network) -> Self {
        let mut module =
            network.modules().len() - network.blocks().iter().map(|block| block.modules().len()).sum::<usize>();
        let mut ends = |block: &dyn Block| {
            module += block.modules().len();
            module
        };
        Self { after: network.blocks().iter().map(|block| ends(&**block)).collect(), of: network.feature() }
    }
}

/// Writes the network's tensors (f32, PyTorch's layouts) to `path`, whole or not at all; with a softmax layer where there is
/// one, on the last outputs as one more linear module, on all blocks as `format.weight` (classes x columns) and
/// `format.bias`. The metadata of a safetensors file tells the modules under `state`, with a layer on all blocks the
/// `features` that are its columns, in order, and under `input` what is to be done to the values of a sample before the
/// network sees them; its `format` is `pt`, as other programs ask.
///
/// # Errors
/// `Io` with the path.
pub fn export(
    network: &Network,
    layer: Option<(FormatInput, &SoftmaxLayer)>,
    input: Option<&Input>,
    format: ExportFormat,
    path: &Path,
) -> Result<(), FileError> {
    let mut tensors = network.tensors();
    let mut modules = network.modules();
    let mut features = None;
    if let Some((input, layer)) = layer {
        let (classes, weight, bias) = (layer.bias().len(), layer.weight().to_vec(), layer.bias().to_vec());
        let place = match input {
            FormatInput::Last => {
                modules.push(Module::new("Linear", &[layer.inputs(), classes]));
                (modules.len() - 1).to_string()
            }
            FormatInput::All => {
                features = Some(Features::of(network));
                "format".to_owned()
            }
        };
        let shape = vec![classes, layer.inputs()];
        tensors.push(NamedTensor { name: format!("{place}.weight"), shape, values: weight });
        tensors.push(NamedTensor { name: format!("{place}.bias"), shape: vec![classes], values: bias });
    }
    match format {
        ExportFormat::Safetensors => {
            let state = match features {
                None => serde_json::json!({ "modules": modules }),
                Some(features) => serde_json::json!({ "modules": modules, "features": features }),
            };
            let state = state.to_string();
            let input = input.map(|input| serde_json::json!(input).to_string());
            let mut metadata = vec![("format", "pt"), ("state", &state)];
            metadata.extend(input.as_deref().map(|input| ("input", input)));
            tensor_file::save_with(path, tensor_file::views(&tensors), &metadata)
        }
        ExportFormat::Npz => replace(path, |aside| {
            let mut archive = ZipWriter::new(BufWriter::with_capacity(1 << 20, disk::open(aside, Opening::Emptied)?));
            for tensor in &tensors {
                // The time is fixed, or the same run would not give the same bytes.
                let options = SimpleFileOptions::default()
                    .compression_method(CompressionMethod::Stored)
                    .last_modified_time(DateTime::default())
                    .large_file(4 * tensor.values.len() >= 1 << 31);
                archive.start_file(format!("{}.npy", tensor.name), options)?;
                archive.write_all(&npy_header(tensor))?;
                archive.write_all(bytemuck::cast_slice(&tensor.values))?;
            }
            let file = archive.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            file.sync()
        }),
    }
}

/// The start of a `.npy` file of version 1: magic, length, dictionary, padded so that the values start at a multiple
/// of 64 bytes (NumPy's `numpy.lib.format`).
fn npy_header(tensor: &NamedTensor<f32>) -> Vec<u8> {
    const START: usize = 10;
    let sizes: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
    let comma = if sizes.len() == 1 { "," } else { "" };
    let dictionary = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{comma}), }}", sizes.join(", "));
    let length = (START + dictionary.len() + 1).next_multiple_of(64) - START;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(dictionary.bytes());
    bytes.resize(START + length - 1, b' ');
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use std::collections::HashMap;

    use hsic_data::dataset::read_table;
    use hsic_nn::network::Activation;

    use super::*;

    #[test]
    fn an_archive_holds_every_tensor_and_the_same_bytes_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let network = Network::mlp(5, &[4], 3, Activation::Relu, hsic_nn::network::Norm::Batch, 1);
        let (a, b) = (folder.path().join("a.npz"), folder.path().join("b.npz"));
        export(&network, None, None, ExportFormat::Npz, &a).unwrap();
        export(&network, None, None, ExportFormat::Npz, &b).unwrap();
        assert!(std::fs::read(&a).unwrap() == std::fs::read(&b).unwrap());
        let mut archive = zip::ZipArchive::new(File::open(&a).unwrap()).unwrap();
        assert_eq!(archive.len(), network.tensors().len());
        for tensor in network.tensors() {
            let mut member = archive.by_name(&format!("{}.npy", tensor.name)).unwrap();
            assert_eq!(member.compression(), CompressionMethod::Stored);
            let path = folder.path().join("member.npy");
            std::io::copy(&mut member, &mut File::create(&path).unwrap()).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!((bytes.len() - 4 * tensor.values.len()) % 64, 0, "{}", tensor.name);
            let table = read_table(&path).unwrap();
            let values: Vec<f32> = table.values.iter().map(|&value| value as f32).collect();
            assert_eq!((table.rows, values), (tensor.shape[0], tensor.values), "{}", tensor.name);
        }
    }

    #[test]
    fn a_safetensors_export_is_the_run_s_own_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let network = Network::mlp(5, &[4], 3, Activation::Relu, hsic_nn::network::Norm::None, 1);
        export(&network, None, None, ExportFormat::Safetensors, &path).unwrap();
        let mut other = Network::mlp(5, &[4], 3, Activation::Relu, hsic_nn::network::Norm::None, 2);
        tensor_file::restore(&path, &mut other, tensor_file::load(&path).unwrap().tensors).unwrap();
        assert_eq!(other.tensors(), network.tensors());
        let error = export(&network, None, None, ExportFormat::Safetensors, &folder.path().join("no/w.safetensors"))
            .unwrap_err();
        assert!(error.to_string().ends_with("no/w.safetensors"), "{error}");
    }

    #[test]
    fn a_layer_on_all_blocks_tells_after_which_modules_its_columns_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let network = Network::mlp(5, &[4, 3], 2, Activation::Relu, hsic_nn::network::Norm::Batch, 1);
        let weight: Vec<f32> = (0..18).map(|index| index as f32).collect();
        let layer = SoftmaxLayer::from_parts(2, &weight, &[0.5, -0.5]).unwrap();
        let path = folder.path().join("w.safetensors");
        let file = |input| {
            export(&network, Some((input, &layer)), None, ExportFormat::Safetensors, &path).unwrap();
            tensor_file::load(&path).unwrap()
        };
        let found = file(FormatInput::All);
        let state: serde_json::Value = serde_json::from_str(&found.state.unwrap()).unwrap();
        // Linear, norm and activation of each of three blocks: 4 + 3 + 2 columns.
        assert_eq!(state["features"], serde_json::json!({ "after": [3, 6, 9], "of": "flat" }));
        assert_eq!(state["modules"].as_array().unwrap().len(), 9);
        let of = |tensors: &HashMap<String, NamedTensor<f32>>, name: &str| {
            tensors.get(name).map(|tensor| (tensor.shape.clone(), tensor.values.clone()))
        };
        assert_eq!(of(&found.tensors, "format.weight"), Some((vec![2, 9], weight)));
        assert_eq!(of(&found.tensors, "format.bias"), Some((vec![2], vec![0.5, -0.5])));
        let two = SoftmaxLayer::from_parts(2, &[1.0, 2.0, 3.0, 4.0], &[0.0, 1.0]).unwrap();
        export(&network, Some((FormatInput::Last, &two)), None, ExportFormat::Safetensors, &path).unwrap();
        let found = tensor_file::load(&path).unwrap();
        let state: serde_json::Value = serde_json::from_str(&found.state.unwrap()).unwrap();
        assert_eq!((state["modules"].as_array().unwrap().len(), &state["features"]), (10, &serde_json::Value::Null));
        assert_eq!(of(&found.tensors, "9.weight"), Some((vec![2, 2], vec![1.0, 2.0, 3.0, 4.0])));
    }
}

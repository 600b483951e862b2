//! A run's folder: `config.toml`, `metrics.jsonl`, `weights.safetensors`, `readout.json`, `checkpoint/`,
//! `summary.json`. Files appear whole or not at all, and nothing in them is executed.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::{TrainConfig, TrainOptions};
use crate::dataset::Normalization;
use crate::network::{NamedTensor, Network};
use crate::optimizer::OptimizerState;
use crate::readout::Confusion;
use crate::update::UpdateRecord;

/// What can be wrong with a run's folder.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// A file cannot be read or written.
    #[error("{}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what its name says.
    #[error("{}: {found}, expected {expected}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What should be.
        expected: String,
    },
    /// The folder holds something already.
    #[error("{}: is not empty: expected a new folder, or --resume", .path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
}

/// What a finished training says: the JSON of `hsic train --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The run's folder.
    pub run: PathBuf,
    /// Name or path of the data set.
    pub dataset: String,
    /// Name of the network.
    pub model: String,
    /// Name of the method.
    pub method: String,
    /// Epochs done.
    pub epochs: u64,
    /// Steps done.
    pub steps: u64,
    /// Seed.
    pub seed: u64,
    /// Threads.
    pub threads: usize,
    /// Unformatted accuracy on all training data, a fraction.
    pub train_accuracy: f64,
    /// Unformatted accuracy on all test data, a fraction.
    pub test_accuracy: f64,
    /// Accuracy after format training; `None` without.
    pub format_accuracy: Option<f64>,
    /// Seconds of training, evaluation included.
    pub seconds: f64,
    /// Median time of a step.
    pub milliseconds_per_step: f64,
    /// Peak resident memory of the process; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    /// Learned numbers.
    pub parameters: usize,
    /// Test samples by class (row) and predicted class (column).
    pub confusion: Confusion,
    /// Names of the classes.
    pub class_names: Vec<String>,
}

/// A run's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    path: PathBuf,
}

impl Run {
    /// A new folder, with the configuration in it.
    ///
    /// # Errors
    /// `Occupied` if the folder holds anything; `Io`.
    pub fn create(path: &Path, config: &TrainConfig) -> Result<Self, RunError> {
        let io = |source| RunError::Io { path: path.into(), source };
        fs::create_dir_all(path).map_err(io)?;
        if fs::read_dir(path).map_err(io)?.next().is_some() {
            return Err(RunError::Occupied { path: path.into() });
        }
        let run = Self { path: path.into() };
        let text =
            toml::to_string(&config.options).map_err(|error| run.malformed("config.toml", error, "valid settings"))?;
        write_atomically(&run.file("config.toml"), text.as_bytes())?;
        Ok(run)
    }

    /// A new folder under `parent`, named after what is trained: the first number that is free.
    ///
    /// # Errors
    /// `Io`.
    pub fn create_numbered(parent: &Path, config: &TrainConfig) -> Result<Self, RunError> {
        let dataset =
            Path::new(&config.dataset).file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        for number in 1.. {
            let path = parent.join(format!("{dataset}-{}-{}-{number}", config.model, config.method));
            fs::create_dir_all(parent).map_err(|source| RunError::Io { path: parent.into(), source })?;
            match fs::create_dir(&path) {
                Ok(()) => return Self::create(&path, config),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(RunError::Io { path, source }),
            }
        }
        unreachable!("numbers do not end")
    }

    /// An existing run.
    ///
    /// # Errors
    /// `Malformed` if the folder holds no `config.toml`.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let run = Self { path: path.into() };
        if run.file("config.toml").is_file() {
            Ok(run)
        } else {
            let expected = "a run's folder with a config.toml".to_owned();
            Err(RunError::Malformed { path: path.into(), found: "no config.toml".to_owned(), expected })
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn malformed(&self, name: &str, found: impl ToString, expected: &str) -> RunError {
        RunError::Malformed { path: self.file(name), found: found.to_string(), expected: expected.to_owned() }
    }

    /// The configuration that the run was started with.
    ///
    /// # Errors
    /// [`crate::Error::Config`] naming file and key.
    pub fn config(&self) -> Result<TrainConfig, crate::Error> {
        Ok(TrainOptions::read(&self.file("config.toml"))?.resolve()?)
    }

    /// Writes a value as JSON.
    ///
    /// # Errors
    /// `Io`.
    pub fn write_json<V: Serialize>(&self, name: &str, value: &V) -> Result<(), RunError> {
        let mut text = serde_json::to_string(value).map_err(|error| self.malformed(name, error, "JSON"))?;
        text.push('\n');
        write_atomically(&self.file(name), text.as_bytes())
    }

    /// Reads a value from JSON.
    ///
    /// # Errors
    /// `Io`; `Malformed` with line and column.
    pub fn read_json<V: DeserializeOwned>(&self, name: &str, expected: &str) -> Result<V, RunError> {
        let path = self.file(name);
        let text = fs::read_to_string(&path).map_err(|source| RunError::Io { path, source })?;
        serde_json::from_str(&text).map_err(|error| self.malformed(name, error, expected))
    }

    /// How the channels of the images were normalized that the run was trained on; `None` if they were not.
    ///
    /// # Errors
    /// `Io`; `Malformed` if the numbers cannot be used.
    pub fn normalization(&self) -> Result<Option<Normalization>, RunError> {
        if !self.file(NORMALIZATION).exists() {
            return Ok(None);
        }
        let expected = "a finite mean and a deviation >= 0 for each channel";
        let normalization: Normalization = self.read_json(NORMALIZATION, expected)?;
        if !normalization.means.is_empty() && normalization.fits(normalization.means.len()) {
            Ok(Some(normalization))
        } else {
            Err(self.malformed(NORMALIZATION, format_args!("{normalization:?}"), expected))
        }
    }

    /// Saves the network's tensors under PyTorch's names.
    ///
    /// # Errors
    /// `Io`.
    pub fn save_weights(&self, network: &Network) -> Result<(), RunError> {
        let tensors = network.tensors();
        let views = tensors.iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone(), &tensor.values[..]));
        self.save_tensors("weights.safetensors", views, &BTreeMap::new())
    }

    /// Columns that the saved network takes.
    ///
    /// # Errors
    /// `Io`; `Malformed` if the file does not tell.
    pub fn inputs(&self) -> Result<usize, RunError> {
        let (stored, _) = self.load_tensors("weights.safetensors")?;
        let columns = stored.get("0.weight").and_then(|weight| weight.shape.get(1).copied());
        columns.ok_or_else(|| self.malformed("weights.safetensors", "no matrix 0.weight", "a dense first layer"))
    }

    /// Puts the saved tensors into a network of the same shape.
    ///
    /// # Errors
    /// `Io`; `Malformed` naming the tensor that is missing, of another shape or not finite.
    pub fn load_weights(&self, network: &mut Network) -> Result<(), RunError> {
        let (stored, _) = self.load_tensors("weights.safetensors")?;
        self.restore("weights.safetensors", network, stored)
    }

    fn restore(
        &self,
        name: &str,
        network: &mut Network,
        mut stored: HashMap<String, NamedTensor<f32>>,
    ) -> Result<(), RunError> {
        let mut tensors = Vec::new();
        for tensor in network.tensors() {
            let Some(found) = stored.remove(&tensor.name) else {
                return Err(self.malformed(
                    name,
                    format_args!("no tensor {}", tensor.name),
                    "every tensor of the network",
                ));
            };
            if found.shape != tensor.shape {
                let found = format!("tensor {} has shape {:?}", tensor.name, found.shape);
                return Err(self.malformed(name, found, &format!("{:?}", tensor.shape)));
            }
            if let Some(index) = found.values.iter().position(|value| !value.is_finite()) {
                let found = format!("tensor {} holds {} at {index}", tensor.name, found.values[index]);
                return Err(self.malformed(name, found, "finite numbers"));
            }
            tensors.push(found);
        }
        network.set_tensors(&tensors);
        Ok(())
    }

    /// Saves where training stands; the last good state stays until the new one is whole.
    ///
    /// # Errors
    /// `Io`.
    pub fn save_checkpoint(&self, step: u64, network: &Network, record: &UpdateRecord) -> Result<(), RunError> {
        let tensors = network.tensors();
        let mut views: Vec<_> =
            tensors.iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone(), &tensor.values[..])).collect();
        let mut metadata = BTreeMap::from([("step".to_owned(), step.to_string())]);
        for (block, state) in record.optimizers.iter().enumerate() {
            metadata.insert(format!("optimizer.{block}.steps"), state.steps.to_string());
            for (part, values) in [("first", &state.first), ("second", &state.second)] {
                views.push((format!("optimizer.{block}.{part}"), vec![values.len()], &values[..]));
            }
        }
        let folder = self.file("checkpoint");
        fs::create_dir_all(&folder).map_err(|source| RunError::Io { path: folder, source })?;
        self.save_tensors(CHECKPOINT, views, &metadata)
    }

    /// Takes up the saved state: the network's tensors, optimizer state, and the steps done. `None` if no checkpoint
    /// was written yet.
    ///
    /// # Errors
    /// `Io`; `Malformed` naming what is missing.
    pub fn load_checkpoint(&self, network: &mut Network) -> Result<Option<(u64, UpdateRecord)>, RunError> {
        if !self.file(CHECKPOINT).exists() {
            return Ok(None);
        }
        let (mut stored, metadata) = self.load_tensors(CHECKPOINT)?;
        let number = |key: String| {
            let text = metadata.get(&key);
            let number = text.and_then(|text| text.parse::<u64>().ok());
            number.ok_or_else(|| self.malformed(CHECKPOINT, format_args!("{key} = {text:?}"), "a whole number"))
        };
        let step = number("step".to_owned())?;
        let mut record = UpdateRecord::default();
        for (block, trained) in network.blocks().iter().enumerate() {
            let mut part = |part: &str| {
                let name = format!("optimizer.{block}.{part}");
                let values = stored.remove(&name).map(|tensor| tensor.values);
                let whole = |values: &Vec<f32>| values.is_empty() || values.len() == trained.parameters().len();
                values.filter(whole).ok_or_else(|| {
                    self.malformed(CHECKPOINT, format_args!("no whole {name}"), "one number a parameter")
                })
            };
            let (first, second) = (part("first")?, part("second")?);
            let steps = number(format!("optimizer.{block}.steps"))?;
            record.optimizers.push(OptimizerState { first, second, steps });
        }
        self.restore(CHECKPOINT, network, stored)?;
        Ok(Some((step, record)))
    }

    /// Streams tensors (name, shape, entries) to a file aside, which then takes its place.
    fn save_tensors<'a>(
        &self,
        name: &str,
        tensors: impl IntoIterator<Item = (String, Vec<usize>, &'a [f32])>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<(), RunError> {
        let mut views = Vec::new();
        for (key, shape, values) in tensors {
            let view = TensorView::new(Dtype::F32, shape, bytemuck::cast_slice(values));
            views.push((key, view.map_err(|error| self.malformed(name, error, "tensors of f32"))?));
        }
        // One key, so that equal runs have equal bytes whatever the order of a hash map.
        let state = serde_json::to_string(metadata).map_err(|error| self.malformed(name, error, "JSON"))?;
        let metadata = HashMap::from([("state".to_owned(), state)]);
        let path = self.file(name);
        replace(&path, |aside| {
            safetensors::serialize_to_file(views, Some(metadata), aside).map_err(std::io::Error::other)?;
            File::open(aside)?.sync_all()
        })
    }

    fn load_tensors(&self, name: &str) -> Result<Stored, RunError> {
        let path = self.file(name);
        let bytes = fs::read(&path).map_err(|source| RunError::Io { path, source })?;
        let malformed = |error: safetensors::SafeTensorError| self.malformed(name, error, "a safetensors file");
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(malformed)?;
        let state = header.metadata().as_ref().and_then(|metadata| metadata.get("state"));
        let metadata = match state {
            Some(text) => serde_json::from_str(text).map_err(|error| self.malformed(name, error, "state as JSON"))?,
            None => HashMap::new(),
        };
        let mut tensors = HashMap::new();
        for (key, view) in SafeTensors::deserialize(&bytes).map_err(malformed)?.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(self.malformed(name, format_args!("tensor {key} of {:?}", view.dtype()), "f32"));
            }
            let values = view.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            let tensor = NamedTensor { name: key.to_owned(), shape: view.shape().to_vec(), values };
            tensors.insert(key.to_owned(), tensor);
        }
        Ok((tensors, metadata))
    }
}

/// Tensors by name, and the metadata beside them.
type Stored = (HashMap<String, NamedTensor<f32>>, HashMap<String, String>);

/// Mean and deviation of the channels of the images trained on.
pub const NORMALIZATION: &str = "normalization.json";

const CHECKPOINT: &str = "checkpoint/state.safetensors";

/// Writes a file aside, syncs it and renames it into place.
///
/// # Errors
/// `Io` with the path; what was there before is then untouched.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    replace(path, |aside| {
        let mut file = File::create(aside)?;
        file.write_all(bytes)?;
        file.sync_all()
    })
}

/// Lets `write` make and sync a file beside `path`, then gives it that name.
fn replace(path: &Path, write: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<(), RunError> {
    let mut name = path.file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
    name.push(".part");
    let aside = path.with_file_name(name);
    let written = write(&aside).and_then(|()| fs::rename(&aside, path));
    written.map_err(|source| RunError::Io { path: path.into(), source })
}

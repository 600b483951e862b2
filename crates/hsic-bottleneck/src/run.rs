//! A run's folder: `config.toml`, `data.json`, `metrics.jsonl`, `weights.safetensors`, `readout.json`, `checkpoint/`,
//! `summary.json`; of capsules also `decoder.safetensors` and `reconstructions.json`, of values
//! `line.safetensors` and `values.json`; `samples.safetensors`; `failure.txt` of a training that ended by an error; `lock` while a process works in it.
//! Files appear whole or not at all, and nothing in them is executed.

mod clearing;
mod error;

use std::fs;
use std::path::{Path, PathBuf};

use hsic_data::dataset::{Content, ImageArrays, STANDARD_INPUT, Split, placed, standard_input};
use hsic_data::disk::{self, Opening};
use hsic_data::provenance::Provenance;
use hsic_learn::judge::at_rest::FormatInput;
use hsic_learn::judge::softmax::SoftmaxLayer;
use hsic_learn::methods::Methods;
use hsic_nn::network::{Network, StoredTensor};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::{ConfigError, TrainConfig, TrainOptions};
use crate::files::{FileError, PART, write_atomically};
use crate::lock::{LOCK, LockError, RunLock, is_held, lock};
use crate::log::{Record, records_of};
use crate::tensor_file::{self, Stored, Values};

pub use error::RunError;

/// The options of a run.
pub const CONFIG: &str = "config.toml";
pub(crate) const DATA: &str = "data.json";
/// The engines that a run was trained on, if there was any but the processors.
pub(crate) const ENGINES: &str = "engines.json";
/// The table that came by standard input.
pub(crate) const DATA_CSV: &str = "data.csv";
/// The records of training, a line each.
pub const METRICS: &str = "metrics.jsonl";
/// What a finished training came to.
pub const SUMMARY: &str = "summary.json";
const WEIGHTS: &str = "weights.safetensors";
/// SHA-256 of the files of a finished run.
pub(crate) const DIGESTS: &str = "digests.json";
/// The error by which a training ended.
const FAILURE: &str = "failure.txt";

/// The folder in which the results of a longer training come to be.
pub(crate) const NEXT: &str = "next";

/// The list of the results in it, once they are whole.
pub(crate) const WHOLE: &str = "next.json";

/// What a run and its report make in its folder, beside `checkpoint/`, `next/` and the folders of what is exported.
const FILES: &[&str] = &[
    CONFIG,
    DATA,
    DATA_CSV,
    ENGINES,
    METRICS,
    WEIGHTS,
    READOUT,
    FORMAT,
    DECODER,
    RECONSTRUCTIONS,
    LINE,
    VALUES,
    SAMPLES,
    SUMMARY,
    FAILURE,
    REPORT_HTML,
    REPORT_MARKDOWN,
    LOCK,
    WHOLE,
    DIGESTS,
];

/// What a finished training leaves, the summary last.
pub(crate) const RESULTS: &[&str] =
    &[WEIGHTS, READOUT, FORMAT, DECODER, RECONSTRUCTIONS, LINE, VALUES, SAMPLES, SUMMARY];

/// The folder of a run that is exported without a place being named, and what may be in it.
pub const EXPORT: &str = "export";
const EXPORTS: &[&str] = &["model.safetensors", "model.npz", "model.onnx"];

/// The same of what a hub of models shows.
pub const HUB: &str = "hub";
const HUB_FILES: &[&str] = &["model.safetensors", "config.json", "README.md"];

/// The folder of a run's files for TensorBoard.
pub const TENSORBOARD: &str = "tensorboard";

/// Begins the names of the files that TensorBoard looks for.
pub const EVENTS: &str = "events.out.tfevents.";

/// The page of `hsic report`.
pub const REPORT_HTML: &str = "report.html";

/// The page of `hsic report` in short.
pub const REPORT_MARKDOWN: &str = "report.md";

/// The line that values are read by.
pub(crate) const LINE: &str = "line.safetensors";

/// Some judged values beside the predicted ones.
pub(crate) const VALUES: &str = "values.json";

/// Some judged samples, and what each block knows.
pub const SAMPLES: &str = "samples.safetensors";

/// How unformatted outputs are read, or values.
pub const READOUT: &str = "readout.json";

/// The layer of format training.
pub(crate) const FORMAT: &str = "format.safetensors";

/// The layers that draw the input from capsules.
pub(crate) const DECODER: &str = "decoder.safetensors";

/// Some test images, and what they draw of them.
pub(crate) const RECONSTRUCTIONS: &str = "reconstructions.json";

/// Starts the name of a folder that holds one of several networks.
pub const MEMBER: &str = "sigma-";

/// A run's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub(crate) path: PathBuf,
    /// Whether results are those that come to be beside the ones of the run.
    pub(crate) aside: bool,
}

impl Run {
    /// A new folder, with the configuration in it; paths of data are kept from the root, and where data known by name were
    /// found.
    ///
    /// # Errors
    /// `Occupied` if the folder holds anything; `Io`.
    pub fn create(path: &Path, config: &TrainConfig) -> Result<Self, RunError> {
        disk::create_dir_all(path).map_err(|source| FileError::Io { path: path.into(), source })?;
        // A run that was killed before its configuration was whole leaves these and nothing else.
        let leftovers = [format!("{CONFIG}{PART}"), format!("{DATA_CSV}{PART}")].map(|name| path.join(name));
        if entries(path)?.iter().any(|entry| !leftovers.contains(entry)) {
            return Err(RunError::Occupied { path: path.into() });
        }
        let run = Self::at(path);
        // From another folder and without the environment the data are to be found again.
        let mut options = config.options.clone();
        let (dataset, data_dir) = placed(&config.dataset, options.data.data_dir.as_deref());
        options.data.dataset = Some(dataset);
        options.data.data_dir = data_dir;
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        options.data.test_dataset = options.data.test_dataset.map(absolute);
        options.data.cache = options.data.cache.map(absolute);
        if options.data.dataset.as_deref() == Some(STANDARD_INPUT) {
            let bytes =
                standard_input().map_err(|error| run.malformed(DATA_CSV, error, "a table by standard input"))?;
            write_atomically(&run.file(DATA_CSV), &bytes)?;
        }
        let text = toml::to_string(&options).map_err(|error| run.malformed(CONFIG, error, "valid settings"))?;
        write_atomically(&run.file(CONFIG), text.as_bytes())?;
        Ok(run)
    }

    /// Keeps other processes out of the folder: those that train in it, train its softmax layer or overwrite it. Those that
    /// only read it come in.
    ///
    /// # Errors
    /// `InUse` with what holds it; `Io`.
    pub fn lock(&self) -> Result<RunLock, RunError> {
        lock(&self.path).map_err(|error| match error {
            LockError::InUse { by } => RunError::InUse { path: self.path.clone(), by },
            LockError::File(error) => error.into(),
        })
    }

    /// Whether a process works in the folder: trains in it, or trains its softmax layer.
    #[must_use]
    pub fn is_held(&self) -> bool {
        is_held(&self.path)
    }

    /// Why the last training into the folder ended before its time, if it did by an error.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        fs::read_to_string(self.file(FAILURE)).ok()
    }

    /// Keeps why training ended.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn note_failure(&self, said: &str) -> Result<(), FileError> {
        write_atomically(&self.file(FAILURE), said.as_bytes())
    }

    /// Forgets why an earlier training ended.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn forget_failure(&self) -> Result<(), FileError> {
        let path = self.file(FAILURE);
        disk::remove(&path).map_err(|source| FileError::Io { path, source })
    }

    fn at(path: &Path) -> Self {
        Self { path: path.into(), aside: false }
    }

    /// A new folder under `parent`, named after what is trained and its seed; where there is one already, with the first
    /// number from 2 that is free.
    ///
    /// # Errors
    /// `Io`.
    pub fn create_numbered(parent: &Path, config: &TrainConfig) -> Result<Self, RunError> {
        let dataset = hsic_data::dataset::stem(Path::new(&config.dataset));
        let name = format!("{dataset}-{}-{}-seed{}", config.model, config.method.name, config.seed);
        for number in 1.. {
            let path = parent.join(if number == 1 { name.clone() } else { format!("{name}-{number}") });
            disk::create_dir_all(parent).map_err(|source| FileError::Io { path: parent.into(), source })?;
            match disk::create_dir(&path) {
                Ok(()) => return Self::create(&path, config),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(FileError::Io { path, source }.into()),
            }
        }
        unreachable!("numbers do not end")
    }

    /// An existing run.
    ///
    /// # Errors
    /// `Malformed` if the folder holds no `config.toml`.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let run = Self::at(path);
        if run.file(CONFIG).is_file() {
            Ok(run)
        } else {
            let expected = "a run's folder with a config.toml".to_owned();
            Err(FileError::Malformed { path: path.into(), found: "no config.toml".to_owned(), expected })
        }
    }

    /// Whether training has ended and its results are saved.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.file(SUMMARY).exists()
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        if self.aside && RESULTS.contains(&name) { self.path.join(NEXT).join(name) } else { self.path.join(name) }
    }

    pub(crate) fn malformed(&self, name: &str, found: impl ToString, expected: &str) -> FileError {
        FileError::malformed(&self.file(name), found, expected)
    }

    /// Whether a file is the configuration of a run: it lies in one's folder, and holds defaults that nobody gave.
    #[must_use]
    pub fn is_record(file: &Path) -> bool {
        let beside = |name: &str| file.with_file_name(name).exists();
        file.ends_with(CONFIG) && (beside(DATA) || beside(METRICS))
    }

    /// The configuration that the run was started with.
    ///
    /// # Errors
    /// [`ConfigError`] naming file and key.
    pub fn config(&self) -> Result<TrainConfig, ConfigError> {
        self.config_among(&Methods::known())
    }

    /// The configuration that the run was started with, where its method may be one of one's own.
    ///
    /// # Errors
    /// [`ConfigError`] naming file and key.
    pub fn config_among(&self, methods: &Methods) -> Result<TrainConfig, ConfigError> {
        let mut options = self.options()?.as_stored();
        // What came by standard input lies in the run's folder, wherever that is now.
        if options.data.dataset.as_deref() == Some(STANDARD_INPUT) {
            options.data.dataset = Some(self.file(DATA_CSV).to_string_lossy().into_owned());
        }
        let mut config = options.resolve_among(methods)?;
        // Earlier versions read images in arrays as rows of numbers.
        if self.data().is_ok_and(|data| data.is_table()) {
            config.load.image_arrays = ImageArrays::Rows;
        }
        Ok(config)
    }

    /// The options that the run was started with, as they were recorded: those that a later version added have no value.
    ///
    /// # Errors
    /// [`ConfigError`] naming file and key.
    pub fn options(&self) -> Result<TrainOptions, ConfigError> {
        if self.is_sealed() {
            self.content(CONFIG)?;
        }
        TrainOptions::read(&self.file(CONFIG))
    }

    /// Notes in the run's [options](Self::options) batch, epochs and shift that were open when it was created, and follow from
    /// its data.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn note_sizes(&self, mut options: TrainOptions, config: &TrainConfig) -> Result<(), FileError> {
        let (training, format) = (&config.options.training, &config.options.format);
        (options.training.epochs, options.training.batch_size) = (training.epochs, training.batch_size);
        options.format.format_epochs = format.format_epochs;
        options.format.format_batch_size = format.format_batch_size;
        options.data.shift = config.options.data.shift;
        let text = toml::to_string(&options).map_err(|error| self.malformed(CONFIG, error, "valid settings"))?;
        self.unseal()?;
        write_atomically(&self.file(CONFIG), text.as_bytes())
    }

    /// Records the data that the run is trained on or, on a run that is taken up again, checks that they are still
    /// those of its record.
    ///
    /// # Errors
    /// `Io`; `OtherData` if the content is another, `Malformed` naming what else changed.
    pub fn record_data(&self, data: &Split) -> Result<(), RunError> {
        let now = Provenance::of(data);
        if !self.has_data() {
            return Ok(self.write_json(DATA, &now)?);
        }
        self.check_content(&data.origin.place, now.content.as_ref())?;
        match self.data()?.difference(&now) {
            None => Ok(()),
            Some((found, expected)) => Err(self.malformed(DATA, found, &expected).into()),
        }
    }

    /// Whether the run has recorded its data yet.
    #[must_use]
    pub fn has_data(&self) -> bool {
        self.file(DATA).exists()
    }

    /// Has a configuration read data as the run's record says, on a run that has one: what was found out from images or from
    /// the columns of a table when the run began is not found out again.
    ///
    /// # Errors
    /// `Io`, `Malformed` for a record that cannot be read.
    pub fn read_as_recorded(&self, config: &mut TrainConfig) -> Result<(), FileError> {
        if self.has_data() {
            let record = self.data()?;
            config.load.images = record.image_plan();
            config.load.tables = record.table_columns();
            config.load.encoding = record.encoding;
        }
        Ok(())
    }

    /// Checks that data of a name or path are still those that the run was trained on. A run that did not record what they
    /// were, or data made in memory, leave nothing to compare.
    ///
    /// # Errors
    /// `OtherData` naming both; `Io`, `Malformed` for a record that cannot be read.
    pub fn check_content(&self, place: &str, found: Option<&Content>) -> Result<(), RunError> {
        match (found, self.data()?.content) {
            (Some(found), Some(expected)) if *found != expected => {
                let (run, place, found) = (self.path.clone(), place.to_owned(), found.clone());
                Err(RunError::OtherData { run, place, found, expected })
            }
            _ => Ok(()),
        }
    }

    /// The record of the data that the run was trained on.
    ///
    /// # Errors
    /// `Io`; `Malformed` if it is no such record, or claims sizes that cannot be.
    pub fn data(&self) -> Result<Provenance, FileError> {
        data_of(&self.file(DATA), &self.content(DATA)?)
    }

    /// Writes a value as JSON.
    ///
    /// # Errors
    /// `Io`.
    pub fn write_json<V: Serialize>(&self, name: &str, value: &V) -> Result<(), FileError> {
        let mut text = serde_json::to_string(value).map_err(|error| self.malformed(name, error, "JSON"))?;
        text.push('\n');
        self.unseal()?;
        write_atomically(&self.file(name), text.as_bytes())
    }

    /// Reads a value from JSON.
    ///
    /// # Errors
    /// `Io`; `Malformed` with line and column; `Changed` if it is not what training left.
    pub fn read_json<V: DeserializeOwned>(&self, name: &str, expected: &str) -> Result<V, FileError> {
        json_of(&self.file(name), &self.content(name)?, expected)
    }

    /// Saves the network's tensors under PyTorch's names.
    ///
    /// # Errors
    /// `Io`.
    pub fn save_weights(&self, weights: Vec<StoredTensor<'_, f32>>) -> Result<(), FileError> {
        self.save_tensors(WEIGHTS, tensor_file::stored(weights), None)
    }

    /// The run of one of several networks, in a folder of this run's: taken up if it is there, made if not.
    ///
    /// # Errors
    /// `Io`.
    pub fn member(&self, config: &TrainConfig) -> Result<Self, RunError> {
        let path = self.file(&format!("{MEMBER}{}", config.bottleneck.sigma));
        if path.join(CONFIG).exists() { Ok(Self::open(&path)?) } else { Self::create(&path, config) }
    }

    /// The run of one of several networks, in a folder of this run's, if it has been started.
    #[must_use]
    pub fn started_member(&self, sigma: f64) -> Option<Self> {
        Self::open(&self.file(&format!("{MEMBER}{sigma}"))).ok()
    }

    /// Saves the layer of format training and what it sees.
    ///
    /// # Errors
    /// `Io`.
    pub fn save_format(&self, input: FormatInput, layer: &SoftmaxLayer) -> Result<(), FileError> {
        let (classes, inputs) = (layer.bias().len(), layer.inputs());
        let tensors = [
            ("weight".to_owned(), vec![classes, inputs], layer.weight()),
            ("bias".to_owned(), vec![classes], layer.bias()),
        ];
        let path = self.file(FORMAT);
        let state = serde_json::to_string(&input).map_err(|error| FileError::malformed(&path, error, "JSON"))?;
        self.save_tensors(FORMAT, tensors, Some(&state))
    }

    /// Saves tensors, and a text beside them, under a name of the run's.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn save_tensors<'a, V: Into<Values<'a>>>(
        &self,
        name: &str,
        tensors: impl IntoIterator<Item = (String, Vec<usize>, V)>,
        state: Option<&str>,
    ) -> Result<(), FileError> {
        self.unseal()?;
        tensor_file::save(&self.file(name), tensors, state)
    }

    /// The tensors under a name of the run's.
    ///
    /// # Errors
    /// `Io`; `Malformed` for what is no file of tensors; `Changed` if it is not what training left.
    pub(crate) fn tensors(&self, name: &str) -> Result<Stored, FileError> {
        tensor_file::read(&self.file(name), self.content(name)?)
    }

    /// All records of training; none before the first.
    ///
    /// # Errors
    /// `Io`; `Malformed` with the line; `Changed` if they are not what training left.
    pub fn records(&self) -> Result<Vec<Record>, FileError> {
        if self.has(METRICS)? { records_of(&self.file(METRICS), &self.content(METRICS)?) } else { Ok(Vec::new()) }
    }

    /// The layer of format training and what it sees, if there was any.
    ///
    /// # Errors
    /// `Io`; `Malformed` naming what is missing, of another shape or not finite.
    pub fn load_format(&self) -> Result<Option<(FormatInput, SoftmaxLayer)>, FileError> {
        let path = self.file(FORMAT);
        if !self.has(FORMAT)? {
            return Ok(None);
        }
        let stored = self.tensors(FORMAT)?;
        let input = stored.state.as_deref().and_then(|state| serde_json::from_str(state).ok());
        let input =
            input.ok_or_else(|| FileError::malformed(&path, "no word of what it sees", "\"last\" or \"all\""))?;
        let finite = |name: &str| {
            let tensor = stored.tensors.get(name).filter(|tensor| tensor.values.iter().all(|value| value.is_finite()));
            tensor.ok_or_else(|| FileError::malformed(&path, format_args!("no finite {name}"), "weight and bias"))
        };
        let (weight, bias) = (finite("weight")?, finite("bias")?);
        let layer = SoftmaxLayer::from_parts(bias.values.len(), &weight.values, &bias.values);
        let layer =
            layer.ok_or_else(|| FileError::malformed(&path, "a weight of another shape", "classes x inputs"))?;
        Ok(Some((input, layer)))
    }

    /// Whether the network's tensors are there.
    ///
    /// # Errors
    /// `Io`; `Malformed` if training left them and they are gone.
    pub(crate) fn has_weights(&self) -> Result<bool, FileError> {
        self.has(WEIGHTS)
    }

    /// The network's tensors.
    ///
    /// # Errors
    /// `Io`; `Malformed` for what is no file of tensors; `Changed` if it is not what training left.
    pub(crate) fn weights(&self) -> Result<Stored, FileError> {
        self.tensors(WEIGHTS)
    }

    /// Puts the saved tensors into a network of the same shape.
    ///
    /// # Errors
    /// `Io`; `Malformed` naming the tensor that is missing, foreign, of another shape or not finite.
    pub fn load_weights(&self, network: &mut Network) -> Result<(), FileError> {
        let path = self.file(WEIGHTS);
        let stored = self.weights()?;
        tensor_file::restore(&path, network, stored.tensors)
    }

    /// Length of `metrics.jsonl`, all of which is on disk when this returns; 0 without such a file.
    ///
    /// # Errors
    /// `Io`.
    pub fn synced_metrics_bytes(&self) -> Result<u64, FileError> {
        let path = self.file(METRICS);
        let length = disk::open(&path, Opening::Present).and_then(|file| {
            file.sync()?;
            Ok(file.file().metadata()?.len())
        });
        match length {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            length => length.map_err(|source| FileError::Io { path, source }),
        }
    }
}

/// A value in what a file of JSON holds.
pub(crate) fn json_of<V: DeserializeOwned>(path: &Path, bytes: &[u8], expected: &str) -> Result<V, FileError> {
    serde_json::from_slice(bytes).map_err(|error| FileError::malformed(path, error, expected))
}

/// The record of a run's data in what a file holds.
pub(crate) fn data_of(path: &Path, bytes: &[u8]) -> Result<Provenance, FileError> {
    let record: Provenance = json_of(path, bytes, "the record of a run's data")?;
    match record.fault() {
        None => Ok(record),
        Some((found, expected)) => Err(FileError::malformed(path, found, &expected)),
    }
}

/// What a folder holds, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let io = |source| FileError::Io { path: folder.into(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        paths.push(entry.map_err(io)?.path());
    }
    paths.sort();
    Ok(paths)
}

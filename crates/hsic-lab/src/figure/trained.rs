//! Trainings as a figure asks for them, and finished runs as it reads them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hsic_bottleneck::assemble::network_for;
use hsic_bottleneck::config::{TrainConfig, TrainOptions};
use hsic_bottleneck::dataset::{self, Content, LoadOptions, Split, source, stem};
use hsic_bottleneck::disk;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::files::FileError;
use hsic_bottleneck::files::write_atomically;
use hsic_bottleneck::judge::monitor::MonitorReport;
use hsic_bottleneck::log::{EpochReport, Record};
use hsic_bottleneck::methods::Methods;
use hsic_bottleneck::network::Network;
use hsic_bottleneck::run::{Run, SUMMARY};
use hsic_bottleneck::summary::Summary;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::shell::quoted;

/// Where a training runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the process that makes the figure.
    Shared,
    /// In a process of its own, for its peak memory, or for its time with a number of threads of its own.
    Own,
}

/// A training that a figure needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// What it is in the figure, different from all others there.
    pub label: String,
    /// Its options, without a seed: the differences from the defaults.
    pub options: TrainOptions,
    /// Where it runs.
    pub place: Place,
}

impl Training {
    /// A training in the process that makes the figure. Figures show the network's own outputs, where they can be read and a
    /// softmax layer is not asked for.
    #[must_use]
    pub fn new(label: impl Into<String>, options: TrainOptions) -> Self {
        let known = Methods::known();
        let method = known.named(options.objective.method.as_deref().unwrap_or("hsic"));
        let options = match method {
            Some(method) => options.unformatted(method.outputs),
            None => options,
        };
        Self { label: label.into(), options, place: Place::Shared }
    }

    /// This training in a process of its own.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.place = Place::Own;
        self
    }

    /// The command line that does it: every difference from the defaults as a flag.
    #[must_use]
    pub fn command(&self, seed: u64) -> String {
        command(&self.seeded(seed))
    }

    /// The options with a seed.
    #[must_use]
    pub fn seeded(&self, seed: u64) -> TrainOptions {
        let mut options = self.options.clone();
        options.training.seed = Some(seed);
        options
    }
}

/// The options that make two trainings the same, of options with their defaults filled in or of those that a run
/// recorded: all but name and place of the data, for which their content stands, and, where they change nothing, threads.
/// Nor does it matter where samples lie while they are read, which of them are kept, and what readouts of blocks tell.
pub(crate) fn same_options(options: &TrainOptions, place: Place) -> TrainOptions {
    let mut options = options.clone();
    (options.data.dataset, options.data.data_dir, options.data.test_dataset) = (None, None, None);
    options.data.cache = None;
    (options.training.keep_samples, options.training.probe_epochs) = (None, None);
    if place == Place::Shared {
        options.training.threads = None;
    }
    options
}

/// The name of a training's folder: what is trained, and a fingerprint of the data's content and of all options, those with
/// defaults too. A training that was made on other data or under other defaults is in another folder.
///
/// # Errors
/// `Config` for options that cannot be used.
pub(super) fn folder_name(
    training: &Training,
    seed: u64,
    methods: &Methods,
    content: &Content,
) -> Result<String, Error> {
    let options = training.seeded(seed).resolve_among(methods)?.options;
    let same = toml::to_string(&same_options(&options, training.place))
        .map_err(|error| FileError::malformed(Path::new(&training.label), error, "TOML"))?;
    let digest = Sha256::digest(format!("{}\n{same}", content.sha256).as_bytes());
    let fingerprint: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let part = |text: Option<String>| text.unwrap_or_default();
    let data = stem(Path::new(&part(options.data.dataset)));
    let (model, method) = (part(options.network.model), part(options.objective.method));
    Ok(format!("{data}-{model}-{method}-{fingerprint}-{seed}"))
}

/// The command line that trains with these options: every difference from the defaults as a flag.
pub(super) fn command(options: &TrainOptions) -> String {
    format!("hsic train{}", flags(options))
}

/// Every option that is given, as a flag with its value, each after a blank, as a shell reads it.
#[must_use]
pub fn flags(options: &TrainOptions) -> String {
    arguments(options).iter().map(|word| format!(" {}", quoted(word))).collect()
}

/// Every option that is given, as a flag and its value in turn.
#[must_use]
pub fn arguments(options: &TrainOptions) -> Vec<String> {
    let mut words = Vec::new();
    if let Ok(toml::Value::Table(stages)) = toml::Value::try_from(options) {
        for (key, value) in stages.iter().filter_map(|(_, stage)| stage.as_table()).flatten() {
            let value = match value {
                toml::Value::Array(list) => list.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
                toml::Value::String(text) => text.clone(),
                value => value.to_string(),
            };
            words.extend([format!("--{key}"), value]);
        }
    }
    words
}

/// Data sets that are loaded, each once. Only the newest is kept: trainings come data set by data set.
#[derive(Default)]
pub(super) struct DataCache(Mutex<Option<(String, LoadOptions, Arc<Split>)>>);

impl DataCache {
    pub(super) fn load(&self, config: &TrainConfig) -> Result<Arc<Split>, Error> {
        let options = config.load_options();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((name, with, split)) = &*kept
            && *name == config.dataset
            && *with == options
        {
            return Ok(Arc::clone(split));
        }
        *kept = None;
        let split = Arc::new(dataset::load(&config.dataset, &options)?);
        *kept = Some((config.dataset.clone(), options, Arc::clone(&split)));
        Ok(split)
    }
}

/// What data sets are, each hashed once.
#[derive(Default)]
pub(super) struct Contents(Mutex<BTreeMap<(String, Option<PathBuf>), Content>>);

impl Contents {
    pub(super) fn of(&self, place: &str, options: &LoadOptions) -> Result<Content, Error> {
        if source(place).is_some_and(|source| source.facts().files.is_empty()) {
            // What is drawn follows from seed and sizes, and costs nothing to tell.
            return Ok(dataset::content(place, options)?);
        }
        let key = (place.to_owned(), options.data_dir.clone());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(content) = known.get(&key) {
            return Ok(content.clone());
        }
        let content = dataset::content(place, options)?;
        known.insert(key, content.clone());
        Ok(content)
    }
}

/// A finished run.
pub struct Trained<'a> {
    /// Its folder.
    pub run: Run,
    /// What it was trained with, with the place of the data as it is now.
    pub config: TrainConfig,
    /// Its result.
    pub summary: Summary,
    /// The options that were asked for, without the seed.
    options: TrainOptions,
    data: &'a DataCache,
    derived: PathBuf,
}

impl<'a> Trained<'a> {
    pub(super) fn open(
        run: Run,
        training: &Training,
        seed: u64,
        methods: &Methods,
        data: &'a DataCache,
    ) -> Result<Self, Error> {
        let config = training.seeded(seed).resolve_among(methods)?;
        let summary = run.read_json(SUMMARY, "the summary of a finished run")?;
        let derived = run.path().with_extension("derived");
        Ok(Self { run, config, summary, options: training.options.clone(), data, derived })
    }

    /// Everything that was recorded in training.
    ///
    /// # Errors
    /// `Io`; `Malformed` with the line.
    pub fn records(&self) -> Result<Vec<Record>, Error> {
        Ok(self.run.records()?)
    }

    /// The reports after each epoch.
    ///
    /// # Errors
    /// As [`records`](Self::records).
    pub fn epochs(&self) -> Result<Vec<EpochReport>, Error> {
        let of = |record| if let Record::Epoch(report) = record { Some(report) } else { None };
        Ok(self.records()?.into_iter().filter_map(of).collect())
    }

    /// The monitor's reports.
    ///
    /// # Errors
    /// As [`records`](Self::records).
    pub fn monitored(&self) -> Result<Vec<MonitorReport>, Error> {
        let of = |record| if let Record::Monitor(report) = record { Some(report) } else { None };
        Ok(self.records()?.into_iter().filter_map(of).collect())
    }

    /// Test accuracy after each epoch of format training; empty without any.
    ///
    /// # Errors
    /// As [`records`](Self::records).
    pub fn format_epochs(&self) -> Result<Vec<f64>, Error> {
        let of = |record| if let Record::Format { test_accuracy } = record { Some(test_accuracy) } else { None };
        Ok(self.records()?.into_iter().filter_map(of).next_back().unwrap_or_default())
    }

    /// Its data.
    ///
    /// # Errors
    /// `Dataset`.
    pub fn data(&self) -> Result<Arc<Split>, Error> {
        self.data.load(&self.config)
    }

    /// The network as it was before training.
    ///
    /// # Errors
    /// `Dataset`, `Network`.
    pub fn untrained(&self) -> Result<Network, Error> {
        let data = self.data()?;
        network_for(&self.config, &data.train)
    }

    /// The trained network.
    ///
    /// # Errors
    /// `Dataset`, `Network`; `Run` for weights that are not its own.
    pub fn network(&self) -> Result<Network, Error> {
        let mut network = self.untrained()?;
        self.run.load_weights(&mut network)?;
        Ok(network)
    }

    /// What is computed from the run once and then kept beside it: a change of `name` computes it anew.
    ///
    /// # Errors
    /// What `make` says; `Run` if it cannot be kept.
    pub fn derived<V: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        make: impl FnOnce(&Self) -> Result<V, Error>,
    ) -> Result<V, Error> {
        let path = self.derived.join(format!("{name}.json"));
        let kept = std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok());
        if let Some(value) = kept {
            return Ok(value);
        }
        let value = make(self)?;
        let text = serde_json::to_string(&value).map_err(|error| FileError::malformed(&path, error, "JSON"))?;
        disk::create_dir_all(&self.derived).map_err(|source| FileError::Io { path: self.derived.clone(), source })?;
        write_atomically(&path, text.as_bytes())?;
        Ok(value)
    }
}

/// The finished runs of a figure, by label and seed.
pub struct Trainings<'a>(pub(super) BTreeMap<String, Vec<Trained<'a>>>);

impl<'a> Trainings<'a> {
    /// The runs of a label, one a seed.
    ///
    /// # Panics
    /// If the figure did not ask for it.
    #[must_use]
    pub fn of(&self, label: &str) -> &[Trained<'a>] {
        self.0.get(label).unwrap_or_else(|| panic!("the figure asks for a training {label}"))
    }

    /// The command that trains a label's run, its seed left open.
    ///
    /// # Panics
    /// If the figure did not ask for it.
    #[must_use]
    pub fn command(&self, label: &str) -> String {
        let run = self.of(label).first();
        run.map_or_else(String::new, |run| format!("{} --seed S", command(&run.options)))
    }

    /// One number of each run of a label.
    ///
    /// # Panics
    /// If the figure did not ask for it.
    pub fn each<V>(&self, label: &str, value: impl FnMut(&Trained<'a>) -> V) -> Vec<V> {
        self.of(label).iter().map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training() -> Training {
        let mut options = TrainOptions::default();
        options.training.epochs = Some(2);
        Training::new("small", options)
    }

    #[test]
    fn a_folder_is_named_by_what_is_trained_and_not_by_where_the_data_lie() {
        let (known, data) = (Methods::known(), Content::of(b"data"));
        let named = |training: &Training, content: &Content| folder_name(training, 3, &known, content).unwrap();
        let name = named(&training(), &data);
        assert!(name.starts_with("digits-mlp-hsic-") && name.ends_with("-3"), "{name}");
        let mut moved = training();
        moved.options.data.data_dir = Some("elsewhere".into());
        moved.options.data.cache = Some("elsewhere".into());
        moved.options.training.threads = Some(2);
        assert_eq!(named(&moved, &data), name);
        // Threads count where time is measured.
        assert_ne!(named(&moved.alone(), &data), named(&training().alone(), &data));
        let mut longer = training();
        longer.options.training.epochs = Some(3);
        assert_ne!(named(&longer, &data), name);
        // Other data under the same name are another training.
        assert_ne!(named(&training(), &Content::of(b"edited")), name);
        // A default that is named is the same training; another default were another one.
        let mut named_default = training();
        named_default.options.training.batch_size = Some(256);
        assert_eq!(named(&named_default, &data), name);
    }

    #[test]
    fn an_archive_of_images_is_the_data_of_its_folder() {
        let (known, data) = (Methods::known(), Content::of(b"data"));
        let of = |dataset: &str| {
            let mut training = training();
            training.options.data.dataset = Some(dataset.to_owned());
            // Of a folder and of an archive, but of no data set by name, another network is the default.
            training.options.network.model = Some("mlp".to_owned());
            folder_name(&training, 3, &known, &data).unwrap()
        };
        assert_eq!(of("a/cifar10-jpeg"), of("b/c/cifar10-jpeg.tar.xz"));
        assert_ne!(of("cifar10-jpeg"), of("cifar10"));
    }

    #[test]
    fn a_command_has_every_difference_from_the_defaults() {
        let mut training = training();
        training.options.data.dataset = Some("my data".to_owned());
        training.options.objective.sigma = Some(hsic_bottleneck::config::Numbers(vec![1.0, 5.0]));
        let expected = "hsic train --dataset 'my data' --format-epochs 0 --sigma 1.0,5.0 --epochs 2 --seed 7";
        assert_eq!(training.command(7), expected);
    }
}

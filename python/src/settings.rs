//! Options of a training by the command's names, with underscores.

use std::path::PathBuf;

use hsic_bottleneck::config::given::Unread;
use hsic_bottleneck::config::{
    DataOptions, EvaluationOptions, FormatOptions, NetworkOptions, ObjectiveOptions, OptimizerOptions, RuleOptions,
    TrainConfig, TrainOptions, TrainingOptions,
};
use hsic_bottleneck::dataset::{Split, TargetKind};
use hsic_bottleneck::error::Error;
use hsic_bottleneck::names::did_you_mean;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::fault::of_training;

/// Every option with the stage that it belongs to.
const STAGES: [(&str, &[&str]); 8] = [
    ("data", DataOptions::FIELDS),
    ("network", NetworkOptions::FIELDS),
    ("objective", ObjectiveOptions::FIELDS),
    ("rule", RuleOptions::FIELDS),
    ("optimizer", OptimizerOptions::FIELDS),
    ("training", TrainingOptions::FIELDS),
    ("evaluation", EvaluationOptions::FIELDS),
    ("format", FormatOptions::FIELDS),
];

/// What a user gave of a training.
#[pyclass(frozen, module = "hsic._hsic")]
pub(crate) struct Settings {
    pub(crate) given: TrainOptions,
    /// What stands in a file of settings beside them.
    file: TrainOptions,
}

/// A configuration, and what was given of it, of which more follows from the data.
pub(crate) struct Asked {
    pub(crate) options: TrainOptions,
    pub(crate) config: TrainConfig,
}

#[pymethods]
impl Settings {
    /// Of options as JSON, by name, and of a file of settings.
    #[new]
    #[pyo3(signature = (options, file))]
    fn new(options: &str, file: Option<PathBuf>) -> PyResult<Self> {
        let options: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(options).map_err(|error| PyTypeError::new_err(error.to_string()))?;
        let mut given = TrainOptions::default();
        for (name, value) in &options {
            given = option(name, value)?.or(given);
        }
        let file = file.map(|file| TrainOptions::read(&file)).transpose().map_err(of_training)?;
        Ok(Self { given, file: file.unwrap_or_default() })
    }

    /// Names of all options, by stage.
    #[staticmethod]
    fn stages() -> Vec<(&'static str, Vec<&'static str>)> {
        STAGES.iter().map(|(stage, fields)| (*stage, fields.to_vec())).collect()
    }

    /// Every option as JSON, with its default where none was given and it does not follow from the data.
    fn resolved(&self) -> PyResult<String> {
        let config = self.asked()?.config;
        serde_json::to_string(&config.options).map_err(|error| PyValueError::new_err(error.to_string()))
    }
}

impl Settings {
    /// Threads that were asked for, 0 for all cores.
    pub(crate) fn threads(&self) -> usize {
        self.given.training.threads.or(self.file.training.threads).unwrap_or(0)
    }

    /// The configuration, all of which is read by something.
    pub(crate) fn asked(&self) -> PyResult<Asked> {
        let options = self.given.clone().or(self.file.clone());
        let config = options.clone().resolve().map_err(of_training)?;
        let mut unread = config.unread(&self.given);
        let flagged = unread.clone();
        unread.extend(config.unread_of_file(&self.file).into_iter().filter(|told| !flagged.contains(told)));
        Unread::refuse(unread).map_err(of_training)?;
        Ok(Asked { options, config })
    }
}

impl Asked {
    /// The configuration for targets of a kind.
    pub(crate) fn for_targets(&self, targets: TargetKind) -> Result<TrainConfig, Error> {
        Unread::refuse(self.options.unread_for(targets))?;
        Ok(self.options.clone().for_targets(targets).resolve()?)
    }

    /// The configuration for these data.
    pub(crate) fn for_data(&self, data: &Split) -> Result<TrainConfig, Error> {
        let config = self.for_targets(data.train.kind())?.for_data(data)?;
        config.check_data(&data.train)?;
        Ok(config)
    }
}

/// Options of which this one is given.
fn option(name: &str, value: &serde_json::Value) -> PyResult<TrainOptions> {
    let Some((stage, _)) = STAGES.iter().find(|(_, fields)| fields.contains(&name)) else {
        let known: Vec<&str> = STAGES.iter().flat_map(|(_, fields)| fields.iter().copied()).collect();
        // The command's spelling is an option's too.
        let hint = did_you_mean(name, &known);
        return Err(PyTypeError::new_err(format!("there is no option {name}: expected one of `hsic train -h`{hint}")));
    };
    let mut first = None;
    for form in forms(value) {
        let entry = toml::Table::from_iter([(name.replace('_', "-"), form)]);
        let all = toml::Table::from_iter([((*stage).to_owned(), toml::Value::Table(entry))]);
        match all.try_into::<TrainOptions>() {
            Ok(options) => return Ok(options),
            Err(error) => first = first.or(Some(error.message().to_owned())),
        }
    }
    let why = first.unwrap_or_else(|| "expected a number, a text, a bool or a list of these".to_owned());
    Err(PyValueError::new_err(format!("{name} = {}: {why}", text(value))))
}

/// What a value may stand for in a file of settings: itself, its text as a flag has it, or what the text says.
fn forms(value: &serde_json::Value) -> Vec<toml::Value> {
    let mut forms = Vec::new();
    if let Ok(plain) = toml::Value::try_from(value) {
        forms.push(plain);
    }
    let text = text(value);
    forms.extend(text.parse().map(toml::Value::Integer));
    forms.extend(text.parse().map(toml::Value::Float));
    forms.extend(text.parse().map(toml::Value::Boolean));
    forms.push(toml::Value::String(text));
    forms
}

/// A value as a flag has it.
fn text(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(","),
        value => value.to_string(),
    }
}

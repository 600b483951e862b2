//! What a finished training came to.

use std::path::PathBuf;

use hsic_data::dataset::Task;
use hsic_learn::judge::assignment::Confusion;
use hsic_learn::judge::test_time::TestTime;
use serde::{Deserialize, Serialize};

use crate::config::{NormStatistics, TrainConfig};
use crate::log::{is_unmeasured, unmeasured};

/// The part of the data on which a network is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JudgedOn {
    /// The test part.
    #[default]
    Test,
    /// A part of the training data that was held out: settings are chosen with it.
    Validation,
}

impl JudgedOn {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Validation => "validation",
        }
    }

    /// The word at the start of a sentence.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Test => "Test",
            Self::Validation => "Validation",
        }
    }
}

impl TrainConfig {
    /// The part of the data on which the network is judged.
    #[must_use]
    pub fn judged_on(&self) -> JudgedOn {
        if self.load.validation > 0.0 { JudgedOn::Validation } else { JudgedOn::Test }
    }
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
    /// The engines that it was trained on, in order; empty for the processors of a machine alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub engine: Vec<String>,
    /// Epochs done.
    pub epochs: u64,
    /// Steps done.
    pub steps: u64,
    /// Seed.
    pub seed: u64,
    /// Threads.
    pub threads: usize,
    /// What was learned; classes by versions that did not say.
    #[serde(default = "classification")]
    pub task: Task,
    /// Unformatted accuracy on all training data, a fraction; NaN, and left out of the JSON, where values were learned.
    #[serde(default = "unmeasured", skip_serializing_if = "is_unmeasured")]
    pub train_accuracy: f64,
    /// Unformatted accuracy on all data of the part that it is judged on, a fraction; NaN, and left out of the JSON, where
    /// values were learned.
    #[serde(default = "unmeasured", skip_serializing_if = "is_unmeasured")]
    pub test_accuracy: f64,
    /// Where values were learned, how right they are.
    #[serde(flatten)]
    pub values: Option<ValueSummary>,
    /// That part, to which every accuracy here belongs that is called one of the test; not recorded by earlier versions,
    /// whose settings tell.
    #[serde(default)]
    pub judged_on: JudgedOn,
    /// Test accuracy by the authors' protocol, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authors_test_accuracy: Option<f64>,
    /// Accuracy after format training; `None` without.
    pub format_accuracy: Option<f64>,
    /// Accuracy by several looks at each image, beside the plain one: of the softmax layer where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_time: Option<Looked>,
    /// Seconds of training, evaluation included.
    pub seconds: f64,
    /// Seconds behind these in which samples were chosen and blocks read out, to be kept for the run's page; `None` where none are
    /// kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples_seconds: Option<f64>,
    /// Median time of a step.
    pub milliseconds_per_step: f64,
    /// Peak resident memory of the process; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    /// Joules that processors and memory of the machine took in the time of training and evaluation, whatever else ran there;
    /// `None` where the system does not say, of a training that was taken up, and of one on an engine or several machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joules: Option<f64>,
    /// Learned parameters.
    pub parameters: usize,
    /// Parameters that the method learned beside them for its own use.
    #[serde(default)]
    pub auxiliary_parameters: usize,
    /// Most parameters that one update touches at once: those of a block and of what is learned beside it for a local rule,
    /// all otherwise.
    #[serde(default)]
    pub parameters_at_once: usize,
    /// Whether the classes below come from trained class scores (format training, back-propagation) and not from
    /// unformatted outputs.
    #[serde(default)]
    pub formatted: bool,
    /// Test samples by class (row) and predicted class (column).
    pub confusion: Confusion,
    /// Names of the classes.
    pub class_names: Vec<String>,
    /// Running statistics of batch norm that the network has: `running` or `anew`; `None` of a version without a choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm_statistics: Option<NormStatistics>,
    /// The parts of a training that was taken further after its end, in order; empty for one that was not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legs: Vec<Leg>,
}

/// An accuracy by several looks at each image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Looked {
    /// Which looks.
    pub looks: TestTime,
    /// Accuracy on the part that the run is judged on, a fraction.
    pub accuracy: f64,
}

/// How right values are, in the unit of the target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValueSummary {
    /// R2 on all training data.
    pub train_r2: f64,
    /// R2 on all data of the part that the run is judged on: 1 - (sum of squared errors) / (sum of squared deviations from
    /// the mean of that part).
    pub test_r2: f64,
    /// Root of the mean squared error on that part.
    pub test_rmse: f64,
    /// The same of the training part's mean as the prediction of every row.
    pub baseline_rmse: f64,
}

fn classification() -> Task {
    Task::Classification
}

/// A part of a training that was taken further, and what it came to at its own end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// Epochs done at its end, those of earlier parts included.
    pub epochs: u64,
    /// Steps done at its end.
    pub steps: u64,
    /// Seconds that it took by itself.
    pub seconds: f64,
    /// Unformatted accuracy on all training data, a fraction; NaN, and left out of the JSON, where values were learned.
    #[serde(default = "unmeasured", skip_serializing_if = "is_unmeasured")]
    pub train_accuracy: f64,
    /// Unformatted accuracy on the data that the run is judged on, a fraction; NaN, and left out of the JSON, where values
    /// were learned.
    #[serde(default = "unmeasured", skip_serializing_if = "is_unmeasured")]
    pub test_accuracy: f64,
    /// R2 on the data that the run is judged on, where values were learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_r2: Option<f64>,
    /// Accuracy after format training; `None` without.
    pub format_accuracy: Option<f64>,
}

impl Leg {
    /// Of a training that began after `seconds` seconds of earlier ones.
    fn of(summary: &Summary, seconds: f64) -> Self {
        Self {
            epochs: summary.epochs,
            steps: summary.steps,
            seconds: summary.seconds - seconds,
            train_accuracy: summary.train_accuracy,
            test_accuracy: summary.test_accuracy,
            test_r2: summary.values.map(|values| values.test_r2),
            format_accuracy: summary.format_accuracy,
        }
    }
}

impl Summary {
    /// Makes this the summary of a training that took up where that of `earlier` ended.
    pub(crate) fn follow(&mut self, earlier: Self) {
        let own = Leg::of(self, earlier.seconds);
        self.legs = if earlier.legs.is_empty() { vec![Leg::of(&earlier, 0.0)] } else { earlier.legs };
        self.legs.push(own);
    }

    /// The accuracy by which a run is judged: that of its softmax layer if it has one; NaN where values were learned.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        self.format_accuracy.unwrap_or(self.test_accuracy)
    }
}

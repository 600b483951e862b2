//! A finished run at work: rows as its data were, to classes and probabilities.

use std::collections::BTreeMap;
use std::path::Path;

use hsic_data::dataset::{Dataset, Header, LoadOptions, Note, TargetScale};
use hsic_data::provenance::Provenance;
use hsic_data::rows::{self, Pieces, TextRules};
use hsic_learn::judge::assignment::Confusion;
use hsic_learn::judge::at_rest::FormatInput;
use hsic_learn::judge::at_rest::{AtRest, NormProtocol, ReadoutProtocol};
use hsic_learn::judge::readout::Readout;
use hsic_learn::judge::softmax::{SoftmaxLayer, softmax};
use hsic_learn::judge::test_time::TestTime;
use hsic_learn::judge::values::{Score, ValueReadout};
use hsic_learn::method::Outputs;
use hsic_learn::methods::Methods;
use hsic_nn::network::Network;
use serde::Serialize;

use crate::assemble::{build_network, format_input, member_config};
use crate::config::TrainConfig;
use crate::error::Error;
use crate::files::FileError;
use crate::run::{Run, RunError};
use crate::valued;

/// Values, of the widest of what is computed, that rows of a piece have: enough to be worked on by many threads, and few beside a network.
const PIECE_VALUES: usize = 1 << 20;

/// Tasks for which a piece has rows, however wide they are.
const PIECE_TASKS: usize = 16;

/// What a run says of one sample.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Index of the class, that of the unit with the largest output.
    pub class: usize,
    /// Probability of that class: see [`hsic_learn::judge::readout`] for how it is formed and what it is worth.
    pub probability: f64,
    /// Probability of every class.
    pub probabilities: Vec<f64>,
}

/// A finished run, loaded.
pub struct Predictor {
    config: TrainConfig,
    provenance: Provenance,
    networks: Vec<Network>,
    told: Told,
}

/// How a run's networks tell the target.
enum Told {
    /// Classes by the units that stand for them, or by the layer of format training.
    Classes(Readout, Option<(FormatInput, SoftmaxLayer)>),
    /// Values.
    Values(ValueReadout, TargetScale),
}

/// How right a run is on data whose targets are values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueEvaluation {
    /// The run's predictions.
    pub score: Score,
    /// The mean of its training rows as the prediction of every row.
    pub baseline: Score,
}

impl Predictor {
    /// Loads configuration, record of the data, network and readout.
    ///
    /// # Errors
    /// `Run` for a run that is not finished, or a file that is missing, damaged, or does not fit the others.
    ///
    /// # Examples
    /// ```
    /// use std::sync::atomic::AtomicBool;
    /// use hsic_bottleneck::config::TrainOptions;
    /// use hsic_bottleneck::dataset::{LoadOptions, load};
    /// use hsic_bottleneck::{predict::Predictor, run::Run, trainer::train};
    /// let folder = std::env::temp_dir().join(format!("hsic-predictor-{}", std::process::id()));
    /// let mut options = TrainOptions::default();
    /// options.network.widths = Some("8".into());
    /// options.training.epochs = Some(1);
    /// let config = options.resolve()?;
    /// let data = load("digits", &LoadOptions { train_size: Some(60), test_size: Some(10), ..LoadOptions::default() })?;
    /// let run = Run::create(&folder, &config)?;
    /// train(&config, &data, &run, &mut [], &AtomicBool::new(false))?;
    ///
    /// let predictor = Predictor::open(&run)?;
    /// let mut row = vec![0.0; 784];
    /// data.test.fill_row(0, &mut row)?;
    /// let prediction = &predictor.predict(&row)[0];
    /// assert!((prediction.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    /// assert_eq!(prediction.probability, prediction.probabilities[prediction.class]);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(run: &Run) -> Result<Self, Error> {
        Self::open_among(run, &Methods::known())
    }

    /// Loads a finished run whose method may be one of one's own.
    ///
    /// # Errors
    /// As those of [`open`](Self::open).
    pub fn open_among(run: &Run, methods: &Methods) -> Result<Self, Error> {
        let config = run.config_among(methods)?;
        if !run.is_finished() || run.is_unsettled() {
            return Err(RunError::Unfinished { path: run.path().into() }.into());
        }
        let provenance = run.data()?;
        let mut networks = Vec::new();
        for &sigma in &config.sigmas {
            let own = if config.sigmas.len() > 1 { member_config(&config, sigma)? } else { config.clone() };
            let mut network = build_network(&own, provenance.shape, provenance.kind())?;
            let place = if config.sigmas.len() > 1 { run.member(&own)? } else { run.clone() };
            place.load_weights(&mut network)?;
            networks.push(network);
        }
        if let Some(scale) = provenance.target {
            let columns = AtRest::new(&networks, FormatInput::All).columns();
            let told = Told::Values(valued::load(run, columns)?, scale);
            return Ok(Self { config, provenance, networks, told });
        }
        let readout: Readout = run.read_json("readout.json", "an assignment of units to classes")?;
        if let Some((found, expected)) = readout.fault(networks[0].units(), provenance.classes()) {
            return Err(FileError::malformed(&run.file("readout.json"), found, &expected).into());
        }
        let format = run.load_format()?;
        if let Some((input, layer)) = &format {
            let (found, expected) = (layer.inputs(), format_input(&config, &networks, *input).columns());
            if found != expected || layer.bias().len() != provenance.classes() {
                let found = format!("{} classes of {found} columns", layer.bias().len());
                let expected = format!("{} classes of {expected} columns", provenance.classes());
                return Err(FileError::malformed(&run.file("format.safetensors"), found, &expected).into());
            }
        }
        Ok(Self { config, provenance, networks, told: Told::Classes(readout, format) })
    }

    /// This run without its softmax layer: classes are read from the units of the last block.
    ///
    /// # Errors
    /// `Run` for a method whose units name no classes.
    pub fn unformatted(self) -> Result<Self, Error> {
        if self.config.method.outputs == Outputs::Features {
            return Err(RunError::Unnamed { method: self.config.method.name }.into());
        }
        Ok(match self.told {
            Told::Classes(readout, _) => Self { told: Told::Classes(readout, None), ..self },
            told => Self { told, ..self },
        })
    }

    /// The configuration of the run's training.
    #[must_use]
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// The data of the run's training.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// The network with its trained weights; several under a combined sigma.
    #[must_use]
    pub fn networks(&self) -> &[Network] {
        &self.networks
    }

    /// The layer of format training and what it sees, if there was any; classes then come from it.
    #[must_use]
    pub fn format(&self) -> Option<(FormatInput, &SoftmaxLayer)> {
        match &self.told {
            Told::Classes(_, format) => format.as_ref().map(|(input, layer)| (*input, layer)),
            Told::Values(..) => None,
        }
    }

    /// How values are read, if the run learned values.
    #[must_use]
    pub fn value_readout(&self) -> Option<&ValueReadout> {
        match &self.told {
            Told::Classes(..) => None,
            Told::Values(readout, _) => Some(readout),
        }
    }

    /// How values are read, and their unit; `None` if the run learned classes.
    pub(crate) fn values_read(&self) -> Option<(&ValueReadout, TargetScale)> {
        match &self.told {
            Told::Classes(..) => None,
            Told::Values(readout, scale) => Some((readout, *scale)),
        }
    }

    /// How the units of the last block are read; `None` if the run learned values.
    pub(crate) fn readout(&self) -> Option<&Readout> {
        match &self.told {
            Told::Classes(readout, _) => Some(readout),
            Told::Values(..) => None,
        }
    }

    /// The values of m samples, m x columns as [`Predictor::read`] gives them, in the unit of the target; `None` if the run
    /// learned classes.
    ///
    /// # Panics
    /// If `x` holds no whole number of samples.
    #[must_use]
    pub fn values(&self, x: &[f32]) -> Option<Vec<f64>> {
        let Told::Values(readout, scale) = &self.told else { return None };
        let columns = self.provenance.columns();
        assert_eq!(x.len() % columns, 0, "rows have as many values as the network takes");
        Some(readout.values(&valued::read_by(readout, &self.networks), x.len() / columns, x, *scale))
    }

    /// How right the values are that the run predicts for the rows of a data set.
    ///
    /// # Errors
    /// `Shape` if the data set has other columns; `OtherTask` if the run learned classes or the data set has them.
    pub fn evaluate_values(&self, dataset: &Dataset) -> Result<ValueEvaluation, Error> {
        let (Told::Values(readout, scale), Some(quantities)) = (&self.told, dataset.of_values()) else {
            return Err(self.other_task(dataset));
        };
        self.check_columns(dataset)?;
        let told = readout.predicted(&valued::read_by(readout, &self.networks), dataset, *scale, usize::MAX)?;
        let means = vec![scale.mean; told.len()];
        Ok(ValueEvaluation {
            score: Score::of(&told, &quantities.values),
            baseline: Score::of(&means, &quantities.values),
        })
    }

    fn other_task(&self, dataset: &Dataset) -> Error {
        let values = dataset.of_values().is_some();
        Error::OtherTask { dataset: dataset.name.clone(), values, learned: self.provenance.target.is_some() }
    }

    /// Classes and probabilities of m samples, m x columns as [`Predictor::read`] gives them. A sample's prediction
    /// does not depend on the others, but for a rounding of f32 by their number.
    ///
    /// # Panics
    /// If `x` holds no whole number of samples, or the run learned values: see [`values`](Self::values).
    #[must_use]
    pub fn predict(&self, x: &[f32]) -> Vec<Prediction> {
        let Told::Classes(readout, format) = &self.told else {
            panic!("a run that learned values has no classes: see Predictor::values");
        };
        let columns = self.provenance.columns();
        assert_eq!(x.len() % columns, 0, "rows have as many values as the network takes");
        let m = x.len() / columns;
        if let Some((input, layer)) = format {
            let scores = layer.scores(&format_input(&self.config, &self.networks, *input).features(m, x));
            let prediction = |scores: &[f32]| {
                let (class, probabilities) = softmax(scores);
                Prediction { class, probability: probabilities[class], probabilities }
            };
            return scores.chunks_exact(self.provenance.classes()).map(prediction).collect();
        }
        // Running statistics whatever the protocol: what is said of a sample must not depend on its neighbors.
        let outputs = AtRest::new(&self.networks, FormatInput::Last).scores(m, x);
        let prediction = |row: &[f32]| {
            let class = readout.assignment.class(row);
            let probabilities = readout.probabilities(row, self.provenance.classes());
            Prediction { class, probability: probabilities[class], probabilities }
        };
        outputs.chunks_exact(self.networks[0].units()).map(prediction).collect()
    }

    fn own_outputs(&self) -> AtRest<'_> {
        AtRest::new(&self.networks, FormatInput::Last).under(&self.config.protocol)
    }

    /// Whether a data set's samples and classes are the run's; gives the run's class of each of its classes, which are
    /// matched by their names.
    ///
    /// # Errors
    /// `Shape` if the data set has other columns; `Labels` with the names of classes that the run does not know; `OtherTask`
    /// if the run learned values or the data set has them.
    pub fn check(&self, dataset: &Dataset) -> Result<Vec<usize>, Error> {
        if dataset.of_values().is_some() || self.provenance.target.is_some() {
            return Err(self.other_task(dataset));
        }
        self.check_columns(dataset)?;
        let places = self.provenance.class_names.iter().enumerate().map(|(class, name)| (name, class));
        let known: BTreeMap<&String, usize> = places.rev().collect();
        let (mut classes, mut unknown) = (Vec::new(), Vec::new());
        for name in dataset.class_names() {
            match known.get(name) {
                Some(&class) => classes.push(class),
                None => unknown.push(name.clone()),
            }
        }
        if unknown.is_empty() {
            return Ok(classes);
        }
        let known = self.provenance.class_names.clone();
        Err(Error::Labels { dataset: dataset.name.clone(), unknown, known })
    }

    /// Whether a data set's samples are the run's, and its targets values as the run learned them.
    ///
    /// # Errors
    /// `Shape` if the data set has other columns; `OtherTask` if the run learned classes or the data set has them.
    pub fn check_values(&self, dataset: &Dataset) -> Result<(), Error> {
        self.check_columns(dataset)?;
        match (&self.told, dataset.of_values()) {
            (Told::Values(..), Some(_)) => Ok(()),
            _ => Err(self.other_task(dataset)),
        }
    }

    fn check_columns(&self, dataset: &Dataset) -> Result<(), Error> {
        if dataset.columns() == self.provenance.columns() {
            return Ok(());
        }
        Err(Error::Shape {
            dataset: dataset.name.clone(),
            found: dataset.columns(),
            found_classes: dataset.kind().outputs(),
            expected: self.provenance.columns(),
            expected_classes: self.provenance.kind().outputs(),
        })
    }

    /// The rows of a file, brought to what the network was trained on.
    ///
    /// - Tables (`.csv`, `.tsv`, both also with `.gz`, `.npy`, `.npz`, `-` for text from standard input) hold a sample a row, in
    ///   the units of the training file; they are standardized as the training data were. Columns are found by their names
    ///   in any order, where both files have names; else they are those of the training in their order, without labels.
    /// - For a network trained on images, a row holds the pixels channel by channel, row by row: whole numbers of 0 to
    ///   255 in `.csv` and in arrays of bytes (`uint8`), which become value / 255; arrays of other types hold numbers
    ///   in [0, 1] and are taken as they are.
    ///
    /// # Errors
    /// `Dataset` if the file cannot be read; `Predict` if its rows are of another length or not pixels.
    pub fn read(&self, path: &Path) -> Result<Vec<f32>, Error> {
        Ok(self.read_with_notes(path)?.0)
    }

    /// The rows of a file as [`read`](Self::read) gives them, with what is to be said of them: columns that the training
    /// did not have, cells that were filled.
    ///
    /// # Errors
    /// As those of [`read`](Self::read).
    pub fn read_with_notes(&self, path: &Path) -> Result<(Vec<f32>, Vec<Note>), Error> {
        Ok(rows::read(path, &self.provenance, self.text_rules())?)
    }

    /// The rows of a file as [`read`](Self::read) gives them, some at a time, so that a file of any length is predicted in the same
    /// memory. What is said of the rows of each piece is the same, to the bit, as what is said of them in the whole file. Of
    /// several networks that are judged by the statistics of all rows, as the published code does, all rows come at once.
    ///
    /// # Errors
    /// As those of [`read`](Self::read), as far as the file's rows need not be read for them; the others come in their places.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::atomic::AtomicBool;
    /// # use hsic_bottleneck::config::TrainOptions;
    /// # use hsic_bottleneck::dataset::{LoadOptions, load};
    /// # use hsic_bottleneck::{predict::Predictor, run::Run, trainer::train};
    /// # let folder = std::env::temp_dir().join(format!("hsic-pieces-of-{}", std::process::id()));
    /// # let mut options = TrainOptions::default();
    /// # options.network.widths = Some("8".into());
    /// # options.training.epochs = Some(1);
    /// # let config = options.resolve()?;
    /// # let data = load("digits", &LoadOptions { train_size: Some(60), test_size: Some(10), ..LoadOptions::default() })?;
    /// # let run = Run::create(&folder, &config)?;
    /// # train(&config, &data, &run, &mut [], &AtomicBool::new(false))?;
    /// # let new = folder.join("new.csv");
    /// # std::fs::write(&new, format!("{}\n", ["7"; 784].join(",")).repeat(3))?;
    /// let predictor = Predictor::open(&run)?;
    /// let mut pieces = predictor.pieces(&new)?;
    /// let mut predicted = 0;
    /// for rows in pieces.by_ref() {
    ///     predicted += predictor.predict(&rows?).len();
    /// }
    /// assert_eq!((predicted, pieces.notes().len()), (3, 0));
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pieces(&self, path: &Path) -> Result<Pieces<'_>, Error> {
        Ok(Pieces::open(path, &self.provenance, self.text_rules(), self.rows_at_once())?)
    }

    fn text_rules(&self) -> TextRules {
        let LoadOptions { header, text_encoding: encoding, .. } = self.config.load;
        // Names of the training are looked for by themselves; that there are none must be said again.
        TextRules { header: if header == Header::No { Header::No } else { Header::Auto }, encoding }
    }

    /// Rows of a piece: those of a whole number of tasks, so that each task has the rows that it has in the whole file.
    fn rows_at_once(&self) -> usize {
        let formatted = matches!(self.told, Told::Classes(_, Some(_)));
        if formatted && self.networks.len() > 1 && self.config.protocol.norm == NormProtocol::Authors {
            return usize::MAX;
        }
        let features = AtRest::new(&self.networks, FormatInput::All).columns();
        let (task, widest) = (self.networks[0].inference_rows(), features.max(self.provenance.columns()));
        (PIECE_VALUES / widest / task).max(PIECE_TASKS) * task
    }

    /// Samples of a data set by class and predicted class, both of the run: by the layer of format training if there is
    /// one, else by unformatted outputs.
    ///
    /// # Errors
    /// As [`Predictor::check`].
    pub fn evaluate(&self, dataset: &Dataset) -> Result<Confusion, Error> {
        let classes = self.check(dataset)?;
        let Told::Classes(readout, format) = &self.told else { return Err(self.other_task(dataset)) };
        let by_class = match format {
            Some((input, layer)) => layer.evaluate(&format_input(&self.config, &self.networks, *input), dataset)?,
            None => self.own_outputs().outputs(dataset, usize::MAX)?.counts.assigned(&readout.assignment),
        };
        Ok(self.by_run_class(by_class, &classes))
    }

    /// Accuracy by several looks at each image of a data set: by the layer of format training if there is one.
    ///
    /// # Errors
    /// As [`Predictor::check`].
    pub fn accuracy_by(&self, looks: TestTime, dataset: &Dataset) -> Result<f64, Error> {
        let classes = self.check(dataset)?;
        let Told::Classes(readout, format) = &self.told else { return Err(self.other_task(dataset)) };
        let shape = self.provenance.shape;
        let by_class = match format {
            Some((input, layer)) => {
                let at_rest = format_input(&self.config, &self.networks, *input).looking(looks, shape);
                layer.evaluate(&at_rest, dataset)?
            }
            None => {
                let at_rest = self.own_outputs().looking(looks, shape);
                at_rest.outputs(dataset, usize::MAX)?.counts.assigned(&readout.assignment)
            }
        };
        Ok(self.by_run_class(by_class, &classes).accuracy())
    }

    /// The rows of a table by class of a data set, in the order of the run's classes.
    fn by_run_class(&self, by_class: Confusion, classes: &[usize]) -> Confusion {
        let mut table = Confusion::new(self.provenance.classes(), self.provenance.classes());
        for (mut counts, &class) in by_class.counts.into_iter().zip(classes) {
            counts.resize(self.provenance.classes(), 0);
            table.counts[class] = counts;
        }
        table
    }

    /// Unformatted test accuracy under the run's protocol.
    ///
    /// # Errors
    /// As [`Predictor::check`].
    pub fn unformatted_accuracy(&self, dataset: &Dataset) -> Result<f64, Error> {
        let classes = self.check(dataset)?;
        let Told::Classes(readout, _) = &self.told else { return Err(self.other_task(dataset)) };
        let table = self.own_outputs().outputs(dataset, usize::MAX)?;
        Ok(match self.config.protocol.readout {
            ReadoutProtocol::Authors => table.authors_accuracy(),
            ReadoutProtocol::Fair => self.by_run_class(table.counts.assigned(&readout.assignment), &classes).accuracy(),
        })
    }
}

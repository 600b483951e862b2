//! A finished run at work: rows as its data were, to classes and probabilities.

mod rows;

use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use crate::calibration::Readout;
use crate::dataset::{Dataset, Shape};
use crate::error::Error;
use crate::network::Network;
use crate::readout::Confusion;
use crate::record::DataRecord;
use crate::run::{Run, RunError};
use crate::trainer::{build_network, count_outputs};

/// Why a file's rows are none that the run's network takes.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PredictError {
    /// Rows of another length.
    #[error("{}: rows of {found} values, expected {} as in training ({shape})", .path.display(), .shape.columns())]
    Columns {
        /// The file.
        path: PathBuf,
        /// Values in a row of it.
        found: usize,
        /// Sizes of a sample in training.
        shape: Shape,
    },
    /// An image of other sizes, or for a network that was trained on no images.
    #[error(
        "{}: an image of {found}, expected {} of {shape} as in training",
        .path.display(), if *.images { "one" } else { "rows of numbers in a table" }
    )]
    Image {
        /// The file.
        path: PathBuf,
        /// Its sizes.
        found: Shape,
        /// Sizes of a sample in training.
        shape: Shape,
        /// Whether the network was trained on images.
        images: bool,
    },
    /// A value that is no pixel.
    #[error("{}: row {row}, column {column} (from 0): {value}, expected {expected}", .path.display())]
    Pixel {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: usize,
        /// The column, from 0.
        column: usize,
        /// What is there.
        value: f64,
        /// What may be.
        expected: &'static str,
    },
}

/// What a run says of one sample.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Index of the class, that of the unit with the largest output.
    pub class: usize,
    /// Probability of that class: see [`crate::calibration`] for how it is formed and what it is worth.
    pub probability: f64,
    /// Probability of every class.
    pub probabilities: Vec<f64>,
}

/// A finished run, loaded.
pub struct Predictor {
    record: DataRecord,
    network: Network,
    readout: Readout,
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
    /// data.test.fill_row(0, &mut row);
    /// let prediction = &predictor.predict(&row)[0];
    /// assert!((prediction.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    /// assert_eq!(prediction.probability, prediction.probabilities[prediction.class]);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(run: &Run) -> Result<Self, Error> {
        let config = run.config()?;
        if !run.is_finished() {
            let expected = "a finished run (hsic train --resume goes on with this one)";
            return Err(RunError::malformed(run.path(), "training has not ended", expected).into());
        }
        let record = run.data()?;
        let readout: Readout = run.read_json("readout.json", "an assignment of units to classes")?;
        let mut network = build_network(&config, record.shape, record.classes())?;
        if let Some((found, expected)) = readout.fault(network.outputs(), record.classes()) {
            return Err(RunError::malformed(&run.file("readout.json"), found, &expected).into());
        }
        run.load_weights(&mut network)?;
        Ok(Self { record, network, readout })
    }

    /// The data of the run's training.
    #[must_use]
    pub fn record(&self) -> &DataRecord {
        &self.record
    }

    /// The network with its trained weights.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Classes and probabilities of m samples, m x columns as [`Predictor::read`] gives them. A sample's prediction
    /// does not depend on the others, but for a rounding of f32 by their number.
    ///
    /// # Panics
    /// If `x` holds no whole number of samples.
    #[must_use]
    pub fn predict(&self, x: &[f32]) -> Vec<Prediction> {
        let (columns, units) = (self.record.columns(), self.network.outputs());
        assert_eq!(x.len() % columns, 0, "rows have as many values as the network takes");
        let outputs = self.network.infer(x.len() / columns, x);
        let prediction = |row: &[f32]| {
            let class = self.readout.assignment.class(row);
            let probabilities = self.readout.probabilities(row, self.record.classes());
            Prediction { class, probability: probabilities[class], probabilities }
        };
        outputs.chunks_exact(units).map(prediction).collect()
    }

    /// The rows of a file, brought to what the network was trained on.
    ///
    /// - Tables (`.csv`, `.npy`, `.npz`) hold a sample a row, without labels, in the units of the training file;
    ///   they are standardized as the training data were.
    /// - For a network trained on images, a row holds the pixels channel by channel, row by row: whole numbers of 0 to
    ///   255 in `.csv` and in arrays of bytes (`uint8`), which become value / 255; arrays of other types hold numbers
    ///   in [0, 1] and are taken as they are.
    ///
    /// # Errors
    /// `Dataset` if the file cannot be read; `Predict` if its rows are of another length or not pixels.
    pub fn read(&self, path: &Path) -> Result<Vec<f32>, Error> {
        rows::read(path, &self.record)
    }

    /// Samples of a data set by class and predicted class, both of the run. Classes are matched by name if the run
    /// knows every name of the data set, else by index.
    ///
    /// # Errors
    /// `Shape` if the data set has other columns, or unknown classes of another number.
    pub fn evaluate(&self, dataset: &Dataset) -> Result<Confusion, Error> {
        let names = &self.record.class_names;
        let by_name = dataset.class_names.iter().map(|name| names.iter().position(|known| known == name)).collect();
        let by_index = (dataset.classes() == names.len()).then(|| (0..names.len()).collect());
        let classes: Option<Vec<usize>> = Option::or(by_name, by_index);
        let Some(classes) = classes.filter(|_| dataset.columns() == self.record.columns()) else {
            return Err(Error::Shape {
                dataset: dataset.name.clone(),
                found: dataset.columns(),
                found_classes: dataset.classes(),
                expected: self.record.columns(),
                expected_classes: self.record.classes(),
            });
        };
        let by_unit = count_outputs(&self.network, dataset, usize::MAX);
        let mut table = Confusion::new(names.len(), self.network.outputs());
        for (counts, class) in by_unit.counts.into_iter().zip(classes) {
            table.counts[class] = counts;
        }
        Ok(table.assigned(&self.readout.assignment))
    }
}

//! Data of a training: by name, by path, or rows of arrays.

use std::path::PathBuf;

use hsic_bottleneck::dataset::{
    Dataset, Origin, Quantities, Samples, Shape, Split, Standardization, TargetScale, Targets, load,
};
use hsic_bottleneck::run::Run;
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays::Table;
use crate::fault::of_training;
use crate::interrupt::run;
use crate::settings::Settings;

/// Rows of the training part that stand for data to be judged on where there are none, evenly spaced.
const JUDGED: usize = 1000;

/// What a network is trained on and judged by.
#[pyclass(frozen, module = "hsic._hsic")]
pub(crate) struct Data(pub(crate) Split);

/// What arrays hold of the rows of a part: samples, and classes or values.
type Part<'py> = (Table<'py>, PyReadonlyArray1<'py, f64>);

#[pymethods]
impl Data {
    /// The data that settings name.
    #[staticmethod]
    fn load(py: Python<'_>, settings: &Settings) -> PyResult<Self> {
        let config = settings.asked()?.config;
        run(py, settings.threads(), |_| load(&config.dataset, &config.load_options()))?.map(Self).map_err(of_training)
    }

    /// Rows of arrays. `names` are those of the classes, whose indices stand in `y`, and are left out where it has values.
    /// Without a test part some of the training rows judge. Columns are standardized by the training part, or by the record
    /// of the run in the folder `like`.
    #[staticmethod]
    #[pyo3(signature = (
        train: "tuple[numpy.ndarray, numpy.ndarray]", test: "tuple[numpy.ndarray, numpy.ndarray] | None", names, standardize, like
    ))]
    fn of_rows(
        train: Part<'_>,
        test: Option<Part<'_>>,
        names: Option<Vec<String>>,
        standardize: bool,
        like: Option<PathBuf>,
    ) -> PyResult<Self> {
        let (columns, rows) = (train.0.columns(), train.0.rows());
        let mut values = train.0.numbers();
        let record = match like {
            Some(folder) => Some(Run::open(&folder).and_then(|run| run.data()).map_err(of_training)?),
            None => None,
        };
        let standardization = match &record {
            Some(record) => record.standardization.clone(),
            None => standardize.then(|| Standardization::of(&values, columns)),
        };
        let targets = targets(&train.1, rows, names.as_deref(), record.as_ref().and_then(|record| record.target))?;
        let train = part(&mut values, columns, standardization.as_ref(), targets);
        let test = match test {
            Some((x, y)) => {
                let scale = train.of_values().map(|own| own.scale);
                let targets = self::targets(&y, x.rows(), names.as_deref(), scale)?;
                part(&mut x.numbers(), columns, standardization.as_ref(), targets)
            }
            None => {
                let count = rows.min(JUDGED);
                train.select(&(0..count).map(|i| i * rows / count).collect::<Vec<_>>())
            }
        };
        Ok(Self(Split { train, test, standardization, origin: Origin::default() }))
    }

    /// Training rows, test rows and columns.
    #[getter]
    fn sizes(&self) -> (usize, usize, usize) {
        (self.0.train.rows(), self.0.test.rows(), self.0.train.columns())
    }

    /// What should be said of the data, as JSON.
    #[getter]
    fn notes(&self) -> PyResult<String> {
        serde_json::to_string(&self.0.origin.notes).map_err(|error| PyValueError::new_err(error.to_string()))
    }
}

/// What is to be learned of rows.
fn targets(
    y: &PyReadonlyArray1<'_, f64>,
    rows: usize,
    names: Option<&[String]>,
    scale: Option<TargetScale>,
) -> PyResult<Targets> {
    let y = y.as_array();
    if y.len() != rows {
        return Err(PyValueError::new_err(format!(
            "x has {rows} rows and y has {}: expected the same number",
            y.len()
        )));
    }
    match names {
        Some(names) => {
            // Whole numbers below the number of classes, which were counted to be so.
            let labels = y.iter().map(|&class| class as u16).collect();
            Ok(Targets::classes(labels, names.to_vec()))
        }
        None => {
            let values: Vec<f64> = y.iter().copied().collect();
            // Equal values have no deviation, and are told by their mean.
            let scale = scale.or_else(|| TargetScale::of(&values));
            let scale = scale.unwrap_or(TargetScale { mean: values.first().copied().unwrap_or(0.0), deviation: 1.0 });
            Ok(Targets::Values(Quantities { values, scale }))
        }
    }
}

fn part(values: &mut [f64], columns: usize, standardization: Option<&Standardization>, targets: Targets) -> Dataset {
    if let Some(standardization) = standardization {
        values.chunks_exact_mut(columns).for_each(|row| standardization.apply(row));
    }
    Dataset {
        name: "arrays".to_owned(),
        samples: Samples::Floats(values.iter().map(|&value| value as f32).collect()),
        shape: Shape { channels: 1, height: 1, width: columns },
        targets,
        normalization: None,
    }
}

//! A finished run at work on rows of arrays.

use std::path::PathBuf;

use hsic_bottleneck::judge::at_rest::{AtRest, FormatInput};
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::run::Run;
use numpy::{PyArray1, PyArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::arrays::Table;
use crate::fault::of_training;
use crate::interrupt::run;

/// Rows that are computed together. The last ones are filled up with rows of 0: products of one shape add in one order, so
/// that what is said of a row does not depend on how many there are.
const TILE: usize = 64;

/// A trained network with its readout.
#[pyclass(frozen, module = "hsic._hsic")]
pub(crate) struct Model(Predictor);

#[pymethods]
impl Model {
    /// The finished run in a folder, which is not read again.
    #[new]
    fn new(folder: PathBuf) -> PyResult<Self> {
        let run = Run::open(&folder).map_err(of_training)?;
        Predictor::open(&run).map(Self).map_err(of_training)
    }

    /// Columns of a row.
    #[getter]
    fn columns(&self) -> usize {
        self.0.provenance().columns()
    }

    /// Names of the classes; none where values are learned.
    #[getter]
    fn class_names(&self) -> Vec<String> {
        self.0.provenance().class_names.clone()
    }

    /// Whether values are learned.
    #[getter]
    fn of_values(&self) -> bool {
        self.0.provenance().target.is_some()
    }

    /// Probabilities of the classes, m x classes, of rows in the units of the training data.
    #[pyo3(signature = (x: "numpy.ndarray", threads) -> "numpy.ndarray")]
    fn probabilities<'py>(&self, py: Python<'py>, x: Table<'_>, threads: usize) -> PyResult<Bound<'py, PyAny>> {
        let classes = self.0.provenance().classes();
        let of =
            |tile: &[f32]| self.0.predict(tile).into_iter().flat_map(|told| told.probabilities).collect::<Vec<f64>>();
        let rows = self.rows(&x)?;
        let found = run(py, threads, |_| self.tiled(&rows, classes, of))?;
        Ok(PyArray1::from_vec(py, found).reshape([x.rows(), classes])?.into_any())
    }

    /// Index of the class of each row: that of the unit with the largest output.
    #[pyo3(signature = (x: "numpy.ndarray", threads) -> "numpy.ndarray")]
    fn classes<'py>(&self, py: Python<'py>, x: Table<'_>, threads: usize) -> PyResult<Bound<'py, PyAny>> {
        let of = |tile: &[f32]| self.0.predict(tile).into_iter().map(|told| told.class as i64).collect::<Vec<i64>>();
        let rows = self.rows(&x)?;
        let found = run(py, threads, |_| self.tiled(&rows, 1, of))?;
        Ok(PyArray1::from_vec(py, found).into_any())
    }

    /// The value of each row, in the unit of the target.
    #[pyo3(signature = (x: "numpy.ndarray", threads) -> "numpy.ndarray")]
    fn values<'py>(&self, py: Python<'py>, x: Table<'_>, threads: usize) -> PyResult<Bound<'py, PyAny>> {
        if !self.of_values() {
            return Err(PyValueError::new_err("the run learned classes, which have no values"));
        }
        let rows = self.rows(&x)?;
        let found = run(py, threads, |_| self.tiled(&rows, 1, |tile| self.0.values(tile).unwrap_or_default()))?;
        Ok(PyArray1::from_vec(py, found).into_any())
    }

    /// Features of all blocks side by side, or outputs of the last, m x columns in single precision.
    #[pyo3(signature = (x: "numpy.ndarray", all, threads) -> "numpy.ndarray")]
    fn features<'py>(&self, py: Python<'py>, x: Table<'_>, all: bool, threads: usize) -> PyResult<Bound<'py, PyAny>> {
        let at_rest = AtRest::new(self.0.networks(), if all { FormatInput::All } else { FormatInput::Last });
        let columns = at_rest.columns();
        let rows = self.rows(&x)?;
        let found = run(py, threads, |_| {
            self.tiled(&rows, columns, |tile| {
                AtRest::new(self.0.networks(), if all { FormatInput::All } else { FormatInput::Last })
                    .features(TILE, tile)
            })
        })?;
        Ok(PyArray1::from_vec(py, found).reshape([x.rows(), columns])?.into_any())
    }

    /// Columns of the features of all blocks.
    #[getter]
    fn feature_columns(&self) -> usize {
        AtRest::new(self.0.networks(), FormatInput::All).columns()
    }

    /// The rows of a file as the network takes them, brought to what it was trained on.
    #[pyo3(signature = (path, threads) -> "numpy.ndarray")]
    fn read<'py>(&self, py: Python<'py>, path: PathBuf, threads: usize) -> PyResult<Bound<'py, PyAny>> {
        let rows = run(py, threads, |_| self.0.read(&path))?.map_err(of_training)?;
        let m = rows.len() / self.columns();
        Ok(PyArray1::from_vec(py, rows).reshape([m, self.columns()])?.into_any())
    }
}

impl Model {
    /// Rows as the network takes them.
    fn rows(&self, x: &Table<'_>) -> PyResult<Vec<f32>> {
        let (found, expected) = (x.columns(), self.columns());
        if found != expected {
            return Err(PyValueError::new_err(format!("X has {found} features, but the network takes {expected}")));
        }
        let mut values = x.numbers();
        if let Some(standardization) = &self.0.provenance().standardization {
            values.chunks_exact_mut(expected).for_each(|row| standardization.apply(row));
        }
        Ok(values.into_iter().map(|value| value as f32).collect())
    }

    /// What `of` says of each row, `width` numbers, in tiles of so many rows.
    fn tiled<T: Send + Sync + Clone>(
        &self,
        rows: &[f32],
        width: usize,
        of: impl Fn(&[f32]) -> Vec<T> + Sync,
    ) -> Vec<T> {
        let columns = self.columns();
        let each = |tile: &[f32]| {
            if tile.len() == TILE * columns {
                return of(tile);
            }
            let mut filled = tile.to_vec();
            filled.resize(TILE * columns, 0.0);
            let mut found = of(&filled);
            found.truncate(tile.len() / columns * width);
            found
        };
        let tiles: Vec<Vec<T>> = rows.par_chunks(TILE * columns).map(each).collect();
        tiles.concat()
    }
}

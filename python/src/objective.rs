//! The HSIC-bottleneck objective of a block's activations, with its gradient in closed form.

use std::cell::RefCell;
use std::thread::LocalKey;

use hsic::faer::MatMut;
use hsic::{BatchOperator, Bottleneck, Error, Scalar, Targets, Terms, Workspace};
use numpy::{Element, PyArray1, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::arrays::{Table, matrix, mixed};
use crate::fault::raised;

// One memory a thread, for all batches: it grows to the largest and then takes no more.
thread_local! {
    static SINGLE: RefCell<Workspace<f32>> = RefCell::default();
    static DOUBLE: RefCell<Workspace<f64>> = RefCell::default();
}

/// What the losses of all blocks share of one batch.
#[pyclass(frozen, module = "hsic._hsic")]
pub(crate) struct Operator(Form);

enum Form {
    Single(BatchOperator<f32>),
    Double(BatchOperator<f64>),
}

/// nHSIC(Z, X), nHSIC(Z, Y), the loss, whether the block is dead, and the gradient.
type Evaluated<'py> = (f64, f64, f64, bool, Bound<'py, PyAny>);

#[pymethods]
impl Operator {
    /// The operator of a batch: of `labels` below `classes`, or of `numbers`, one of which is None; `x` may be None.
    #[new]
    #[pyo3(signature = (
        x: "numpy.ndarray | None", labels: "numpy.ndarray | None", numbers: "numpy.ndarray | None", classes, double, sigma,
        sigma_labels, epsilon, beta, x_weight
    ))]
    #[expect(clippy::too_many_arguments, reason = "the numbers of the objective, by name in Python")]
    fn new(
        py: Python<'_>,
        x: Option<Table<'_>>,
        labels: Option<PyReadonlyArray1<'_, i64>>,
        numbers: Option<Table<'_>>,
        classes: usize,
        double: bool,
        sigma: f64,
        sigma_labels: f64,
        epsilon: f64,
        beta: f64,
        x_weight: f64,
    ) -> PyResult<Self> {
        let options = Bottleneck { sigma, sigma_labels, epsilon, beta, x_weight, ..Bottleneck::default() };
        let labels = labels.map(|labels| classes_of(&labels, classes)).transpose()?;
        let labels = labels.as_deref();
        Ok(Self(if double {
            let (x, numbers) = (x.map(as_double).transpose()?, numbers.map(as_double).transpose()?);
            Form::Double(operator(py, x.as_ref(), labels, numbers.as_ref(), classes, options, &DOUBLE)?)
        } else {
            let (x, numbers) = (x.map(as_single).transpose()?, numbers.map(as_single).transpose()?);
            Form::Single(operator(py, x.as_ref(), labels, numbers.as_ref(), classes, options, &SINGLE)?)
        }))
    }

    /// Terms and gradient at `z`, which is of the operator's type. Runs on the caller's thread, without the interpreter's lock.
    #[pyo3(signature = (z: "numpy.ndarray") -> "tuple[float, float, float, bool, numpy.ndarray]")]
    fn evaluate<'py>(&self, py: Python<'py>, z: Table<'_>) -> PyResult<Evaluated<'py>> {
        match (&self.0, &z) {
            (Form::Single(operator), Table::Single(z)) => evaluate(py, operator, z, &SINGLE),
            (Form::Double(operator), Table::Double(z)) => evaluate(py, operator, z, &DOUBLE),
            (Form::Single(_), _) => Err(mixed("a batch of float32", z.dtype())),
            (Form::Double(_), _) => Err(mixed("a batch of float64", z.dtype())),
        }
    }

    /// tr R_Y, the least upper bound of nHSIC(Z, Y).
    #[getter]
    fn label_trace(&self) -> f64 {
        match &self.0 {
            Form::Single(operator) => operator.labels().trace(),
            Form::Double(operator) => operator.labels().trace(),
        }
    }

    /// tr R_X, the least upper bound of nHSIC(Z, X); 0 without the X term.
    #[getter]
    fn x_trace(&self) -> f64 {
        match &self.0 {
            Form::Single(operator) => operator.x_trace(),
            Form::Double(operator) => operator.x_trace(),
        }
    }

    /// Whether the targets have all but vanished under the ridge.
    #[getter]
    fn vanished(&self) -> bool {
        match &self.0 {
            Form::Single(operator) => operator.labels().vanished(),
            Form::Double(operator) => operator.labels().vanished(),
        }
    }
}

/// Labels as classes; those below 0 are refused here, as no class is.
fn classes_of(labels: &PyReadonlyArray1<'_, i64>, classes: usize) -> PyResult<Vec<usize>> {
    let of = |(row, label): (usize, &i64)| {
        usize::try_from(*label).map_err(|_| {
            PyValueError::new_err(format!("y[{row}] = {label}: expected a class, 0 to {}", classes.max(1) - 1))
        })
    };
    labels.as_array().iter().enumerate().map(of).collect()
}

fn as_double(table: Table<'_>) -> PyResult<PyReadonlyArray2<'_, f64>> {
    match table {
        Table::Double(array) => Ok(array),
        Table::Single(_) => Err(mixed("a batch of float64", "float32")),
    }
}

fn as_single(table: Table<'_>) -> PyResult<PyReadonlyArray2<'_, f32>> {
    match table {
        Table::Single(array) => Ok(array),
        Table::Double(_) => Err(mixed("a batch of float32", "float64")),
    }
}

fn operator<T: Scalar + Element>(
    py: Python<'_>,
    x: Option<&PyReadonlyArray2<'_, T>>,
    labels: Option<&[usize]>,
    numbers: Option<&PyReadonlyArray2<'_, T>>,
    classes: usize,
    options: Bottleneck,
    workspace: &'static LocalKey<RefCell<Workspace<T>>>,
) -> PyResult<BatchOperator<T>> {
    let x = x.map(matrix).transpose()?;
    // Their kernel is factored in double precision, whatever the activations are.
    let columns = numbers.map_or(0, |numbers| numbers.shape()[1]);
    let values: Option<Vec<f64>> =
        numbers.map(|numbers| numbers.as_array().iter().map(|value| value.to_f64()).collect());
    let targets = match (labels, &values) {
        (Some(labels), None) => Targets::Classes { labels, classes },
        (None, Some(values)) => Targets::Values { values, columns },
        _ => return Err(PyTypeError::new_err("expected labels or numbers, one of them")),
    };
    py.detach(|| workspace.with_borrow_mut(|workspace| BatchOperator::of(x, targets, options, workspace)))
        .map_err(|error| raised(as_y(error)))
}

/// The targets by their name in Python.
fn as_y(error: Error) -> Error {
    match error {
        Error::NotFinite { argument: "values", row, col } => Error::NotFinite { argument: "y", row, col },
        Error::NoColumns { argument: "values" } => Error::NoColumns { argument: "y" },
        Error::TooFewRows { argument: "values", rows, required } => Error::TooFewRows { argument: "y", rows, required },
        Error::RowMismatch { left, left_rows, right: "values", right_rows } => {
            Error::RowMismatch { left, left_rows, right: "y", right_rows }
        }
        error => error,
    }
}

fn evaluate<'py, T: Scalar + Element>(
    py: Python<'py>,
    operator: &BatchOperator<T>,
    z: &PyReadonlyArray2<'_, T>,
    workspace: &'static LocalKey<RefCell<Workspace<T>>>,
) -> PyResult<Evaluated<'py>> {
    let (rows, columns) = (z.shape()[0], z.shape()[1]);
    let z = matrix(z)?;
    let work = || -> Result<(Terms, Vec<T>), Error> {
        let mut gradient = vec![T::ZERO; rows * columns];
        let into = MatMut::from_row_major_slice_mut(&mut gradient, rows, columns);
        let terms = workspace.with_borrow_mut(|workspace| operator.evaluate_into(into, z, workspace))?;
        Ok((terms, gradient))
    };
    let (terms, gradient) = py.detach(work).map_err(raised)?;
    let gradient = PyArray1::from_vec(py, gradient).reshape([rows, columns])?;
    Ok((terms.x, terms.y, terms.loss, terms.dead, gradient.into_any()))
}

//! NumPy's arrays as matrices, where they lie.

use hsic::Scalar;
use hsic::faer::MatRef;
use numpy::{Element, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::FromPyObject;
use pyo3::PyResult;
use pyo3::exceptions::PyTypeError;

/// A contiguous array of two dimensions, of either type of number.
#[derive(FromPyObject)]
pub(crate) enum Table<'py> {
    /// float32
    Single(PyReadonlyArray2<'py, f32>),
    /// float64
    Double(PyReadonlyArray2<'py, f64>),
}

impl Table<'_> {
    /// Name of the type of number.
    pub(crate) fn dtype(&self) -> &'static str {
        match self {
            Self::Single(_) => "float32",
            Self::Double(_) => "float64",
        }
    }

    /// Rows.
    pub(crate) fn rows(&self) -> usize {
        self.sizes()[0]
    }

    /// Columns.
    pub(crate) fn columns(&self) -> usize {
        self.sizes()[1]
    }

    fn sizes(&self) -> &[usize] {
        match self {
            Self::Single(array) => array.shape(),
            Self::Double(array) => array.shape(),
        }
    }

    /// The entries row by row, in double precision.
    pub(crate) fn numbers(&self) -> Vec<f64> {
        match self {
            Self::Single(array) => array.as_array().iter().map(|&value| f64::from(value)).collect(),
            Self::Double(array) => array.as_array().iter().copied().collect(),
        }
    }
}

/// Two tables that are not of one type.
pub(crate) fn mixed(left: &str, right: &str) -> pyo3::PyErr {
    PyTypeError::new_err(format!("{left} beside {right}: expected arrays of one type"))
}

/// The rows of an array; nothing is copied.
pub(crate) fn matrix<'a, T: Scalar + Element>(array: &'a PyReadonlyArray2<'_, T>) -> PyResult<MatRef<'a, T>> {
    let (rows, columns) = (array.shape()[0], array.shape()[1]);
    let entries = array.as_slice().map_err(|_| PyTypeError::new_err("a strided array: expected a contiguous one"))?;
    // Rows lie one after another, or columns do; an array of one row or column is both.
    Ok(if array.is_c_contiguous() {
        MatRef::from_row_major_slice(entries, rows, columns)
    } else {
        MatRef::from_column_major_slice(entries, rows, columns)
    })
}

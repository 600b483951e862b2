//! Errors as exceptions.

use std::error::Error as StdError;

use hsic::Error;
use pyo3::PyErr;
use pyo3::exceptions::{PyFileNotFoundError, PyKeyboardInterrupt, PyMemoryError, PyOSError, PyValueError};

/// The exception that an error is in Python.
pub(crate) fn raised(error: Error) -> PyErr {
    match error {
        Error::Memory { .. } => PyMemoryError::new_err(error.to_string()),
        Error::Interrupted => PyKeyboardInterrupt::new_err(error.to_string()),
        _ => PyValueError::new_err(error.to_string()),
    }
}

/// The exception that an error of data, settings or training is: of the system's kind where a file is at fault, and with all
/// causes in its words.
pub(crate) fn of_training(error: impl StdError + 'static) -> PyErr {
    let mut words = error.to_string();
    let mut kind = None;
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(error) = cause {
        kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind).or(kind);
        let said = error.to_string();
        // Some errors say their cause's words themselves.
        if !words.contains(&said) {
            words = format!("{words}: {said}");
        }
        cause = error.source();
    }
    match kind {
        None => PyValueError::new_err(words),
        Some(std::io::ErrorKind::NotFound) => PyFileNotFoundError::new_err(words),
        Some(_) => PyOSError::new_err(words),
    }
}

//! The two tables of `hsic measure` and `hsic test`, each with the kernel that compares its rows.

use std::path::Path;

use anyhow::{anyhow, bail, ensure};
use faer::MatRef;
use hsic::Kernel;
use hsic_bottleneck::dataset::{Coded, DatasetError, Table, WordColumns, read_words};

/// A table and its kernel.
pub(crate) struct Sample {
    table: Table,
    pub(crate) kernel: Kernel,
}

impl Sample {
    /// The rows as a matrix.
    pub(crate) fn matrix(&self) -> MatRef<'_, f64> {
        MatRef::from_row_major_slice(&self.table.values, self.table.rows, self.table.cols)
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.table.rows
    }
}

/// Reads both tables before anything is computed. A kernel that is asked for compares both; else numbers are compared by the
/// `usual` one, and words by the delta kernel, which asks only whether they are equal.
pub(crate) fn pair(x: &Path, y: &Path, asked: Option<Kernel>, usual: Kernel) -> anyhow::Result<(Sample, Sample)> {
    let (first, second) = (sample(x, asked, usual)?, sample(y, asked, usual)?);
    ensure!(
        first.rows() == second.rows(),
        "{} has {} rows and {} has {}: expected the same number",
        x.display(),
        first.rows(),
        y.display(),
        second.rows()
    );
    Ok((first, second))
}

fn sample(path: &Path, asked: Option<Kernel>, usual: Kernel) -> anyhow::Result<Sample> {
    let delta = asked == Some(Kernel::Delta);
    let columns = if delta { WordColumns::Any } else { WordColumns::Pure };
    let Coded { table, words } = read_words(path, columns).map_err(|error| match error {
        DatasetError::NotANumber { .. } => anyhow!("{error} (--kernel delta compares words)"),
        error => error.into(),
    })?;
    let kernel = match (asked, words.len()) {
        _ if delta => Kernel::Delta,
        (asked, 0) => asked.unwrap_or(usual),
        (None, count) if count == table.cols => Kernel::Delta,
        (None, _) => bail!(
            "{}: columns of words beside columns of numbers, expected one kind, or --kernel delta, which asks whether whole \
             rows are equal",
            path.display()
        ),
        (Some(kernel), _) => bail!(
            "{}: words in column {}, expected numbers for kernel = {}, or --kernel delta",
            path.display(),
            words[0] + 1,
            kernel.name()
        ),
    };
    Ok(Sample { table, kernel })
}

/// What a line of text says of the kernels, where words have chosen one.
pub(crate) fn chosen(x: &Sample, y: &Sample, asked: Option<Kernel>) -> String {
    let by_words = asked.is_none() && [x, y].iter().any(|sample| sample.kernel == Kernel::Delta);
    if by_words { format!(", kernels {} and {}", x.kernel.name(), y.kernel.name()) } else { String::new() }
}

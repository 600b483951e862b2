//! `hsic measure`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use faer::MatRef;
use hsic::{Bandwidth, Estimator, Kernel, double};
use hsic_bottleneck::dataset::{Table, read_table};
use serde::Serialize;

use crate::args::{KernelName, MeasureArguments};
use crate::printer;

/// What `--json` prints.
#[derive(Serialize)]
struct Measurement {
    estimator: &'static str,
    value: f64,
    rows: usize,
    sigma_x: Option<f64>,
    sigma_y: Option<f64>,
}

pub(crate) fn run(arguments: MeasureArguments) -> anyhow::Result<ExitCode> {
    let estimator = estimator(&arguments.estimator, arguments.epsilon)?;
    let kernel = kernel(arguments.kernel, &arguments.sigma, arguments.no_scale)?;
    let (x, y) = tables(&arguments.x, &arguments.y)?;
    let measured = double::measure(&estimator, matrix(&x), matrix(&y), &kernel, &kernel)
        .with_context(|| format!("x = {}, y = {}", arguments.x.display(), arguments.y.display()))?;
    let result = Measurement {
        estimator: estimator.name(),
        value: measured.value,
        rows: x.rows,
        sigma_x: measured.sigma_x,
        sigma_y: measured.sigma_y,
    };
    if arguments.json {
        printer::json(&result)?;
    } else {
        let widths = match (result.sigma_x, result.sigma_y) {
            (Some(x), Some(y)) => format!(", sigma {x} and {y}"),
            _ => String::new(),
        };
        printer::line(&format!("{} = {} ({} rows{widths})", result.estimator, result.value, result.rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn estimator(name: &str, epsilon: f64) -> anyhow::Result<Estimator> {
    let known = || Estimator::ALL.map(|estimator| estimator.name()).join(", ");
    let estimator = Estimator::from_name(name).ok_or_else(|| anyhow!("estimator = {name}: expected {}", known()))?;
    Ok(if matches!(estimator, Estimator::Nhsic { .. }) { Estimator::Nhsic { epsilon } } else { estimator })
}

fn kernel(name: KernelName, sigma: &str, no_scale: bool) -> anyhow::Result<Kernel> {
    let bandwidth = || {
        if sigma == "median" {
            return Ok(Bandwidth::Median);
        }
        let sigma: f64 = sigma.parse().map_err(|_| anyhow!("sigma = {sigma}: expected a number > 0, or median"))?;
        Ok::<_, anyhow::Error>(if no_scale { Bandwidth::unscaled(sigma)? } else { Bandwidth::scaled(sigma)? })
    };
    Ok(match name {
        KernelName::Gaussian => Kernel::Gaussian { bandwidth: bandwidth()? },
        KernelName::Laplacian => Kernel::Laplacian { bandwidth: bandwidth()? },
        KernelName::Linear => Kernel::Linear,
        KernelName::Cosine => Kernel::Cosine,
        KernelName::Delta => Kernel::Delta,
    })
}

/// Reads both tables before anything is computed.
pub(crate) fn tables(x: &Path, y: &Path) -> anyhow::Result<(Table, Table)> {
    let (first, second) = (read_table(x)?, read_table(y)?);
    anyhow::ensure!(
        first.rows == second.rows,
        "{} has {} rows and {} has {}: expected the same number",
        x.display(),
        first.rows,
        y.display(),
        second.rows
    );
    Ok((first, second))
}

/// A table as a matrix.
pub(crate) fn matrix(table: &Table) -> MatRef<'_, f64> {
    MatRef::from_row_major_slice(&table.values, table.rows, table.cols)
}

//! `hsic measure`.

use std::process::ExitCode;

use anyhow::{Context, anyhow, bail, ensure};
use hsic::{Bandwidth, Estimator, Kernel, double};
use hsic_bottleneck::names::{one_of, same};
use serde::Serialize;

use super::pair::{chosen, pair};
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
    kernel_x: &'static str,
    kernel_y: &'static str,
}

pub(crate) fn run(arguments: MeasureArguments) -> anyhow::Result<ExitCode> {
    let estimator = estimator(&arguments.estimator, arguments.epsilon)?;
    let of = |name| kernel(name, arguments.sigma.as_deref(), arguments.no_scale);
    let asked = arguments.kernel.map(of).transpose()?;
    let usual = asked.map_or_else(|| of(KernelName::Gaussian), Ok)?;
    let (x, y) = pair(&arguments.x, &arguments.y, asked, usual)?;
    let measured = double::measure(&estimator, x.matrix(), y.matrix(), &x.kernel, &y.kernel)
        .with_context(|| format!("x = {}, y = {}", arguments.x.display(), arguments.y.display()))?;
    let result = Measurement {
        estimator: estimator.name(),
        value: measured.value,
        rows: x.rows(),
        sigma_x: measured.sigma_x,
        sigma_y: measured.sigma_y,
        kernel_x: x.kernel.name(),
        kernel_y: y.kernel.name(),
    };
    if arguments.json {
        printer::json(&result)?;
    } else {
        let widths = match (result.sigma_x, result.sigma_y) {
            (Some(x), Some(y)) => format!(", sigma {x} and {y}"),
            _ => String::new(),
        };
        let kernels = chosen(&x, &y, asked);
        printer::line(&format!("{} = {} ({} rows{widths}{kernels})", result.estimator, result.value, result.rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn estimator(name: &str, epsilon: Option<f64>) -> anyhow::Result<Estimator> {
    let names = Estimator::ALL.map(|estimator| estimator.name());
    let estimator = Estimator::ALL.into_iter().find(|estimator| same(estimator.name(), name));
    let estimator = estimator.ok_or_else(|| anyhow!("estimator = {name}: expected {}", one_of(name, &names)))?;
    match (estimator, epsilon) {
        (estimator, None) => Ok(estimator),
        (Estimator::Nhsic { .. }, Some(epsilon)) => Ok(Estimator::Nhsic { epsilon }),
        (_, Some(epsilon)) => {
            bail!(
                "epsilon = {epsilon}: expected not given for estimator = {name}, which does not read it; read by nhsic"
            )
        }
    }
}

/// Width of a kernel if none is given.
const SIGMA: &str = "5";

fn kernel(name: KernelName, sigma: Option<&str>, no_scale: bool) -> anyhow::Result<Kernel> {
    let bandwidth = || {
        let sigma = sigma.unwrap_or(SIGMA);
        if sigma == "median" {
            ensure!(!no_scale, "no-scale: expected not given for sigma = median, which is never scaled");
            return Ok(Bandwidth::Median);
        }
        let sigma: f64 = sigma.parse().map_err(|_| anyhow!("sigma = {sigma}: expected a number > 0, or median"))?;
        Ok::<_, anyhow::Error>(if no_scale { Bandwidth::unscaled(sigma)? } else { Bandwidth::scaled(sigma)? })
    };
    let plain = |kernel: Kernel, name: &str| {
        let given = sigma.map(|sigma| format!("sigma = {sigma}")).or(no_scale.then(|| "no-scale".to_owned()));
        match given {
            None => Ok(kernel),
            Some(given) => bail!(
                "{given}: expected not given for kernel = {name}, which does not read it; read by gaussian, laplacian"
            ),
        }
    };
    match name {
        KernelName::Gaussian => Ok(Kernel::Gaussian { bandwidth: bandwidth()? }),
        KernelName::Laplacian => Ok(Kernel::Laplacian { bandwidth: bandwidth()? }),
        KernelName::Linear => plain(Kernel::Linear, "linear"),
        KernelName::Cosine => plain(Kernel::Cosine, "cosine"),
        KernelName::Delta => plain(Kernel::Delta, "delta"),
    }
}

//! `hsic test`.

use std::process::ExitCode;

use anyhow::Context;
use hsic::double::{gamma_test, permutation_test};
use hsic::{Bandwidth, Kernel};
use hsic_bottleneck::threads::on_threads;
use serde::Serialize;

use super::pair::{chosen, pair};
use crate::args::{KernelName, TestArguments, TestMethod};
use crate::printer;

/// What `--json` prints.
#[derive(Serialize)]
struct Outcome {
    statistic: f64,
    p_value: f64,
    method: &'static str,
    rows: usize,
    kernel_x: &'static str,
    kernel_y: &'static str,
}

/// The kernel of that name, of median width where it has one.
fn kernel(name: KernelName) -> Kernel {
    match name {
        KernelName::Gaussian => Kernel::gaussian_median(),
        KernelName::Laplacian => Kernel::Laplacian { bandwidth: Bandwidth::Median },
        KernelName::Linear => Kernel::Linear,
        KernelName::Cosine => Kernel::Cosine,
        KernelName::Delta => Kernel::Delta,
    }
}

/// Permutations if no number is given.
const PERMUTATIONS: usize = 1000;

pub(crate) fn run(arguments: TestArguments) -> anyhow::Result<ExitCode> {
    let permutations = arguments.permutations.unwrap_or(PERMUTATIONS);
    anyhow::ensure!(permutations >= 1, "permutations = 0: expected a whole number >= 1");
    if arguments.method == TestMethod::Gamma {
        let given = [("permutations", arguments.permutations.map(|n| n as u64)), ("seed", arguments.seed)];
        for (key, value) in given {
            if let Some(value) = value {
                anyhow::bail!(
                    "{key} = {value}: expected not given for method = gamma, which does not read it; read by permutation"
                );
            }
        }
    }
    let asked = arguments.kernel.map(kernel);
    let (x, y) = pair(&arguments.x, &arguments.y, asked, Kernel::gaussian_median())?;
    let (method, tested) = on_threads(arguments.threads, || match arguments.method {
        TestMethod::Permutation => {
            let seed = arguments.seed.unwrap_or(0);
            let tested = permutation_test(x.matrix(), y.matrix(), &x.kernel, &y.kernel, permutations, seed);
            ("permutation", tested)
        }
        TestMethod::Gamma => ("gamma", gamma_test(x.matrix(), y.matrix(), &x.kernel, &y.kernel)),
    })?;
    let tested = tested.with_context(|| format!("x = {}, y = {}", arguments.x.display(), arguments.y.display()))?;
    let outcome = Outcome {
        statistic: tested.statistic,
        p_value: tested.p_value,
        method,
        rows: x.rows(),
        kernel_x: x.kernel.name(),
        kernel_y: y.kernel.name(),
    };
    if arguments.json {
        printer::json(&outcome)?;
    } else {
        let drawn = (arguments.method == TestMethod::Permutation).then_some(permutations);
        let kernels = chosen(&x, &y, asked);
        printer::tested(outcome.statistic, outcome.rows, &kernels, outcome.p_value, drawn)?;
    }
    Ok(ExitCode::SUCCESS)
}

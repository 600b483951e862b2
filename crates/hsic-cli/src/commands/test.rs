//! `hsic test`.

use std::process::ExitCode;

use anyhow::Context;
use hsic::Kernel;
use hsic::double::{gamma_test, permutation_test};
use hsic_bottleneck::threads::on_threads;
use serde::Serialize;

use super::measure::{matrix, tables};
use crate::args::{TestArguments, TestMethod};
use crate::printer;

/// What `--json` prints.
#[derive(Serialize)]
struct Outcome {
    statistic: f64,
    p_value: f64,
    method: &'static str,
    rows: usize,
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
    let (x, y) = tables(&arguments.x, &arguments.y)?;
    let kernel = Kernel::gaussian_median();
    let (method, tested) = on_threads(arguments.threads, || match arguments.method {
        TestMethod::Permutation => {
            let tested =
                permutation_test(matrix(&x), matrix(&y), &kernel, &kernel, permutations, arguments.seed.unwrap_or(0));
            ("permutation", tested)
        }
        TestMethod::Gamma => ("gamma", gamma_test(matrix(&x), matrix(&y), &kernel, &kernel)),
    })?;
    let tested = tested.with_context(|| format!("x = {}, y = {}", arguments.x.display(), arguments.y.display()))?;
    let outcome = Outcome { statistic: tested.statistic, p_value: tested.p_value, method, rows: x.rows };
    if arguments.json {
        printer::json(&outcome)?;
    } else {
        let drawn = (arguments.method == TestMethod::Permutation).then_some(permutations);
        printer::tested(outcome.statistic, outcome.rows, outcome.p_value, drawn)?;
    }
    Ok(ExitCode::SUCCESS)
}

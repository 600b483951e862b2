//! `hsic test`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow, ensure};
use hsic::double::{gamma_test, permutation_part, permutation_test};
use hsic::independence::p_value;
use hsic::{Bandwidth, Kernel, PermutationPart};
use hsic_bottleneck::threads::on_threads;
use serde::{Deserialize, Serialize};

use super::pair::{chosen, pair};
use crate::args::{KernelName, PermutationRange, TestArguments, TestMethod};
use crate::printer;

/// What `--json` prints.
#[derive(Serialize)]
struct Outcome {
    statistic: f64,
    p_value: f64,
    method: &'static str,
    rows: usize,
    kernel_x: String,
    kernel_y: String,
}

/// What `--range` prints: the permutations `start..end` of a test, and how many of them reach the statistic.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    start: u64,
    end: u64,
    reached: u64,
    statistic: f64,
    seed: u64,
    rows: usize,
    kernel_x: String,
    kernel_y: String,
}

impl Part {
    /// What tells its test from others.
    fn test(&self) -> (u64, u64, usize, &str, &str) {
        (self.statistic.to_bits(), self.seed, self.rows, &self.kernel_x, &self.kernel_y)
    }
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
    let (Some(path_x), Some(path_y)) = (&arguments.x, &arguments.y) else {
        return gather(&arguments.gather, arguments.json);
    };
    let permutations = arguments.permutations.unwrap_or(PERMUTATIONS);
    anyhow::ensure!(permutations >= 1, "permutations = 0: expected a whole number >= 1");
    if arguments.method == TestMethod::Gamma {
        let given = [
            ("permutations", arguments.permutations.map(|n| n.to_string())),
            ("seed", arguments.seed.map(|seed| seed.to_string())),
            ("range", arguments.range.as_ref().map(ToString::to_string)),
        ];
        for (key, value) in given {
            if let Some(value) = value {
                anyhow::bail!(
                    "{key} = {value}: expected not given for method = gamma, which does not read it; read by permutation"
                );
            }
        }
    }
    let asked = arguments.kernel.map(kernel);
    let (x, y) = pair(path_x, path_y, asked, Kernel::gaussian_median())?;
    let of_tables = || format!("x = {}, y = {}", path_x.display(), path_y.display());
    if let Some(PermutationRange(range)) = arguments.range {
        let seed = arguments.seed.unwrap_or(0);
        let tested = on_threads(arguments.threads, || {
            permutation_part(x.matrix(), y.matrix(), &x.kernel, &y.kernel, range.clone(), seed)
        })?;
        let PermutationPart { statistic, reached } = tested.with_context(of_tables)?;
        let rows = x.rows();
        let (kernel_x, kernel_y) = (x.kernel.name().to_owned(), y.kernel.name().to_owned());
        printer::json(&Part {
            start: range.start,
            end: range.end,
            reached,
            statistic,
            seed,
            rows,
            kernel_x,
            kernel_y,
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let (method, tested) = on_threads(arguments.threads, || match arguments.method {
        TestMethod::Permutation => {
            let seed = arguments.seed.unwrap_or(0);
            let tested = permutation_test(x.matrix(), y.matrix(), &x.kernel, &y.kernel, permutations, seed);
            ("permutation", tested)
        }
        TestMethod::Gamma => ("gamma", gamma_test(x.matrix(), y.matrix(), &x.kernel, &y.kernel)),
    })?;
    let tested = tested.with_context(of_tables)?;
    let outcome = Outcome {
        statistic: tested.statistic,
        p_value: tested.p_value,
        method,
        rows: x.rows(),
        kernel_x: x.kernel.name().to_owned(),
        kernel_y: y.kernel.name().to_owned(),
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

/// Adds up the parts of a test that lie in files, in whatever order.
///
/// # Errors
/// For parts of different tests, and for permutations that are in no part or in two.
fn gather(files: &[PathBuf], json: bool) -> anyhow::Result<ExitCode> {
    let mut parts: Vec<(&PathBuf, Part)> = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let part: Part = serde_json::from_str(text.trim())
            .map_err(|error| anyhow!("{}: {error}, expected what --range prints", file.display()))?;
        parts.push((file, part));
    }
    parts.sort_by_key(|(_, part)| part.start);
    let (first_file, first) = &parts[0];
    let (mut end, mut reached) = (0, 0);
    for (file, part) in &parts {
        let name = file.display();
        ensure!(part.test() == first.test(), "{name}: a part of another test than {}", first_file.display());
        let (start, expected) = (part.start, if part.start > end { "those before them too" } else { "each once" });
        ensure!(
            start == end,
            "{name}: permutations {start}..{} after those up to {end}, expected {expected}",
            part.end
        );
        ensure!(
            part.end > start && part.reached <= part.end - start,
            "{name}: {} of permutations {start}..{}",
            part.reached,
            part.end
        );
        (end, reached) = (part.end, reached + part.reached);
    }
    let p = p_value(reached, end);
    if json {
        let (kernel_x, kernel_y) = (first.kernel_x.clone(), first.kernel_y.clone());
        let (statistic, rows) = (first.statistic, first.rows);
        printer::json(&Outcome { statistic, p_value: p, method: "permutation", rows, kernel_x, kernel_y })?;
    } else {
        let kernels = format!(", kernels {} and {}", first.kernel_x, first.kernel_y);
        printer::tested(first.statistic, first.rows, &kernels, p, Some(end as usize))?;
    }
    Ok(ExitCode::SUCCESS)
}

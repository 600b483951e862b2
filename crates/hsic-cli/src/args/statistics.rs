//! Flags of the verbs that measure and test dependence.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

/// Which kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KernelName {
    /// exp(-|x - y|^2 / (2 sigma^2 d))
    Gaussian,
    /// exp(-|x - y|_1 / (sigma d))
    Laplacian,
    /// x . y
    Linear,
    /// x . y / (|x| |y|)
    Cosine,
    /// 1 for equal rows, else 0
    Delta,
}

/// Measure the dependence of two tables
///
/// Tables are .npy, .npz or .csv, one sample a row; row i of both is sample i. Columns of words are compared by a delta
/// kernel, which asks only whether they are equal.
///
/// Example: hsic measure x.csv y.csv --estimator cka --kernel linear
#[derive(Debug, Args)]
pub(crate) struct MeasureArguments {
    /// First table
    pub(crate) x: PathBuf,
    /// Second table
    pub(crate) y: PathBuf,
    /// hsic-biased (1/m^2), hsic-biased-m1 (1/(m-1)^2), hsic-unbiased, nhsic, cka, cka-debiased
    #[arg(long, default_value = "nhsic")]
    pub(crate) estimator: String,
    /// Kernel of both tables [default: gaussian for numbers, delta for words]
    #[arg(long, value_enum)]
    pub(crate) kernel: Option<KernelName>,
    /// Width of a gaussian or laplacian kernel, > 0, or `median` of each table's distances (then never scaled)
    /// [default: 5]
    #[arg(long)]
    pub(crate) sigma: Option<String>,
    /// Do not divide by the number of columns: exp(-|x - y|^2 / (2 sigma^2))
    #[arg(long)]
    pub(crate) no_scale: bool,
    /// Ridge of nhsic as a fraction of the rows, > 0 [default: 1e-5]
    #[arg(long)]
    pub(crate) epsilon: Option<f64>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a p-value is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestMethod {
    /// Exact level: (1 + permutations at least as dependent) / (permutations + 1)
    Permutation,
    /// Gretton et al. 2007: fast, approximate, 6 rows at least
    Gamma,
}

/// Test two tables for independence by biased HSIC, Gaussian kernels of median width
///
/// Columns of words are compared by a delta kernel, which asks only whether they are equal; --kernel delta does so with
/// numbers too.
///
/// Example: hsic test x.npy y.npy --permutations 1000 --seed 1
#[derive(Debug, Args)]
pub(crate) struct TestArguments {
    /// First table
    #[arg(required_unless_present = "gather")]
    pub(crate) x: Option<PathBuf>,
    /// Second table
    #[arg(required_unless_present = "gather")]
    pub(crate) y: Option<PathBuf>,
    /// Kernel of both tables, of median width [default: gaussian for numbers, delta for words]
    #[arg(long, value_enum)]
    pub(crate) kernel: Option<KernelName>,
    /// How the p-value is found
    #[arg(long, value_enum, default_value = "permutation")]
    pub(crate) method: TestMethod,
    /// Number of permutations, >= 1 [default: 1000]
    #[arg(long)]
    pub(crate) permutations: Option<usize>,
    /// Seed of the permutations [default: 0]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Only the permutations of this range, numbered from 0: 0..500 on one machine and 500..1000 on another are a test of
    /// 1000. Prints the part as JSON, for --gather
    #[arg(long, value_name = "A..B", conflicts_with_all = ["permutations", "json"])]
    pub(crate) range: Option<PermutationRange>,
    /// Add up the parts of a test that --range printed into these files, in the place of tables
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["x", "y", "kernel", "method", "permutations", "seed", "range", "threads"])]
    pub(crate) gather: Vec<PathBuf>,
    /// Threads, >= 1 [default: all cores]
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Permutations `A..B`, numbered from 0, B left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PermutationRange(pub(crate) Range<u64>);

impl fmt::Display for PermutationRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.0.start, self.0.end)
    }
}

impl FromStr for PermutationRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ends =
            text.split_once("..").and_then(|(start, end)| Some(start.trim().parse().ok()?..end.trim().parse().ok()?));
        ends.filter(|range| !range.is_empty()).map(Self).ok_or_else(|| "expected A..B with A < B, as 0..500".to_owned())
    }
}

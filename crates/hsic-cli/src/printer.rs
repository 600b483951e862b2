//! All output: results to standard output, progress and warnings to standard error.

mod audit;
mod curve;
mod data;
mod figures;
mod importance;
mod methods;
mod output;
mod progress;
mod run_list;
mod runs;
mod statistics;
mod tables;
mod text;

pub(crate) use audit::audit;
pub(crate) use data::{dataset, datasets, uncached, verification};
pub(crate) use figures::{SAME_COMMAND, comparison, report, reproduction, reproduction_interrupted, speedrun};
pub(crate) use importance::importance;
pub(crate) use methods::{method, methods};
pub(crate) use output::{bytes, error, install_with, is_broken_pipe, json, line, of_the_line, told, warning};
pub(crate) use progress::{Progress, ReproductionBars, TransferBar};
pub(crate) use run_list::{run_difference, run_groups, run_groups_csv, run_list, run_list_csv, runs_verified};
pub(crate) use runs::{evaluation, evaluation_of_values, formatted, go_on, interrupted, left, pilot, summary};
pub(crate) use statistics::tested;
pub(crate) use text::counted;

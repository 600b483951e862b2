//! What a figure is.

use hsic_bottleneck::error::Error;

use super::plot::Plot;
use super::scope::Scope;
use super::trained::{Training, Trainings};

/// A figure: the trainings that it is made of, and what it shows of them.
pub trait Figure: Sync {
    /// Name on the command line.
    fn name(&self) -> &'static str;

    /// What it shows, as its title.
    fn title(&self) -> &'static str;

    /// Where it is in the paper and in the authors' code; `ours` for one that neither has.
    fn source(&self) -> &'static str;

    /// What it trains, without seeds: each is trained once for every seed of the scope.
    fn trainings(&self, scope: &Scope) -> Vec<Training>;

    /// What it shows of finished runs.
    ///
    /// # Errors
    /// `Run` for a damaged folder; what evaluating a network says.
    fn plot(&self, scope: &Scope, trained: &Trainings<'_>) -> Result<Plot, Error>;
}

//! The figures of the paper and ours: what each trains, what it shows.
//!
//! A [`Figure`] names trainings ([`Training`]); [`Reproduction`] carries them out in a folder, each once and whatever
//! figure asks for it, and hands the finished runs ([`Trained`]) back to be plotted. A [`plot::Plot`] is data: the
//! binary draws it.

mod activations;
mod cost;
mod depths;
mod format_curves;
mod format_epochs;
mod gradients;
mod memory;
mod monitored;
mod needle;
mod outputs;
mod parallel;
pub mod plot;
pub mod record;
mod reproduction;
mod resnet;
pub mod run_page;
mod scope;
mod settings;
mod sigmas;
pub(crate) mod store;
mod trained;
mod unformatted;
mod widths;

use crate::error::Error;
use plot::Plot;

pub use reproduction::{CONFIG, RECORD, Reproduction};
pub use scope::{Profile, Scope, Set, Sources};
pub use store::{Launch, Planned, Watcher};
pub use trained::{Place, Trained, Training, Trainings, flags};

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

/// Every figure, in the order in which they are made.
pub static FIGURES: &[&dyn Figure] = &[
    &activations::Activations,
    &depths::Depths,
    &needle::Needle,
    &outputs::Outputs,
    &unformatted::Unformatted,
    &format_epochs::FormatEpochs,
    &widths::Widths,
    &sigmas::Sigmas,
    &resnet::Resnet,
    &cost::Cost,
    &memory::Memory,
    &gradients::Gradients,
    &parallel::Parallel,
];

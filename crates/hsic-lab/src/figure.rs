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
mod job;
mod kind;
mod list;
mod memory;
mod monitored;
mod needle;
mod outputs;
pub mod overlay;
mod parallel;
mod pilots;
pub mod plot;
pub mod record;
mod reproduction;
mod resnet;
pub mod run_page;
pub mod run_report;
mod sample_plots;
mod scope;
mod settings;
mod sigmas;
pub(crate) mod store;
mod trained;
mod unformatted;
mod units;
mod value_plots;
mod widths;

pub use job::{Job, JobState};
pub use kind::Figure;
pub use list::FIGURES;
pub use pilots::{Piloted, Pilots};
pub use reproduction::{CONFIG, RECORD, Reproduction};
pub use scope::{Profile, Scope, Set, Sources};
pub use store::{Launch, Planned, Watcher};
pub(crate) use trained::same_options;
pub use trained::{Place, Trained, Training, Trainings, arguments, flags};

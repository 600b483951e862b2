//! The seam for programs that carry a training out elsewhere: on other processes, or on a device.
//!
//! Such a program is a library call: [`train`](crate::train) reads the options of `hsic train` and the program's own, does all
//! that `hsic train` does, and has an [`Engine`] do the steps.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use hsic_bottleneck::Error;
use hsic_bottleneck::assemble::check_shards;
use hsic_bottleneck::config::TrainConfig;
use hsic_bottleneck::dataset::Split;
use hsic_bottleneck::log::Observer;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::step_error::BoxError;
use hsic_bottleneck::trainer::{self, Outcome};

/// Where the steps of a training are carried out.
pub trait Engine {
    /// Whether this process makes the run's folder and tells of the training: of several that train together one does.
    fn leads(&self) -> bool {
        true
    }

    /// Whether the 20 steps of `--pilot`, which are made on this machine's processors, say what a training takes.
    fn is_piloted(&self) -> bool {
        false
    }

    /// Whether it carries a training of this configuration out; asked before there is a folder.
    ///
    /// # Errors
    /// What it does not carry out, with what it expects.
    fn check(&self, config: &TrainConfig, data: &Split) -> Result<(), BoxError>;

    /// Tells all processes of the run's folder: the one that leads gives it, and each gets it.
    ///
    /// # Errors
    /// What the way between them says.
    fn meet(&self, run: Option<&Path>) -> Result<PathBuf, BoxError> {
        run.map(Path::to_owned).ok_or_else(|| "no folder of the run".into())
    }

    /// An error ended the training: `tell` prints it. Processes that train together need not all do so, and end the others.
    fn failed(&self, tell: &mut dyn FnMut()) {
        tell();
    }

    /// Trains into the run's folder, from its checkpoint if it holds one, as [`trainer::train`] does. `stop` asks for the end
    /// after the step at work.
    ///
    /// # Errors
    /// As those of [`trainer::train`].
    fn train(
        &self,
        config: &TrainConfig,
        data: &Split,
        run: &Run,
        observers: &mut [&mut dyn Observer],
        stop: &AtomicBool,
    ) -> Result<Outcome, Error>;
}

/// In this process, on its processors.
pub(crate) struct Here;

impl Engine for Here {
    fn is_piloted(&self) -> bool {
        true
    }

    fn check(&self, config: &TrainConfig, data: &Split) -> Result<(), BoxError> {
        Ok(check_shards(config, &data.train)?)
    }

    fn train(
        &self,
        config: &TrainConfig,
        data: &Split,
        run: &Run,
        observers: &mut [&mut dyn Observer],
        stop: &AtomicBool,
    ) -> Result<Outcome, Error> {
        trainer::train(config, data, run, observers, stop)
    }
}

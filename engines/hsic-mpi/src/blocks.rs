//! Where the blocks of a process are trained: on its processors, or wherever a program of its own has them.

use hsic_bottleneck::assemble::{build_method, build_network, network_for};
use hsic_bottleneck::config::TrainConfig;
use hsic_bottleneck::dataset::Split;
use hsic_bottleneck::engines::CPU;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::methods::METHODS;
use hsic_bottleneck::session::{InStages, OnCpu};
use hsic_bottleneck::step_error::BoxError;

/// What is done with a session that was made for it.
pub type Work<'w> = dyn FnMut(&mut dyn InStages) -> Result<(), Error> + 'w;

/// What trains the blocks of a process.
pub trait Blocks: Sync {
    /// Its name in a run's record.
    fn engine(&self) -> String;

    /// Whether it trains blocks of a configuration's network by themselves; asked before there is a folder.
    ///
    /// # Errors
    /// What it does not carry out, with what it expects.
    fn check(&self, config: &TrainConfig, data: &Split) -> Result<(), BoxError>;

    /// Whether its steps tell how long each block takes.
    fn is_timed(&self) -> bool {
        true
    }

    /// Makes a session of a configuration, with fresh weights, and has `work` use it.
    ///
    /// # Errors
    /// What making it says, and `work`.
    fn with_session(&self, config: &TrainConfig, data: &Split, work: &mut Work<'_>) -> Result<(), Error>;
}

/// On this process's processors.
pub(crate) struct Here;

impl Blocks for Here {
    fn engine(&self) -> String {
        CPU.to_owned()
    }

    fn check(&self, config: &TrainConfig, data: &Split) -> Result<(), BoxError> {
        // Parts of batches are for all blocks at once.
        if config.shards.is_some() {
            return Ok(());
        }
        let network = build_network(config, data.train.shape, data.train.kind())?;
        let is_staged = build_method(config, data.train.kind())?.staged().is_some();
        if is_staged && network.label().is_none() && network.capsule().is_none() {
            return Ok(());
        }
        Err(unfit(config.method.name, &staged_names(config, data)).into())
    }

    fn with_session(&self, config: &TrainConfig, data: &Split, work: &mut Work<'_>) -> Result<(), Error> {
        let mut network = network_for(config, &data.train)?;
        let mut update = build_method(config, data.train.kind())?;
        work(&mut OnCpu::new(&mut network, &mut *update))
    }
}

/// What is said of a method that does not train blocks by themselves; `names` are those that do.
#[must_use]
pub fn unfit(name: &str, names: &[&str]) -> String {
    let names = names.join(", ");
    format!("method = {name}: expected one by which a block needs its input and the batch alone ({names})")
}

/// The methods that can be trained in stages, by name.
fn staged_names(config: &TrainConfig, data: &Split) -> Vec<&'static str> {
    let is_staged = |name: &&str| {
        let mut options = config.options.clone();
        // Options of one method are none of another's.
        (options.objective, options.rule, options.optimizer) = Default::default();
        options.objective.method = Some((*name).to_owned());
        let made = options.resolve().ok().and_then(|config| build_method(&config, data.train.kind()).ok());
        made.is_some_and(|mut update| update.staged().is_some())
    };
    METHODS.iter().map(|method| method.name).filter(is_staged).collect()
}

//! Blocks of one network over processes, each with a device: what `hsic-mpi` asks of one.

use hsic_bottleneck::config::TrainConfig;
use hsic_bottleneck::dataset::Split;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::step_error::{BoxError, StepError};
use hsic_cli::engine::Engine;
use hsic_mpi::{Blocks, Work, unfit};

use crate::engine::Torch;
use crate::guard::guarded;
use crate::methods::STAGED;

impl Blocks for Torch {
    fn engine(&self) -> String {
        self.device.engine()
    }

    fn check(&self, config: &TrainConfig, data: &Split) -> Result<(), BoxError> {
        Engine::check(self, config, data)?;
        let is_staged = guarded(|| self.session(config, data).map(|mut session| session.is_staged()))??;
        if is_staged { Ok(()) } else { Err(unfit(config.method.name, &STAGED).into()) }
    }

    fn is_timed(&self) -> bool {
        self.device.is_host()
    }

    fn with_session(&self, config: &TrainConfig, data: &Split, work: &mut Work<'_>) -> Result<(), Error> {
        self.take_threads();
        let train = || work(&mut self.session(config, data)?);
        guarded(|| tch::no_grad(train)).map_err(StepError::Own)?
    }
}

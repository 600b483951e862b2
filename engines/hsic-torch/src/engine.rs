//! A training on a device, from its configuration to its summary.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use hsic_bottleneck::assemble::{build_method, check_targets, network_for, training};
use hsic_bottleneck::config::TrainConfig;
use hsic_bottleneck::dataset::Split;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::log::Observer;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::step_error::{BoxError, StepError};
use hsic_bottleneck::threads::on_threads;
use hsic_bottleneck::trainer::{Outcome, kept, train_session};
use hsic_cli::engine::Engine;

use crate::device::Device;
use crate::guard::guarded;
use crate::methods::{method, network};
use crate::refusal::refusal;
use crate::session::{OnDevice, Parts, Reports};

/// A device that trains.
pub(crate) struct Torch {
    pub(crate) device: Device,
    /// Steps between reports.
    pub(crate) report_steps: u64,
}

impl Torch {
    /// Has libtorch work with as many threads as this pool has, where it works on processors.
    pub(crate) fn take_threads(&self) {
        if self.device.is_host() {
            tch::set_num_threads(i32::try_from(rayon::current_num_threads()).unwrap_or(i32::MAX));
        }
    }

    /// The session of a configuration with fresh weights.
    ///
    /// # Errors
    /// `Own` with what has no place on the device.
    pub(crate) fn session(&self, config: &TrainConfig, data: &Split) -> Result<OnDevice, Error> {
        let kind = data.train.kind();
        let host = network_for(config, &data.train)?;
        let own = |told: String| StepError::Own(told.into());
        let network = network(&host, data.train.shape, config.seed, &self.device).map_err(own)?;
        let method = method(config, kind.outputs(), &host, &network).map_err(own)?;
        let total = training(config).steps(data)?;
        let reports = Reports { every: self.report_steps, epoch: total / config.epochs, monitor: config.monitor_steps };
        Ok(OnDevice::new(Parts { network, method, host, reports }))
    }
}

impl Engine for Torch {
    fn check(&self, config: &TrainConfig, data: &Split) -> Result<(), BoxError> {
        check_targets(config, &data.train)?;
        if let Some(told) = refusal(config) {
            return Err(told.into());
        }
        // What the CPU says of the method and its settings holds here, too.
        build_method(config, data.train.kind())?;
        guarded(|| self.session(config, data))??;
        Ok(())
    }

    fn meet(&self, run: Option<&Path>) -> Result<PathBuf, BoxError> {
        run.map(Path::to_owned).ok_or_else(|| "no folder of the run".into())
    }

    fn train(
        &self,
        config: &TrainConfig,
        data: &Split,
        run: &Run,
        observers: &mut [&mut dyn Observer],
        stop: &AtomicBool,
    ) -> Result<Outcome, Error> {
        let _held = run.lock()?;
        let work = || {
            on_threads(config.threads, || {
                self.take_threads();
                let train = || {
                    let (mut session, engine) = (self.session(config, data)?, self.device.engine());
                    let nothing_of_its_own =
                        (|_: &OnDevice, _: &mut [&mut dyn Observer]| Ok(()), |_: &OnDevice, _: &Run| Ok(()));
                    train_session(config, data, run, (&mut session, &engine), observers, stop, nothing_of_its_own)
                };
                guarded(|| tch::no_grad(train)).map_err(StepError::Own)?
            })?
        };
        kept(run, work)
    }
}

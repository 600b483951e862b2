//! The command `hsic-torch`: `hsic-torch train ...` carries out the steps of a training on libtorch, which runs on GPUs.
//!
//! It takes the options of `hsic train` and leaves the same run folder; `hsic report`, `predict` and `export` go on from there.
//! Blocks have the formulas of `hsic-nn` for their way back, and nothing is differentiated automatically. A step waits for
//! nothing: what it says of itself is read every so many steps ([`session`]).

mod activation;
mod beside;
mod block;
mod bottleneck;
mod cross_entropy;
mod device;
mod dropout;
mod engine;
mod factor;
mod feature;
mod fourier;
mod guard;
mod layers;
mod learner;
mod left_out;
mod local;
mod lookahead;
mod map;
mod methods;
mod norm;
mod objective;
mod optimizer;
mod phsic;
mod pool;
mod predsim;
#[cfg(feature = "mpi")]
mod processes;
mod refusal;
mod samples;
mod session;
mod similarity;
mod step;
mod whitened;

use std::ffi::OsString;
use std::process::ExitCode;

use hsic_bottleneck::step_error::BoxError;

use crate::device::{Device, Place};
use crate::engine::Torch;

/// What `hsic-torch train` reads beside the options of `hsic train`.
#[derive(Debug, clap::Args)]
struct Options {
    /// Where it trains: cpu, cuda, or cuda:N for one of several GPUs
    #[arg(long, value_name = "DEVICE", default_value = "cuda")]
    device: Place,
    /// Steps between reports of losses, >= 1, for each of which the program waits for the device
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    report_steps: u64,
    /// Let convolutions round to TF32's 10 bits where the device has it
    #[arg(long)]
    tf32: bool,
}

/// Carries out a command line, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> ExitCode {
    hsic_cli::train::<Options>(arguments, |options| Ok(Box::new(options.torch()?)))
}

/// The same as one of the processes that MPI started: the command `hsic-torch-mpi`.
#[cfg(feature = "mpi")]
pub fn run_on_processes(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> ExitCode {
    hsic_mpi::train::<Options>(arguments, |options| Ok(Box::new(options.torch()?)))
}

impl Options {
    /// The device that they name.
    ///
    /// # Errors
    /// Those of [`Device::meet`].
    fn torch(self) -> Result<Torch, BoxError> {
        Ok(Torch { device: Device::meet(self.device, self.tf32)?, report_steps: self.report_steps })
    }
}

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod agreement_of_steps;

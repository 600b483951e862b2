//! The command `hsic-mpi`: `mpirun -n 4 hsic-mpi train ...` spreads the blocks of one network over processes.
//!
//! A process has some blocks in a row, a stage. Outputs of its last block go on to the next stage as soon as they are there,
//! while its own blocks learn; nothing comes back, since by the methods that this is for a block needs its own input and the
//! batch and nothing else. So a stage works on the step after that of the stage behind it, and the bits are those of one
//! process. Every process reads the data and forms every batch itself.
//!
//! Ranks count stages from behind: rank 0 has the last one, where outputs are judged. It keeps the run's folder, and hears
//! from the others what their blocks tell of themselves.
//!
//! With `--shards S` every process has all blocks instead, and some of the S parts of each batch ([`shards`]).

mod blocks;
mod cuts;
mod engine;
mod exchange;
mod link;
mod saver;
mod shards;
mod stage;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

use hsic_bottleneck::step_error::BoxError;

use crate::blocks::Here;
use crate::cuts::Stages;
use crate::engine::Mpi;

pub use crate::blocks::{Blocks, Work, unfit};

/// What a training over processes reads beside the options of `hsic train`.
#[derive(Debug, clap::Args)]
struct OverProcesses<O: clap::Args> {
    /// Blocks of each process, the first of the network first, as 2,2,3; or auto: as even as twelve steps of them show [default:
    /// auto; with --shards every process has all]
    #[arg(long, value_name = "N,...|auto")]
    stages: Option<Stages>,
    /// Seconds that a process waits for another's sign of life, >= 1, before it ends all of them
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    step_timeout: u64,
    #[command(flatten)]
    own: O,
}

/// No options of its own.
#[derive(Debug, clap::Args)]
struct NoOptions {}

/// Carries out a command line, the program's name first, as one of the processes that MPI started.
pub fn run(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> ExitCode {
    train::<NoOptions>(arguments, |_| Ok(Box::new(Here)))
}

/// The same for a program whose blocks are trained elsewhere: `own` are its options, and `blocks` makes of them what trains the
/// blocks of each process. The network is then the one that a process alone trains there.
pub fn train<O: clap::Args>(
    arguments: impl IntoIterator<Item = impl Into<OsString>>,
    blocks: impl FnOnce(O) -> Result<Box<dyn Blocks>, BoxError>,
) -> ExitCode {
    hsic_cli::train::<OverProcesses<O>>(arguments, |OverProcesses { stages, step_timeout, own }| {
        Ok(Box::new(Mpi::start(stages, step_timeout, blocks(own)?)?))
    })
}

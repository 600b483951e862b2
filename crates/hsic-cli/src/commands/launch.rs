//! Trainings in processes of their own.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hsic_bottleneck::Error;
use hsic_bottleneck::files::FileError;
use hsic_bottleneck::run::{Run, RunError};

/// What a training that heard Ctrl-C ends with.
const INTERRUPTED: i32 = 130;

/// What one ends with that said why it cannot go on.
const TOLD: i32 = 2;

/// Trains a run in a process of its own and says whether it is finished: asked to stop, that process is ended, and the run
/// is taken up from its last checkpoint another time.
pub(super) fn launch(program: &Path, run: &Run, stop: &AtomicBool) -> Result<bool, Error> {
    let io = |source| FileError::Io { path: run.path().into(), source };
    let mut command = Command::new(program);
    command.args(["train", "--quiet", "--json", "--resume"]).arg(run.path()).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(io)?;
    let status = loop {
        if stop.load(Ordering::Relaxed) {
            // It may have heard the same signal and be gone already.
            drop(child.kill());
            child.wait().map_err(io)?;
            return Ok(false);
        }
        match child.try_wait().map_err(io)? {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    if status.success() && run.is_finished() {
        return Ok(true);
    }
    if status.code() == Some(INTERRUPTED) {
        return Ok(false);
    }
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut said).map_err(io)?;
    }
    let (path, said) = (run.path().into(), said.trim().trim_start_matches("error: ").to_owned());
    if status.code() == Some(TOLD) {
        return Err(RunError::Failed { path, said }.into());
    }
    // Killed, or out of memory: it may succeed another time.
    let found = format!("training that ended with {status}: {said}");
    Err(FileError::Malformed { path, found, expected: "a finished run".to_owned() }.into())
}

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
/// is taken up from its last checkpoint another time. `threads` are for a run that records no number of its own.
pub(super) fn launch(program: &Path, run: &Run, threads: Option<usize>, stop: &AtomicBool) -> Result<bool, Error> {
    let io = |source| FileError::Io { path: run.path().into(), source };
    let own = run.options()?.training.threads;
    let mut command = Command::new(program);
    command.args(["train", "--quiet", "--json", "--resume"]).arg(run.path()).stdin(Stdio::null()).stdout(Stdio::null());
    if let (None, Some(threads)) = (own, threads) {
        command.args(["--threads", &threads.to_string()]);
    }
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
    let (path, said) = (run.path().into(), said.trim().to_owned());
    if status.code() == Some(TOLD) {
        let said = reason(&said).to_owned();
        return Err(RunError::Failed { path, said }.into());
    }
    // Killed, or out of memory: it may succeed another time.
    let found = format!("training that ended with {status}: {said}");
    Err(FileError::Malformed { path, found, expected: "a finished run".to_owned() }.into())
}

/// The error in what a training said: warnings may stand before it.
pub(super) fn reason(said: &str) -> &str {
    const ERROR: &str = "error: ";
    let start = said.rfind(&format!("\n{ERROR}")).map_or(0, |end| end + 1);
    said[start..].trim_start_matches(ERROR)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::{Mutex, PoisonError};
    use std::time::Instant;

    use hsic_bottleneck::config::TrainOptions;
    use tempfile::TempDir;

    use super::*;

    /// Held from the writing of a program to the end of its launch: a process that another thread starts in between has the
    /// file open for writing too, and then it cannot be executed.
    static ALONE: Mutex<()> = Mutex::new(());

    /// A run, and what launching a shell script in place of the command says of it.
    fn launched(script: &str, stop: bool) -> (TempDir, Run, Result<bool, Error>) {
        launched_on(script, (None, None), stop)
    }

    /// The same of a run that records a number of threads, where another is asked for.
    fn launched_on(
        script: &str,
        (own, asked): (Option<usize>, Option<usize>),
        stop: bool,
    ) -> (TempDir, Run, Result<bool, Error>) {
        let folder = tempfile::tempdir().unwrap();
        let mut options = TrainOptions::default();
        options.training.threads = own;
        let run = Run::create(&folder.path().join("r"), &options.resolve().unwrap()).unwrap();
        let program = folder.path().join("program");
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let found = launch(&program, &run, asked, &AtomicBool::new(stop));
        (folder, run, found)
    }

    #[test]
    fn a_training_is_finished_once_it_says_so_and_has_a_summary() {
        // The run's folder is the fifth argument.
        let (_folder, run, found) = launched("echo \"$@\" > \"$5/told\"; echo {} > \"$5/summary.json\"", false);
        assert!(found.unwrap());
        let told = fs::read_to_string(run.file("told")).unwrap();
        assert_eq!(told, format!("train --quiet --json --resume {}\n", run.path().display()));
        let (_folder, _, found) = launched("true", false);
        let error = found.unwrap_err().to_string();
        assert!(
            error.contains("training that ended with exit status: 0") && error.ends_with("expected a finished run"),
            "{error}"
        );
    }

    #[test]
    fn threads_are_passed_on_to_a_run_that_has_no_number_of_its_own() {
        for (own, asked, expected) in
            [(None, None, ""), (None, Some(3), " --threads 3"), (Some(1), Some(3), ""), (Some(1), None, "")]
        {
            let (_folder, run, found) =
                launched_on("echo \"$@\" > \"$5/told\"; echo {} > \"$5/summary.json\"", (own, asked), false);
            assert!(found.unwrap());
            let told = fs::read_to_string(run.file("told")).unwrap();
            assert_eq!(told, format!("train --quiet --json --resume {}{expected}\n", run.path().display()));
        }
    }

    #[test]
    fn one_that_was_interrupted_is_not_finished() {
        assert!(!launched("exit 130", false).2.unwrap());
        // Asked to stop while it runs: it is ended and not waited for.
        let start = Instant::now();
        assert!(!launched("exec sleep 60", true).2.unwrap());
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn what_it_says_is_told_as_its_own_words_and_a_crash_as_one() {
        let (_folder, run, found) = launched("echo 'error: block 3 is no block' >&2; exit 2", false);
        let Err(Error::Run(RunError::Failed { path, said })) = found else { panic!("expected a failure") };
        assert_eq!((path, said.as_str()), (run.path().to_path_buf(), "block 3 is no block"));
        // What was warned of before is no part of it.
        let script = "echo 'warning: a batch' >&2; echo 'error: first' >&2; echo '       because second' >&2; exit 2";
        let Err(Error::Run(RunError::Failed { said, .. })) = launched(script, false).2 else { panic!("a failure") };
        assert_eq!(said, "first\n       because second");
        let error = launched("echo 'out of memory' >&2; kill -9 $$", false).2.unwrap_err().to_string();
        assert!(error.contains("signal: 9") && error.contains("out of memory"), "{error}");
        let run = Run::open(run.path()).unwrap();
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = launch(Path::new("/nowhere/hsic"), &run, None, &AtomicBool::new(false)).unwrap_err();
        assert!(matches!(missing, Error::Run(RunError::File(FileError::Io { .. }))), "{missing}");
    }
}

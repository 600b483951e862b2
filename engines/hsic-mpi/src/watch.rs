//! Ends a process that waits for another which has fallen silent: MPI itself would wait for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a process ends with that waited too long.
const SILENT: i32 = 75;

/// Looks at how long this process has been waiting.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    start: Instant,
    /// Milliseconds from the start to the begin of the wait, and 1; 0 while there is none.
    since: Arc<AtomicU64>,
    /// The stage that is waited for, and 1; 0 for all.
    whom: Arc<AtomicU64>,
}

/// A wait, until it is dropped.
pub(crate) struct Waiting<'w>(&'w Watch);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.since.store(0, Ordering::Relaxed);
    }
}

impl Watch {
    /// Of this process's stage: a wait of more than `timeout` ends it, and MPI ends the others with it.
    pub(crate) fn start(stage: usize, timeout: Duration) -> Self {
        let watch = Self { start: Instant::now(), since: Arc::default(), whom: Arc::default() };
        let own = watch.clone();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(200));
                if let Some((waited, whom)) = own.waited().filter(|(waited, _)| *waited > timeout) {
                    end(stage, waited, whom);
                }
            }
        });
        watch
    }

    /// From now on this process waits for a stage, or for all of them.
    pub(crate) fn waits(&self, whom: Option<usize>) -> Waiting<'_> {
        self.whom.store(whom.map_or(0, |stage| stage as u64 + 1), Ordering::Relaxed);
        self.since.store(self.start.elapsed().as_millis() as u64 + 1, Ordering::Relaxed);
        Waiting(self)
    }

    fn waited(&self) -> Option<(Duration, Option<u64>)> {
        let since = self.since.load(Ordering::Relaxed).checked_sub(1)?;
        let waited = self.start.elapsed().saturating_sub(Duration::from_millis(since));
        Some((waited, self.whom.load(Ordering::Relaxed).checked_sub(1)))
    }
}

#[allow(clippy::exit, clippy::print_stderr, reason = "the thread that waits inside of MPI cannot be woken")]
fn end(stage: usize, waited: Duration, whom: Option<u64>) -> ! {
    let whom = whom.map_or_else(|| "the others".to_owned(), |stage| format!("stage {stage}"));
    eprintln!(
        "error: stage {stage} has waited {:.0} s for {whom}: expected a sign of life within --step-timeout; all are ended. \
         The last checkpoint stays: train --resume",
        waited.as_secs_f64()
    );
    std::process::exit(SILENT)
}

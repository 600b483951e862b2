//! Work on a thread of its own, while the caller's listens for Ctrl-C and for what the work has to tell.
//!
//! CPython's handler of the signal only sets a flag. The main thread alone, holding the interpreter's lock, makes
//! KeyboardInterrupt of it: threads that compute cannot ask, so whoever called waits and asks. What is told of the work is
//! heard on the caller's thread too, where bars and figures of notebooks may be drawn.

use std::convert::Infallible;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::{PyResult, Python};

use crate::pool;

/// How often signals are looked for. Work that ends before wakes the caller at once.
const LISTEN: Duration = Duration::from_millis(50);

/// Where work tells of itself.
pub(crate) struct Teller<E> {
    events: SyncSender<E>,
    heard: Receiver<()>,
}

impl<E> Teller<E> {
    /// Tells the caller and waits until it was heard.
    pub(crate) fn tell(&self, event: E) {
        if self.events.send(event).is_ok() {
            // The caller answers every event, and only goes when the work has ended.
            let _answered = self.heard.recv();
        }
    }
}

/// Runs `work` on a pool of so many threads (0: all cores), without the interpreter's lock. On Ctrl-C the flag that `work`
/// was given is set, and the exception is raised when `work` has ended.
pub(crate) fn run<R: Send>(py: Python<'_>, threads: usize, work: impl FnOnce(&AtomicBool) -> R + Send) -> PyResult<R> {
    run_and_hear(py, threads, |stop, _: Teller<Infallible>| work(stop), |_, never| match never {})
}

/// As [`run`], where `work` tells what `hear` hears: `false` asks the work to stop, and so does an exception, which is raised
/// when it has.
pub(crate) fn run_and_hear<R: Send, E: Send>(
    py: Python<'_>,
    threads: usize,
    work: impl FnOnce(&AtomicBool, Teller<E>) -> R + Send,
    mut hear: impl FnMut(Python<'_>, E) -> PyResult<bool>,
) -> PyResult<R> {
    let pool = pool::of(threads)?;
    let stop = AtomicBool::new(false);
    let flag = &stop;
    thread::scope(|scope| {
        let (events, mut told) = sync_channel::<E>(0);
        let (answer, heard) = sync_channel::<()>(1);
        // The end of the work drops the sender, which wakes the receiver.
        let teller = Teller { events, heard };
        let work = move || pool.install(|| work(flag, teller));
        let worker = thread::Builder::new().name("hsic".into()).spawn_scoped(scope, work);
        let worker = worker.map_err(|error| PyRuntimeError::new_err(format!("no thread to work on: {error}")))?;
        let mut raised = None;
        loop {
            let event;
            (event, told) = py.detach(move || (told.recv_timeout(LISTEN), told));
            let (waits, went_well) = match event {
                Ok(event) if raised.is_none() => (true, hear(py, event).and_then(|on| py.check_signals().map(|()| on))),
                Ok(_) => (true, Ok(false)),
                Err(RecvTimeoutError::Timeout) if raised.is_none() => (false, py.check_signals().map(|()| true)),
                Err(RecvTimeoutError::Timeout) => (false, Ok(false)),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            // Before the work goes on, which looks at the flag then.
            if !matches!(went_well, Ok(true)) {
                flag.store(true, Ordering::Relaxed);
            }
            raised = raised.or(went_well.err());
            if waits {
                let _the_work_may_have_ended = answer.send(());
            }
        }
        let result = worker.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked));
        raised.map_or(Ok(result), Err)
    })
}

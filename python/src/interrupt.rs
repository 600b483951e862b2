//! Work on a thread of its own, while the caller's listens for Ctrl-C.
//!
//! CPython's handler of the signal only sets a flag. The main thread alone, holding the interpreter's lock, makes
//! KeyboardInterrupt of it: threads that compute cannot ask, so whoever called waits and asks.

use std::convert::Infallible;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::{PyResult, Python};

use crate::pool;

/// How often signals are looked for. Work that ends before wakes the caller at once.
const LISTEN: Duration = Duration::from_millis(50);

/// Runs `work` on a pool of so many threads (0: all cores), without the interpreter's lock. On Ctrl-C the flag that `work`
/// was given is set, and the exception is raised when `work` has ended.
pub(crate) fn run<R: Send>(py: Python<'_>, threads: usize, work: impl FnOnce(&AtomicBool) -> R + Send) -> PyResult<R> {
    let pool = pool::of(threads)?;
    let stop = AtomicBool::new(false);
    let flag = &stop;
    thread::scope(|scope| {
        // Nothing is ever sent: the end of the work drops the sender, which wakes the receiver.
        let (sender, mut receiver) = sync_channel::<Infallible>(0);
        let work = move || {
            let _dropped_at_the_end = sender;
            pool.install(|| work(flag))
        };
        let worker = thread::Builder::new().name("hsic".into()).spawn_scoped(scope, work);
        let worker = worker.map_err(|error| PyRuntimeError::new_err(format!("no thread to work on: {error}")))?;
        let mut signal = Ok(());
        loop {
            let heard;
            (heard, receiver) = py.detach(move || (receiver.recv_timeout(LISTEN), receiver));
            match heard {
                Err(RecvTimeoutError::Timeout) if signal.is_ok() => {
                    signal = py.check_signals();
                    if signal.is_err() {
                        flag.store(true, Ordering::Relaxed);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Ok(never) => match never {},
            }
        }
        let result = worker.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked));
        signal.map(|()| result)
    })
}

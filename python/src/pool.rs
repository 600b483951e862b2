//! A pool of threads of our own, made anew in a process that was forked.
//!
//! The threads of rayon's global pool do not live on in a forked child, where work given to them would wait for ever.

use std::mem;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::PyResult;
use pyo3::exceptions::PyRuntimeError;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The pool that was asked for last.
struct Kept {
    process: u32,
    threads: usize,
    pool: Arc<ThreadPool>,
}

static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

/// The pool of so many threads; 0 stands for all cores, or for `RAYON_NUM_THREADS`.
pub(crate) fn of(threads: usize) -> PyResult<Arc<ThreadPool>> {
    let process = process::id();
    // What the lock guards is replaced as a whole, so that a panic leaves it whole.
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kept) = &*kept
        && (kept.process, kept.threads) == (process, threads)
    {
        return Ok(Arc::clone(&kept.pool));
    }
    let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|index| format!("hsic-{index}")).build();
    let pool = Arc::new(pool.map_err(|error| PyRuntimeError::new_err(format!("no threads to work on: {error}")))?);
    let before = kept.replace(Kept { process, threads, pool: Arc::clone(&pool) });
    if let Some(before) = before
        && before.process != process
    {
        // Giving it back would wait for threads that stayed in the parent.
        mem::forget(before);
    }
    Ok(pool)
}

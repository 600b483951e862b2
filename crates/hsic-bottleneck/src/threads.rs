//! How many threads work at once.

use hsic_data::fault::Fault;

use crate::config::ConfigError;
use crate::error::Error;

/// Runs `work` on a pool of so many threads; without a number on the pool that it is called on, or on one of all cores.
///
/// # Errors
/// `Config` for no thread at all; `Threads` if the system starts none.
pub fn on_threads<R: Send>(threads: Option<usize>, work: impl FnOnce() -> R + Send) -> Result<R, Error> {
    let inside = rayon::current_thread_index().is_some();
    if threads == Some(0) {
        let fault = Fault { key: "threads".into(), value: "0".into(), expected: "a whole number >= 1".into() };
        return Err(ConfigError::Faults(vec![fault]).into());
    }
    if inside && threads.is_none_or(|threads| threads == rayon::current_num_threads()) {
        return Ok(work());
    }
    // 0 stands for all cores.
    let threads = threads.unwrap_or(0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|source| Error::Threads { threads, source })?;
    Ok(pool.install(work))
}

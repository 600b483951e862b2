//! How many threads work at once.

use hsic_data::fault::Fault;

use crate::config::ConfigError;
use crate::error::Error;

/// Runs `work` on a pool of so many threads; without a number on the pool that it is called on or, outside of any, on one of
/// all cores (of `RAYON_NUM_THREADS`, if that is set). This is the one rule of everything that takes a number of threads:
/// `Training`, `train` and every command.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_wins_over_the_pool_and_the_pool_over_all_cores() {
        let found = |threads| on_threads(threads, rayon::current_num_threads).unwrap();
        let all = rayon::ThreadPoolBuilder::new().build().unwrap().current_num_threads();
        assert_eq!((found(None), found(Some(3))), (all, 3));
        let within = |threads| on_threads(Some(2), || found(threads)).unwrap();
        assert_eq!((within(None), within(Some(2)), within(Some(3))), (2, 2, 3));
        assert_eq!(on_threads(Some(0), || ()).unwrap_err().to_string(), "threads = 0: expected a whole number >= 1");
    }
}

//! Memory that the threads of a step take turns with.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Memory of one thread each: as many as threads ever asked for at once, so that later steps allocate nothing.
pub(crate) struct Pool<V>(Mutex<Vec<V>>);

impl<V> Default for Pool<V> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<V: Default> Pool<V> {
    /// What was given back last, whose memory is still near; something new if all of it is lent.
    pub(crate) fn take(&self) -> V {
        lock(&self.0).pop().unwrap_or_default()
    }

    /// Takes back what was lent.
    pub(crate) fn give(&self, memory: V) {
        lock(&self.0).push(memory);
    }
}

/// A lock whose holder cannot have left it in a bad state: what it guards is replaced whole.
pub(crate) fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

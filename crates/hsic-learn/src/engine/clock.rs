//! When a step does what: spans of work on the step's threads.

use std::time::Instant;

use crate::span::Span;
use crate::span::Work;

/// Measures the spans of one step from its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// The step starts now.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The span of work on a block that this thread began at `begin` and ends now.
    pub(crate) fn span(self, work: Work, block: usize, begin: Instant) -> Span {
        let milliseconds = |at: Instant| at.saturating_duration_since(self.start).as_nanos() as f64 / 1e6;
        let thread = rayon::current_thread_index().unwrap_or(0);
        Span {
            work,
            block,
            thread,
            begin_milliseconds: milliseconds(begin),
            end_milliseconds: milliseconds(Instant::now()),
        }
    }
}

/// Room for the spans of a step on so many blocks, in the memory of an earlier step's.
pub(crate) fn cleared(spans: &mut Vec<Span>, blocks: usize) {
    spans.clear();
    spans.reserve(2 * blocks + 1);
}

/// Brings spans into the order of their beginnings: threads record in the order in which they end.
pub(crate) fn in_order(spans: &mut [Span]) {
    spans.sort_unstable_by(|a, b| a.begin_milliseconds.total_cmp(&b.begin_milliseconds));
}

//! The allocator of targets and of the tests that replay inputs: it counts what is allocated.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes that are allocated now, the most that were, and the most that were asked for at once.
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, with a count.
pub(crate) struct Counting;

fn add(bytes: usize) {
    LARGEST.fetch_max(bytes, Relaxed);
    PEAK.fetch_max(LIVE.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: every call is the system allocator's with the same arguments; what is counted beside it touches no memory of its own
// but the counters.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the promises of this function, which are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // A vector that grows may lie in two places while it is moved.
        add(size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// What was taken at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// At once.
    pub(crate) largest: usize,
    /// Together, beyond what was there before.
    pub(crate) together: usize,
}

/// What `work` takes at the most. One at a time: all threads are counted together.
pub(crate) fn taken(work: impl FnOnce()) -> Taken {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    LARGEST.store(0, Relaxed);
    work();
    Taken { largest: LARGEST.load(Relaxed), together: PEAK.load(Relaxed).saturating_sub(before) }
}

/// What the reading of so many bytes may take at once: 64 MiB and 40 times the input.
pub(crate) fn bound(bytes: usize) -> usize {
    (64 << 20) + 40 * bytes
}

/// What is taken beyond the bound, if it is: nothing at once is larger than the bound. All together is not either, but for
/// images, of which the decoder, the decoded levels and the picture's planes are there together: four times the bound.
pub(crate) fn beyond(name: &str, bytes: usize, taken: Taken) -> Option<String> {
    let images = ["png", "jpeg", "gif", "webp", "bmp", "tiff", "tar", "tar-gz", "tar-xz", "zip"].contains(&name);
    let (once, together) = (bound(bytes), if images { 4 * bound(bytes) } else { bound(bytes) });
    (taken.largest > once || taken.together > together).then(|| {
        let Taken { largest, together: all } = taken;
        format!("{name}: {bytes} bytes of input took {largest} bytes at once and {all} together, expected at most {once} and {together}")
    })
}

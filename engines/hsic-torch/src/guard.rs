//! Errors of libtorch as errors of a training.
//!
//! `tch` panics where an operation fails. What a user can cause, most of all memory that runs out, is told as any other error.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::Once;

use hsic_bottleneck::step_error::BoxError;

/// How `tch` says that a text is libtorch's.
const MARK: &str = "Torch(\"";

thread_local! {
    /// Whether this thread is at work that is guarded.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Does some work; what libtorch says against it is an error, any other panic goes on.
///
/// # Errors
/// Libtorch's words.
pub(crate) fn guarded<R>(work: impl FnOnce() -> R) -> Result<R, BoxError> {
    quiet();
    let before = GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    done.or_else(|payload| match told(&*payload) {
        Some(told) => Err(format!("libtorch: {told}").into()),
        None => resume_unwind(payload),
    })
}

/// Has guarded panics of libtorch printed by nobody but whoever prints the error.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !(GUARDED.get() && told(info.payload()).is_some()) {
                before(info);
            }
        }));
    });
}

/// Libtorch's words in what a panic was told with.
fn told(payload: &(dyn Any + Send)) -> Option<String> {
    let text =
        payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied())?;
    let told = &text[text.find(MARK)? + MARK.len()..];
    // The lines behind the first say where in libtorch it was raised.
    let told = told.split("\\n").next().unwrap_or(told);
    Some(told.trim_end_matches("\")").replace("\\\"", "\"").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    #[test]
    fn what_libtorch_says_is_an_error_and_other_panics_are_panics() {
        let of = |size: i64| Tensor::zeros([size, 2], (Kind::Float, Device::Cpu));
        let error = guarded(|| of(3).matmul(&of(4))).unwrap_err().to_string();
        assert_eq!(error, "libtorch: mat1 and mat2 shapes cannot be multiplied (3x2 and 4x2)");
        let error = guarded(|| of(1 << 50)).unwrap_err().to_string();
        assert!(error.contains("you tried to allocate 9007199254740992 bytes") && !error.contains("frame"), "{error}");
        assert_eq!(guarded(|| of(3).size()).unwrap(), [3, 2]);
        let panic = catch_unwind(|| guarded(|| panic!("ours"))).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"ours"));
    }
}

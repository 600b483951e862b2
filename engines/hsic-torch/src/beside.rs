//! What libtorch has and `tch` does not bind: `cpp/beside.cpp`.
#![allow(unsafe_code, reason = "libtorch is C++; all that crosses over to it does so here")]

use std::ffi::{CStr, c_char, c_int};

use hsic_bottleneck::step_error::BoxError;
use tch::Tensor;

/// A tensor of libtorch, as `tch` holds it.
type Raw = torch_sys::C_tensor;

unsafe extern "C" {
    fn beside_convolution_backward(
        weight_gradient: *mut *mut Raw,
        x_gradient: *mut *mut Raw,
        gradient: *const Raw,
        x: *const Raw,
        weight: *const Raw,
        stride: i64,
        padding: i64,
    ) -> *mut c_char;
    fn beside_settings(tf32: bool, deterministic: bool) -> *mut c_char;
    fn beside_about() -> *mut c_char;
    fn beside_built_against() -> *mut c_char;
    fn beside_load_cuda() -> *mut c_char;
    fn beside_free_bytes(device: c_int, bytes: *mut u64) -> *mut c_char;
    fn beside_free(text: *mut c_char);
}

/// The text, which is freed; none for a null pointer.
fn text(raw: *mut c_char) -> Option<String> {
    if raw.is_null() {
        return None;
    }
    // SAFETY: the functions above give a string that ends in 0 and belongs to the caller, who frees it here and nowhere else.
    unsafe {
        let text = CStr::from_ptr(raw).to_string_lossy().into_owned();
        beside_free(raw);
        Some(text)
    }
}

/// An error where there is a text.
fn done(raw: *mut c_char) -> Result<(), BoxError> {
    text(raw).map_or(Ok(()), |told| Err(told.into()))
}

/// dL/dweight of a convolution of `x` (images x channels x height x width) by `weight` (outputs x channels x side x side) from
/// dL/d(its output), and dL/dx where it is asked for.
///
/// # Panics
/// With libtorch's words if shapes do not fit or memory runs out, as `tch`'s own operations do.
pub(crate) fn convolution_backward(
    gradient: &Tensor,
    x: &Tensor,
    weight: &Tensor,
    (stride, padding): (i64, i64),
    with_x: bool,
) -> (Tensor, Option<Tensor>) {
    let (mut dw, mut dx) = (std::ptr::null_mut(), std::ptr::null_mut());
    let to = if with_x { &raw mut dx } else { std::ptr::null_mut() };
    // SAFETY: the three tensors live through the call, which changes none of them and writes to the two places alone.
    let told = unsafe {
        beside_convolution_backward(&raw mut dw, to, gradient.as_ptr(), x.as_ptr(), weight.as_ptr(), stride, padding)
    };
    if let Err(error) = done(told) {
        // As `tch` says it.
        panic!("Torch(\"{error}\")");
    }
    // SAFETY: without an error the places that were asked for hold new tensors that nobody else owns.
    unsafe { (Tensor::from_ptr(dw), with_x.then(|| Tensor::from_ptr(dx))) }
}

/// Convolutions by TF32 where a device has it, or in true single precision, as products are; algorithms that give the same bits
/// each time, or whatever is quickest.
///
/// # Errors
/// Libtorch's words.
pub(crate) fn settings(tf32: bool, deterministic: bool) -> Result<(), BoxError> {
    // SAFETY: it takes two flags and sets libtorch's.
    done(unsafe { beside_settings(tf32, deterministic) })
}

/// What the libtorch that was found says of its own making.
pub(crate) fn about() -> String {
    // SAFETY: it takes nothing and gives a text of its own.
    text(unsafe { beside_about() }).unwrap_or_default()
}

/// The version of libtorch whose headers this program was built with.
pub(crate) fn built_against() -> String {
    // SAFETY: it takes nothing and gives a text of its own.
    text(unsafe { beside_built_against() }).unwrap_or_default()
}

/// Loads the part of libtorch that knows CUDA.
///
/// # Errors
/// The loader's reason.
pub(crate) fn load_cuda() -> Result<(), BoxError> {
    // SAFETY: it takes nothing; what is loaded is the part of libtorch that registers itself with the part that runs.
    done(unsafe { beside_load_cuda() })
}

/// Bytes that are free on a GPU.
///
/// # Errors
/// CUDA's number of what is wrong, or that its runtime is not there.
pub(crate) fn free_bytes(device: usize) -> Result<u64, BoxError> {
    let mut bytes = 0;
    // SAFETY: it takes a number, asks CUDA's runtime, and writes to the one place, which lives through the call.
    done(unsafe { beside_free_bytes(c_int::try_from(device)?, &raw mut bytes) })?;
    Ok(bytes)
}

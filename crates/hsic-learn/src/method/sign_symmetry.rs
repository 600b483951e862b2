//! Sign-symmetry: back-propagation whose way back knows only the signs of the weights.
//!
//!   delta_L = softmax(h_L) - y,   delta_i = (s_{i+1} sign(W_{i+1})' delta_{i+1}) o f'(a_i),   dW_i = delta_i h_{i-1}'
//!
//! s_i = 1/sqrt(3 fan-in) is the root mean square of fresh weights, the same for all weights of a block and for ever.
//! Everything else is the block's own: f', batch norm's backward pass, the way around the weights of a residual block.
//!
//! `--angle-steps N` records the cosine to back-propagation's gradient (`bp_cosine`) every N steps, for the cost of a step
//! of back-propagation; `--recompute` saves memory as it does for `backprop`.
//!
//! Source: Liao, Leibo, Poggio, AAAI 2016, arXiv 1510.05067 (uniform sign-concordant feedback, with batch norm); Xiao,
//! Chen, Liao, Poggio, ICLR 2019, arXiv 1811.03567. Defaults: AdamW. Expect nearly back-propagation's accuracy, of
//! convolutions too (CIFAR-10, VGG: 93.6-93.9 against 94 %): far better than `feedback-alignment`, for signs that somebody
//! has to transport. On MNIST (`--widths 1024x3`, 5 epochs) 98.4 % of a validation part against 98.6, at cosines of 0.92 to
//! 0.96. Keep a norm: without one the sizes of gradients drift with depth.

use super::feedback_alignment::through;
use super::{Method, Outputs};
use crate::engine::Feedback;

/// The method `sign-symmetry`.
pub static METHOD: Method = Method {
    name: "sign-symmetry",
    summary: "back-propagation through the signs of the weights",
    reference: "Liao, Leibo, Poggio, AAAI 2016, arXiv 1510.05067",
    cost: "that of back-propagation; memory of all activations, and of the weights once more",
    source: include_str!("sign_symmetry.rs"),
    outputs: Outputs::Classes,
    takes_capsules: false,
    values: false,
    local: false,
    parallel: false,
    reads: &["recompute", "angle_steps", "label_smoothing"],
    resolve: |options, _| through(options, METHOD.name, Feedback::Sign),
};

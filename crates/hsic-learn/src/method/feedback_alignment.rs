//! Feedback alignment: back-propagation whose way back leads through fixed random weights.
//!
//!   delta_L = softmax(h_L) - y,   delta_i = (B_{i+1}' delta_{i+1}) o f'(a_i),   dW_i = delta_i h_{i-1}'
//!
//! B_i has the shape of the weights W_i of block i (dense or convolution), is drawn once from the seed, uniform in
//! +-1/sqrt(fan-in) like fresh weights, and is never learned nor kept in checkpoints. Everything else is the block's own:
//! f', batch norm's backward pass, the way around the weights of a residual block. The forward weights come to align with B.
//!
//! `--angle-steps N` records the cosine to back-propagation's gradient (`bp_cosine`) every N steps, for the cost of a step
//! of back-propagation; `--recompute` saves memory as it does for `backprop`.
//!
//! Source: Lillicrap, Cownden, Tweed, Akerman, Nature Communications 7:13276, 2016. Defaults: AdamW.
//! Expect nearly back-propagation's accuracy of dense networks of few blocks (MNIST, `--widths 1024x3`, 5 epochs: 98.2 % of a
//! validation part against 98.6), and ten points less of convolutions
//! (CIFAR-10, VGG: 80-82 against 94 %); deep networks align slowly. With one hidden block it is `dfa`.

use super::{Method, Outputs, Recipe, Stages};
use crate::engine::{Backprop, Feedback};

/// The method `feedback-alignment`.
pub static METHOD: Method = Method {
    name: "feedback-alignment",
    summary: "back-propagation through fixed random weights in place of the transposed ones",
    reference: "Lillicrap et al., Nature Communications 7, 2016",
    cost: "that of back-propagation; memory of all activations, and of the weights once more",
    source: include_str!("feedback_alignment.rs"),
    outputs: Outputs::Classes,
    takes_capsules: false,
    values: false,
    local: false,
    parallel: false,
    reads: &["recompute", "angle_steps", "label_smoothing"],
    resolve: |options, _| through(options, METHOD.name, Feedback::Random),
};

/// Back-propagation through `feedback`, as the options have it.
pub(super) fn through(options: &mut Stages<'_>, method: &'static str, feedback: Feedback) -> Recipe {
    options.adamw(1e-3);
    let (recompute, angle) = (options.rule.recompute, options.rule.angle_steps());
    Recipe::new(move |settings| {
        let chain = Backprop::new(settings.optimizer).with_feedback(method, feedback, settings.seed);
        Ok(Box::new(chain.with_angle(angle).recomputing(recompute)))
    })
}

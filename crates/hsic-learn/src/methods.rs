//! Every method by name.

use crate::method::{
    Method, alignment, backprop, bottleneck, bottleneck_local, cwc_ff, direct_feedback, dni, feedback_alignment,
    forward_forward, frozen, greedy, mono_forward, phsic, predsim, sign_symmetry, softhebb, target_propagation,
};

/// Every method.
pub static METHODS: &[&Method] = &[
    &bottleneck::METHOD,
    &bottleneck_local::METHOD,
    &phsic::METHOD,
    &alignment::METHOD,
    &predsim::METHOD,
    &mono_forward::METHOD,
    &greedy::METHOD,
    &forward_forward::METHOD,
    &cwc_ff::METHOD,
    &softhebb::METHOD,
    &dni::METHOD,
    &direct_feedback::METHOD,
    &feedback_alignment::METHOD,
    &sign_symmetry::METHOD,
    &target_propagation::METHOD,
    &backprop::METHOD,
    &frozen::METHOD,
];

/// The method of a name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Method> {
    METHODS.iter().copied().find(|method| method.name == name)
}

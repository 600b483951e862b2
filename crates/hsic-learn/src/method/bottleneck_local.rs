//! The HSIC bottleneck in the network of back-propagation: hidden blocks by HSIC, the output block by cross-entropy.
//!
//! Block i before the last minimizes w nHSIC(Z_i, X) - beta nHSIC(Z_i, Y), as `hsic` has it (`hsic methods hsic`). The last
//! block is linear, has a unit a class and learns by the cross-entropy of its outputs, at the same time and on what the
//! block before it gives; no gradient leaves it. So unit k stands for class k, the network is the very one that `backprop`
//! trains, and the two can be compared without a format layer and without reading classes off.
//!
//! `--x input|block|none`, `--sigma`, `--sigma-labels`, `--beta` and `--approximation` are those of `hsic`.
//! `--classifier W` adds W times the cross-entropy of a linear classifier to the objective of each hidden block. The default
//! beta of 500 drowns it: with `--classifier 1` take `--beta 1` (CIFAR-10, docs/results.md).
//!
//! Source: the objective is Ma, Lewis, Kleijn 2020; their networks have no such block. Defaults: adamw 1e-3, since
//! HSIC's gradients and those of a cross-entropy differ by orders of magnitude, which a rate a weight evens out.

use super::bottleneck::{READS, rule};
use super::{Method, Outputs, Recipe};
use crate::objective::Classified;

/// The method `hsic-local`.
pub static METHOD: Method = Method {
    name: "hsic-local",
    summary: "HSIC bottleneck for hidden blocks, cross-entropy for a linear output block: the network of backprop",
    reference: "Ma, Lewis, Kleijn, AAAI 2020, arXiv 1908.01580 (the hidden blocks)",
    cost: "as hsic: m^2 (d + m) a block for its kernel, m rows and d columns; memory of one block in turn",
    source: include_str!("bottleneck_local.rs"),
    outputs: Outputs::Classes,
    takes_capsules: false,
    values: true,
    local: true,
    parallel: true,
    reads: READS,
    resolve: |options, faults| {
        let rule = rule(options, faults);
        options.adamw(1e-3);
        Recipe::new(move |settings| settings.local(Classified(rule.objective(settings)?)))
    },
};

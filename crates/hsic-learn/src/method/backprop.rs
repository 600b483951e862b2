//! Back-propagation, the rival: cross-entropy of the last block's outputs (where values are learned, their mean squared
//! error), gradients through all blocks.
//!
//!   delta_L = dCE/da_L,  delta_i = (W_{i+1}' delta_{i+1}) o f'(a_i),  dW_i = delta_i h_{i-1}'
//!
//! Activations of all blocks are kept until the backward pass has used them.
//!
//! `--recompute K` (gradient checkpointing; Chen et al. 2016, arXiv 1604.06174) keeps the input of every K-th block only.
//! On the way back a segment of K blocks runs forward once more from its kept input and is then differentiated: memory of
//! about L/K + K blocks in place of L, least at K = sqrt(L), which `--recompute auto` takes, for one more forward pass
//! (about a third more operations). The weights are those of plain back-propagation, bit by bit: dropout draws the masks
//! of the step again, running statistics take a batch in once. K >= L recomputes nothing.
//!
//! `--accumulate N` cuts each batch into N slices, adds their gradients up, each by its share of the rows, and makes one step:
//! activations are kept of one slice at a time. Without batch norm and dropout it is the step of the whole batch up to
//! rounding. Batch norm forms its statistics in each slice, and its running statistics take the slices in one after the
//! other; dropout draws anew in each. A decoder beside capsules is not trained so.
//!
//! A network that ends in a capsule for each class (`--model capsnet`; Sabour, Frosst, Hinton 2017) is trained by the
//! margins of their lengths and by how well a decoder draws the input from the class's own capsule:
//!
//! ```text
//! L = sum_k T_k max(0, 0.9 - |v_k|)^2 + 0.5 (1 - T_k) max(0, |v_k| - 0.1)^2 + w |x - decoder(v)|^2
//! ```
//!
//! w = 0.0005 (`--reconstruction-weight`; 0: no decoder).
//!
//! Defaults: AdamW, rate 1e-3. Try rates as thoroughly as for the method that it is compared with.

use hsic_data::dataset::Normalize;
use hsic_data::fault::Faults;
use hsic_nn::network::{BlockSpec, models};

use super::{Method, Outputs, Recipe, Stages};
use crate::engine::Backprop;
use crate::objective::margin::WEIGHT;

/// The method `backprop`.
pub static METHOD: Method = Method {
    name: "backprop",
    summary: "back-propagation of the cross-entropy through all blocks (the rival)",
    reference: "Rumelhart, Hinton, Williams, Nature 323, 1986",
    cost: "the measure of the others: a forward and a backward pass; memory of all activations",
    source: include_str!("backprop.rs"),
    outputs: Outputs::Classes,
    takes_capsules: true,
    values: true,
    local: false,
    parallel: false,
    reads: &["recompute", "accumulate", "reconstruction_weight", "label_smoothing"],
    resolve: |options, faults| {
        options.adamw(1e-3);
        let (weight, recompute) = (reconstruction_weight(options, faults), options.rule.recompute);
        let slices = options.rule.accumulate.unwrap_or(1);
        faults.check("accumulate", slices, slices >= 1, "a whole number >= 1");
        let expected = "1 where capsules have a decoder (reconstruction-weight > 0)";
        faults.check("accumulate", slices, slices <= 1 || weight == 0.0, expected);
        Recipe::new(move |settings| {
            let chain = Backprop::new(settings.optimizer).with_reconstruction(weight, settings.seed);
            Ok(Box::new(chain.recomputing(recompute).accumulating(slices)))
        })
    },
};

/// The weight of the reconstruction, filled in and checked for a network that ends in capsules; 0 for another.
fn reconstruction_weight(options: &mut Stages<'_>, faults: &mut Faults) -> f64 {
    let own = matches!(options.blocks.last(), Some(BlockSpec::Capsules { .. }));
    let key = "reconstruction-weight";
    if !own && options.network.model.as_deref() != Some(models::CAPSNET) {
        if let Some(weight) = options.rule.reconstruction_weight {
            faults.check(key, weight, false, "not given for a network that does not end in capsules (model = capsnet)");
        }
        return 0.0;
    }
    let weight = *options.rule.reconstruction_weight.get_or_insert(WEIGHT);
    faults.not_negative(key, weight);
    let as_it_is = options.data.normalize.unwrap_or_default() == Normalize::None;
    let expected = "none where values in [0, 1] are drawn again (reconstruction-weight > 0)";
    faults.check("normalize", "channel", as_it_is || weight == 0.0, expected);
    weight
}

//! What a user can say of the network.

use hsic_data::fault::Faults;
use hsic_data::names::{one_of, same};
use hsic_data::options::options;
use serde::{Deserialize, Serialize};

use super::models::NETWORKS;
use super::spec::{BlockSpec, Width, parse_widths};
use super::{Activation, Between, Entrance, Feature, Norm};

options! {
    /// What learns.
    NetworkOptions, "Network" {
        /// mlp, residual-mlp, conv, resnet-conv, needle, vgg, vgg8b, vgg11b, capsnet; or custom, the list of `block` tables in --config
        /// [default: mlp]
        model: String,
        /// Widths (channels) of the blocks before the output block, as 256,128 or 256x6; 64p: max pooling follows;
        /// capsnet: the last is the number of types of capsules [default: the model's, 256x6 for mlp, 256,32 for capsnet]
        widths: String,
        /// Units of the output block, >= 1 [default: the model's, mostly the number of classes]
        outputs: usize,
        /// Nonlinearity of every block [default: relu; needle: tanh]
        activation: Activation,
        /// What stands before it in every block [default: batch; capsnet: none]
        norm: Norm,
        /// What the objective sees of a map: flat (all of it), pool:K (means of K x K fields), channels (mean and
        /// deviation of each channel) [default: pool:2]
        feature: Feature,
        /// What happens to each row on its way from block to block: none, rms (to a mean square of 1), divisive:G (by
        /// the deviation of each of G groups of columns, Pogodin and Latham 2020) [default: none]
        between: Between,
        /// Share of a block's outputs that training leaves out at random on their way to the next block, in [0, 1)
        /// [default: 0]
        dropout: f64,
    }
}

/// Name of a network that is a list of blocks.
const CUSTOM: &str = "custom";

/// What a network is built from.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkPlan {
    /// Name of the network.
    pub model: String,
    /// Blocks before the output block; `None` for the model's own.
    pub widths: Option<Vec<Width>>,
    /// Units of the output block; `None` for the model's own.
    pub outputs: Option<usize>,
    /// Nonlinearity of every block.
    pub activation: Activation,
    /// What stands before it.
    pub norm: Norm,
    /// What the objective sees of a map.
    pub feature: Feature,
    /// What happens between blocks.
    pub entrance: Entrance,
}

/// The names that a network may have.
fn names() -> Vec<&'static str> {
    NETWORKS.iter().map(|network| network.name).chain([CUSTOM]).collect()
}

impl NetworkOptions {
    /// Puts the name by which a network is known in the place of one that differs in case.
    pub fn forgive_case(&mut self) {
        let given = self.model.as_deref();
        let known = names().into_iter().find(|known| given.is_some_and(|given| same(known, given)));
        if let Some(known) = known {
            self.model = Some(known.to_owned());
        }
    }

    /// Fills in the defaults and notes what is out of range; `blocks` are those of a network of one's own.
    pub fn resolve(&mut self, blocks: &[BlockSpec], faults: &mut Faults) -> NetworkPlan {
        let model = self.model.get_or_insert_with(|| "mlp".to_owned()).clone();
        let known = names();
        faults.check("model", &model, known.contains(&model.as_str()), &one_of(&model, &known));
        let custom = model == CUSTOM;
        faults.check("block", blocks.len(), custom || blocks.is_empty(), "no list but for model = custom");
        faults.check("block", 0, !custom || !blocks.is_empty(), "a [[block]] list for model = custom");
        let widths = self.widths.as_deref().map(|text| (text, parse_widths(text)));
        let known = "positive widths as 256,128 or 256x6, 10,000 blocks at the most";
        if let Some((text, widths)) = &widths {
            faults.check("widths", text, widths.is_some(), known);
            faults.check("widths", text, !custom, "none for model = custom");
        }
        let widths = widths.and_then(|(_, widths)| widths);
        faults.check("outputs", 0, self.outputs != Some(0), "a whole number >= 1");
        let own = NETWORKS.iter().find(|network| network.name == model);
        let activation = *self.activation.get_or_insert(own.map_or(Activation::Relu, |own| own.activation));
        let norm = *self.norm.get_or_insert(own.map_or(Norm::Batch, |own| own.norm));
        let feature = *self.feature.get_or_insert(Feature::Pool(2));
        let entrance =
            Entrance { between: *self.between.get_or_insert_default(), dropout: *self.dropout.get_or_insert(0.0) };
        faults.share("dropout", entrance.dropout);
        NetworkPlan { model, widths, outputs: self.outputs, activation, norm, feature, entrance }
    }
}

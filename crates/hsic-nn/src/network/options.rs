//! What a user can say of the network.

use hsic_data::fault::Faults;
use hsic_data::names::{one_of, same};
use hsic_data::options::options;
use serde::{Deserialize, Serialize};

use super::models::NETWORKS;
use super::spec::{BlockSpec, Width, parse_widths};
use super::{Activation, Between, Design, DropoutBy, Entrance, Feature, HeadStart, InputNorm, Norm, PoolAt, Start};

options! {
    /// What learns.
    NetworkOptions, "Network" {
        /// mlp, residual-mlp, conv, resnet-conv, needle, vgg, pyramid, vgg8b, vgg11b, airbench, airbench-map, capsnet; or custom, the list of `block`
        /// tables in --config [default: mlp; of a folder or archive of images pyramid]
        model: String,
        /// Widths (channels) of the blocks before the output block, as 256,128 or 256x6; 64p: max pooling follows;
        /// capsnet: the last is the number of types of capsules [default: the model's, 256x6 for mlp, 256,32 for capsnet]
        widths: String,
        /// Units of the output block, >= 1 [default: the model's, mostly the number of classes]
        outputs: usize,
        /// Nonlinearity of every block [default: relu; needle: tanh; airbench: gelu]
        activation: Activation,
        /// What stands before it in every block [default: batch; airbench: batch-bias; capsnet: none]
        norm: Norm,
        /// What the objective sees of a map: flat (all of it), pool:K (means of K x K fields), channels (mean and
        /// deviation of each channel) [default: pool:2; pyramid: channels; airbench: pool:4]
        feature: Feature,
        /// Where the max pooling of a convolution happens: block (at its end, which is what it is trained for), entrance (on
        /// the way into the next block: it is trained for its map before pooling) or map (before norm and nonlinearity)
        /// [default: block; airbench: map within]
        pool_at: PoolAt,
        /// How weights start: uniform, or dirac (the first channels of a convolution pass on what comes in)
        /// [default: uniform]
        start: Start,
        /// How linear output layers start, that of the network and those of local classifiers: uniform (of some methods zero), or
        /// small (normal, of deviation 1/n for n inputs) [default: uniform]
        head_start: HeadStart,
        /// Let the first block see windows of 2 x 2 pixels, whitened by those of training images, in a fixed layer
        /// [default: false]
        whiten: bool,
        /// What happens to each row on its way from block to block: none, rms (to a mean square of 1), divisive:G (by
        /// the deviation of each of G groups of columns, of a map of channels, Pogodin and Latham 2020) [default: none]
        between: Between,
        /// What happens to each row of the input (with a label written over it, if there is one) on its way into the first
        /// block: none or rms (to a mean square of 1) [default: none; forward-forward: rms]
        input_norm: InputNorm,
        /// Share of a block's outputs that training leaves out at random on their way to the next block, in [0, 1)
        /// [default: 0]
        dropout: f64,
        /// What dropout takes at once: value (each by itself) or channel (all pixels of one, of maps) [default: value]
        dropout_by: DropoutBy,
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
    /// What all blocks are built with.
    pub design: Design,
    /// What the objective sees of a map.
    pub feature: Feature,
    /// What happens to a row of the input.
    pub input_norm: InputNorm,
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

    /// The options of a stored run as its version meant them. A run that does not say what dropout takes at once is of the
    /// version that took values, and whose divisive normalization of maps had bands of pixels for groups; one that does not
    /// say what happens to its input left it as it is, and one that does not say where it pools did so at the end of blocks.
    #[must_use]
    pub fn as_stored(mut self) -> Self {
        if self.dropout_by.is_none() {
            self.dropout_by = Some(DropoutBy::Value);
            if let Some(Between::Divisive(groups)) = self.between {
                self.between = Some(Between::DivisiveBands(groups));
            }
        }
        self.input_norm.get_or_insert(InputNorm::None);
        self.pool_at.get_or_insert(PoolAt::Block);
        self
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
        let feature = *self.feature.get_or_insert(own.map_or(Feature::Pool(2), |own| own.feature));
        let entrance = Entrance {
            between: *self.between.get_or_insert_default(),
            dropout: *self.dropout.get_or_insert(0.0),
            dropout_by: *self.dropout_by.get_or_insert_default(),
        };
        faults.share("dropout", entrance.dropout);
        let (input_norm, pool_at) = (*self.input_norm.get_or_insert_default(), *self.pool_at.get_or_insert_default());
        let design = Design {
            activation,
            norm,
            pool_at,
            start: *self.start.get_or_insert_default(),
            head_start: *self.head_start.get_or_insert_default(),
            whiten: *self.whiten.get_or_insert(false),
        };
        NetworkPlan { model, widths, outputs: self.outputs, design, feature, input_norm, entrance }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stored_run_leaves_unsaid_is_what_its_version_did() {
        let stored = |dropout_by| {
            let between = Some(Between::Divisive(4));
            let options = NetworkOptions { between, dropout_by, ..NetworkOptions::default() }.as_stored();
            (options.between, options.dropout_by)
        };
        assert_eq!(stored(None), (Some(Between::DivisiveBands(4)), Some(DropoutBy::Value)));
        let by_channel = Some(DropoutBy::Channel);
        assert_eq!(stored(by_channel), (Some(Between::Divisive(4)), by_channel));
        // What a user leaves unsaid is the present default.
        let mut faults = Faults::default();
        let mut options = NetworkOptions { between: Some(Between::Divisive(4)), ..NetworkOptions::default() };
        assert_eq!(options.resolve(&[], &mut faults).entrance.between, Between::Divisive(4));
        assert_eq!(options.as_stored().between, Some(Between::Divisive(4)));
    }
}

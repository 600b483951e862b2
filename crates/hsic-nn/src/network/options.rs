//! What a user can say of the network.

use hsic_data::options::options;
use serde::{Deserialize, Serialize};

use super::{Activation, Between, Feature, Norm};

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

//! The options of each stage: one definition for flag, TOML key and help.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use hsic::Approximation;
use serde::{Deserialize, Serialize};

use crate::dataset::Normalize;
use crate::evaluation::FormatInput;
use crate::evaluation::{NormProtocol, ReadoutProtocol};
use crate::format::FormatStart;
use crate::network::{Activation, Between, Feature, Norm};
use crate::objective::goodness::Goodness;
use crate::objective::hsic::InputTerm;
use crate::objective::phsic::PhsicKernel;
use crate::objective::predsim::LocalLoss;
use crate::optimizer::Decay;
use crate::update::backprop::Recompute;
use crate::update::forward_forward::Negatives;
use crate::update::target_propagation::Inverse;
use crate::update::{Schedule, UpdateOrder};

/// Defines a stage's options: one definition for flag, TOML key and help.
macro_rules! options {
    ($(#[$meta:meta])* $name:ident, $heading:literal { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "clap", derive(clap::Args))]
        #[cfg_attr(feature = "clap", command(next_help_heading = $heading))]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(skip_serializing_if = "Option::is_none")]
                #[cfg_attr(feature = "clap", arg(long))]
                pub $field: Option<$type>,
            )*
        }

        impl $name {
            /// These options where given, `other`'s elsewhere.
            #[must_use]
            pub fn or(self, other: Self) -> Self {
                Self { $($field: self.$field.or(other.$field),)* }
            }
        }
    };
}

options! {
    /// What is learned from.
    DataOptions, "Data" {
        /// Name of a data set, or path of a folder of images, of one in a .tar, .tar.gz or .tar.xz, or of a .csv, .npy or .npz
        /// [default: digits]
        dataset: String,
        /// Folder that holds the data set's files [default: the platform's data folder]
        data_dir: PathBuf,
        /// Training samples drawn (digits) or kept, >= 1 [default: 10,000 digits, or all]
        train_size: usize,
        /// Test samples drawn (digits) or kept, >= 1 [default: 2,000 digits, or all]
        test_size: usize,
        /// Column of a table that holds the label, by name or index from 0 [default: the last]
        label_column: String,
        /// Share of a table, folder or archive kept for testing if it has no test part, in (0, 1) [default: 0.2]
        test_fraction: f64,
        /// Hold out this share of the training data, seeded and by class, and judge on it in place of the test data, in
        /// [0, 1): settings are chosen with it [default: 0]
        validation: f64,
        /// Scale a table's columns by the training part's mean and deviation [default: true]
        standardize: bool,
        /// Values of images: as they are, or each channel by the training part's mean and deviation [default: none]
        normalize: Normalize,
        /// Mirror every second training image at random, left to right [default: false]
        flip: bool,
        /// Move training images by up to so many pixels at random, black enters, >= 0 [default: 0]
        shift: usize,
        /// Side in pixels of a square cut out of training images at random, >= 0 [default: 0]
        cutout: usize,
    }
}

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

/// A number or several, separated by commas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "OneOrMany", into = "OneOrMany")]
pub struct Numbers(pub Vec<f64>);

/// How numbers stand in TOML.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(f64),
    Many(Vec<f64>),
}

impl From<OneOrMany> for Numbers {
    fn from(numbers: OneOrMany) -> Self {
        match numbers {
            OneOrMany::One(number) => Self(vec![number]),
            OneOrMany::Many(numbers) => Self(numbers),
        }
    }
}

impl From<Numbers> for OneOrMany {
    fn from(numbers: Numbers) -> Self {
        match numbers.0[..] {
            [number] => Self::One(number),
            _ => Self::Many(numbers.0),
        }
    }
}

impl FromStr for Numbers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Option<Vec<f64>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
        numbers.map(Self).ok_or_else(|| "expected a number, or several separated by commas".to_owned())
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&parts.join(","))
    }
}

options! {
    /// What a block is trained for.
    ObjectiveOptions, "Objective" {
        /// Learning method, one of `hsic methods` [default: hsic]
        method: String,
        /// Width of the kernels, in units of the root of the columns, > 0; several, as 1,5,10, train a network each,
        /// whose outputs are averaged before format training [default: 5]
        sigma: Numbers,
        /// Width of the labels' kernel, > 0 [default: sigma]
        sigma_labels: f64,
        /// Weight of nHSIC(Z, Y), >= 0 [default: 500]
        beta: f64,
        /// Weight of nHSIC(Z, X), >= 0; 0 leaves the term out [default: 1]
        x_weight: f64,
        /// Ridge as a fraction of the batch, > 0 [default: 1e-5]
        epsilon: f64,
        /// What keeps large batches affordable: exact; blocks:B (mean over B rows at a time), nystroem:R (R landmark
        /// rows), fourier:R (R random waves); their cost grows as the batch, not as its cube [default: exact]
        #[serde(default, with = "as_text")]
        approximation: Approximation,
    }
}

options! {
    /// What learning methods other than `hsic` are made of; each reads its own.
    RuleOptions, "Learning rules (each method reads its own: see hsic methods NAME)" {
        /// backprop, feedback-alignment, sign-symmetry: keep the input of every K-th block only and compute the others
        /// again on the way back; auto: the root of the number of blocks [default: keep all]
        recompute: Recompute,
        /// predsim: which of its losses, pred, sim or both [default: both]
        local_loss: LocalLoss,
        /// predsim: weight of matching similarities, beside 1 less it for the classifiers, in [0, 1] [default: 0.99]
        similarity_weight: f64,
        /// predsim: most columns that a block's classifier sees of a map, >= 1 [default: 1024]
        decoder_size: usize,
        /// phsic: kernel of two samples, cosine or gaussian [default: gaussian]
        phsic_kernel: PhsicKernel,
        /// phsic: width of the Gaussian kernel, not scaled by the columns, > 0 [default: 1]
        phsic_sigma: f64,
        /// phsic: groups of a block's outputs, each seen by its deviation, a fourth of the columns at the most; 0 to
        /// compare outputs themselves [default: 32]
        groups: usize,
        /// phsic: power of a group's variance, > 0 [default: 0.5; 0.8 with --between divisive:G]
        group_power: f64,
        /// phsic: weight of pHSIC(Z, Y) beside pHSIC(Z, Z), >= 0 [default: 2]
        balance: f64,
        /// greedy: layers of a block's auxiliary network, the linear classifier among them, >= 1 [default: 2]
        auxiliary: usize,
        /// greedy: width (channels) of the others, >= 1 [default: the block's]
        auxiliary_width: usize,
        /// greedy: train all blocks at once instead of one after another [default: false]
        decoupled: bool,
        /// hsic, hsic-local: what nHSIC(Z, X) compares a block with: the network's input, the block's own (block), or
        /// none [default: input]
        x: InputTerm,
        /// hsic, hsic-local: weight of the cross-entropy of a linear classifier of each block's own, added to its
        /// objective, >= 0 [default: 0]
        classifier: f64,
        /// dfa, feedback-alignment, sign-symmetry, difference-target-propagation, dni: every so many steps compute
        /// back-propagation's gradient too and record its cosine with the block's own; 0 for never [default: 0; dni: 50]
        angle_steps: u64,
        /// difference-target-propagation: what inverses learn: drl (the transposed Jacobian of their block) or reconstruct
        /// (its input) [default: drl]
        inverse: Inverse,
        /// difference-target-propagation: steps of each inverse a batch, >= 1 [default: 1]
        inverse_steps: u64,
        /// difference-target-propagation: size of the noise that inverses learn from, > 0 [default: 0.1]
        inverse_noise: f64,
        /// difference-target-propagation: beta, the step along the error to the last block's target, > 0 [default: 0.5]
        target_rate: f64,
        /// forward-forward: what a row's goodness is, sum (of squares) or square (their mean) [default: sum]; cwc-ff: what
        /// a group's is, square or mean (of the activity itself) [default: square]
        goodness: Goodness,
        /// forward-forward: mean square of a unit at which a row is as likely positive as negative, > 0 [default: 0.02; for
        /// square 1]
        theta: f64,
        /// forward-forward: where wrong labels come from, random or hard (those that the first block takes for
        /// likely) [default: hard]
        negatives: Negatives,
        /// forward-forward: value that stands for a label's class, > 0; the other classes have 0 [default: 1]
        label_strength: f64,
        /// forward-forward: weight of peer normalization, which holds units equally active, >= 0 [default: 0]
        peer: f64,
        /// softhebb: inverse temperature of the competition between units, > 0; large ones let one unit win alone
        /// [default: 3]
        inverse_temperature: f64,
        /// softhebb: length of a unit's weights at the start, > 0; they come to rest at 1 [default: 25]
        start_length: f64,
        /// dni: let predictors see the labels [default: true]
        conditioned: bool,
        /// dni: hidden widths of the predictors, of maps their channels [default: 256, of maps 32x2]
        predictor_widths: String,
        /// dni: share of the gradient that the block above passes down in what a block learns from, in [0, 1]; 1 is
        /// back-propagation [default: 0]
        bp_lambda: f64,
        /// backprop of a network of capsules: weight of drawing the input again, >= 0; 0 for no decoder [default: 0.0005]
        reconstruction_weight: f64,
    }
}

/// An approximation in TOML: its text.
mod as_text {
    use hsic::Approximation;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(form: &Option<Approximation>, to: S) -> Result<S::Ok, S::Error> {
        match form {
            Some(form) => to.collect_str(form),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Approximation>, D::Error> {
        String::deserialize(from)?.parse().map(Some).map_err(D::Error::custom)
    }
}

/// Which optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerName {
    /// Gradient descent with momentum.
    Sgd,
    /// Adam with decoupled weight decay.
    #[cfg_attr(feature = "clap", value(name = "adamw"))]
    #[serde(rename = "adamw")]
    AdamW,
}

options! {
    /// How a gradient changes the weights.
    OptimizerOptions, "Optimizer" {
        /// Optimizer [default: the method's; hsic: sgd]
        optimizer: OptimizerName,
        /// Learning rate, > 0 [default: the method's; hsic: 2e-3]
        learning_rate: f64,
        /// Course of the learning rate [default: cosine]
        decay: Decay,
        /// Steps over which the rate rises from 0 [default: 0]
        warmup_steps: u64,
        /// Momentum of sgd, in [0, 1) [default: 0]
        momentum: f64,
        /// Weight decay, >= 0 [default: 0]
        weight_decay: f64,
        /// Decay of adamw's mean gradient, in [0, 1) [default: 0.9]
        beta1: f64,
        /// Decay of adamw's mean squared gradient, in [0, 1) [default: 0.999]
        beta2: f64,
        /// Added to adamw's root, > 0 [default: 1e-8]
        adam_epsilon: f64,
    }
}

options! {
    /// How unformatted outputs are judged.
    EvaluationOptions, "Evaluation" {
        /// From outputs to classes: fair, or authors (fitted on the evaluated data, for like-for-like comparison only)
        /// [default: fair]
        readout: ReadoutProtocol,
        /// Batch norm in evaluation: fair (running statistics), or authors (those of the evaluated batch, for
        /// like-for-like comparison only) [default: fair]
        bn: NormProtocol,
        /// Record the test accuracy by the authors' protocol beside the one above [default: false]
        authors_beside: bool,
    }
}

options! {
    /// How a softmax layer learns on the frozen network, after it.
    FormatOptions, "Format training" {
        /// Passes of format training over the training data; 0 for none [default: 0]
        format_epochs: u64,
        /// What the softmax layer sees: the last block's outputs or the features of all blocks [default: last]
        format_input: FormatInput,
        /// Weights that the layer starts from: zero, or uniform (the authors') [default: zero]
        format_start: FormatStart,
        /// Optimizer of the layer [default: sgd]
        format_optimizer: OptimizerName,
        /// Its learning rate, > 0 [default: from the features' curvature; adamw: 1e-3]
        format_learning_rate: f64,
        /// Course of that rate [default: cosine]
        format_decay: Decay,
        /// Momentum of sgd, in [0, 1) [default: 0.9]
        format_momentum: f64,
        /// Weight decay, >= 0 [default: 0]
        format_weight_decay: f64,
        /// Rows of its batches, >= 1 [default: 256]
        format_batch_size: usize,
        /// Bring features to mean 0 and deviation 1 first [default: true]
        format_standardize: bool,
    }
}

options! {
    /// How long and in which order.
    TrainingOptions, "Training" {
        /// Passes over the training data, >= 1 [default: 5]
        epochs: u64,
        /// Rows of a batch, >= 2 [default: 256]
        batch_size: usize,
        /// Visit the samples of each epoch in an order of its own, or in that of the file (the authors') [default: true]
        shuffle: bool,
        /// Which weights a block's input comes from [default: jacobi]
        update: UpdateOrder,
        /// What runs at once [default: parallel; gauss-seidel: sequential]
        schedule: Schedule,
        /// Seed of weights, order and built-in data [default: 1]
        seed: u64,
        /// Threads, >= 1 [default: all cores]
        threads: usize,
        /// Save a checkpoint every so many steps, >= 1; of these three, what comes first saves
        checkpoint_steps: u64,
        /// Save a checkpoint every so many epochs, >= 1 [default: 1 if none of the three is given]
        checkpoint_epochs: u64,
        /// Record nHSIC(X, Z), nHSIC(Y, Z), gradient norms and batch accuracy every so many steps; 0 for never
        /// [default: 0; 50 costs under 5 % of back-propagation]
        monitor_steps: u64,
        /// Save a checkpoint so many minutes after the last, > 0
        checkpoint_minutes: f64,
    }
}

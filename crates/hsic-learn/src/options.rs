//! What a user can say of the objective and of each learning rule.

use std::fmt;
use std::str::FromStr;

use hsic::{Approximation, Bottleneck, LabelFit};
use hsic_data::fault::Faults;
use hsic_data::options::options;
use serde::{Deserialize, Serialize};

options! {
    /// What a block is trained for.
    ObjectiveOptions, "Objective" {
        /// Learning method, one of `hsic methods` [default: hsic]
        method: String,
        /// Width of the kernels, in units of the root of the columns, > 0; several, as 1,5,10, train a network each,
        /// whose outputs are averaged before format training [default: 5]
        sigma: Numbers,
        /// Width of the labels' kernel, > 0; of values in units of their deviation [default: sigma]
        sigma_labels: f64,
        /// Weight of nHSIC(Z, Y), >= 0 [default: 500; hsic train of values: 50]
        beta: f64,
        /// Weight of nHSIC(Z, X), >= 0; 0 leaves the term out [default: 1]
        x_weight: f64,
        /// Ridge as a fraction of the batch, > 0 [default: 1e-5]
        epsilon: f64,
        /// How nHSIC(Z, Y) judges the fit to the labels: in-sample, by the rows it is made with, or leave-one-out, each row
        /// by the fit that the others make, which is one minus an error and at most 1 [default: in-sample]
        #[serde(default, with = "as_text")]
        label_fit: LabelFit,
        /// What keeps large batches affordable: exact; blocks:B (mean over B rows at a time), nystroem:R (R landmark
        /// rows), fourier:R (R random waves); their cost grows as the batch, not as its cube [default: exact]
        #[serde(default, with = "as_text")]
        approximation: Approximation,
    }
}

/// The HSIC objective's numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectivePlan {
    /// Width of the kernels of each network; one in the plain case.
    pub sigmas: Vec<f64>,
    /// The numbers, those of the first width.
    pub bottleneck: Bottleneck,
    /// In which form the objective is computed.
    pub approximation: Approximation,
}

impl ObjectiveOptions {
    /// Fills in the defaults and notes what is out of range.
    pub fn resolve(&mut self, faults: &mut Faults) -> ObjectivePlan {
        let usual = Bottleneck::default();
        let sigmas = self.sigma.get_or_insert_with(|| Numbers(vec![usual.sigma])).0.clone();
        faults.check("sigma", "", !sigmas.is_empty(), "a finite number > 0, or several as 1,5,10");
        let sigma = sigmas.first().copied().unwrap_or(usual.sigma);
        let bottleneck = Bottleneck {
            sigma,
            sigma_labels: self.sigma_labels.unwrap_or(sigma),
            epsilon: *self.epsilon.get_or_insert(usual.epsilon),
            beta: *self.beta.get_or_insert(usual.beta),
            x_weight: *self.x_weight.get_or_insert(usual.x_weight),
            label_fit: *self.label_fit.get_or_insert_default(),
        };
        for &sigma in &sigmas {
            faults.positive("sigma", sigma);
        }
        // Where it is not given it is sigma, of which it has been said.
        if let Some(sigma_labels) = self.sigma_labels {
            faults.positive("sigma-labels", sigma_labels);
        }
        faults.positive("epsilon", bottleneck.epsilon);
        faults.not_negative("beta", bottleneck.beta);
        faults.not_negative("x-weight", bottleneck.x_weight);
        let approximation = *self.approximation.get_or_insert_default();
        let fits = approximation.check_fit(bottleneck.label_fit).is_ok();
        faults.check("label-fit", bottleneck.label_fit, fits, "in-sample, or approximation = exact or blocks:B");
        ObjectivePlan { sigmas, bottleneck, approximation }
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
    /// What learning methods other than `hsic` are made of; each reads its own.
    RuleOptions, "Learning rules (each method reads its own: see hsic methods NAME)" {
        /// backprop, feedback-alignment, sign-symmetry: keep the input of every K-th block only and compute the others
        /// again on the way back; auto: the root of the number of blocks [default: keep all]
        recompute: Recompute,
        /// backprop: cut each batch into so many slices and add their gradients up before one step, for less memory, >= 1 and at
        /// most half the rows; batch norm and dropout then go slice by slice [default: 1]
        accumulate: usize,
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
        /// methods with a cross-entropy: share of each row's target that is spread over all classes alike, in [0, 1)
        /// [default: 0]
        label_smoothing: f64,
        /// hsic, hsic-local: weight of the cross-entropy of a linear classifier of each block's own, added to its
        /// objective, >= 0 [default: 0]
        classifier: f64,
        /// dfa, node-perturbation, feedback-alignment, sign-symmetry, difference-target-propagation, dni: every so many
        /// steps compute back-propagation's gradient too and record its cosine with the block's own; 0 for never
        /// [default: 0; dni: 50]
        angle_steps: u64,
        /// node-perturbation: deviation of the noise on activations, > 0 [default: 0.01]
        perturbation: f64,
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
        /// forward-forward: mean square of a unit at which a row is as likely positive as negative, > 0 [default: 0.1, with
        /// --input-norm none 0.02; for square 1]
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

impl RuleOptions {
    /// Steps between comparisons with back-propagation's gradient: none, unless they are given.
    pub(crate) fn angle_steps(&mut self) -> u64 {
        *self.angle_steps.get_or_insert(0)
    }
}

/// Which activations are kept for the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Recompute {
    /// The inputs of every k-th block, k the root of the number of blocks.
    Auto,
    /// The inputs of every k-th block, k >= 1.
    Every(usize),
}

impl fmt::Display for Recompute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Every(blocks) => write!(f, "{blocks}"),
        }
    }
}

impl FromStr for Recompute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let blocks = text.parse().ok().filter(|&blocks: &usize| blocks >= 1);
        blocks.map(Self::Every).ok_or_else(|| "expected auto or a whole number >= 1".to_owned())
    }
}

hsic_data::serde_as_text!(Recompute);

impl Recompute {
    /// Blocks of a segment in a network of so many.
    #[must_use]
    pub fn segment(self, blocks: usize) -> usize {
        match self {
            Self::Auto => (1..blocks).find(|length| length * length >= blocks).unwrap_or(1),
            Self::Every(length) => length.min(blocks),
        }
    }
}

/// Which of the two losses a block learns by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum LocalLoss {
    /// Cross-entropy of the block's classifier.
    Pred,
    /// Matching of similarities.
    Sim,
    /// Both, by weight.
    Both,
}

/// Which kernel compares two samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum PhsicKernel {
    /// The cosine of rows less their own means.
    Cosine,
    /// The Gaussian one.
    Gaussian,
}

/// What a block's nHSIC(Z, X) compares it with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum InputTerm {
    /// The network's input.
    #[default]
    Input,
    /// The block's own input.
    Block,
    /// Nothing: the term is left out.
    None,
}

/// What of its units is a row's goodness, or that of a group of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Goodness {
    /// The sum of their squares.
    Sum,
    /// The mean of their squares.
    Square,
    /// Their mean.
    Mean,
}

impl fmt::Display for Goodness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sum => "sum",
            Self::Square => "square",
            Self::Mean => "mean",
        })
    }
}

/// Where the wrong label of a negative row comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Negatives {
    /// Each wrong label as likely as the others.
    Random,
    /// In proportion to the probability that a softmax layer on the first block gives them.
    Hard,
}

/// What inverses learn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Inverse {
    /// The transposed Jacobian of their block (local difference reconstruction).
    #[default]
    Drl,
    /// The block's input from its output.
    Reconstruct,
}

/// What has a text, in TOML.
mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<V: Display, S: Serializer>(value: &Option<V>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, V, D>(from: D) -> Result<Option<V>, D::Error>
    where
        V: FromStr<Err = String>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map(Some).map_err(D::Error::custom)
    }
}

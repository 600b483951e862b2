//! A learning method by name: what is known of it, what options it has, how it is made.
//!
//! Each method is a file of its own here, whose head is its explanation, and a line in [`METHODS`](crate::methods::METHODS).

pub mod alignment;
pub mod backprop;
pub mod bottleneck;
pub mod bottleneck_local;
pub mod cwc_ff;
pub mod direct_feedback;
pub mod dni;
pub mod feedback_alignment;
pub mod forward_forward;
pub mod frozen;
pub mod greedy;
pub mod mono_forward;
pub mod node_perturbation;
pub mod phsic;
pub mod predsim;
pub mod sign_symmetry;
pub mod softhebb;
pub mod target_propagation;

use std::fmt;
use std::sync::Arc;

use hsic::{Approximation, Bottleneck};
use hsic_data::fault::Faults;
use hsic_data::stage::DataOptions;
use hsic_nn::network::{BlockSpec, HeadStart, LabelStyle, NetworkOptions};
use hsic_nn::optimizer::{Optimizer, OptimizerName, OptimizerOptions};

use crate::engine::Local;
use crate::error::StepError;
use crate::objective::Objective;
use crate::options::{ObjectiveOptions, RuleOptions};
use crate::update::{Schedule, UnitLength, Update, UpdateOrder};

/// What a training says to its method, whatever the method's own options are.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodSettings {
    /// The HSIC objective's numbers.
    pub bottleneck: Bottleneck,
    /// In which form it is computed.
    pub approximation: Approximation,
    /// Classes of the data; 1 where targets are values.
    pub classes: usize,
    /// Seed of what a method draws.
    pub seed: u64,
    /// The optimizer of each block.
    pub optimizer: Optimizer,
    /// Which weights a block's input comes from.
    pub order: UpdateOrder,
    /// What runs at once.
    pub schedule: Schedule,
    /// What learns together.
    pub unit: UnitLength,
    /// How classifiers beside blocks start.
    pub head_start: HeadStart,
}

impl MethodSettings {
    /// The local method of an objective.
    ///
    /// # Errors
    /// None; the result is that of [`Recipe::new`]'s argument.
    pub fn local<O: Objective + 'static>(&self, objective: O) -> Result<Box<dyn Update>, StepError> {
        let local = Local::new(objective, self.optimizer, self.order, self.schedule).in_units(self.unit);
        Ok(Box::new(local.with_heads(self.head_start, self.seed)))
    }
}

/// What the outputs of a trained network mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outputs {
    /// Unit k stands for class k; the output block is linear and trained to name classes.
    Classes,
    /// Each class has a unit, but which is read off training data.
    Units,
    /// They mean nothing by themselves: the class whose label, written over a sample, makes the blocks most active is read.
    Labels,
    /// Nothing names classes before a softmax layer has learned to, on the features of all blocks.
    Features,
}

impl Outputs {
    /// Whether unit k stands for class k, without anything that is learned from the outputs afterwards.
    #[must_use]
    pub fn name_classes(self) -> bool {
        matches!(self, Self::Classes | Self::Labels)
    }
}

/// The options that a method may read, fill in and check before a training: its own and, of other stages, those that it
/// has defaults of its own for.
pub struct Stages<'o> {
    /// Of the data.
    pub data: &'o DataOptions,
    /// Of the network.
    pub network: &'o mut NetworkOptions,
    /// The blocks of a network of one's own; empty for a network by name.
    pub blocks: &'o [BlockSpec],
    /// Of the HSIC objective.
    pub objective: &'o mut ObjectiveOptions,
    /// Of all learning rules; each method reads those that it names.
    pub rule: &'o mut RuleOptions,
    /// Of the optimizer.
    pub optimizer: &'o mut OptimizerOptions,
}

impl Stages<'_> {
    /// Fills in AdamW and its rate where they are not given.
    pub fn adamw(&mut self, rate: f64) {
        self.optimizer.optimizer.get_or_insert(OptimizerName::AdamW);
        self.optimizer.learning_rate.get_or_insert(rate);
    }
}

/// Whether a sample of so many values has room for the label of so many classes, for a method that writes one over it.
///
/// # Errors
/// `Method` if nothing of the sample would be left.
pub fn check_room(method: &'static str, columns: usize, classes: usize) -> Result<(), StepError> {
    if columns > classes {
        return Ok(());
    }
    let found = format!("samples of {columns} values and {classes} classes");
    Err(StepError::Method { method, found, expected: "more values than classes, whose label is written there" })
}

/// Makes a method for a training.
type Make = dyn Fn(&MethodSettings) -> Result<Box<dyn Update>, StepError> + Send + Sync;

/// A method with its options resolved: what remains is to be told of the training.
#[derive(Clone)]
pub struct Recipe {
    make: Arc<Make>,
    label: Option<LabelStyle>,
    blocks_at_once: Option<bool>,
    output_alone: bool,
}

impl Recipe {
    /// A method that `make` makes.
    pub fn new(make: impl Fn(&MethodSettings) -> Result<Box<dyn Update>, StepError> + Send + Sync + 'static) -> Self {
        Self { make: Arc::new(make), label: None, blocks_at_once: None, output_alone: false }
    }

    /// This method, by which the output block learns and no other.
    #[must_use]
    pub fn with_output_alone(mut self) -> Self {
        self.output_alone = true;
        self.with_blocks_at_once(false)
    }

    /// Whether the output block learns and no other.
    #[must_use]
    pub fn output_alone(&self) -> bool {
        self.output_alone
    }

    /// This method, whose options say whether all blocks can be updated at once, whatever is so by default.
    #[must_use]
    pub fn with_blocks_at_once(mut self, at_once: bool) -> Self {
        self.blocks_at_once = Some(at_once);
        self
    }

    /// Whether all blocks can be updated at once with these options; `None` for what [`Method::parallel`] says.
    #[must_use]
    pub fn blocks_at_once(&self) -> Option<bool> {
        self.blocks_at_once
    }

    /// This method, of a network whose samples carry a label.
    #[must_use]
    pub fn with_label(mut self, label: LabelStyle) -> Self {
        self.label = Some(label);
        self
    }

    /// How a label is written over the network's samples, if one is.
    #[must_use]
    pub fn label(&self) -> Option<LabelStyle> {
        self.label
    }

    /// The method for a training.
    ///
    /// # Errors
    /// What the method says of its settings.
    pub fn make(&self, settings: &MethodSettings) -> Result<Box<dyn Update>, StepError> {
        (self.make)(settings)
    }
}

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Recipe");
        debug.field("label", &self.label).field("blocks_at_once", &self.blocks_at_once);
        debug.field("output_alone", &self.output_alone).finish_non_exhaustive()
    }
}

/// A learning method by name.
pub struct Method {
    /// Name on the command line.
    pub name: &'static str,
    /// One line: what it does.
    pub summary: &'static str,
    /// Who published it, where.
    pub reference: &'static str,
    /// What a step costs beside a step of back-propagation, in operations and memory.
    pub cost: &'static str,
    /// The file that it is in: what its head says is its explanation.
    pub source: &'static str,
    /// What the network's outputs mean.
    pub outputs: Outputs,
    /// Whether it learns by the lengths of capsules where a network ends in one for each class: such a network needs no
    /// other output block.
    pub takes_capsules: bool,
    /// Whether it learns values too, where these are the targets; else classes alone.
    pub values: bool,
    /// Whether no gradient travels between blocks.
    pub local: bool,
    /// Whether all blocks can be updated at once after (or during) one forward pass, with the method's defaults.
    pub parallel: bool,
    /// Fields of [`RuleOptions`] that it reads, and those of [`ObjectiveOptions`] that not every method reads.
    pub reads: &'static [&'static str],
    /// Fills in what the method has defaults of its own for, checks its own options and says how it is made with them.
    pub resolve: fn(&mut Stages<'_>, &mut Faults) -> Recipe,
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Method").field(&self.name).finish()
    }
}

impl Method {
    /// A local method of one's own, which learns classes, whose blocks can all learn at once and which has no options but
    /// those of other stages.
    #[must_use]
    pub const fn own(
        name: &'static str,
        summary: &'static str,
        outputs: Outputs,
        resolve: fn(&mut Stages<'_>, &mut Faults) -> Recipe,
    ) -> Self {
        let (reference, cost, source) = ("one's own", "", "");
        let (takes_capsules, values, local, parallel) = (false, false, true, true);
        let reads = &[];
        Self {
            name,
            summary,
            reference,
            cost,
            source,
            outputs,
            takes_capsules,
            values,
            local,
            parallel,
            reads,
            resolve,
        }
    }

    /// Whether it reads the option of a TOML key.
    #[must_use]
    pub fn reads(&self, key: &str) -> bool {
        self.reads.iter().any(|field| field.replace('_', "-") == key)
    }

    /// What the method is and how it works: the doc comment at the head of its file.
    #[must_use]
    pub fn explanation(&self) -> String {
        let lines = self.source.lines().map_while(|line| line.strip_prefix("//!"));
        let text = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
        // Formulas stand in fences, which only a page needs.
        let text = text.filter(|line| !line.starts_with("```")).collect::<Vec<_>>().join("\n");
        // So do links.
        text.replace("[`", "`").replace("`]", "`")
    }
}

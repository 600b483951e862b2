//! The HSIC bottleneck (Ma, Lewis, Kleijn 2020): less of the input, more of the labels.
//!
//! Block i minimizes
//!
//! ```text
//!     L_i = w nHSIC(Z_i, X) - beta nHSIC(Z_i, Y),   nHSIC(U, V) = tr(R_U R_V),   R = Kc (Kc + epsilon m I)^-1
//! ```
//!
//! with Gaussian kernels exp(-D / (2 sigma^2 d)), X the network's input and Y the labels. No label is ever compared with
//! an output unit, so the outputs are not formatted: which unit stands for which class is read off training data, and a
//! softmax layer is trained on the frozen network (`--format-epochs 0` leaves it out). Formulas: [`hsic::objective`]; what
//! keeps large batches affordable (`--approximation`): [`hsic::approximation`].
//!
//! `--x` says what X is: `input` (the paper), `block`, the block's own input, as other implementations have it, or `none`,
//! which leaves the term out (as `--x-weight 0`); on MNIST neither hurts. `--classifier W` adds W times the cross-entropy
//! of a linear classifier that each block has of its own, trained with it. To train the output block itself to name
//! classes, so that the network is the one of back-propagation, take the method `hsic-local`.
//!
//! Targets that are values are learned likewise, Y through the Gaussian kernel of its deviations: `hsic train` takes beta 50,
//! SGD 1e-2 and a dropout of 0.3 for them, and a line of the features of all blocks reads the value.
//!
//! Defaults: SGD 2e-3, beta 500, sigma 5, epsilon 1e-5; with the network `pyramid` AdamW 3e-3, beta 1, x none and
//! classifier 1. Pitfalls: `--sigma-labels` far above 10 leaves nothing to learn from; a block that gives every sample the same row can never leave that point; rows of a batch cost their cube.

use faer::prelude::ReborrowMut;
use faer::{MatMut, MatRef};
use hsic::parts::Parts;
use hsic::scalar::vectorize;
use hsic::sums::{grown, rows_of};
use hsic::{ApproximateOperator, ApproximateWorkspace, Approximation, Bottleneck, Scalar, Terms};
use hsic_data::batch::Batch;
use hsic_data::dataset::Shape;
use hsic_data::fault::Faults;
use hsic_nn::network::{Learner, PYRAMID};
use hsic_nn::optimizer::{Optimizer, OptimizerName};

use super::{Method, MethodSettings, Outputs, Recipe, Stages};
use crate::engine::Local;
use crate::error::{ObjectiveError, StepError};
use crate::objective::classifier::{classify, zero_classifier};
use crate::objective::{Labels, Objective, ObjectiveInParts, Signal, Site};
use crate::options::InputTerm;
use crate::update::{Schedule, UpdateOrder};

/// The method `hsic`.
pub static METHOD: Method = Method {
    name: "hsic",
    summary: "HSIC bottleneck: each block forgets the input and keeps the labels",
    reference: "Ma, Lewis, Kleijn, AAAI 2020, arXiv 1908.01580",
    cost: "no backward chain; m^2 (d + m) a block for its kernel, m rows and d columns; memory of one block in turn",
    source: include_str!("bottleneck.rs"),
    outputs: Outputs::Units,
    takes_capsules: false,
    values: true,
    local: true,
    parallel: true,
    reads: READS,
    resolve: |options, faults| {
        let rule = rule(options, faults);
        Recipe::new(move |settings| settings.local(rule.objective(settings)?))
    },
};

/// Options that the objective reads, in `hsic-local` too.
pub(super) const READS: &[&str] = &[
    "sigma",
    "sigma_labels",
    "beta",
    "x_weight",
    "epsilon",
    "approximation",
    "label_fit",
    "x",
    "classifier",
    "label_smoothing",
];

/// The options that are HSIC's own.
#[derive(Clone, Copy, Debug)]
pub(super) struct HsicRule {
    x: InputTerm,
    classifier: f64,
}

/// What suits the network of images of one's own, where nothing else is given. A convolution sees few pixels, so that what
/// it shares with the whole image says little; its labels, by kernel and by classifier, say what to look for. Chosen on
/// held-out images of three shapes (`docs/results.md`).
fn suit_pictures(options: &mut Stages<'_>) {
    options.rule.x.get_or_insert(InputTerm::None);
    options.rule.classifier.get_or_insert(1.0);
    options.objective.beta.get_or_insert(1.0);
    if matches!(options.optimizer.optimizer, None | Some(OptimizerName::AdamW)) {
        options.adamw(3e-3);
    }
}

/// Defaults and ranges of these options.
pub(super) fn rule(options: &mut Stages<'_>, faults: &mut Faults) -> HsicRule {
    if options.network.model.as_deref() == Some(PYRAMID) {
        suit_pictures(options);
    }
    let x = *options.rule.x.get_or_insert(InputTerm::Input);
    if x == InputTerm::None {
        let weight = *options.objective.x_weight.get_or_insert(0.0);
        faults.check("x-weight", weight, weight == 0.0, "none or 0 with x = none");
    }
    let classifier = *options.rule.classifier.get_or_insert(0.0);
    faults.not_negative("classifier", classifier);
    HsicRule { x, classifier }
}

impl HsicRule {
    /// The objective with these options and a training's settings.
    pub(super) fn objective(self, settings: &MethodSettings) -> Result<HsicObjective, StepError> {
        let objective = HsicObjective::approximate(settings.bottleneck, settings.approximation, settings.seed);
        let objective = objective.map_err(StepError::of_batch)?.comparing(self.x);
        Ok(objective.classifying(self.classifier, settings.classes))
    }
}

/// The HSIC bottleneck with all its numbers, for those who train without names.
///
/// # Examples
/// ```
/// use hsic_learn::method::bottleneck::Hsic;
/// let update = Hsic { classifier: Some((0.5, 10)), ..Hsic::default() }.update()?;
/// # let _: Box<dyn hsic_learn::update::Update> = Box::new(update);
/// # Ok::<(), hsic::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Hsic {
    /// The objective's numbers.
    pub bottleneck: Bottleneck,
    /// In which form it is computed, and the seed of its random numbers, if it has any.
    pub approximation: (Approximation, u64),
    /// What nHSIC(Z, X) compares a block with.
    pub x: InputTerm,
    /// Weight of a linear classifier's cross-entropy beside each block, and its classes; `None` for no classifier.
    pub classifier: Option<(f64, usize)>,
    /// The optimizer of each block.
    pub optimizer: Optimizer,
    /// Which weights a block's input comes from.
    pub order: UpdateOrder,
    /// What runs at once.
    pub schedule: Schedule,
}

impl Default for Hsic {
    /// As `hsic train` has it: SGD without momentum, all blocks at once.
    fn default() -> Self {
        Self {
            bottleneck: Bottleneck::default(),
            approximation: (Approximation::Exact, 0),
            x: InputTerm::Input,
            classifier: None,
            optimizer: Optimizer::sgd(),
            order: UpdateOrder::Jacobi,
            schedule: Schedule::Parallel,
        }
    }
}

impl Hsic {
    /// The method with these numbers.
    ///
    /// # Errors
    /// `Parameter` with the first number out of its range.
    pub fn update(self) -> Result<Local<HsicObjective>, hsic::Error> {
        let (approximation, seed) = self.approximation;
        let objective = HsicObjective::approximate(self.bottleneck, approximation, seed)?.comparing(self.x);
        let (weight, classes) = self.classifier.unwrap_or_default();
        let objective = objective.classifying(weight, classes);
        Ok(Local::new(objective, self.optimizer, self.order, self.schedule))
    }
}

/// The HSIC-bottleneck objective, the same for every block.
#[derive(Clone, Copy, Debug)]
pub struct HsicObjective {
    options: Bottleneck,
    approximation: Approximation,
    seed: u64,
    x: InputTerm,
    /// Weight of a classifier's cross-entropy, and its classes.
    classifier: Option<(f64, usize)>,
}

impl HsicObjective {
    /// With the numbers of `options`.
    ///
    /// # Errors
    /// `Parameter` with the first number out of its range.
    pub fn new(options: Bottleneck) -> Result<Self, hsic::Error> {
        Self::approximate(options, Approximation::Exact, 0)
    }

    /// The objective in a form that is cheaper for large batches; `seed` is that of its random numbers, if it has any.
    ///
    /// # Errors
    /// `Parameter` with the first number out of its range.
    pub fn approximate(options: Bottleneck, approximation: Approximation, seed: u64) -> Result<Self, hsic::Error> {
        options.check()?;
        approximation.check()?;
        Ok(Self { options, approximation, seed, x: InputTerm::Input, classifier: None })
    }

    /// This objective with nHSIC(Z, X) of another X.
    #[must_use]
    pub fn comparing(mut self, x: InputTerm) -> Self {
        self.x = x;
        if x == InputTerm::None {
            self.options.x_weight = 0.0;
        }
        self
    }

    /// This objective with `weight` (0: none) times the cross-entropy of a linear classifier of each block.
    #[must_use]
    pub fn classifying(mut self, weight: f64, classes: usize) -> Self {
        self.classifier = (weight > 0.0).then_some((weight, classes));
        self
    }

    /// The operator of a batch, in the memory of an earlier one.
    fn operator<T: Scalar>(
        &self,
        x: MatRef<'_, T>,
        labels: &Labels,
        earlier: Option<ApproximateOperator<T>>,
        workspace: &mut ApproximateWorkspace<T>,
    ) -> Result<ApproximateOperator<T>, hsic::Error> {
        match earlier {
            Some(mut operator) => {
                operator.fill_of(x, labels.targets(), workspace)?;
                Ok(operator)
            }
            None => ApproximateOperator::of(x, labels.targets(), self.options, self.approximation, self.seed),
        }
    }
}

/// What blocks share of a batch.
#[derive(Clone, Debug)]
pub struct HsicShared<T> {
    /// `None` where each block has one of its own, of its input.
    operator: Option<ApproximateOperator<T>>,
    labels: Labels,
}

/// Memory of one thread.
#[derive(Clone, Debug)]
pub struct HsicScratch<T> {
    workspace: ApproximateWorkspace<T>,
    operator: Option<ApproximateOperator<T>>,
    z: Vec<T>,
    dz: Vec<T>,
    scores: Vec<T>,
}

impl<T: Scalar> Default for HsicScratch<T> {
    fn default() -> Self {
        Self {
            workspace: ApproximateWorkspace::default(),
            operator: None,
            z: Vec::new(),
            dz: Vec::new(),
            scores: Vec::new(),
        }
    }
}

impl<T: Scalar> Objective<T> for HsicObjective {
    type Shared = HsicShared<T>;
    type Scratch = HsicScratch<T>;

    fn reads_input(&self) -> bool {
        self.x == InputTerm::Block
    }

    fn learns_values(&self) -> bool {
        self.classifier.is_none()
    }

    fn learners(&self, _block: usize, _last: bool, shape: Shape) -> Vec<Learner<T>> {
        self.classifier.map(|(_, classes)| zero_classifier(shape.columns(), classes)).into_iter().collect()
    }

    fn in_parts(
        &self,
        _last: bool,
        rows: usize,
        parts: usize,
    ) -> Option<&dyn ObjectiveInParts<T, Shared = Self::Shared, Scratch = Self::Scratch>> {
        // A classifier's loss is of all rows, and so is the operator of a block's own input.
        let by_sums = self.classifier.is_none() && self.x != InputTerm::Block;
        (by_sums && self.approximation.takes_parts(rows, parts)).then_some(self)
    }

    fn prepare(
        &self,
        batch: &Batch<T>,
        earlier: Option<Self::Shared>,
        scratch: &mut Self::Scratch,
    ) -> Result<Self::Shared, ObjectiveError> {
        let (operator, labels) = earlier.map_or((None, None), |shared| (shared.operator, Some(shared.labels)));
        let labels = Labels::of(batch, labels);
        let operator = match self.x {
            InputTerm::Block => None,
            _ => Some(self.operator(batch.matrix(), &labels, operator, &mut scratch.workspace)?),
        };
        Ok(HsicShared { operator, labels })
    }

    fn signal(
        &self,
        shared: &Self::Shared,
        site: Site<'_, T>,
        z: MatRef<'_, T>,
        mut dz: MatMut<'_, T>,
        learners: &mut [Learner<T>],
        scratch: &mut Self::Scratch,
    ) -> Result<Signal, ObjectiveError> {
        let labels = &shared.labels;
        let HsicScratch { workspace, operator: own, z: rows, dz: gradient, scores } = scratch;
        let operator = match &shared.operator {
            Some(operator) => operator,
            None => {
                let operator = self.operator(site.x, &shared.labels, own.take(), workspace)?;
                &*own.insert(operator)
            }
        };
        let terms = operator.evaluate_into(dz.rb_mut(), z, workspace)?;
        let mut loss = terms.loss;
        if let Some(((weight, _), classifier)) = self.classifier.zip(learners.first_mut()) {
            let columns = z.ncols();
            let z = rows_of(z, rows)?;
            let gradient = grown(gradient, z.len());
            loss += weight * classify(classifier, z, labels.told(), weight, scores, gradient);
            let gradient = MatRef::from_row_major_slice(gradient, labels.of_rows.len(), columns);
            vectorize(
                #[inline(always)]
                || faer::zip!(dz.rb_mut(), gradient).for_each(|faer::unzip!(dz, own)| *dz += *own),
            );
        }
        Ok(Signal { loss, ..told(terms) })
    }
}

impl<T: Scalar> ObjectiveInParts<T> for HsicObjective {
    fn signal_in_parts(
        &self,
        shared: &Self::Shared,
        _site: Site<'_, T>,
        z: MatRef<'_, T>,
        dz: MatMut<'_, T>,
        scratch: &mut Self::Scratch,
        parts: &mut dyn Parts<T>,
    ) -> Result<Signal, ObjectiveError> {
        let Some(operator) = &shared.operator else {
            unreachable!("an operator of a block's own input takes no parts")
        };
        Ok(told(operator.evaluate_in_parts(dz, z, &mut scratch.workspace, parts)?))
    }
}

/// The terms by name.
fn told(terms: Terms) -> Signal {
    let named = [("nhsic_x", terms.x), ("nhsic_y", terms.y)];
    Signal { loss: terms.loss, terms: named, gradient_norm: 0.0, dead: terms.dead }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::Bench;

    const VECTOR: Shape = Shape { channels: 4, height: 1, width: 1 };
    const LABELS: [usize; 6] = [0, 1, 0, 1, 1, 0];

    fn objective(x_weight: f64) -> HsicObjective {
        let options =
            Bottleneck { sigma: 1.0, sigma_labels: 1.0, epsilon: 1e-2, beta: 3.0, x_weight, ..Bottleneck::default() };
        HsicObjective::new(options).unwrap()
    }

    fn bench(objective: HsicObjective) -> Bench<HsicObjective> {
        Bench::new(objective, VECTOR, &LABELS, 2)
    }

    #[test]
    fn gradients_with_a_classifier_agree_with_central_differences() {
        for x in [InputTerm::Input, InputTerm::Block, InputTerm::None] {
            bench(objective(0.7).comparing(x).classifying(0.4, 2)).check_gradients(1e-7);
        }
    }

    #[test]
    fn none_leaves_the_term_out_and_a_first_blocks_own_input_is_the_networks() {
        let plain = bench(objective(1.0)).signal();
        assert_eq!(bench(objective(1.0).comparing(InputTerm::None)).signal(), bench(objective(0.0)).signal());
        assert_eq!(bench(objective(1.0).comparing(InputTerm::Block)).signal(), plain);
        assert_eq!(bench(objective(1.0).classifying(0.0, 2)).signal(), plain);
        assert_ne!(bench(objective(0.0)).signal().1, plain.1);
    }
}

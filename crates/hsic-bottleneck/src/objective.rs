//! What one block is trained for: a function of its own activations and of the batch.

pub mod classified;
pub mod cross_entropy;
pub mod hsic;
pub mod margin;

use ::hsic::Scalar;
use ::hsic::scalar::vectorize;
use faer::{MatMut, MatRef};

use crate::batch::Batch;
use crate::dataset::Shape;
use crate::network::{Feature, Learner};

pub use self::classified::Classified;
pub use self::cross_entropy::CrossEntropy;
pub use self::hsic::HsicObjective;
pub use self::margin::Margin;

/// The value of a local objective at one block, by named terms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signal {
    /// What is minimized.
    pub loss: f64,
    /// Its parts (for HSIC: nHSIC(Z, X) and nHSIC(Z, Y)); unused names are empty.
    pub terms: [(&'static str, f64); 2],
    /// Euclidean norm of the gradient with respect to the block's parameters; the trainer of the block fills it in.
    pub gradient_norm: f64,
    /// The block gives one and the same row for every sample and can learn nothing.
    pub dead: bool,
}

/// Euclidean norm, summed in double precision.
pub(crate) fn norm<T: Scalar>(values: &[T]) -> f64 {
    let mut sums = [0.0f64; 32];
    let (chunks, rest) = values.as_chunks::<32>();
    vectorize(
        #[inline(always)]
        || {
            for chunk in chunks {
                for (sum, value) in sums.iter_mut().zip(chunk) {
                    let value = value.to_f64();
                    *sum = value.mul_add(value, *sum);
                }
            }
        },
    );
    let rest = rest.iter().map(|value| value.to_f64() * value.to_f64());
    (sums.iter().sum::<f64>() + rest.sum::<f64>()).sqrt()
}

/// Where in a network an objective is evaluated.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a, T> {
    /// Index of the block, from 0.
    pub block: usize,
    /// Whether no block follows.
    pub last: bool,
    /// Sizes of the block's output as a map.
    pub shape: Shape,
    /// The block's input (m x inputs).
    pub x: MatRef<'a, T>,
}

/// A local learning rule's objective.
pub trait Objective<T: Scalar = f32>: Send + Sync {
    /// Computed once a batch for all blocks.
    type Shared: Send + Sync;
    /// Memory of one thread, used again from call to call.
    type Scratch: Default + Send;

    /// What the objective sees of a block's map; `chosen` is the user's choice.
    fn feature(&self, chosen: Feature) -> Feature {
        chosen
    }

    /// What the rule trains beside a block (number `block`, `last` or not, with outputs of sizes `shape`), with fresh
    /// weights; nothing, unless the rule says otherwise.
    fn learners(&self, _block: usize, _last: bool, _shape: Shape) -> Vec<Learner<T>> {
        Vec::new()
    }

    /// What all blocks share for this batch, in the memory of an earlier batch's.
    ///
    /// # Errors
    /// What [`::hsic::Error`] says of the batch.
    fn prepare(
        &self,
        batch: &Batch<T>,
        earlier: Option<Self::Shared>,
        scratch: &mut Self::Scratch,
    ) -> Result<Self::Shared, ::hsic::Error>;

    /// The objective of a block at its activations `z` (m x d, as [`feature`](Self::feature) shows them), its gradient
    /// dL/dz into `dz`. Gradients of the block's learners are left in them; whoever trains the block steps them with it.
    ///
    /// # Errors
    /// What [`::hsic::Error`] says of `z`.
    fn signal(
        &self,
        shared: &Self::Shared,
        site: Site<'_, T>,
        z: MatRef<'_, T>,
        dz: MatMut<'_, T>,
        learners: &mut [Learner<T>],
        scratch: &mut Self::Scratch,
    ) -> Result<Signal, ::hsic::Error>;
}

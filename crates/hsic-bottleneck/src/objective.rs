//! What one block is trained for: a function of its own activations and of the batch.

pub mod alignment;
pub mod classified;
pub mod classifier;
pub mod cross_entropy;
pub mod cwc_ff;
pub mod goodness;
pub mod greedy;
pub mod hsic;
pub mod hsic_local;
pub mod margin;
pub mod mono_forward;
pub mod phsic;
pub mod predsim;
pub mod similarity;
#[cfg(test)]
mod testing;

use ::hsic::Scalar;
use ::hsic::scalar::vectorize;
use faer::prelude::ReborrowMut;
use faer::{MatMut, MatRef};

use crate::batch::Batch;
use crate::dataset::Shape;
use crate::error::Error;
use crate::network::{Feature, Learner};

pub use self::alignment::Alignment;
pub use self::classified::Classified;
pub use self::cross_entropy::CrossEntropy;
pub use self::greedy::Greedy;
pub use self::hsic::HsicObjective;
pub use self::margin::Margin;
pub use self::mono_forward::MonoForward;
pub use self::phsic::Phsic;
pub use self::predsim::PredSim;

/// The value of a local objective at one block, by named terms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signal {
    /// What is minimized.
    pub loss: f64,
    /// Its parts (for HSIC: nHSIC(Z, X) and nHSIC(Z, Y)); unused names are empty. NaN for one
    /// that was not measured in this step: means are over those that were.
    pub terms: [(&'static str, f64); 2],
    /// Euclidean norm of the gradient with respect to the block's parameters; the trainer of the block fills it in.
    pub gradient_norm: f64,
    /// The block gives one and the same row for every sample and can learn nothing.
    pub dead: bool,
}

/// Euclidean norm, summed in double precision.
pub(crate) fn norm<T: Scalar>(values: &[T]) -> f64 {
    dot(values, values).sqrt()
}

/// Sum of products, in double precision and in 32 chains, whatever the width of the vectors.
pub(crate) fn dot<T: Scalar>(a: &[T], b: &[T]) -> f64 {
    let mut sums = [0.0f64; 32];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<32>(), b.as_chunks::<32>());
    vectorize(
        #[inline(always)]
        || {
            for (a, b) in a.iter().zip(b) {
                for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                    *sum = a.to_f64().mul_add(b.to_f64(), *sum);
                }
            }
        },
    );
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| a.to_f64() * b.to_f64());
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}

/// The first `len` entries of a buffer that grows to its largest use.
pub(crate) fn grown<T: Scalar>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    if buffer.len() < len {
        buffer.resize(len, T::ZERO);
    }
    &mut buffer[..len]
}

/// The entries of `z`, row by row, in memory that is used again.
///
/// # Errors
/// `NotFinite` with the first entry that is no number.
pub(crate) fn rows_of<'b, T: Scalar>(z: MatRef<'_, T>, buffer: &'b mut Vec<T>) -> Result<&'b mut [T], ::hsic::Error> {
    let columns = z.ncols();
    let rows = grown(buffer, z.nrows() * columns);
    match z.transpose().try_as_col_major() {
        Some(lines) => {
            for (index, row) in rows.chunks_exact_mut(columns).enumerate() {
                row.copy_from_slice(lines.col(index).as_slice());
            }
        }
        None => rows.iter_mut().enumerate().for_each(|(i, value)| *value = z[(i / columns, i % columns)]),
    }
    match rows.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(::hsic::Error::NotFinite { argument: "z", row: at / columns, col: at % columns }),
        None => Ok(rows),
    }
}

/// The way back: `rows` into `dz`.
pub(crate) fn write_rows<T: Scalar>(rows: &[T], mut dz: MatMut<'_, T>) {
    let columns = dz.ncols();
    match dz.rb_mut().transpose_mut().try_as_col_major_mut() {
        Some(mut lines) => {
            for (index, row) in rows.chunks_exact(columns).enumerate() {
                lines.rb_mut().col_mut(index).as_slice_mut().copy_from_slice(row);
            }
        }
        None => rows.iter().enumerate().for_each(|(i, &value)| dz[(i / columns, i % columns)] = value),
    }
}

/// Whether all rows are one and the same.
pub(crate) fn rows_are_equal<T: Scalar>(rows: &[T], columns: usize) -> bool {
    rows.chunks_exact(columns).all(|row| row == &rows[..columns])
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

    /// What the rule trains beside a block (number `block`, `last` or not), with fresh weights; nothing, unless the rule
    /// says otherwise. `shape` are the sizes of the block's outputs as [`feature`](Self::feature) shows them.
    fn learners(&self, _block: usize, _last: bool, _shape: Shape) -> Vec<Learner<T>> {
        Vec::new()
    }

    /// Told before the first step how many blocks there are and how many steps training takes.
    fn plan(&mut self, _blocks: usize, _steps: u64) {}

    /// By what the learning rate of a block is multiplied in this step: 1, unless the rule trains blocks in turn. At 0 the
    /// block rests: its signal is told, its gradient not asked for.
    fn pace(&self, _shared: &Self::Shared, _block: usize, _last: bool) -> f64 {
        1.0
    }

    /// Whether the rule can train a block (number `block`, `last` or not, with outputs of sizes `shape`).
    ///
    /// # Errors
    /// `Method` with what it cannot train.
    fn check(&self, _block: usize, _last: bool, _shape: Shape) -> Result<(), Error> {
        Ok(())
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

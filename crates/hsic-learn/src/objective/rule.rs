//! A local rule in its easy form: a function of a block's activations and the labels.

use faer::{MatMut, MatRef};
use hsic_data::batch::Batch;
use hsic_nn::network::Learner;

use super::{Labels, Objective, Signal, Site};
use crate::error::{BoxError, ObjectiveError};

/// What a block is trained for, by its activations and the labels of the batch alone. All else that an [`Objective`] may
/// have (what blocks share, memory that is used again, learners beside a block) has a default here.
///
/// # Examples
/// Rows that lie far from their mean are drawn to it:
/// ```
/// use faer::{MatMut, MatRef};
/// use hsic_learn::error::BoxError;
/// use hsic_learn::objective::{Labels, Rule};
///
/// struct Shrink;
///
/// impl Rule for Shrink {
///     fn signal(&self, _labels: &Labels, z: MatRef<'_, f32>, mut dz: MatMut<'_, f32>) -> Result<f64, BoxError> {
///         let share = 1.0 / z.nrows() as f32;
///         dz.copy_from(z * faer::Scale(share));
///         Ok(0.5 * f64::from(share) * f64::from(z.squared_norm_l2()))
///     }
/// }
/// ```
pub trait Rule: Send + Sync {
    /// The loss of a block at its activations `z` (m x d), its gradient dL/dz into `dz`.
    ///
    /// # Errors
    /// Whatever the rule has to say; training ends with it.
    fn signal(&self, labels: &Labels, z: MatRef<'_, f32>, dz: MatMut<'_, f32>) -> Result<f64, BoxError>;
}

/// An [`Objective`] that is a [`Rule`], the same for every block.
#[derive(Clone, Copy, Debug)]
pub struct ByRule<R>(pub R);

impl<R: Rule> Objective for ByRule<R> {
    type Shared = Labels;
    type Scratch = ();

    fn reads_input(&self) -> bool {
        false
    }

    fn prepare(&self, batch: &Batch, earlier: Option<Labels>, _scratch: &mut ()) -> Result<Labels, ObjectiveError> {
        Ok(Labels::of(batch, earlier))
    }

    fn signal(
        &self,
        labels: &Labels,
        _site: Site<'_, f32>,
        z: MatRef<'_, f32>,
        dz: MatMut<'_, f32>,
        _learners: &mut [Learner],
        _scratch: &mut (),
    ) -> Result<Signal, ObjectiveError> {
        let loss = self.0.signal(labels, z, dz)?;
        if !loss.is_finite() {
            // A value that is no number cannot be told apart from activations that are none.
            return Err(hsic::Error::NotFinite { argument: "loss", row: 0, col: 0 }.into());
        }
        Ok(Signal { loss, ..Signal::default() })
    }
}

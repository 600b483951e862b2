//! The HSIC bottleneck (Ma, Lewis, Kleijn 2020): less of the input, more of the labels.
//!
//! Block i minimizes w nHSIC(Z_i, X) - beta nHSIC(Z_i, Y), X the network's input. Formulas: [`hsic::objective`]; what
//! keeps large batches affordable: [`hsic::approximation`].

use faer::{MatMut, MatRef};
use hsic::{ApproximateOperator, ApproximateWorkspace, Approximation, Bottleneck, Scalar};

use super::{Objective, Signal, Site};
use crate::batch::Batch;
use crate::error::Error;
use crate::network::Learner;
use crate::update::{Local, Method, Outputs};

/// The method `hsic`.
pub static METHOD: Method = Method {
    name: "hsic",
    summary: "HSIC bottleneck: each block forgets the input and keeps the labels",
    reference: "Ma, Lewis, Kleijn, AAAI 2020, arXiv 1908.01580",
    cost: "no backward chain; m^2 (d + m) a block for its kernel, m rows and d columns; memory of one block in turn",
    source: include_str!("hsic.rs"),
    outputs: Outputs::Units,
    local: true,
    parallel: true,
    rates: [5e-4, 1e-3, 2e-3, 4e-3],
    reads: &[],
    settle: |_, _| {},
    build: |settings| {
        let objective = HsicObjective::approximate(settings.bottleneck, settings.approximation, settings.seed);
        let objective = objective.map_err(Error::Batch)?;
        Ok(Box::new(Local::new(objective, settings.optimizer, settings.order, settings.schedule)))
    },
};

/// The HSIC-bottleneck objective, the same for every block.
#[derive(Clone, Copy, Debug)]
pub struct HsicObjective {
    options: Bottleneck,
    approximation: Approximation,
    seed: u64,
}

impl HsicObjective {
    /// With the numbers of `options`.
    ///
    /// # Errors
    /// `Parameter` with the first number out of its range.
    pub fn new(options: Bottleneck) -> Result<Self, hsic::Error> {
        Self::approximate(options, Approximation::Exact, 0)
    }

    /// The same in a form that is cheaper for large batches; `seed` is that of its random numbers, if it has any.
    ///
    /// # Errors
    /// `Parameter` with the first number out of its range.
    pub fn approximate(options: Bottleneck, approximation: Approximation, seed: u64) -> Result<Self, hsic::Error> {
        options.check()?;
        approximation.check()?;
        Ok(Self { options, approximation, seed })
    }
}

impl<T: Scalar> Objective<T> for HsicObjective {
    type Shared = ApproximateOperator<T>;
    type Scratch = ApproximateWorkspace<T>;

    fn prepare(
        &self,
        batch: &Batch<T>,
        earlier: Option<Self::Shared>,
        scratch: &mut Self::Scratch,
    ) -> Result<Self::Shared, hsic::Error> {
        match earlier {
            Some(mut operator) => {
                operator.fill(batch.matrix(), &batch.labels, batch.classes, scratch)?;
                Ok(operator)
            }
            None => {
                let (x, classes) = (batch.matrix(), batch.classes);
                ApproximateOperator::new(x, &batch.labels, classes, self.options, self.approximation, self.seed)
            }
        }
    }

    fn signal(
        &self,
        shared: &Self::Shared,
        _site: Site<'_, T>,
        z: MatRef<'_, T>,
        dz: MatMut<'_, T>,
        _learners: &mut [Learner<T>],
        scratch: &mut Self::Scratch,
    ) -> Result<Signal, hsic::Error> {
        let terms = shared.evaluate_into(dz, z, scratch)?;
        let named = [("nhsic_x", terms.x), ("nhsic_y", terms.y)];
        Ok(Signal { loss: terms.loss, terms: named, gradient_norm: 0.0, dead: terms.dead })
    }
}

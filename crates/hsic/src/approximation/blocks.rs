//! Block HSIC: the mean of the exact objective over parts of the batch.

use faer::prelude::ReborrowMut;
use faer::{MatMut, MatRef};

use crate::error::{Error, check_rows, check_shape};
use crate::objective::{BatchOperator, Bottleneck, Terms, Workspace};
use crate::scalar::Scalar;
use crate::targets::Targets;

/// The operators of a batch's parts.
#[derive(Clone, Debug)]
pub(super) struct Blocks<T> {
    options: Bottleneck,
    /// Rows of a part, at the most.
    size: usize,
    rows: usize,
    /// One for each part of the largest batch so far; this batch has the first `parts`.
    operators: Vec<BatchOperator<T>>,
    parts: usize,
}

impl<T: Scalar> Blocks<T> {
    pub(super) fn new(x: MatRef<'_, T>, targets: Targets<'_>, options: Bottleneck, size: usize) -> Result<Self, Error> {
        let mut blocks = Self { options, size, rows: 0, operators: Vec::new(), parts: 0 };
        blocks.fill(x, targets, &mut Workspace::default())?;
        Ok(blocks)
    }

    pub(super) fn fill(
        &mut self,
        x: MatRef<'_, T>,
        targets: Targets<'_>,
        workspace: &mut Workspace<T>,
    ) -> Result<(), Error> {
        check_shape("x", x, 2)?;
        check_rows("x", x.nrows(), targets.name(), targets.rows())?;
        self.rows = x.nrows();
        // At the least two rows each.
        self.parts = self.rows.div_ceil(self.size).min(self.rows / 2);
        for part in 0..self.parts {
            let (start, len) = self.part(part);
            let (x, targets) = (x.subrows(start, len), targets.part(start, len));
            let located = |error| located(error, start);
            match self.operators.get_mut(part) {
                Some(operator) => operator.fill_of(x, targets, workspace).map_err(located)?,
                None => {
                    self.operators.push(
                        BatchOperator::of(Some(x), targets, self.options, &mut Workspace::default())
                            .map_err(located)?,
                    );
                }
            }
        }
        Ok(())
    }

    /// First row and rows of a part: equal but for one row.
    fn part(&self, part: usize) -> (usize, usize) {
        let start = part * self.rows / self.parts;
        (start, (part + 1) * self.rows / self.parts - start)
    }

    /// Mean over the parts.
    pub(super) fn mean(&self, figure: impl Fn(&BatchOperator<T>) -> f64) -> f64 {
        self.operators[..self.parts].iter().map(figure).sum::<f64>() / self.parts as f64
    }

    pub(super) fn evaluate_into(
        &self,
        mut gradient: MatMut<'_, T>,
        z: MatRef<'_, T>,
        workspace: &mut Workspace<T>,
    ) -> Result<Terms, Error> {
        check_shape("z", z, 2)?;
        check_rows("z", z.nrows(), "the batch", self.rows)?;
        assert_eq!((gradient.nrows(), gradient.ncols()), (z.nrows(), z.ncols()), "the gradient has the shape of z");
        let mut sum = Terms { dead: true, ..Terms::default() };
        for (part, operator) in self.operators[..self.parts].iter().enumerate() {
            let (start, len) = self.part(part);
            let own = gradient.rb_mut().subrows_mut(start, len);
            let terms = operator.evaluate_into(own, z.subrows(start, len), workspace);
            let terms = terms.map_err(|error| located(error, start))?;
            sum.x += terms.x;
            sum.y += terms.y;
            sum.loss += terms.loss;
            sum.dead &= terms.dead;
        }
        if self.parts > 1 {
            let share = 1.0 / self.parts as f64;
            faer::zip!(gradient).for_each(|faer::unzip!(entry)| *entry *= T::of(share));
            (sum.x, sum.y, sum.loss) = (sum.x * share, sum.y * share, sum.loss * share);
        }
        Ok(sum)
    }
}

/// An error of a part with the row of the batch.
fn located(error: Error, start: usize) -> Error {
    match error {
        Error::NotFinite { argument, row, col } => Error::NotFinite { argument, row: row + start, col },
        Error::LabelRange { row, label, classes } => Error::LabelRange { row: row + start, label, classes },
        other => other,
    }
}

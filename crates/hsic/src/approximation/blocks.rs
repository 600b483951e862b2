//! Block HSIC: the mean of the exact objective over parts of the batch.

use faer::prelude::ReborrowMut;
use faer::{MatMut, MatRef};

use crate::error::{Error, check_rows, check_shape};
use crate::objective::{BatchOperator, Bottleneck, Terms, Workspace};
use crate::parts::Parts;
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
        self.parts = count(self.rows, self.size);
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
        Ok(self.averaged(sum, gradient))
    }

    /// The mean of the parts from the sum of their values, and their gradients as parts of the mean's.
    fn averaged(&self, sum: Terms, gradient: MatMut<'_, T>) -> Terms {
        if self.parts == 1 {
            return sum;
        }
        let share = 1.0 / self.parts as f64;
        faer::zip!(gradient).for_each(|faer::unzip!(entry)| *entry *= T::of(share));
        Terms { x: sum.x * share, y: sum.y * share, loss: sum.loss * share, ..sum }
    }

    /// The value, and the gradient of the rows that this process has, whose operators are those of its own parts.
    pub(super) fn evaluate_in_parts(
        &self,
        mut gradient: MatMut<'_, T>,
        z: MatRef<'_, T>,
        workspace: &mut Workspace<T>,
        parts: &mut dyn Parts<T>,
    ) -> Result<Terms, Error> {
        assert!(takes_parts(self.rows, self.size, parts.count()), "each part has as many blocks");
        let (own, each) = (parts.own(), self.parts / parts.count());
        let first = self.part(own.start * each).0;
        let mut told = vec![T::ZERO; NUMBERS * self.parts];
        let mut failure = None;
        for part in own.start * each..own.end * each {
            let (start, len) = self.part(part);
            let to = gradient.rb_mut().subrows_mut(start - first, len);
            match self.operators[part].evaluate_into(to, z.subrows(start - first, len), workspace) {
                Ok(Terms { x, y, loss, dead }) => {
                    let [x, y, loss] = [x, y, loss].map(halves);
                    told[part * NUMBERS..][..NUMBERS].copy_from_slice(&[
                        x[0],
                        x[1],
                        y[0],
                        y[1],
                        loss[0],
                        loss[1],
                        if dead { T::ONE } else { T::ZERO },
                    ]);
                }
                // The others hear of it, so that none of them waits for this process.
                Err(error) => {
                    told[part * NUMBERS..][..NUMBERS].fill(T::of(f64::NAN));
                    failure = failure.or(Some(located(error, start)));
                }
            }
        }
        parts.gather(self.parts, &mut told);
        if let Some(error) = failure {
            return Err(error);
        }
        let mut sum = Terms { dead: true, ..Terms::default() };
        for (part, told) in told.chunks_exact(NUMBERS).enumerate() {
            let number = |index: usize| told[index].to_f64() + told[index + 1].to_f64();
            if !told[6].is_finite() {
                return Err(Error::NotFinite { argument: "z", row: self.part(part).0, col: 0 });
            }
            sum.x += number(0);
            sum.y += number(2);
            sum.loss += number(4);
            sum.dead &= told[6] == T::ONE;
        }
        Ok(self.averaged(sum, gradient))
    }
}

/// Into how many a batch of so many rows is cut, `size` rows each at the most and two at the least.
fn count(rows: usize, size: usize) -> usize {
    rows.div_ceil(size).min(rows / 2)
}

/// Whether each of `parts` parts of a batch of so many rows has the same number of these, and nothing of another one.
pub(super) fn takes_parts(rows: usize, size: usize, parts: usize) -> bool {
    count(rows, size).is_multiple_of(parts) && rows.is_multiple_of(parts)
}

/// Numbers by which processes tell each other the value of a part: x, y and the loss in two each, and whether it is dead.
const NUMBERS: usize = 7;

/// A number as the sum of two of another type, which together have twice its digits.
fn halves<T: Scalar>(value: f64) -> [T; 2] {
    let high = T::of(value);
    [high, T::of(value - high.to_f64())]
}

/// An error of a part with the row of the batch.
fn located(error: Error, start: usize) -> Error {
    match error {
        Error::NotFinite { argument, row, col } => Error::NotFinite { argument, row: row + start, col },
        Error::LabelRange { row, label, classes } => Error::LabelRange { row: row + start, label, classes },
        other => other,
    }
}

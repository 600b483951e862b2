//! What keeps a large batch affordable: the objective of [`crate::objective`] in less than m^3.
//!
//! L(Z) = w nHSIC(Z, X) - beta nHSIC(Z, Y) is a trace of m x m matrices. Each form here puts another kernel matrix in
//! the place of K_Z (and of K_X), and returns the exact gradient of *that* objective, so that its steps go down it:
//!
//! | form | in the place of K | operations of one block, X term on | without it |
//! | --- | --- | --- | --- |
//! | exact | K itself | 2.7 m^3 + 3 m^2 d | 1.3 m^3 + 3 m^2 d |
//! | blocks of b | K of b rows at a time, mean of m/b objectives | 2.7 m b^2 + 3 m b d | 1.3 m b^2 + 3 m b d |
//! | Nystroem of r | C W^-1 C', the kernel as r landmark rows know it | 9 m r^2 + 6 m r d | 3 m r^2 + 6 m r d |
//! | Fourier of r | mean of r/2 waves cos(w . (z - z')) | 7 m r^2 + 2 m r d | m r^2 + 2 m r d |
//!
//! - **Blocks**: consecutive rows of a batch that is shuffled already. nHSIC(Z, Y) <= C - 1 whatever the rows, so the
//!   mean has the size of the exact objective and the same learning rate serves. Parts differ by one row at the most: a
//!   remainder would weigh as much as a whole part, and its few rows many times as much as theirs.
//! - **Nystroem** (Williams & Seeger 2001; Drineas & Mahoney 2005): landmarks are the batch's first r rows, other rows
//!   in each step since batches are shuffled. The gradient goes through the landmarks too. r = m is exact but
//!   for a jitter of a thousandth of the ridge.
//! - **Fourier** (Rahimi & Recht 2007): frequencies are fixed by the seed and the number of columns, for the whole run.
//!   So every step goes down one and the same function, and a run that is taken up again needs to know no step number.
//!   The error falls as 1/sqrt(r).
//!
//! Formulas of the two low-rank forms: `approximation/features.rs`, `nystroem.rs`, `fourier.rs`.

mod blocks;
mod features;
mod fourier;
mod nystroem;

use std::fmt;
use std::str::FromStr;

use faer::{Mat, MatMut, MatRef};

use crate::error::Error;
use crate::objective::{BatchOperator, Bottleneck, Evaluation, LabelFit, Terms, Workspace};
use crate::parts::Parts;
use crate::scalar::Scalar;
use crate::targets::Targets;

use blocks::Blocks;
use features::{FeatureOperator, Map, Memory};

/// In which form the objective is computed. As text: `exact`, `blocks:256`, `nystroem:128`, `fourier:128`.
///
/// # Examples
/// ```
/// use hsic::Approximation;
/// assert_eq!("nystroem:128".parse(), Ok(Approximation::Nystroem(128)));
/// assert_eq!(Approximation::Blocks(256).to_string(), "blocks:256");
/// assert!("fourier:7".parse::<Approximation>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approximation {
    /// All m rows at once.
    #[default]
    Exact,
    /// Mean over parts of so many rows at the most, >= 2.
    Blocks(usize),
    /// So many landmark rows, >= 2; a batch of fewer rows takes all of them.
    Nystroem(usize),
    /// So many features, an even number >= 2: sine and cosine of half as many frequencies.
    Fourier(usize),
}

impl Approximation {
    /// Checks the number.
    ///
    /// # Errors
    /// `Parameter` if it is out of its range.
    pub fn check(self) -> Result<(), Error> {
        let (name, value, valid, expected) = match self {
            Self::Exact => return Ok(()),
            Self::Blocks(rows) => ("rows of blocks", rows, rows >= 2, "a whole number >= 2"),
            Self::Nystroem(landmarks) => ("landmarks", landmarks, landmarks >= 2, "a whole number >= 2"),
            Self::Fourier(features) => {
                ("Fourier features", features, features >= 2 && features.is_multiple_of(2), "an even number >= 2")
            }
        };
        if valid { Ok(()) } else { Err(Error::Parameter { name, value: value as f64, expected }) }
    }
}

impl Approximation {
    /// Whether a batch of so many rows can come in so many parts, of which sums are enough
    /// ([`ApproximateOperator::evaluate_in_parts`]): of Fourier features, and of blocks where each part has as many of these.
    #[must_use]
    pub fn takes_parts(self, rows: usize, count: usize) -> bool {
        match self {
            Self::Exact | Self::Nystroem(_) => false,
            Self::Blocks(size) => blocks::takes_parts(rows, size, count),
            Self::Fourier(_) => true,
        }
    }

    /// Checks that a fit to the labels can be had in this form.
    ///
    /// # Errors
    /// `LeaveOneOut` for one row left out at a time in a form that is not made of the kernel itself.
    pub fn check_fit(self, fit: LabelFit) -> Result<(), Error> {
        match self {
            Self::Nystroem(_) if fit == LabelFit::LeaveOneOut => Err(Error::LeaveOneOut { approximation: "nystroem" }),
            Self::Fourier(_) if fit == LabelFit::LeaveOneOut => Err(Error::LeaveOneOut { approximation: "fourier" }),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Approximation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => write!(f, "exact"),
            Self::Blocks(rows) => write!(f, "blocks:{rows}"),
            Self::Nystroem(landmarks) => write!(f, "nystroem:{landmarks}"),
            Self::Fourier(features) => write!(f, "fourier:{features}"),
        }
    }
}

impl FromStr for Approximation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = match text.split_once(':') {
            None => (text == "exact").then_some(Self::Exact),
            Some((name, number)) => number.parse().ok().and_then(|number| match name {
                "blocks" => Some(Self::Blocks(number)),
                "nystroem" => Some(Self::Nystroem(number)),
                "fourier" => Some(Self::Fourier(number)),
                _ => None,
            }),
        };
        parsed.filter(|form| form.check().is_ok()).ok_or_else(|| {
            "expected exact, blocks:B with B >= 2, nystroem:R with R >= 2, or fourier:R with an even R >= 2".to_owned()
        })
    }
}

/// Memory that evaluations use again; one for each thread. Grows to the largest batch it has met.
#[derive(Clone, Debug)]
pub struct ApproximateWorkspace<T> {
    exact: Workspace<T>,
    features: Memory<T>,
}

impl<T: Scalar> Default for ApproximateWorkspace<T> {
    fn default() -> Self {
        Self { exact: Workspace::default(), features: Memory::default() }
    }
}

/// What all blocks share of one batch, in any [`Approximation`].
#[derive(Clone, Debug)]
pub struct ApproximateOperator<T>(Form<T>);

#[derive(Clone, Debug)]
enum Form<T> {
    Exact(BatchOperator<T>),
    Blocks(Blocks<T>),
    Features(FeatureOperator<T>),
}

impl<T: Scalar> ApproximateOperator<T> {
    /// Builds the operator of a batch.
    ///
    /// # Arguments
    /// - `x`: m x p, the network's input; `labels`: the class of each row, below `classes`.
    /// - `seed`: of the frequencies of `Fourier`; the other forms draw nothing.
    ///
    /// # Errors
    /// As [`BatchOperator::new`], and `Parameter` for a number of `approximation` out of its range.
    ///
    /// # Cost
    /// That of the X term, with p columns: p m^2 + 5/3 m^3 operations (exact), p m b + 5/3 m b^2 (blocks),
    /// 2 p m r + 4 m r^2 (Nystroem), p m r + 2 m r^2 (Fourier); without the X term O(m C).
    ///
    /// # Examples
    /// ```
    /// use faer::mat;
    /// use hsic::{ApproximateOperator, Approximation, Bottleneck};
    /// let x = mat![[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.25], [0.25, 0.75]];
    /// let z = mat![[0.1], [0.9], [0.2], [1.1], [0.6], [0.3]];
    /// let options = Bottleneck { sigma: 1.0, sigma_labels: 1.0, ..Bottleneck::default() };
    /// let labels = [0, 1, 0, 1, 1, 0];
    /// let all_rows = Approximation::Nystroem(6);
    /// let operator = ApproximateOperator::<f64>::new(x.as_ref(), &labels, 2, options, all_rows, 0)?;
    /// // The exact value is 0.9397110494; the landmarks' jitter moves it.
    /// assert!((operator.evaluate(z.as_ref())?.terms.y - 0.9397110494).abs() < 1e-3);
    /// # Ok::<(), hsic::Error>(())
    /// ```
    pub fn new(
        x: MatRef<'_, T>,
        labels: &[usize],
        classes: usize,
        options: Bottleneck,
        approximation: Approximation,
        seed: u64,
    ) -> Result<Self, Error> {
        Self::of(x, Targets::Classes { labels, classes }, options, approximation, seed)
    }

    /// Builds the operator of a batch whose targets are classes or values.
    ///
    /// # Errors
    /// As [`ApproximateOperator::new`].
    ///
    /// # Cost
    /// That of [`ApproximateOperator::new`]; for values O(m r^2) in the place of O(m C): see
    /// [`LabelFactor::of`](crate::LabelFactor::of).
    pub fn of(
        x: MatRef<'_, T>,
        targets: Targets<'_>,
        options: Bottleneck,
        approximation: Approximation,
        seed: u64,
    ) -> Result<Self, Error> {
        options.check()?;
        approximation.check()?;
        approximation.check_fit(options.label_fit)?;
        let features = |map| FeatureOperator::new(x, targets, options, map);
        Ok(Self(match approximation {
            Approximation::Exact => {
                Form::Exact(BatchOperator::of(Some(x), targets, options, &mut Workspace::default())?)
            }
            Approximation::Blocks(rows) => Form::Blocks(Blocks::new(x, targets, options, rows)?),
            Approximation::Nystroem(landmarks) => Form::Features(features(Map::Nystroem { landmarks })?),
            Approximation::Fourier(count) => Form::Features(features(Map::Fourier { pairs: count / 2, seed })?),
        }))
    }

    /// Makes this the operator of the next batch, in the memory of this one.
    ///
    /// # Errors
    /// As [`ApproximateOperator::new`].
    pub fn fill(
        &mut self,
        x: MatRef<'_, T>,
        labels: &[usize],
        classes: usize,
        workspace: &mut ApproximateWorkspace<T>,
    ) -> Result<(), Error> {
        self.fill_of(x, Targets::Classes { labels, classes }, workspace)
    }

    /// Makes this the operator of the next batch, of classes or values, in the memory of this one.
    ///
    /// # Errors
    /// As [`ApproximateOperator::new`].
    pub fn fill_of(
        &mut self,
        x: MatRef<'_, T>,
        targets: Targets<'_>,
        workspace: &mut ApproximateWorkspace<T>,
    ) -> Result<(), Error> {
        match &mut self.0 {
            Form::Exact(operator) => operator.fill_of(x, targets, &mut workspace.exact),
            Form::Blocks(blocks) => blocks.fill(x, targets, &mut workspace.exact),
            Form::Features(operator) => operator.fill(x, targets, &mut workspace.features),
        }
    }

    /// The least upper bound of nHSIC(Z, Y): tr R_Y (blocks: its mean over them).
    #[must_use]
    pub fn label_trace(&self) -> f64 {
        match &self.0 {
            Form::Exact(operator) => operator.labels().trace(),
            Form::Blocks(blocks) => blocks.mean(|operator| operator.labels().trace()),
            Form::Features(operator) => operator.labels().trace(),
        }
    }

    /// The least upper bound of nHSIC(Z, X): tr R_X of the approximated R_X (blocks: its mean); 0 if the X term is off.
    #[must_use]
    pub fn x_trace(&self) -> f64 {
        match &self.0 {
            Form::Exact(operator) => operator.x_trace(),
            Form::Blocks(blocks) => blocks.mean(BatchOperator::x_trace),
            Form::Features(operator) => operator.x_trace(),
        }
    }

    /// Value of the approximated objective for a batch in parts, and its gradient at this process's own rows `z` into
    /// `gradient`. Other processes hear of sums alone: of Fourier features of r x r and r x n numbers a part, n the columns of the
    /// labels' factor and with the X term r more; of blocks of their values.
    ///
    /// # Errors
    /// As [`ApproximateOperator::evaluate_into`], in all processes.
    ///
    /// # Panics
    /// If the form does not [take](Approximation::takes_parts) these parts.
    pub fn evaluate_in_parts(
        &self,
        gradient: MatMut<'_, T>,
        z: MatRef<'_, T>,
        workspace: &mut ApproximateWorkspace<T>,
        parts: &mut dyn Parts<T>,
    ) -> Result<Terms, Error> {
        match &self.0 {
            Form::Exact(_) => panic!("a form that is made of all rows takes no parts"),
            Form::Blocks(blocks) => blocks.evaluate_in_parts(gradient, z, &mut workspace.exact, parts),
            Form::Features(operator) => operator.evaluate_in_parts(gradient, z, &mut workspace.features, parts),
        }
    }

    /// Value and gradient at `z` (m x d).
    ///
    /// # Errors
    /// As [`ApproximateOperator::evaluate_into`].
    pub fn evaluate(&self, z: MatRef<'_, T>) -> Result<Evaluation<T>, Error> {
        let mut gradient = Mat::zeros(z.nrows(), z.ncols());
        let terms = self.evaluate_into(gradient.as_mut(), z, &mut ApproximateWorkspace::default())?;
        Ok(Evaluation { terms, gradient })
    }

    /// Value and gradient of the approximated objective at `z` (m x d), the gradient into `gradient` (m x d).
    ///
    /// # Errors
    /// As [`BatchOperator::evaluate_into`].
    ///
    /// # Panics
    /// If `gradient` has not the shape of `z`.
    ///
    /// # Cost
    /// See the table of [`crate::approximation`]; memory 4 b^2 (blocks) or about 4 m r (the others) numbers.
    pub fn evaluate_into(
        &self,
        gradient: MatMut<'_, T>,
        z: MatRef<'_, T>,
        workspace: &mut ApproximateWorkspace<T>,
    ) -> Result<Terms, Error> {
        match &self.0 {
            Form::Exact(operator) => operator.evaluate_into(gradient, z, &mut workspace.exact),
            Form::Blocks(blocks) => blocks.evaluate_into(gradient, z, &mut workspace.exact),
            Form::Features(operator) => operator.evaluate_into(gradient, z, &mut workspace.features),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_out_and_come_back() {
        for form in
            [Approximation::Exact, Approximation::Blocks(2), Approximation::Nystroem(128), Approximation::Fourier(64)]
        {
            assert_eq!(form.to_string().parse(), Ok(form));
        }
        for wrong in
            ["", "blocks", "blocks:", "blocks:1", "nystroem:1", "nystroem:-3", "fourier:0", "fourier:65", "exact:2"]
        {
            let error = wrong.parse::<Approximation>().unwrap_err();
            assert!(error.starts_with("expected exact, blocks:B"), "{wrong}: {error}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let error = Approximation::Fourier(7).check().unwrap_err();
        assert_eq!(error, Error::Parameter { name: "Fourier features", value: 7.0, expected: "an even number >= 2" });
        assert!(Approximation::Blocks(1).check().is_err() && Approximation::Nystroem(0).check().is_err());
    }
}

//! The loss of capsules that stand for classes (Sabour, Frosst, Hinton 2017): long where the class is, short elsewhere,
//! and enough in the right one to draw the input again.
//!
//! L = sum_k T_k max(0, 0.9 - |v_k|)^2 + 0.5 (1 - T_k) max(0, |v_k| - 0.1)^2 + w |x - decoder(v of the class)|^2,
//!
//! the mean over the batch; T_k = 1 for the sample's class, else 0; w = 0.0005. The squares of the reconstruction are
//! summed over the values of the input. The decoder (512, 1024, then as many values as the input has; relu, relu,
//! sigmoid) sees all capsules but the class's own as 0, and is trained with the network.
//!
//! The authors' code halves the margins' part and takes its mean over the classes, which makes the reconstruction weigh
//! 20 times as much as the formula says (ten classes): w = 0.01 here.

use faer::{MatMut, MatRef};
use hsic::Scalar;
use hsic::random::Stream;
use hsic::sums::grown;
use hsic_data::batch::Batch;
use hsic_data::dataset::Shape;
use hsic_nn::network::capsule::length;
use hsic_nn::network::{Activation, Dense, Learner, Norm};

use super::{Labels, Objective, Signal, Site};
use crate::error::ObjectiveError;

/// Length that the class's own capsule should have at least.
const LONG: f64 = 0.9;

/// Length that other capsules should have at the most.
const SHORT: f64 = 0.1;

/// Weight of other capsules.
const OTHERS: f64 = 0.5;

/// Units of the decoder before its outputs.
const DECODER: [usize; 2] = [512, 1024];

/// Weight of the reconstruction.
pub(crate) const WEIGHT: f64 = 5e-4;

/// The layers of a decoder from `inputs` values of all capsules to `outputs` values, with fresh weights.
#[must_use]
pub fn decoder<T: Scalar>(inputs: usize, outputs: usize, seed: u64) -> [Dense<T>; 3] {
    let sizes = [(inputs, DECODER[0]), (DECODER[0], DECODER[1]), (DECODER[1], outputs)];
    let mut index = 0;
    sizes.map(|(from, to)| {
        let mut stream = Stream::new(seed, "decoder", index);
        index += 1;
        let activation = if index < 3 { Activation::Relu } else { Activation::Sigmoid };
        Dense::new(from, to, activation, Norm::None, &mut stream)
    })
}

/// Sets all capsules of `dimensions` values to 0 but one in each row.
pub fn mask<T: Scalar>(dimensions: usize, kept: &[usize], capsules: &mut [T]) {
    for (row, &kept) in capsules.chunks_exact_mut(capsules.len() / kept.len()).zip(kept) {
        row[..kept * dimensions].fill(T::ZERO);
        row[(kept + 1) * dimensions..].fill(T::ZERO);
    }
}

/// Margins and reconstruction, for a last block of capsules.
#[derive(Clone, Copy, Debug)]
pub struct Margin {
    dimensions: usize,
    columns: usize,
    weight: f64,
    seed: u64,
}

/// The labels, and the input that is to be drawn again.
pub struct MarginShared<T> {
    labels: Labels,
    x: Vec<T>,
}

/// Memory of one thread.
#[derive(Default)]
pub struct MarginScratch<T> {
    v: Vec<T>,
    dv: Vec<T>,
    dy: Vec<T>,
    hidden: [Vec<T>; 2],
    masked: Vec<T>,
}

impl Margin {
    /// For capsules of `dimensions` values and inputs of `columns`; without a decoder if `weight` is 0. The decoder's
    /// weights follow from the seed.
    #[must_use]
    pub fn new(dimensions: usize, columns: usize, weight: f64, seed: u64) -> Self {
        Self { dimensions, columns, weight, seed }
    }

    /// The margins' part, the mean over the rows, and its gradient.
    fn margins<T: Scalar>(&self, labels: &[usize], v: &[T], dv: &mut [T]) -> f64 {
        let share = 1.0 / labels.len() as f64;
        let capsules = v.len() / self.dimensions / labels.len();
        let (v, dv) = (v.chunks_exact(self.dimensions), dv.chunks_exact_mut(self.dimensions));
        let mut loss = 0.0;
        for (index, (v, dv)) in v.zip(dv).enumerate() {
            let length = length(v).to_f64();
            let (weight, over) = match labels[index / capsules] == index % capsules {
                true => (1.0, (length - LONG).min(0.0)),
                false => (OTHERS, (length - SHORT).max(0.0)),
            };
            loss += weight * over * over;
            // A capsule of length 0 has no direction in which it could grow.
            let slope = if length > 0.0 { 2.0 * share * weight * over / length } else { 0.0 };
            dv.iter_mut().zip(v).for_each(|(dv, &v)| *dv = T::of(slope) * v);
        }
        loss * share
    }
}

impl<T: Scalar> Objective<T> for Margin {
    type Shared = MarginShared<T>;
    type Scratch = MarginScratch<T>;

    fn learners(&self, _block: usize, last: bool, shape: Shape) -> Vec<Learner<T>> {
        if !last || self.weight == 0.0 {
            return Vec::new();
        }
        decoder(shape.columns(), self.columns, self.seed).map(|layer| Learner::shared(Box::new(layer))).into()
    }

    fn prepare(
        &self,
        batch: &Batch<T>,
        earlier: Option<Self::Shared>,
        _scratch: &mut Self::Scratch,
    ) -> Result<Self::Shared, ObjectiveError> {
        let (labels, mut x) = earlier.map_or((None, Vec::new()), |shared| (Some(shared.labels), shared.x));
        x.clone_from(&batch.x);
        Ok(MarginShared { labels: Labels::of(batch, labels), x })
    }

    fn signal(
        &self,
        shared: &Self::Shared,
        _site: Site<'_, T>,
        z: MatRef<'_, T>,
        mut dz: MatMut<'_, T>,
        learners: &mut [Learner<T>],
        scratch: &mut Self::Scratch,
    ) -> Result<Signal, ObjectiveError> {
        let (m, columns) = (z.nrows(), z.ncols());
        let labels = &shared.labels.of_rows[..];
        let MarginScratch { v, dv, dy, hidden, masked } = scratch;
        let (v, dv) = (grown(v, m * columns), grown(dv, m * columns));
        for (i, v) in v.iter_mut().enumerate() {
            *v = z[(i / columns, i % columns)];
        }
        if let Some(at) = v.iter().position(|value| !value.is_finite()) {
            let (row, col) = (at / columns, at % columns);
            return Err(hsic::Error::NotFinite { argument: "z", row, col }.into());
        }
        let margin = self.margins(labels, v, dv);
        let mut reconstruction = 0.0;
        if let [first, second, third] = learners {
            mask(self.dimensions, labels, v);
            let one = first.forward(m, v);
            let two = second.forward(m, one);
            let drawn = third.forward(m, two);
            let dy = grown(dy, drawn.len());
            let share = self.weight / m as f64;
            for ((dy, &y), &x) in dy.iter_mut().zip(drawn).zip(&shared.x) {
                let over = y - x;
                reconstruction += share * over.to_f64() * over.to_f64();
                *dy = T::of(2.0 * share) * over;
            }
            let [d_one, d_two] = hidden;
            let (d_one, d_two) = (grown(d_one, one.len()), grown(d_two, two.len()));
            let masked = grown(masked, v.len());
            third.backward(m, two, dy, Some(d_two));
            second.backward(m, one, d_two, Some(d_one));
            first.backward(m, v, d_one, Some(masked));
            mask(self.dimensions, labels, masked);
            dv.iter_mut().zip(masked).for_each(|(dv, &mut masked)| *dv += masked);
        }
        for (i, &dv) in dv.iter().enumerate() {
            dz[(i / columns, i % columns)] = dv;
        }
        let terms = [("margin", margin), ("reconstruction", reconstruction)];
        Ok(Signal { loss: margin + reconstruction, terms, ..Signal::default() })
    }
}

#[cfg(test)]
mod tests {
    use hsic_nn::network::Block;

    use super::*;

    const M: usize = 4;
    const COLUMNS: usize = 6;

    /// Loss, dL/dz and the decoder of `seed` with its gradients, for 3 capsules of 2 values.
    fn signal(z: &[f64], weight: f64) -> (Signal, Vec<f64>, Vec<Learner<f64>>) {
        let margin = Margin::new(2, COLUMNS, weight, 3);
        let mut learners = margin.learners(0, true, Shape { channels: 6, height: 1, width: 1 });
        with(z, margin, &mut learners, &[2, 0, 1, 1])
            .map(|(signal, dz)| (signal, dz, learners))
            .expect("finite capsules")
    }

    fn with(
        z: &[f64],
        margin: Margin,
        learners: &mut [Learner<f64>],
        labels: &[usize],
    ) -> Result<(Signal, Vec<f64>), ObjectiveError> {
        let x = (0..M * COLUMNS).map(|i| (i as f64 * 0.7).sin().abs()).collect();
        let batch = Batch {
            x,
            columns: COLUMNS,
            labels: labels.to_vec(),
            classes: 3,
            values: Vec::new(),
            smoothing: 0.0,
            step: 0,
        };
        let mut scratch = MarginScratch::default();
        let shared = margin.prepare(&batch, None, &mut scratch)?;
        let mut dz = vec![f64::NAN; z.len()];
        let (zm, dm) = (MatRef::from_row_major_slice(z, M, 6), MatMut::from_row_major_slice_mut(&mut dz, M, 6));
        let shape = Shape { channels: 6, height: 1, width: 1 };
        let site = Site { block: 0, last: true, shape, x: zm };
        let signal = margin.signal(&shared, site, zm, dm, learners, &mut scratch)?;
        Ok((signal, dz))
    }

    fn capsules() -> Vec<f64> {
        let mut stream = Stream::new(2, "margin", 0);
        (0..M * 6).map(|_| 0.5 * stream.normal()).collect()
    }

    #[test]
    fn the_decoder_of_the_published_network_has_its_numbers() {
        let layers = decoder::<f32>(160, 784, 1);
        assert_eq!(layers.iter().map(|layer| layer.parameters().len()).sum::<usize>(), 1_411_344);
    }

    #[test]
    fn margins_cost_what_the_formula_says() {
        // Lengths 0.5, 0.3 and 0 with the first the right one: 0.4^2 + 0.5 * 0.2^2; no more to lose beyond the margins.
        let row = [0.3, 0.4, 0.0, 0.3, 0.0, 0.0];
        let (signal, dz) = with(&row.repeat(M), Margin::new(2, COLUMNS, 0.0, 1), &mut [], &[0; M]).unwrap();
        assert!((signal.loss - (0.16 + 0.02)).abs() < 1e-15);
        // -2 * 0.4 * (0.6, 0.8) and 0.2 * (0, 1), a fourth of each.
        for (found, expected) in dz.iter().zip([-0.12, -0.16, 0.0, 0.05, 0.0, 0.0]) {
            assert!((found - expected).abs() < 1e-15, "{dz:?}");
        }
        let row = [0.95, 0.0, 0.0, 0.05, 0.0, 0.0];
        let (signal, dz) = with(&row.repeat(M), Margin::new(2, COLUMNS, 0.0, 1), &mut [], &[0; M]).unwrap();
        assert_eq!((signal.loss, dz), (0.0, vec![0.0; M * 6]));
    }

    #[test]
    fn gradients_of_capsules_and_decoder_agree_with_central_differences() {
        let (mut z, weight, h) = (capsules(), 0.3, 1e-6);
        let (signal_of_z, dz, mut learners) = signal(&z, weight);
        assert!(signal_of_z.terms[1].1 > 0.1 && signal_of_z.terms[0].1 > 0.1);
        for i in 0..z.len() {
            let kept = z[i];
            z[i] = kept + h;
            let up = signal(&z, weight).0.loss;
            z[i] = kept - h;
            let down = signal(&z, weight).0.loss;
            z[i] = kept;
            // Cancellation 1e-16 / h and truncation h^2.
            assert!((dz[i] - (up - down) / (2.0 * h)).abs() < 1e-8, "{i}");
        }
        let gradients: Vec<Vec<f64>> = learners.iter().map(|learner| learner.gradient().to_vec()).collect();
        let margin = Margin::new(2, COLUMNS, weight, 3);
        for (layer, gradient) in gradients.iter().enumerate() {
            for i in (0..gradient.len()).step_by(gradient.len() / 11) {
                let mut at = |change: f64| {
                    learners[layer].block_mut().parameters_mut()[i] += change;
                    with(&z, margin, &mut learners, &[2, 0, 1, 1]).unwrap().0.loss
                };
                let (up, down) = (at(h), at(-2.0 * h));
                at(h);
                assert!((gradient[i] - (up - down) / (2.0 * h)).abs() < 1e-8, "layer {layer} {i}");
            }
        }
    }

    #[test]
    fn the_decoder_has_the_papers_size() {
        let count: usize =
            decoder::<f32>(160, 784, 1).iter().map(|layer| hsic_nn::network::Block::parameters(layer).len()).sum();
        assert_eq!(1_411_344, count);
    }
}

//! The check of a block that one has written oneself: its gradient against central differences.

use hsic::Scalar;
use hsic::random::Stream;

use crate::network::{Block, Cache};

/// Rows of the batch that a block is looked at on.
const ROWS: usize = 5;

/// Most entries of parameters, and of the input, that are moved.
const MOVED: usize = 200;

/// An entry of a gradient that is not what it should be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("dL/d{what} {index} is {found}, expected {expected} by {by}")]
pub struct Disagreement {
    /// `parameter` or `input`.
    pub what: &'static str,
    /// Index of the entry.
    pub index: usize,
    /// What the block's gradient has.
    pub found: f64,
    /// What differences of its forward pass give, or the gradient while its own weights are in their place.
    pub expected: f64,
    /// What says so: `central differences`, or `its own weights` of a block whose weights are not as
    /// [exchangeable](crate::network::Weights::exchangeable) as it says.
    pub by: &'static str,
}

/// Compares a block's gradients, with respect to its parameters and to its input, with central differences of its forward
/// pass, on a random batch and for a random dL/dz (of normal entries). A block that draws random numbers draws the same
/// ones each time. Of a block whose weights may be [exchanged](crate::network::Weights::exchangeable) the gradient is
/// formed once more with other numbers in their place.
///
/// A step h = e^(1/3), e the precision of `T`, leaves errors of truncation and cancellation of about e^(2/3): 2e-5 of `f32`,
/// 4e-11 of `f64`. A hundred times that, relative to the entries and to 1, is allowed. Functions with kinks (relu) may
/// disagree where a kink lies within h; another `seed` gives another batch.
///
/// # Errors
/// The first entry that disagrees.
pub fn agrees<T: Scalar>(block: &mut dyn Block<T>, seed: u64) -> Result<(), Disagreement> {
    let mut stream = Stream::new(seed, "testing", 0);
    let mut normal = |count: usize| -> Vec<T> { (0..count).map(|_| T::of(stream.normal())).collect() };
    let (mut x, weights) = (normal(ROWS * block.inputs()), normal(ROWS * block.outputs()));
    let epsilon = if size_of::<T>() == size_of::<f32>() { f64::from(f32::EPSILON) } else { f64::EPSILON };
    let (h, tolerance) = (epsilon.cbrt(), 100.0 * epsilon.cbrt().powi(2));
    let forward = |block: &dyn Block<T>, x: &[T], cache: &mut Cache<T>| {
        let mut z = vec![T::ZERO; weights.len()];
        cache.set_draw(Some(0));
        block.forward(ROWS, x, &mut z, cache);
        z
    };
    let loss = |block: &dyn Block<T>, x: &[T]| {
        let z = forward(block, x, &mut Cache::default());
        z.iter().zip(&weights).map(|(z, weight)| z.to_f64() * weight.to_f64()).sum::<f64>()
    };
    let mut cache = Cache::default();
    let z = forward(block, &x, &mut cache);
    let (mut parameters, mut dx) = (vec![T::of(f64::NAN); block.parameters().len()], vec![T::of(f64::NAN); x.len()]);
    block.gradient(ROWS, &x, &z, &mut weights.clone(), &mut cache, &mut parameters, Some(&mut dx));

    let compare = |what, index, found: T, (up, down): (f64, f64), moved: f64| {
        let (found, expected) = (found.to_f64(), (up - down) / moved);
        let near = (found - expected).abs() <= tolerance * (1.0 + expected.abs().max(up.abs()));
        if near { Ok(()) } else { Err(Disagreement { what, index, found, expected, by: "central differences" }) }
    };
    for index in (0..parameters.len()).step_by(parameters.len().div_ceil(MOVED).max(1)) {
        let kept = block.parameters()[index];
        let (above, below) = (T::of(kept.to_f64() + h), T::of(kept.to_f64() - h));
        block.parameters_mut()[index] = above;
        let up = loss(block, &x);
        block.parameters_mut()[index] = below;
        let down = loss(block, &x);
        block.parameters_mut()[index] = kept;
        compare("parameter", index, parameters[index], (up, down), above.to_f64() - below.to_f64())?;
    }
    for index in (0..x.len()).step_by(x.len().div_ceil(MOVED).max(1)) {
        let kept = x[index];
        let (above, below) = (T::of(kept.to_f64() + h), T::of(kept.to_f64() - h));
        x[index] = above;
        let up = loss(block, &x);
        x[index] = below;
        let down = loss(block, &x);
        x[index] = kept;
        compare("input", index, dx[index], (up, down), above.to_f64() - below.to_f64())?;
    }
    // Other numbers in the place of weights that may be exchanged.
    if let Some(place) = block.weights().filter(|weights| weights.exchangeable).map(|weights| weights.place) {
        let z = forward(block, &x, &mut cache);
        let kept = block.parameters()[place.clone()].to_vec();
        block.parameters_mut()[place.clone()].iter_mut().for_each(|weight| *weight = T::of(0.5) - *weight);
        let (mut exchanged, mut dx) = (vec![T::of(f64::NAN); parameters.len()], vec![T::of(f64::NAN); x.len()]);
        block.gradient(ROWS, &x, &z, &mut weights.clone(), &mut cache, &mut exchanged, Some(&mut dx));
        block.parameters_mut()[place].copy_from_slice(&kept);
        for (index, (found, expected)) in exchanged.iter().zip(&parameters).enumerate() {
            let (found, expected) = (found.to_f64(), expected.to_f64());
            if found != expected {
                return Err(Disagreement { what: "parameter", index, found, expected, by: "its own weights" });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Dense, MapKind, Norm, Weights};

    /// z = a x, column by column; `wrong` is what it says too much of its gradient.
    struct Gain {
        gain: Vec<f64>,
        wrong: [f64; 2],
    }

    impl Block<f64> for Gain {
        fn inputs(&self) -> usize {
            self.gain.len()
        }

        fn outputs(&self) -> usize {
            self.gain.len()
        }

        fn forward(&self, _m: usize, x: &[f64], z: &mut [f64], _cache: &mut Cache<f64>) {
            for (z, x) in z.chunks_exact_mut(self.gain.len()).zip(x.chunks_exact(self.gain.len())) {
                z.iter_mut().zip(x).zip(&self.gain).for_each(|((z, x), gain)| *z = gain * x);
            }
        }

        fn gradient(
            &self,
            _m: usize,
            x: &[f64],
            _z: &[f64],
            dz: &mut [f64],
            _cache: &mut Cache<f64>,
            parameters: &mut [f64],
            dx: Option<&mut [f64]>,
        ) {
            parameters.fill(self.wrong[0]);
            for (dz, x) in dz.chunks_exact(self.gain.len()).zip(x.chunks_exact(self.gain.len())) {
                parameters.iter_mut().zip(dz).zip(x).for_each(|((sum, dz), x)| *sum += dz * x);
            }
            if let Some(dx) = dx {
                let gains = self.gain.iter().cycle();
                dx.iter_mut().zip(&*dz).zip(gains).for_each(|((dx, dz), gain)| *dx = gain * dz + self.wrong[1]);
            }
        }

        fn parameters(&self) -> &[f64] {
            &self.gain
        }

        fn parameters_mut(&mut self) -> &mut [f64] {
            &mut self.gain
        }
    }

    #[test]
    fn a_wrong_gradient_is_told_and_a_right_one_is_not() {
        let gain = |wrong| Gain { gain: vec![0.5, -2.0, 3.0], wrong };
        assert_eq!(agrees(&mut gain([0.0, 0.0]), 1), Ok(()));
        let told = agrees(&mut gain([1e-3, 0.0]), 1).unwrap_err();
        assert_eq!((told.what, told.index), ("parameter", 0));
        assert!((told.found - told.expected - 1e-3).abs() < 1e-6, "{told}");
        assert_eq!(agrees(&mut gain([0.0, 1e-3]), 1).unwrap_err().what, "input");
        let mut dense = Dense::<f32>::new(7, 4, Activation::Tanh, Norm::BatchAffine, &mut Stream::new(2, "t", 0));
        assert_eq!(agrees(&mut dense, 3), Ok(()));
    }

    /// z = w^2 x of one value, whose gradient reads w, with the word that it does not.
    struct Square([f64; 1]);

    impl Block<f64> for Square {
        fn inputs(&self) -> usize {
            1
        }

        fn outputs(&self) -> usize {
            1
        }

        fn weights(&self) -> Option<Weights<f64>> {
            Some(Weights {
                kind: MapKind::Dense,
                place: 0..1,
                units: 1,
                fan_in: 1,
                exchangeable: true,
                by_unit: true,
                activation: None,
                map: None,
            })
        }

        fn forward(&self, _m: usize, x: &[f64], z: &mut [f64], _cache: &mut Cache<f64>) {
            z.iter_mut().zip(x).for_each(|(z, x)| *z = self.0[0] * self.0[0] * x);
        }

        fn gradient(
            &self,
            _m: usize,
            x: &[f64],
            _z: &[f64],
            dz: &mut [f64],
            _cache: &mut Cache<f64>,
            parameters: &mut [f64],
            dx: Option<&mut [f64]>,
        ) {
            parameters[0] = dz.iter().zip(x).map(|(dz, x)| 2.0 * self.0[0] * dz * x).sum();
            if let Some(dx) = dx {
                dx.iter_mut().zip(dz).for_each(|(dx, dz)| *dx = self.0[0] * self.0[0] * *dz);
            }
        }

        fn parameters(&self) -> &[f64] {
            &self.0
        }

        fn parameters_mut(&mut self) -> &mut [f64] {
            &mut self.0
        }
    }

    #[test]
    fn weights_that_the_own_gradient_reads_are_told() {
        let told = agrees(&mut Square([0.7]), 1).unwrap_err();
        assert_eq!((told.what, told.index, told.by), ("parameter", 0, "its own weights"));
        // 0.5 - 0.7 stands in the place of 0.7.
        assert!((told.found / told.expected + 0.2 / 0.7).abs() < 1e-12, "{told}");
    }

    #[test]
    fn a_block_of_five_duties_has_the_rest_by_default() {
        let mut gain = Gain { gain: vec![0.5, -2.0], wrong: [0.0; 2] };
        let mut z = [0.0; 2];
        gain.infer(1, &[3.0, 4.0], &mut z);
        assert_eq!((z, gain.shape().channels, gain.statistics().len()), ([1.5, -8.0], 2, 0));
        let layout = gain.layout();
        assert_eq!((layout.len(), &*layout[0].name, &layout[0].shape[..]), (1, "parameters", &[2][..]));
        gain.absorb_statistics(1, &mut Cache::default());
        assert!(gain.weights().is_none() && gain.modules()[0].class == "Block");
    }
}

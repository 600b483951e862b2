//! What carries a target down: a linear layer behind a function of the block's activation, and how it learns.

use hsic::Scalar;
use hsic::random::Stream;
use hsic::sums::grown;
use hsic_nn::network::{Activation, Block, Cache, Learner, MapKind};

use crate::options::Inverse;

/// Memory of one thread.
pub(super) struct Memory<T: Scalar> {
    cache: Cache<T>,
    noise: Vec<T>,
    near: Vec<T>,
    far: Vec<T>,
    rows: Vec<T>,
    dy: Vec<T>,
}

impl<T: Scalar> Default for Memory<T> {
    fn default() -> Self {
        let [noise, near, far, rows, dy] = [(); 5].map(|()| Vec::new());
        Self { cache: Cache::default(), noise, near, far, rows, dy }
    }
}

/// The activation of a dense block; `None` for another block.
pub(super) fn activation_of_dense<T: Scalar>(block: &dyn Block<T>) -> Option<Activation> {
    block.weights().filter(|weights| weights.kind == MapKind::Dense)?.activation
}

/// g(y) with g'(f(a)) = f'(a), where f can be inverted: what stands before an inverse's weights, so that
/// the inverse can have the transposed Jacobian of its block. Values that f cannot take count as the nearest that it can.
pub(super) fn shape<T: Scalar>(activation: Activation, y: &[T], g: &mut [T]) {
    let (half, third) = (T::of(0.5), T::of(1.0 / 3.0));
    let within = |y: T, low: T| {
        if y < low {
            low
        } else if y > T::ONE {
            T::ONE
        } else {
            y
        }
    };
    let each = |g: &mut [T], f: &dyn Fn(T) -> T| g.iter_mut().zip(y).for_each(|(g, &y)| *g = f(y));
    match activation {
        Activation::Relu | Activation::OpenRelu | Activation::LeakyRelu => activation.apply(y, g),
        Activation::Tanh => each(g, &|y| {
            let y = within(y, -T::ONE);
            y - y * y * y * third
        }),
        Activation::Sigmoid => each(g, &|y| {
            let y = within(y, T::ZERO);
            y * y * (half - y * third)
        }),
        Activation::Elu => each(g, &|y| {
            let y = if y < -T::ONE { -T::ONE } else { y };
            if y > T::ZERO { y } else { y + y * y * half }
        }),
        // Gelu and SiLU fall and rise again: two slopes have the same value.
        Activation::Gelu | Activation::Silu | Activation::Identity => g.copy_from_slice(y),
    }
}

/// Random signs of the given size.
fn fill_signs<T: Scalar>(stream: &mut Stream, size: f64, values: &mut [T]) {
    let (plus, minus) = (T::of(size), T::of(-size));
    for values in values.chunks_mut(32) {
        let bits = stream.below(1 << 32);
        for (bit, value) in values.iter_mut().enumerate() {
            *value = if bits >> bit & 1 == 1 { plus } else { minus };
        }
    }
}

/// What an inverse learns from: its block, and that block's input and output.
pub(super) struct Lesson<'a, T: Scalar> {
    pub(super) block: &'a dyn Block<T>,
    pub(super) activation: Activation,
    pub(super) m: usize,
    pub(super) draw: u64,
    pub(super) h: &'a [T],
    pub(super) z: &'a [T],
}

impl<T: Scalar> Lesson<'_, T> {
    /// The loss of an inverse, whose gradient is left in it.
    pub(super) fn teach(
        &self,
        kind: Inverse,
        noise: f64,
        stream: &mut Stream,
        inverse: &mut Learner<T>,
        memory: &mut Memory<T>,
    ) -> f64 {
        let Self { block, activation, m, draw, h, z } = *self;
        let Memory { cache, noise: signs, near, far, rows, dy } = memory;
        let (signs, near, far) = (grown(signs, h.len()), grown(near, h.len()), grown(far, z.len()));
        fill_signs(stream, noise, signs);
        near.iter_mut().zip(h).zip(&*signs).for_each(|((near, &h), &n)| *near = h + n);
        cache.set_draw(Some(draw));
        block.forward(m, near, far, cache);
        let mut loss = 0.0;
        match kind {
            Inverse::Reconstruct => {
                let (rows, dy) = (grown(rows, z.len()), grown(dy, h.len()));
                shape(activation, far, rows);
                let (share, y) = (T::of(2.0 / m as f64), inverse.forward(m, rows));
                for ((dy, &y), &x) in dy.iter_mut().zip(y).zip(&*near) {
                    loss += (y - x).to_f64() * (y - x).to_f64();
                    *dy = share * (y - x);
                }
                inverse.backward(m, rows, dy, None);
                loss / m as f64
            }
            Inverse::Drl => {
                // f(h + n), f(h) and f(h) + n', one below the other.
                let (rows, dy) = (grown(rows, 3 * z.len()), grown(dy, 3 * h.len()));
                let (first, rest) = rows.split_at_mut(z.len());
                let (second, third) = rest.split_at_mut(z.len());
                shape(activation, far, first);
                shape(activation, z, second);
                fill_signs(stream, noise, far);
                far.iter_mut().zip(z).for_each(|(far, &z)| *far += z);
                shape(activation, far, third);
                let scale = 1.0 / (m as f64 * noise * noise);
                let (share, y) = (T::of(2.0 * scale), inverse.forward(3 * m, rows));
                let (of_near, rest) = y.split_at(h.len());
                let (of_output, of_far) = rest.split_at(h.len());
                let (d_near, rest) = dy.split_at_mut(h.len());
                let (d_output, d_far) = rest.split_at_mut(h.len());
                let gradients = d_near.iter_mut().zip(d_output).zip(d_far).zip(&*signs);
                for ((((d_near, d_output), d_far), &n), ((&near, &output), &far)) in
                    gradients.zip(of_near.iter().zip(of_output).zip(of_far))
                {
                    let moved = far - output;
                    loss += moved.to_f64() * moved.to_f64() - 2.0 * n.to_f64() * (near - output).to_f64();
                    *d_near = -share * n;
                    *d_far = share * moved;
                    *d_output = share * (n - moved);
                }
                inverse.backward(3 * m, rows, dy, None);
                loss * scale
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hsic_nn::network::{Between, Dense, Entered, Entrance, Norm, Residual};
    use hsic_nn::optimizer::Optimizer;

    use super::*;
    use crate::engine::angle::cosine;

    const M: usize = 7;
    const DENSE: [Activation; 6] = [
        Activation::Relu,
        Activation::LeakyRelu,
        Activation::Tanh,
        Activation::Elu,
        Activation::Sigmoid,
        Activation::Identity,
    ];

    fn block(inputs: usize, outputs: usize, activation: Activation, norm: Norm) -> Dense<f64> {
        Dense::new(inputs, outputs, activation, norm, &mut Stream::new(1, "block", 0))
    }

    fn random(len: usize, index: u64) -> Vec<f64> {
        let mut stream = Stream::new(2, "inverse", index);
        (0..len).map(|_| stream.normal()).collect()
    }

    #[test]
    fn the_slope_of_the_shape_at_an_output_is_the_blocks_own() {
        let a: Vec<f64> = (0..41).map(|i| f64::from(i) / 10.0 - 2.04).collect();
        for activation in DENSE {
            let apply = |a: &[f64]| {
                let mut z = vec![0.0; a.len()];
                activation.apply(a, &mut z);
                z
            };
            let (z, mut slope, h) = (apply(&a), vec![1.0; a.len()], 1e-6);
            activation.chain(&a, &z, &mut slope);
            let shaped = |shift: f64| {
                let mut g = vec![0.0; z.len()];
                shape(activation, &z.iter().map(|z| z + shift).collect::<Vec<_>>(), &mut g);
                g
            };
            for ((up, down), (&slope, &a)) in shaped(h).iter().zip(shaped(-h)).zip(slope.iter().zip(&a)) {
                let found = (up - down) / (2.0 * h);
                // Outputs of an unit that is off lie where the slope of relu jumps from 0 to 1.
                let expected = if activation == Activation::Relu && a < 0.0 { 0.5 } else { slope };
                assert!((found - expected).abs() < 1e-8, "{activation:?} at {a}: {found} {expected}");
            }
        }
    }

    #[test]
    fn gradients_of_inverses_agree_with_central_differences() {
        let (inputs, outputs) = (5, 4);
        let own = block(inputs, outputs, Activation::Tanh, Norm::Batch);
        let (h, mut z) = (random(M * inputs, 0), vec![0.0; M * outputs]);
        own.forward(M, &h, &mut z, &mut Cache::default());
        for kind in [Inverse::Drl, Inverse::Reconstruct] {
            let mut inverse = Learner::new(Box::new(block(outputs, inputs, Activation::Identity, Norm::None)));
            let lesson = Lesson { block: &own, activation: Activation::Tanh, m: M, draw: 3, h: &h, z: &z };
            let loss = |inverse: &mut Learner<f64>| {
                lesson.teach(kind, 0.2, &mut Stream::new(1, "noise", 0), inverse, &mut Memory::default())
            };
            loss(&mut inverse);
            let gradient = inverse.gradient().to_vec();
            for (i, &expected) in gradient.iter().enumerate() {
                let mut at = |shift: f64| {
                    inverse.block_mut().parameters_mut()[i] += shift;
                    let value = loss(&mut inverse);
                    inverse.block_mut().parameters_mut()[i] -= shift;
                    value
                };
                // The loss is a polynomial of degree two: differences are exact but for cancellation, 1e-15 / 1e-3.
                let found = (at(1e-3) - at(-1e-3)) / 2e-3;
                assert!((found - expected).abs() < 1e-10, "{kind:?} {i}: {found} {expected}");
            }
        }
    }

    #[test]
    fn difference_reconstruction_turns_jacobians_to_transposed_ones() {
        let (inputs, outputs, m) = (12, 9, 64);
        for activation in [Activation::Tanh, Activation::LeakyRelu, Activation::Identity] {
            let own = block(inputs, outputs, activation, Norm::None);
            let mut inverse = Learner::new(Box::new(block(outputs, inputs, Activation::Identity, Norm::None)));
            let (h, mut z) = (random(m * inputs, 1), vec![0.0; m * outputs]);
            own.forward(m, &h, &mut z, &mut Cache::default());
            let lesson = Lesson { block: &own, activation, m, draw: 0, h: &h, z: &z };
            // Both Jacobians have the slope f'(a) beside a matrix: W' here, V there.
            let transposed: Vec<f64> =
                (0..inputs * outputs).map(|i| own.parameters()[i % outputs * inputs + i / outputs]).collect();
            let angle = |inverse: &Learner<f64>| cosine(&inverse.block().parameters()[..inputs * outputs], &transposed);
            assert!(angle(&inverse).abs() < 0.3, "at first they have nothing in common");
            let adamw = Optimizer::adamw();
            let mut memory = Memory::default();
            for step in 0..2000 {
                lesson.teach(Inverse::Drl, 0.01, &mut Stream::new(1, "noise", step), &mut inverse, &mut memory);
                inverse.step(adamw, 0.01 * (1.0 - step as f64 / 2000.0));
            }
            // Below eight degrees.
            assert!(angle(&inverse) > 0.99, "{activation:?}: {}", angle(&inverse));
        }
    }

    #[test]
    fn reconstruction_learns_to_invert() {
        let (inputs, outputs, m) = (6, 6, 64);
        let own = block(inputs, outputs, Activation::Identity, Norm::None);
        let mut inverse = Learner::new(Box::new(block(outputs, inputs, Activation::Identity, Norm::None)));
        let (h, mut z) = (random(m * inputs, 1), vec![0.0; m * outputs]);
        own.forward(m, &h, &mut z, &mut Cache::default());
        let lesson = Lesson { block: &own, activation: Activation::Identity, m, draw: 0, h: &h, z: &z };
        let adamw = Optimizer::adamw();
        let mut losses = Vec::new();
        for step in 0..3000 {
            let mut stream = Stream::new(1, "noise", step);
            losses.push(lesson.teach(Inverse::Reconstruct, 0.1, &mut stream, &mut inverse, &mut Memory::default()));
            inverse.step(adamw, 0.05 * (1.0 - step as f64 / 3000.0));
        }
        assert!(losses[2999] < losses[0] / 10.0, "{} -> {}", losses[0], losses[2999]);
    }

    #[test]
    fn dense_blocks_are_known_by_their_weights() {
        for activation in DENSE {
            for norm in [Norm::None, Norm::BatchAffine] {
                assert_eq!(activation_of_dense(&block(4, 3, activation, norm)), Some(activation));
                let entrance = Entrance { between: Between::Rms, dropout: 0.1, ..Entrance::default() };
                let map = hsic_data::dataset::Shape { channels: 4, height: 1, width: 1 };
                let entered = Entered::new(Box::new(block(4, 3, activation, norm)), entrance, map, 1, 1);
                assert_eq!(activation_of_dense(&entered), Some(activation));
            }
        }
        let residual = Residual::new(block(4, 4, Activation::Relu, Norm::Batch), Activation::Relu, Norm::Batch);
        assert_eq!(activation_of_dense(&residual), None);
    }
}

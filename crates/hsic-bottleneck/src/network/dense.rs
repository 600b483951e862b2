//! The dense block: linear map, batch norm without learned scale and shift, activation.
//!
//! a = x W' + b,  n = (a - mean) / sqrt(var + 1e-5) over the batch,  z = f(n).
//!
//! A batch norm takes the bias out again, so in training b is not added and its gradient is 0; it moves the running
//! mean, as in PyTorch. Momentum of the running statistics 0.1, of the variance the unbiased one (PyTorch's rule).

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use hsic::Scalar;
use hsic::random::Stream;
use hsic::scalar::vectorize;

use super::activation::Activation;
use super::block::{Block, Cache, TensorKind, TensorSpec};

const NORM_EPSILON: f64 = 1e-5;
const NORM_MOMENTUM: f64 = 0.1;

/// A dense block.
#[derive(Clone, Debug)]
pub struct Dense<T = f32> {
    inputs: usize,
    outputs: usize,
    activation: Activation,
    batch_norm: bool,
    /// W (outputs x inputs, row-major), then b.
    parameters: Vec<T>,
    /// Running mean, then running variance; empty without batch norm.
    statistics: Vec<T>,
}

impl<T: Scalar> Dense<T> {
    /// A block with weights and biases uniform in +-1/sqrt(inputs), PyTorch's default for a linear layer.
    #[must_use]
    pub fn new(inputs: usize, outputs: usize, activation: Activation, batch_norm: bool, stream: &mut Stream) -> Self {
        let bound = 1.0 / (inputs as f64).sqrt();
        let parameters = (0..outputs * (inputs + 1)).map(|_| T::of(stream.between(-bound, bound))).collect();
        let mut statistics = Vec::new();
        if batch_norm {
            statistics.resize(outputs, T::ZERO);
            statistics.resize(2 * outputs, T::ONE);
        }
        Self { inputs, outputs, activation, batch_norm, parameters, statistics }
    }

    fn weight(&self) -> MatRef<'_, T> {
        MatRef::from_row_major_slice(&self.parameters[..self.outputs * self.inputs], self.outputs, self.inputs)
    }

    fn bias(&self) -> &[T] {
        &self.parameters[self.outputs * self.inputs..]
    }

    /// a = x W' into `a`.
    fn linear(&self, m: usize, x: &[T], a: &mut [T]) {
        let a = MatMut::from_row_major_slice_mut(a, m, self.outputs);
        let x = MatRef::from_row_major_slice(x, m, self.inputs);
        matmul(a, Accum::Replace, x, self.weight().transpose(), T::ONE, Par::Seq);
    }

    /// Kept from forward to gradient: n (m x outputs), batch mean, batch variance, 1/sqrt(var + eps), and two sums.
    fn split<'c>(&self, m: usize, cache: &'c mut Cache<T>) -> [&'c mut [T]; 6] {
        let d = self.outputs;
        cache.buffers([m * d, d, d, d, d, d])
    }
}

impl<T: Scalar> Block<T> for Dense<T> {
    fn inputs(&self) -> usize {
        self.inputs
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn forward(&self, m: usize, x: &[T], z: &mut [T], cache: &mut Cache<T>) {
        let [n, mean, variance, inverse, _, _] = self.split(m, cache);
        self.linear(m, x, n);
        if self.batch_norm {
            normalize(n, mean, variance, inverse);
        } else {
            add_bias(n, self.bias());
        }
        self.activation.apply(n, z);
    }

    fn infer(&self, m: usize, x: &[T], z: &mut [T]) {
        let mut a = vec![T::ZERO; m * self.outputs];
        self.linear(m, x, &mut a);
        add_bias(&mut a, self.bias());
        if self.batch_norm {
            let (mean, variance) = self.statistics.split_at(self.outputs);
            for row in a.chunks_exact_mut(self.outputs) {
                for ((a, &mean), &variance) in row.iter_mut().zip(mean).zip(variance) {
                    *a = (*a - mean) / Scalar::sqrt(variance + T::of(NORM_EPSILON));
                }
            }
        }
        self.activation.apply(&a, z);
    }

    fn gradient(
        &self,
        m: usize,
        x: &[T],
        z: &[T],
        dz: &mut [T],
        cache: &mut Cache<T>,
        parameters: &mut [T],
        dx: Option<&mut [T]>,
    ) {
        let [n, _, _, inverse, sum, product] = self.split(m, cache);
        self.activation.chain(n, z, dz);
        let (weight, bias) = parameters.split_at_mut(self.outputs * self.inputs);
        if self.batch_norm {
            normalize_backward(n, inverse, dz, sum, product);
            bias.fill(T::ZERO);
        } else {
            bias.fill(T::ZERO);
            for row in dz.chunks_exact(self.outputs) {
                for (sum, &value) in bias.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        }
        let da = MatRef::from_row_major_slice(&*dz, m, self.outputs);
        let weight = MatMut::from_row_major_slice_mut(weight, self.outputs, self.inputs);
        let x = MatRef::from_row_major_slice(x, m, self.inputs);
        matmul(weight, Accum::Replace, da.transpose(), x, T::ONE, Par::Seq);
        if let Some(dx) = dx {
            let dx = MatMut::from_row_major_slice_mut(dx, m, self.inputs);
            matmul(dx, Accum::Replace, da, self.weight(), T::ONE, Par::Seq);
        }
    }

    fn absorb_statistics(&mut self, m: usize, cache: &mut Cache<T>) {
        if !self.batch_norm {
            return;
        }
        let [_, mean, variance, _, _, _] = self.split(m, cache);
        let (keep, new) = (T::of(1.0 - NORM_MOMENTUM), T::of(NORM_MOMENTUM));
        let unbiased = T::of(m as f64 / (m as f64 - 1.0));
        let (running_mean, running_variance) = self.statistics.split_at_mut(self.outputs);
        let bias = &self.parameters[self.outputs * self.inputs..];
        for ((running, &mean), &bias) in running_mean.iter_mut().zip(mean.iter()).zip(bias) {
            *running = keep * *running + new * (mean + bias);
        }
        for (running, &variance) in running_variance.iter_mut().zip(variance.iter()) {
            *running = keep * *running + new * (variance * unbiased);
        }
    }

    fn parameters(&self) -> &[T] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [T] {
        &mut self.parameters
    }

    fn statistics(&self) -> &[T] {
        &self.statistics
    }

    fn statistics_mut(&mut self) -> &mut [T] {
        &mut self.statistics
    }

    fn layout(&self) -> Vec<TensorSpec> {
        let spec = |module, name, shape: &[usize], kind| TensorSpec { module, name, shape: shape.to_vec(), kind };
        let mut layout = vec![
            spec(0, "weight", &[self.outputs, self.inputs], TensorKind::Parameter),
            spec(0, "bias", &[self.outputs], TensorKind::Parameter),
        ];
        if self.batch_norm {
            layout.push(spec(1, "running_mean", &[self.outputs], TensorKind::Statistic));
            layout.push(spec(1, "running_var", &[self.outputs], TensorKind::Statistic));
        }
        layout
    }

    fn modules(&self) -> usize {
        1 + usize::from(self.batch_norm) + usize::from(self.activation != Activation::Identity)
    }
}

fn add_bias<T: Scalar>(a: &mut [T], bias: &[T]) {
    for row in a.chunks_exact_mut(bias.len()) {
        for (a, &bias) in row.iter_mut().zip(bias) {
            *a += bias;
        }
    }
}

/// a <- (a - mean) / sqrt(var + eps) by column, in two passes for the variance's sake.
fn normalize<T: Scalar>(a: &mut [T], mean: &mut [T], variance: &mut [T], inverse: &mut [T]) {
    let d = mean.len();
    let share = T::of(d as f64 / a.len() as f64);
    vectorize(
        #[inline(always)]
        || {
            mean.fill(T::ZERO);
            variance.fill(T::ZERO);
            for row in a.chunks_exact(d) {
                for (mean, &a) in mean.iter_mut().zip(row) {
                    *mean += a;
                }
            }
            for mean in mean.iter_mut() {
                *mean *= share;
            }
            for row in a.chunks_exact_mut(d) {
                for ((variance, &mean), a) in variance.iter_mut().zip(mean.iter()).zip(row) {
                    *a -= mean;
                    *variance = a.mul_add(*a, *variance);
                }
            }
            for (variance, inverse) in variance.iter_mut().zip(inverse.iter_mut()) {
                *variance *= share;
                *inverse = T::ONE / Scalar::sqrt(*variance + T::of(NORM_EPSILON));
            }
            for row in a.chunks_exact_mut(d) {
                for (a, &inverse) in row.iter_mut().zip(inverse.iter()) {
                    *a *= inverse;
                }
            }
        },
    );
}

/// g <- (g - mean(g) - n mean(g n)) / sqrt(var + eps) by column.
fn normalize_backward<T: Scalar>(n: &[T], inverse: &[T], g: &mut [T], sum: &mut [T], product: &mut [T]) {
    let d = inverse.len();
    let share = T::of(d as f64 / g.len() as f64);
    vectorize(
        #[inline(always)]
        || {
            sum.fill(T::ZERO);
            product.fill(T::ZERO);
            for (g, n) in g.chunks_exact(d).zip(n.chunks_exact(d)) {
                for (((sum, product), &g), &n) in sum.iter_mut().zip(product.iter_mut()).zip(g).zip(n) {
                    *sum += g;
                    *product = g.mul_add(n, *product);
                }
            }
            for (sum, product) in sum.iter_mut().zip(product.iter_mut()) {
                *sum *= share;
                *product *= share;
            }
            for (g, n) in g.chunks_exact_mut(d).zip(n.chunks_exact(d)) {
                for ((((g, &n), &sum), &product), &inverse) in
                    g.iter_mut().zip(n).zip(sum.iter()).zip(product.iter()).zip(inverse)
                {
                    *g = (-n).mul_add(product, *g - sum) * inverse;
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// L = sum(z o v) for a fixed v: its gradient with respect to z is v.
    fn loss(block: &Dense<f64>, m: usize, x: &[f64], v: &[f64]) -> f64 {
        let (mut z, mut cache) = (vec![0.0; m * block.outputs], Cache::default());
        block.forward(m, x, &mut z, &mut cache);
        z.iter().zip(v).map(|(z, v)| z * v).sum()
    }

    #[test]
    fn gradients_agree_with_central_differences() {
        let (m, p, d) = (7, 5, 4);
        for activation in [Activation::Relu, Activation::Tanh, Activation::Elu, Activation::Sigmoid, Activation::Gelu] {
            for batch_norm in [true, false] {
                let mut stream = Stream::new(11, "dense", 0);
                let mut block = Dense::<f64>::new(p, d, activation, batch_norm, &mut stream);
                let mut x: Vec<f64> = (0..m * p).map(|_| stream.normal()).collect();
                let v: Vec<f64> = (0..m * d).map(|_| stream.normal()).collect();
                let (mut z, mut cache) = (vec![0.0; m * d], Cache::default());
                block.forward(m, &x, &mut z, &mut cache);
                let (mut gradient, mut dx) = (vec![f64::NAN; d * (p + 1)], vec![f64::NAN; m * p]);
                block.gradient(m, &x, &z, &mut v.clone(), &mut cache, &mut gradient, Some(&mut dx));
                let h = 1e-6;
                for (i, &expected) in gradient.iter().enumerate() {
                    let kept = block.parameters[i];
                    block.parameters[i] = kept + h;
                    let up = loss(&block, m, &x, &v);
                    block.parameters[i] = kept - h;
                    let down = loss(&block, m, &x, &v);
                    block.parameters[i] = kept;
                    // Cancellation 2e-16 * |L| / h and truncation h^2 f''' stay below 1e-7.
                    assert!((expected - (up - down) / (2.0 * h)).abs() < 1e-7, "{activation:?} {batch_norm} {i}");
                }
                for (i, &expected) in dx.iter().enumerate() {
                    let kept = x[i];
                    x[i] = kept + h;
                    let up = loss(&block, m, &x, &v);
                    x[i] = kept - h;
                    let down = loss(&block, m, &x, &v);
                    x[i] = kept;
                    assert!((expected - (up - down) / (2.0 * h)).abs() < 1e-7, "{activation:?} {batch_norm} x {i}");
                }
            }
        }
    }

    #[test]
    fn evaluation_with_the_batch_statistics_is_the_training_pass() {
        let (m, p, d) = (9, 4, 3);
        let mut stream = Stream::new(2, "dense", 1);
        let mut block = Dense::<f64>::new(p, d, Activation::Tanh, true, &mut stream);
        let x: Vec<f64> = (0..m * p).map(|_| stream.normal()).collect();
        let (mut trained, mut cache) = (vec![0.0; m * d], Cache::default());
        block.forward(m, &x, &mut trained, &mut cache);
        // 300 steps with momentum 0.1 leave 0.9^300 = 2e-14 of the start; the variance kept is the unbiased one.
        for _ in 0..300 {
            block.absorb_statistics(m, &mut cache);
        }
        for variance in &mut block.statistics[d..] {
            *variance *= (m as f64 - 1.0) / m as f64;
        }
        let mut inferred = vec![0.0; m * d];
        block.infer(m, &x, &mut inferred);
        for (a, b) in trained.iter().zip(&inferred) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
    }
}

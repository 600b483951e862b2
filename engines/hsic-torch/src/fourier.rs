//! The objective of random Fourier features on a device, by the formulas of `hsic`'s `approximation`.
//!
//! phi(z) = p^(-1/2) [cos(z . w_k) - 1, sin(z . w_k)], less its column means; A = Phi'Phi + c I; with V = [F | U] and
//! D = diag(w, -beta): B = V'Phi A^-1, E = V - Phi B' and dL/dPhi = 2 E D B.

use hsic::Bottleneck;
use hsic::random::Stream;
use tch::{Kind, Tensor};

use crate::device::Device;
use crate::factor::{Evaluated, InputSide, centered, cholesky, inverse};
use crate::objective::dot;

/// Frequencies of one seed.
pub(crate) struct Fourier {
    pairs: usize,
    seed: u64,
    /// Standard normal frequencies (d x pairs), by purpose and d.
    frequencies: Vec<(&'static str, i64, Tensor)>,
}

/// Features of a sample (m x 2 pairs).
struct Features {
    /// Less their column means.
    phi: Tensor,
    /// cos(angle) and sin(angle), over the root of the pairs.
    cosine: Tensor,
    sine: Tensor,
    varies: Tensor,
    inverse_width: f64,
}

impl Fourier {
    /// Of so many features.
    pub(crate) fn new(features: usize, seed: u64) -> Self {
        Self { pairs: features / 2, seed, frequencies: Vec::new() }
    }

    /// The frequencies that the CPU draws for rows of d columns.
    fn drawn(&mut self, purpose: &'static str, d: i64, device: &Device) -> Tensor {
        let known = self.frequencies.iter().find(|(name, columns, _)| (*name, *columns) == (purpose, d));
        if let Some((_, _, tensor)) = known {
            return tensor.shallow_clone();
        }
        let mut stream = Stream::new(self.seed, &format!("frequencies of {purpose}"), d as u64);
        let values: Vec<f32> = (0..self.pairs * d as usize).map(|_| stream.normal() as f32).collect();
        let tensor = device.take(&values).view([self.pairs as i64, d]).tr().contiguous();
        self.frequencies.push((purpose, d, tensor.shallow_clone()));
        tensor
    }

    fn features(&mut self, purpose: &'static str, v: &Tensor, sigma: f64, device: &Device) -> Features {
        let d = v.size()[1];
        let (centered, varies) = centered(v);
        let inverse_width = 1.0 / (sigma * (d as f64).sqrt());
        let angles = centered.matmul(&self.drawn(purpose, d, device)) * inverse_width;
        let scale = (self.pairs as f64).sqrt().recip();
        // cos a - 1 = -2 sin(a / 2)^2 keeps the digits of small angles.
        let less_one = (&angles * 0.5).sin().square() * (-2.0 * scale);
        let sine = angles.sin() * scale;
        let phi = Tensor::cat(&[&less_one, &sine], 1);
        let phi = &phi - phi.mean_dim(0, true, Kind::Float);
        Features { phi, cosine: less_one + scale, sine, varies, inverse_width }
    }

    /// F of the input, R_X = F F'.
    pub(crate) fn input(&mut self, options: &Bottleneck, x: &Tensor, device: &Device) -> InputSide {
        let ridge = options.epsilon * x.size()[0] as f64;
        let Features { phi, varies, .. } = self.features("x", x, options.sigma, device);
        let (l, lost) = cholesky(&phi.tr().matmul(&phi), ridge);
        // F = Phi N' with N the inverse of L.
        let f = phi.matmul(&inverse(&l).tr());
        let f = f.where_self(&varies, &device.zeros(&[]));
        let trace = dot(&f, &f);
        InputSide { matrix: f, trace, lost: lost.logical_and(&varies) }
    }

    /// The objective at Z (m x d).
    pub(crate) fn evaluate(
        &mut self,
        options: &Bottleneck,
        u: &Tensor,
        input: Option<&InputSide>,
        z: &Tensor,
        measured: bool,
        device: &Device,
    ) -> Evaluated {
        let ridge = options.epsilon * z.size()[0] as f64;
        let Features { phi, cosine, sine, varies, inverse_width } = self.features("z", z, options.sigma, device);
        let (l, mut lost) = cholesky(&phi.tr().matmul(&phi), ridge);
        let q = input.map_or(0, |input| input.matrix.size()[1]);
        let v = match input {
            Some(input) => {
                lost = lost.logical_or(&input.lost);
                Tensor::cat(&[&input.matrix, u], 1)
            }
            None => u.shallow_clone(),
        };
        // Transposed: P' (features x columns of V) and B' = A^-1 P'.
        let projected = phi.tr().matmul(&v);
        let n = inverse(&l);
        let whitened = n.matmul(&projected);
        let back = n.tr().matmul(&whitened);
        let residual = &v - phi.matmul(&back);
        let residual = &residual - residual.mean_dim(0, true, Kind::Float);
        let weighted = Tensor::cat(
            &[back.narrow(1, 0, q) * (2.0 * options.x_weight), back.narrow(1, q, u.size()[1]) * (-2.0 * options.beta)],
            1,
        );
        let slope = residual.matmul(&weighted.tr());
        let pairs = self.pairs as i64;
        let (to_cosine, to_sine) = (slope.narrow(1, 0, pairs), slope.narrow(1, pairs, pairs));
        let to_angle = to_sine * cosine - to_cosine * sine;
        let dz = to_angle.matmul(&self.drawn("z", z.size()[1], device).tr()) * inverse_width;
        let sound = varies.logical_and(&lost.logical_not());
        let dz = dz.where_self(&sound, &dz.zeros_like());
        let terms = measured.then(|| {
            let alive = varies.to_kind(Kind::Double);
            let (x, y) = (whitened.narrow(1, 0, q), whitened.narrow(1, q, u.size()[1]));
            [dot(&x, &x) * &alive, dot(&y, &y) * &alive]
        });
        Evaluated { dz, terms, dead: varies.logical_not(), lost: lost.logical_and(&varies) }
    }
}

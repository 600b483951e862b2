//! Capsules that are routed to by agreement: each input capsule votes for every output capsule, and is heard the more
//! the better its vote agrees with what came out in the round before. Formulas: `routing.rs` beside this file.

use hsic::Scalar;
use hsic::random::Stream;
use hsic::scalar::vectorize;
use hsic_data::dataset::Shape;
use rayon::prelude::*;

use super::routing::{LANES, Lane, Scratch, Sizes, gather, lanes, lanes_mut, pull, spread};
use super::squash_factor;
use crate::network::block::{Block, Cache, MapKind, Weights};
use crate::network::layout::{Module, TensorKind, TensorSpec};

/// Deviation of the weights at the start (the authors').
const DEVIATION: f64 = 0.1;

/// Biases at the start (the authors').
const BIAS: f64 = 0.1;

/// Input capsules of a task of the backward pass; fixed, so that threads are invisible.
const CHUNK: usize = 16;

/// What a routed block is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutedSettings {
    /// Output capsules.
    pub outputs: usize,
    /// Values of each.
    pub dimensions: usize,
    /// Rounds of routing, >= 1; 1 hears all votes alike.
    pub rounds: usize,
    /// Whether each value has a bias.
    pub bias: bool,
}

/// A block of routed capsules.
#[derive(Clone, Debug)]
pub struct RoutedCapsules<T = f32> {
    sizes: Sizes,
    rounds: usize,
    /// Sizes of the input as a map.
    map: Shape,
    /// W (input capsules x values of all output capsules x values of an input capsule), then the bias if there is one.
    parameters: Vec<T>,
}

/// What a block keeps from its forward pass to its gradient, a piece for every [`LANES`] samples, and scratch.
struct Buffers<'c, T> {
    /// u, a lane a sample.
    u: &'c mut [T],
    /// s of all rounds.
    s: &'c mut [T],
    /// V of all rounds; nobody asks for the last.
    totals: &'c mut [T],
    /// dL/ds of all rounds.
    ds: &'c mut [T],
    /// dL/dv, and what of it earlier rounds share.
    dv: &'c mut [T],
    /// dL/du by input capsule, then by piece; empty where it is not asked for.
    du: &'c mut [T],
    /// Of a piece of the batch or a chunk of the input capsules.
    scratch: &'c mut [T],
}

impl<T: Scalar> RoutedCapsules<T> {
    /// A block after a map of capsules of `depth` values each.
    ///
    /// # Panics
    /// If the map's channels are no whole capsules, or there is no output capsule or round;
    /// [`crate::network::models`] checks them first.
    #[must_use]
    pub fn new(map: Shape, depth: usize, settings: RoutedSettings, stream: &mut Stream) -> Self {
        let RoutedSettings { outputs, dimensions, rounds, bias } = settings;
        assert!(depth >= 1 && map.channels.is_multiple_of(depth), "channels are whole capsules");
        assert!(outputs >= 1 && dimensions >= 1 && rounds >= 1, "there are capsules, and rounds of routing");
        let sizes = Sizes { inputs: map.columns() / depth, depth, outputs, width: dimensions };
        let weights = sizes.inputs * sizes.weights();
        let mut parameters: Vec<T> = (0..weights).map(|_| T::of(DEVIATION * stream.normal())).collect();
        parameters.resize(weights + if bias { sizes.values() } else { 0 }, T::of(BIAS));
        Self { sizes, rounds, map, parameters }
    }

    fn weight(&self) -> &[T] {
        &self.parameters[..self.sizes.inputs * self.sizes.weights()]
    }

    /// Empty without.
    fn bias(&self) -> &[T] {
        &self.parameters[self.sizes.inputs * self.sizes.weights()..]
    }

    /// Numbers of u, and of s (or V) of all rounds, of a piece of the batch.
    fn piece(&self) -> (usize, usize) {
        (LANES * self.sizes.columns(), self.rounds * LANES * self.sizes.values())
    }

    fn buffers<'c>(&self, m: usize, with_dx: bool, cache: &'c mut Cache<T>) -> Buffers<'c, T> {
        let pieces = m.div_ceil(LANES);
        let (u, s) = self.piece();
        let tasks = pieces.max(self.sizes.inputs.div_ceil(CHUNK));
        let [u, s, totals, ds, dv, du, scratch] = cache.buffers([
            pieces * u,
            pieces * s,
            pieces * s,
            pieces * s,
            pieces * 2 * LANES * self.sizes.values(),
            if with_dx { pieces * u } else { 0 },
            tasks * Scratch::<T>::len(self.sizes),
        ]);
        Buffers { u, s, totals, ds, dv, du, scratch }
    }

    /// Rows of x (at most [`LANES`]) as lanes; lanes without a sample are 0.
    fn turn(&self, x: &[T], u: &mut [Lane<T>]) {
        let columns = self.sizes.columns();
        if x.len() < LANES * columns {
            u.fill([T::ZERO; LANES]);
        }
        for (lane, row) in x.chunks_exact(columns).enumerate() {
            for (u, &x) in u.iter_mut().zip(row) {
                u[lane] = x;
            }
        }
    }

    /// All rounds for one piece of the batch: s of each and V of each but the last are kept, v of the last goes to the
    /// rows of `z`.
    fn route(&self, u: &[Lane<T>], s: &mut [Lane<T>], totals: &mut [Lane<T>], z: &mut [T], scratch: &mut [T]) {
        let values = self.sizes.values();
        let mut scratch = Scratch::new(self.sizes, scratch);
        vectorize(
            #[inline(always)]
            || {
                for (round, s) in s.chunks_exact_mut(values).enumerate() {
                    let (before, after) = totals.split_at_mut(round * values);
                    let total = round.checked_sub(1).map(|last| &before[last * values..]);
                    gather(self.sizes, self.weight(), u, total, s, &mut scratch);
                    for (s, &bias) in s.iter_mut().zip(self.bias()) {
                        s.iter_mut().for_each(|s| *s += bias);
                    }
                    let capsules = s.chunks_exact(self.sizes.width).enumerate();
                    for (capsule, s) in capsules {
                        let factors = factors(s).0;
                        for (index, s) in s.iter().enumerate() {
                            let at = capsule * self.sizes.width + index;
                            if round + 1 == self.rounds {
                                for (lane, row) in z.chunks_exact_mut(values).enumerate() {
                                    row[at] = factors[lane] * s[lane];
                                }
                            } else {
                                for lane in 0..LANES {
                                    let earlier = total.map_or(T::ZERO, |total| total[at][lane]);
                                    after[at][lane] = factors[lane].mul_add(s[lane], earlier);
                                }
                            }
                        }
                    }
                }
            },
        );
    }

    /// All rounds backward for one piece of the batch: dL/ds of each from dL/dv of the last, in the rows of `dz`.
    fn route_backward(
        &self,
        u: &[Lane<T>],
        (s, totals): (&[Lane<T>], &[Lane<T>]),
        dz: &[T],
        ds: &mut [Lane<T>],
        dv: &mut [Lane<T>],
        scratch: &mut [T],
    ) {
        let (values, width) = (self.sizes.values(), self.sizes.width);
        let mut scratch = Scratch::new(self.sizes, scratch);
        let (dv, shared) = dv.split_at_mut(values);
        vectorize(
            #[inline(always)]
            || {
                dv.fill([T::ZERO; LANES]);
                for (lane, row) in dz.chunks_exact(values).enumerate() {
                    for (dv, &dz) in dv.iter_mut().zip(row) {
                        dv[lane] = dz;
                    }
                }
                shared.fill([T::ZERO; LANES]);
                for round in (0..self.rounds).rev() {
                    let (s, ds) = (&s[round * values..][..values], &mut ds[round * values..][..values]);
                    let from: &[Lane<T>] = if round + 1 == self.rounds { dv } else { shared };
                    let capsules = s.chunks_exact(width).zip(from.chunks_exact(width)).zip(ds.chunks_exact_mut(width));
                    for ((s, dv), ds) in capsules {
                        let (factors, slopes) = factors(s);
                        let mut pulls = [T::ZERO; LANES];
                        for (s, dv) in s.iter().zip(dv) {
                            for lane in 0..LANES {
                                pulls[lane] = s[lane].mul_add(dv[lane], pulls[lane]);
                            }
                        }
                        for ((s, dv), ds) in s.iter().zip(dv).zip(ds) {
                            for lane in 0..LANES {
                                let pull = T::of(2.0) * slopes[lane] * pulls[lane];
                                ds[lane] = factors[lane].mul_add(dv[lane], pull * s[lane]);
                            }
                        }
                    }
                    if round > 0 {
                        let total = &totals[(round - 1) * values..][..values];
                        pull(self.sizes, self.weight(), u, (total, ds), shared, &mut scratch);
                    }
                }
            },
        );
    }
}

/// Of one capsule of every sample: the factor of its squash, and the slope of that by the square of its length.
#[inline(always)]
fn factors<T: Scalar>(s: &[Lane<T>]) -> (Lane<T>, Lane<T>) {
    let (mut factors, mut slopes) = ([T::ZERO; LANES], [T::ZERO; LANES]);
    let mut squares = [T::ZERO; LANES];
    for s in s {
        for lane in 0..LANES {
            squares[lane] = s[lane].mul_add(s[lane], squares[lane]);
        }
    }
    for lane in 0..LANES {
        (factors[lane], slopes[lane]) = squash_factor(squares[lane]);
    }
    (factors, slopes)
}

impl<T: Scalar> Block<T> for RoutedCapsules<T> {
    fn inputs(&self) -> usize {
        self.sizes.columns()
    }

    fn outputs(&self) -> usize {
        self.sizes.values()
    }

    fn capsule(&self) -> Option<usize> {
        Some(self.sizes.width)
    }

    fn forward(&self, m: usize, x: &[T], z: &mut [T], cache: &mut Cache<T>) {
        let (u_len, s_len) = self.piece();
        let Buffers { u, s, totals, scratch, .. } = self.buffers(m, false, cache);
        let samples = x.par_chunks(LANES * self.inputs()).zip(z.par_chunks_mut(LANES * self.outputs()));
        samples
            .zip(u.par_chunks_mut(u_len))
            .zip(s.par_chunks_mut(s_len))
            .zip(totals.par_chunks_mut(s_len))
            .zip(scratch.par_chunks_mut(Scratch::<T>::len(self.sizes)))
            .for_each(|(((((x, z), u), s), totals), scratch)| {
                self.turn(x, lanes_mut(u));
                self.route(lanes(u), lanes_mut(s), lanes_mut(totals), z, scratch);
            });
    }

    fn infer(&self, m: usize, x: &[T], z: &mut [T]) {
        let (u, s) = self.piece();
        let (mut u, mut s, mut totals) = (vec![T::ZERO; u], vec![T::ZERO; s], vec![T::ZERO; s]);
        let mut scratch = vec![T::ZERO; Scratch::<T>::len(self.sizes)];
        debug_assert_eq!(x.len(), m * self.inputs(), "rows are whole");
        for (x, z) in x.chunks(LANES * self.inputs()).zip(z.chunks_mut(LANES * self.outputs())) {
            self.turn(x, lanes_mut(&mut u));
            self.route(lanes(&u), lanes_mut(&mut s), lanes_mut(&mut totals), z, &mut scratch);
        }
    }

    fn gradient(
        &self,
        m: usize,
        _x: &[T],
        _z: &[T],
        dz: &mut [T],
        cache: &mut Cache<T>,
        parameters: &mut [T],
        dx: Option<&mut [T]>,
    ) {
        let (u_len, s_len) = self.piece();
        let (values, scratch_len) = (self.sizes.values(), Scratch::<T>::len(self.sizes));
        let Buffers { u, s, totals, ds, dv, du, scratch } = self.buffers(m, dx.is_some(), cache);
        u.par_chunks(u_len)
            .zip(s.par_chunks(s_len))
            .zip(totals.par_chunks(s_len))
            .zip(dz.par_chunks(LANES * values))
            .zip(ds.par_chunks_mut(s_len).zip(dv.par_chunks_mut(2 * LANES * values)))
            .zip(scratch.par_chunks_mut(scratch_len))
            .for_each(|(((((u, s), totals), dz), (ds, dv)), scratch)| {
                let kept = (lanes(s), lanes(totals));
                self.route_backward(lanes(u), kept, dz, lanes_mut(ds), lanes_mut(dv), scratch);
            });

        let (u, totals, ds): (&[T], &[T], &[T]) = (u, totals, ds);
        let (weight, bias) = parameters.split_at_mut(self.weight().len());
        bias.fill(T::ZERO);
        for ds in lanes(ds).chunks_exact(values) {
            for (bias, ds) in bias.iter_mut().zip(ds) {
                *bias += ds.iter().copied().sum::<T>();
            }
        }
        // By input capsules, each for the whole batch: no sum has to be joined, whatever the number of threads.
        let (weights, count) = (self.sizes.weights(), m.div_ceil(LANES));
        let depth = LANES * self.sizes.depth;
        let chunk = |first: usize, dw: &mut [T], mut du: Option<&mut [T]>, scratch: &mut [T]| {
            dw.fill(T::ZERO);
            let mut scratch = Scratch::new(self.sizes, scratch);
            vectorize(
                #[inline(always)]
                || {
                    for piece in 0..count {
                        let totals = lanes(&totals[piece * s_len..][..s_len - LANES * values]);
                        let ds = lanes(&ds[piece * s_len..][..s_len]);
                        for (index, dw) in dw.chunks_exact_mut(weights).enumerate() {
                            let input = first + index;
                            let w = &self.weight()[input * weights..][..weights];
                            let u = lanes(&u[piece * u_len + input * depth..][..depth]);
                            let du = du.as_deref_mut().map(|du| {
                                let start = (index * count + piece) * depth;
                                lanes_mut(&mut du[start..start + depth])
                            });
                            spread(self.sizes, w, u, (totals, ds), dw, du, &mut scratch);
                        }
                    }
                },
            );
        };
        let work = weight.par_chunks_mut(CHUNK * weights).zip(scratch.par_chunks_mut(scratch_len)).enumerate();
        match dx {
            None => work.for_each(|(index, (dw, scratch))| chunk(index * CHUNK, dw, None, scratch)),
            Some(dx) => {
                let du_chunks = du.par_chunks_mut(CHUNK * count * depth);
                work.zip(du_chunks)
                    .for_each(|((index, (dw, scratch)), du)| chunk(index * CHUNK, dw, Some(du), scratch));
                let du = lanes(du);
                dx.par_chunks_mut(self.inputs()).enumerate().for_each(|(row, dx)| {
                    let (piece, lane) = (row / LANES, row % LANES);
                    for (input, dx) in dx.chunks_exact_mut(self.sizes.depth).enumerate() {
                        let du = &du[(input * count + piece) * self.sizes.depth..];
                        dx.iter_mut().zip(du).for_each(|(dx, du)| *dx = du[lane]);
                    }
                });
            }
        }
    }

    fn parameters(&self) -> &[T] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [T] {
        &mut self.parameters
    }

    fn weights(&self) -> Option<Weights<T>> {
        let Sizes { depth, outputs, .. } = self.sizes;
        let alone = self.bias().is_empty();
        alone.then(|| Weights {
            kind: MapKind::Votes,
            place: 0..self.parameters.len(),
            units: outputs,
            fan_in: depth,
            // Votes are formed anew on the way back, and routing reads them.
            exchangeable: false,
            by_unit: false,
            activation: None,
            map: None,
        })
    }

    /// PyTorch's ports have W as output capsules x input capsules x width x depth, input capsules by type, line, pixel.
    fn layout(&self) -> Vec<TensorSpec> {
        let Sizes { inputs, depth, outputs, width } = self.sizes;
        let weights = self.sizes.weights();
        let shape = [outputs, inputs, width, depth];
        let mut weight = TensorSpec::contiguous(0, "weight", &shape, TensorKind::Parameter);
        let types = self.map.channels / depth;
        weight.axes = vec![
            (outputs, width * depth),
            (types, weights),
            (self.map.height, self.map.width * types * weights),
            (self.map.width, types * weights),
            (width, depth),
            (depth, 1),
        ];
        let mut layout = vec![weight];
        if !self.bias().is_empty() {
            layout.push(TensorSpec::contiguous(0, "bias", &[outputs, width], TensorKind::Parameter));
        }
        layout
    }

    fn modules(&self) -> Vec<Module> {
        let Sizes { inputs, depth, outputs, width } = self.sizes;
        let bias = usize::from(!self.bias().is_empty());
        vec![Module::new("RoutedCapsules", &[inputs, depth, outputs, width, self.rounds, bias])]
    }
}

#[cfg(test)]
#[path = "routed_tests.rs"]
mod tests;

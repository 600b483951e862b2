//! Every operation that works on maps against a plain reference whose maps lie sample by sample, channel by channel
//! (NCHW), as in PyTorch; here they are stored channels last.

use faer::{MatMut, MatRef};
use hsic::random::Stream;
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::method::cwc_ff::Competition;
use hsic_bottleneck::method::greedy::Greedy;
use hsic_bottleneck::method::phsic::Phsic;
use hsic_bottleneck::method::predsim::PredSim;
use hsic_bottleneck::network::{
    Activation, Between, BlockSpec, Entrance, Feature, Learner, NamedTensor, Network, Norm, WrittenLabel,
};
use hsic_bottleneck::objective::similarity::Similarity;
use hsic_bottleneck::objective::{Objective, Site};
use hsic_bottleneck::rule_options::LocalLoss;

const M: usize = 6;
const LABELS: [usize; M] = [0, 1, 2, 1, 0, 2];

/// Maps of all samples, channel by channel.
#[derive(Clone)]
struct Maps {
    c: usize,
    h: usize,
    w: usize,
    values: Vec<f64>,
}

impl Maps {
    fn random(c: usize, h: usize, w: usize, index: u64) -> Self {
        let mut stream = Stream::new(12, "maps", index);
        Self { c, h, w, values: (0..M * c * h * w).map(|_| 0.3 + stream.normal()).collect() }
    }

    fn shape(&self) -> Shape {
        Shape { channels: self.c, height: self.h, width: self.w }
    }

    fn at(&self, m: usize, c: usize, y: usize, x: usize) -> f64 {
        self.values[((m * self.c + c) * self.h + y) * self.w + x]
    }

    fn of(c: usize, h: usize, w: usize, value: impl Fn(usize, usize, usize, usize) -> f64) -> Self {
        let mut values = Vec::with_capacity(M * c * h * w);
        for m in 0..M {
            for channel in 0..c {
                for y in 0..h {
                    values.extend((0..w).map(|x| value(m, channel, y, x)));
                }
            }
        }
        Self { c, h, w, values }
    }

    /// The values of a sample in these channels.
    fn group(&self, m: usize, channels: std::ops::Range<usize>) -> &[f64] {
        let size = self.h * self.w;
        &self.values[(m * self.c + channels.start) * size..(m * self.c + channels.end) * size]
    }

    /// As they are stored here.
    fn channels_last(&self) -> Vec<f64> {
        let mut values = Vec::with_capacity(self.values.len());
        for m in 0..M {
            for y in 0..self.h {
                for x in 0..self.w {
                    values.extend((0..self.c).map(|c| self.at(m, c, y, x)));
                }
            }
        }
        values
    }

    fn convolved(&self, weight: &[f64], bias: &[f64], k: usize) -> Self {
        let pad = (k / 2) as isize;
        Self::of(bias.len(), self.h, self.w, |m, o, y, x| {
            let mut sum = bias[o];
            for c in 0..self.c {
                for i in 0..k {
                    for j in 0..k {
                        let (y, x) = ((y + i) as isize - pad, (x + j) as isize - pad);
                        if (0..self.h as isize).contains(&y) && (0..self.w as isize).contains(&x) {
                            sum += weight[((o * self.c + c) * k + i) * k + j] * self.at(m, c, y as usize, x as usize);
                        }
                    }
                }
            }
            sum
        })
    }

    /// Mean and biased variance of each channel over samples and pixels.
    fn moments(&self) -> (Vec<f64>, Vec<f64>) {
        let of = |c: usize| {
            let all: Vec<f64> = (0..M).flat_map(|m| self.group(m, c..c + 1).to_vec()).collect();
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            (mean, all.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / all.len() as f64)
        };
        (0..self.c).map(of).unzip()
    }

    fn normalized(&self, (mean, variance): (&[f64], &[f64]), scale: &[f64], shift: &[f64]) -> Self {
        Self::of(self.c, self.h, self.w, |m, c, y, x| {
            (self.at(m, c, y, x) - mean[c]) / (variance[c] + 1e-5).sqrt() * scale[c] + shift[c]
        })
    }

    fn relu(&self) -> Self {
        Self { values: self.values.iter().map(|value| value.max(0.0)).collect(), ..self.clone() }
    }

    fn max_pooled(&self, k: usize) -> Self {
        Self::of(self.c, self.h / k, self.w / k, |m, c, y, x| {
            (0..k * k).map(|i| self.at(m, c, y * k + i / k, x * k + i % k)).fold(f64::NEG_INFINITY, f64::max)
        })
    }

    fn plus(&self, other: &Self) -> Self {
        Self { values: self.values.iter().zip(&other.values).map(|(a, b)| a + b).collect(), ..self.clone() }
    }

    /// On the way to the next block.
    fn entered(&self, between: Between) -> Self {
        let mut values = Vec::with_capacity(self.values.len());
        for m in 0..M {
            match between {
                Between::Rms => {
                    let row = self.group(m, 0..self.c);
                    let length = row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64;
                    values.extend(row.iter().map(|x| x / (length + 1e-8).sqrt()));
                }
                Between::Divisive(groups) => {
                    for group in 0..groups {
                        let own = self.group(m, group * self.c / groups..(group + 1) * self.c / groups);
                        let n = own.len() as f64;
                        let mean = own.iter().sum::<f64>() / n;
                        let variance = own.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n + 1.0 / n;
                        values.extend(own.iter().map(|x| (x - mean) / variance.powf(0.2)));
                    }
                }
                _ => values.extend_from_slice(self.group(m, 0..self.c)),
            }
        }
        Self { values, ..self.clone() }
    }

    /// Means of fields of lines and pixels.
    fn pooled(&self, fields: usize) -> Self {
        let range = |index: usize, side: usize| index * side / fields..(index + 1) * side / fields;
        Self::of(self.c, fields, fields, |m, c, y, x| {
            let (lines, pixels) = (range(y, self.h), range(x, self.w));
            let count = lines.len() * pixels.len();
            let values = lines.flat_map(|y| pixels.clone().map(move |x| (y, x)));
            values.map(|(y, x)| self.at(m, c, y, x)).sum::<f64>() / count as f64
        })
    }

    /// Deviation of each channel of a sample over its pixels, with 1e-5 under the root.
    fn deviation(&self, m: usize, c: usize) -> f64 {
        let own = self.group(m, c..c + 1);
        let mean = own.iter().sum::<f64>() / own.len() as f64;
        (own.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / own.len() as f64 + 1e-5).sqrt()
    }
}

fn near(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (a, b)) in found.iter().zip(expected).enumerate() {
        // Sums of fewer than 100 terms of order 1 in another order, through three blocks.
        assert!((a - b).abs() < 1e-11 * (1.0 + b.abs()), "{what} {index}: {a} {b}");
    }
}

/// Parameters and statistics of a norm as a network's tensors have them.
struct Normed<'t> {
    weight: &'t [f64],
    bias: &'t [f64],
    affine: [&'t [f64]; 2],
    running: [&'t [f64]; 2],
}

/// A network of a convolution with pooling, a residual one and a dense block, with numbers of all kinds.
fn network(between: Between) -> Network<f64> {
    let input = Shape { channels: 3, height: 6, width: 6 };
    let (activation, norm) = (None, None);
    let (outputs, kernel, stride, padding, pool, residual) = (4, 3, 1, 1, 1, true);
    let residual =
        BlockSpec::Conv { outputs, kernel, stride, padding, pool, pool_at: None, residual, activation, norm };
    let blocks = [BlockSpec::conv(4, 3, 1, 1, 2), residual, BlockSpec::dense(5)];
    let network = Network::build(input, &blocks, Activation::Relu, Norm::BatchAffine, 1).unwrap();
    let mut network = network.with_entrances(Entrance { between, ..Entrance::default() }, 1);
    let mut stream = Stream::new(3, "numbers", 0);
    let drawn = |tensor: NamedTensor<f64>| {
        let positive = tensor.name.ends_with("running_var");
        let values =
            tensor.values.iter().map(|_| if positive { 0.5 + stream.uniform() } else { 0.4 * stream.normal() });
        NamedTensor { values: values.collect(), ..tensor }
    };
    let tensors: Vec<NamedTensor<f64>> = network.tensors().into_iter().map(drawn).collect();
    network.set_tensors(&tensors);
    network
}

/// The reference of [`network`], with running statistics or those of the batch.
fn reference(tensors: &[NamedTensor<f64>], x: &Maps, between: Between, running: bool) -> Vec<f64> {
    let values: Vec<&[f64]> = tensors.iter().map(|tensor| &tensor.values[..]).collect();
    let normed = |start: usize| Normed {
        weight: values[start],
        bias: values[start + 1],
        affine: [values[start + 2], values[start + 3]],
        running: [values[start + 4], values[start + 5]],
    };
    let norm = |a: &Maps, affine: [&[f64]; 2], own: [&[f64]; 2]| {
        let (mean, variance) = a.moments();
        let moments = if running { (own[0], own[1]) } else { (&mean[..], &variance[..]) };
        a.normalized(moments, affine[0], affine[1])
    };
    let conv = |x: &Maps, of: &Normed<'_>| norm(&x.convolved(of.weight, of.bias, 3), of.affine, of.running).relu();
    let z = conv(x, &normed(0)).max_pooled(2).entered(between);
    let inner = conv(&z, &normed(6));
    let (ones, zeros) = (vec![1.0; 4], vec![0.0; 4]);
    let z = norm(&inner.plus(&z), [&ones[..], &zeros[..]], [values[12], values[13]]).relu().entered(between);
    let dense = normed(14);
    // A dense layer sees the map flattened, as a window as large as the map does.
    let a = Maps::of(5, 1, 1, |m, o, _, _| {
        let row = z.group(m, 0..z.c);
        dense.bias[o] + row.iter().zip(&dense.weight[o * row.len()..]).map(|(x, w)| x * w).sum::<f64>()
    });
    norm(&a, dense.affine, dense.running).relu().values
}

#[test]
fn networks_of_maps_are_those_of_plain_lists_of_channels() {
    let x = Maps::random(3, 6, 6, 0);
    for between in [Between::None, Between::Rms, Between::Divisive(2), Between::Divisive(3)] {
        let network = network(between);
        let expected = |running| reference(&network.tensors(), &x, between, running);
        // The input of a network lies channel by channel.
        near(&network.infer(M, &x.values), &expected(true), &format!("{between}, evaluation"));
        near(&network.batch_outputs(M, &x.values), &expected(false), &format!("{between}, the batch's statistics"));
    }
}

#[test]
fn a_label_is_written_over_the_first_pixels_of_the_first_channel() {
    let label = WrittenLabel { classes: 4, strength: 0.5, mean: false };
    let x = Maps::random(3, 6, 6, 1);
    let plain = network(Between::Rms);
    let written = |value: &dyn Fn(usize) -> f64| {
        Maps::of(3, 6, 6, |m, c, y, p| if c == 0 && y == 0 && p < 4 { value(p) } else { x.at(m, c, y, p) })
    };
    let labelled = network(Between::Rms).with_label(label);
    let neutral = reference(&plain.tensors(), &written(&|_| 0.125), Between::Rms, true);
    near(&labelled.infer(M, &x.values), &neutral, "a neutral label");
    // Goodness is that of all values of the maps of all blocks but the first, whatever objectives see of maps.
    let mut labelled = labelled;
    labelled.set_feature(Feature::Pool(1));
    let scores = labelled.class_scores(M, &x.values);
    for class in 0..4 {
        let input = written(&|p| if p == class { 0.5 } else { 0.0 });
        let all = plain.features(M, &input.values, true);
        let columns = all.len() / M;
        let goodness = |row: &[f64]| row[4 * 9..].iter().map(|z| z * z).sum::<f64>();
        let expected: Vec<f64> = all.chunks(columns).map(goodness).collect();
        let found: Vec<f64> = scores.iter().skip(class).step_by(4).copied().collect();
        near(&found, &expected, &format!("class {class}"));
    }
}

#[test]
fn features_of_maps_are_means_and_deviations_of_their_channels() {
    let maps = Maps::random(4, 5, 3, 2);
    let extracted = |feature: Feature| {
        let mut out = vec![f64::NAN; M * feature.columns(maps.shape())];
        feature.extract(maps.shape(), &maps.channels_last(), &mut out);
        out
    };
    near(&extracted(Feature::Flat), &maps.channels_last(), "flat");
    near(&extracted(Feature::Pool(2)), &maps.pooled(2).channels_last(), "pool:2");
    let channels = extracted(Feature::Channels);
    for (m, row) in channels.chunks(8).enumerate() {
        for c in 0..4 {
            let mean = maps.group(m, c..c + 1).iter().sum::<f64>() / 15.0;
            near(&[row[c], row[4 + c]], &[mean, maps.deviation(m, c)], "channels");
        }
    }
}

/// What a rule says of a block with these outputs.
fn loss<O: Objective<f64>>(rule: &O, maps: &Maps, learners: &mut [Learner<f64>]) -> f64 {
    let (z, columns, mut scratch) = (maps.channels_last(), maps.shape().columns(), O::Scratch::default());
    let batch = Batch {
        x: vec![0.0; M],
        columns: 1,
        labels: LABELS.to_vec(),
        classes: 3,
        values: Vec::new(),
        smoothing: 0.0,
        step: 0,
    };
    let shared = rule.prepare(&batch, None, &mut scratch).unwrap();
    let site = Site { block: 0, last: false, shape: maps.shape(), x: batch.matrix() };
    let mut dz = vec![0.0; z.len()];
    let (z, dz) = (MatRef::from_row_major_slice(&z, M, columns), MatMut::from_row_major_slice_mut(&mut dz, M, columns));
    rule.signal(&shared, site, z, dz, learners, &mut scratch).unwrap().loss
}

/// -log of the share that softmax gives the label, a mean over the samples; `score` of sample and class.
fn cross_entropy(score: impl Fn(usize, usize) -> f64) -> f64 {
    let of = |m: usize| (0..3).map(|k| (score(m, k) - score(m, LABELS[m])).exp()).sum::<f64>().ln();
    (0..M).map(of).sum::<f64>() / M as f64
}

/// 1 for two samples of a class, -1/2 for others (three classes).
fn target(i: usize, j: usize) -> f64 {
    if LABELS[i] == LABELS[j] { 1.0 } else { -0.5 }
}

/// A mean over all pairs of samples.
fn over_pairs(of: impl Fn(usize, usize) -> f64) -> f64 {
    (0..M * M).map(|pair| of(pair / M, pair % M)).sum::<f64>() / (M * M) as f64
}

/// Cosine of two rows less their own means.
fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let unit = |row: &[f64]| -> Vec<f64> {
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        let length = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>().sqrt();
        row.iter().map(|x| (x - mean) / (length + 1e-8)).collect()
    };
    unit(a).iter().zip(unit(b)).map(|(a, b)| a * b).sum()
}

/// Gives a learner numbers of its own: zeros hide mistakes.
fn drawn(learner: &mut Learner<f64>, stream: &mut Stream) {
    learner.block_mut().parameters_mut().iter_mut().for_each(|w| *w = 0.4 * stream.normal());
}

/// A tensor of a learner's block in PyTorch's order.
fn tensor(learner: &Learner<f64>, index: usize) -> Vec<f64> {
    let layout = learner.block().layout();
    let start: usize = layout[..index].iter().map(|spec| spec.len()).sum();
    layout[index].places().map(|place| learner.block().parameters()[start + place]).collect()
}

/// Score of a linear classifier for a sample of pooled maps: its columns are those of storage.
fn classified(learner: &Learner<f64>, pooled: &Maps, m: usize, class: usize) -> f64 {
    let (row, parameters) = (pooled.channels_last(), learner.block().parameters());
    let columns = pooled.shape().columns();
    let row = &row[m * columns..(m + 1) * columns];
    let weights = &parameters[class * columns..(class + 1) * columns];
    parameters[3 * columns + class] + row.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>()
}

#[test]
fn groups_of_phsic_are_channels_over_all_pixels() {
    let maps = Maps::random(7, 2, 3, 3);
    let rule = Phsic { similarity: Similarity::Cosine { centered: true }, groups: 3, power: 0.8, balance: 2.0 };
    let feature = |m: usize| -> Vec<f64> {
        let of = |group: usize| {
            let own = maps.group(m, group * 7 / 3..(group + 1) * 7 / 3);
            let mean = own.iter().sum::<f64>() / own.len() as f64;
            ((own.iter().map(|x| (x - mean).powi(2)).sum::<f64>() + 1.0) / own.len() as f64).powf(0.8)
        };
        (0..3).map(of).collect()
    };
    let s = |i: usize, j: usize| cosine(&feature(i), &feature(j));
    let mean = over_pairs(s);
    let expected = over_pairs(|i, j| (s(i, j) - mean) * (s(i, j) - 2.0 * target(i, j)));
    near(&[loss(&rule, &maps, &mut [])], &[expected], "phsic");
}

#[test]
fn groups_of_cwc_ff_are_channels_over_all_pixels() {
    let maps = Maps::random(7, 2, 3, 4);
    for mean in [false, true] {
        let goodness = |m: usize, class: usize| {
            let own = maps.group(m, class * 7 / 3..(class + 1) * 7 / 3);
            own.iter().map(|h| if mean { *h } else { h * h }).sum::<f64>() / own.len() as f64
        };
        let found = loss(&Competition { classes: 3, mean }, &maps, &mut []);
        near(&[found], &[cross_entropy(goodness)], "cwc-ff");
    }
}

#[test]
fn predsim_pools_maps_and_compares_the_deviations_of_channels() {
    let mut stream = Stream::new(9, "learners", 0);
    // With three channels all values are compared.
    for channels in [5, 3] {
        let maps = Maps::random(channels, 4, 4, 5);
        let rule = PredSim { loss: LocalLoss::Both, weight: 0.7, decoder_size: 4 * channels, classes: 3, seed: 1 };
        let mut learners = Objective::<f64>::learners(&rule, 0, false, maps.shape());
        learners.iter_mut().for_each(|learner| drawn(learner, &mut stream));
        // g has no bias.
        let g = learners[1].block_mut().parameters_mut();
        let weights = g.len() - channels;
        g[weights..].fill(0.0);
        let pooled = maps.pooled(2);
        let pred = cross_entropy(|m, class| classified(&learners[0], &pooled, m, class));
        let y = maps.convolved(&tensor(&learners[1], 0), &vec![0.0; channels], 3);
        let row = |m: usize| match channels {
            3 => y.group(m, 0..3).to_vec(),
            _ => (0..channels).map(|c| y.deviation(m, c)).collect(),
        };
        let sim = over_pairs(|i, j| (cosine(&row(i), &row(j)) - target(i, j)).powi(2));
        near(&[loss(&rule, &maps, &mut learners)], &[0.3 * pred + 0.7 * sim], "predsim");
    }
}

#[test]
fn auxiliary_networks_of_greedy_are_convolutions_of_the_map() {
    let mut stream = Stream::new(9, "learners", 1);
    let maps = Maps::random(3, 4, 5, 6);
    let rule = Greedy { layers: 2, width: Some(4), decoupled: true, classes: 3, seed: 1, plan: None };
    let mut learners = Objective::<f64>::learners(&rule, 0, false, maps.shape());
    learners.iter_mut().for_each(|learner| drawn(learner, &mut stream));
    let a = maps.convolved(&tensor(&learners[0], 0), &tensor(&learners[0], 1), 3);
    let (mean, variance) = a.moments();
    let pooled = a.normalized((&mean, &variance), &[1.0; 4], &[0.0; 4]).relu().pooled(2);
    let expected = cross_entropy(|m, class| classified(&learners[1], &pooled, m, class));
    near(&[loss(&rule, &maps, &mut learners)], &[expected], "greedy");
}

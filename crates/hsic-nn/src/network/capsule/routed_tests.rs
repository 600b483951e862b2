//! Routing inside a block against closed forms, central differences and itself.

use super::*;

/// Two pieces of the batch, the second of them not full.
const M: usize = 19;

fn block(rounds: usize, bias: bool, (depth, outputs, width): (usize, usize, usize)) -> RoutedCapsules<f64> {
    let map = Shape { channels: 2 * depth, height: 3, width: 3 };
    let settings = RoutedSettings { outputs, dimensions: width, rounds, bias };
    let mut stream = Stream::new(6, "routed", 0);
    let mut block = RoutedCapsules::new(map, depth, settings, &mut stream);
    // Votes that disagree enough for couplings to leave 1/J.
    block.parameters.iter_mut().for_each(|value| *value = 0.7 * stream.normal());
    block
}

fn input(block: &RoutedCapsules<f64>) -> Vec<f64> {
    let mut stream = Stream::new(6, "input", 0);
    (0..M * block.inputs()).map(|_| 0.5 * stream.normal()).collect()
}

fn outputs(block: &RoutedCapsules<f64>, x: &[f64]) -> Vec<f64> {
    let mut z = vec![f64::NAN; x.len() / block.inputs() * block.outputs()];
    block.forward(x.len() / block.inputs(), x, &mut z, &mut Cache::default());
    z
}

/// One sample by the definition, with logits: v, and c of the last round (inputs x outputs).
fn by_definition(block: &RoutedCapsules<f64>, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let Sizes { inputs, depth, outputs, width } = block.sizes;
    let vote = |i: usize, j: usize, k: usize| -> f64 {
        let w = &block.weight()[((i * outputs + j) * width + k) * depth..][..depth];
        w.iter().zip(&x[i * depth..]).map(|(w, u)| w * u).sum()
    };
    let mut b = vec![0.0; inputs * outputs];
    let (mut c, mut v) = (b.clone(), vec![0.0; outputs * width]);
    for _ in 0..block.rounds {
        for (c, b) in c.chunks_mut(outputs).zip(b.chunks(outputs)) {
            let total: f64 = b.iter().map(|b| b.exp()).sum();
            c.iter_mut().zip(b).for_each(|(c, b)| *c = b.exp() / total);
        }
        for j in 0..outputs {
            let mut s: Vec<f64> = (0..width)
                .map(|k| {
                    let bias = block.bias().get(j * width + k).copied().unwrap_or(0.0);
                    bias + (0..inputs).map(|i| c[i * outputs + j] * vote(i, j, k)).sum::<f64>()
                })
                .collect();
            let square: f64 = s.iter().map(|s| s * s).sum();
            s.iter_mut().for_each(|s| *s *= square / (1.0 + square) / (square + 1e-8).sqrt());
            v[j * width..(j + 1) * width].copy_from_slice(&s);
        }
        for i in 0..inputs {
            for j in 0..outputs {
                b[i * outputs + j] += (0..width).map(|k| vote(i, j, k) * v[j * width + k]).sum::<f64>();
            }
        }
    }
    (v, c)
}

const SIZES: [(usize, usize, usize); 3] = [(8, 3, 16), (3, 4, 5), (9, 2, 1)];

#[test]
fn outputs_are_those_of_the_definition_and_couplings_sum_to_one() {
    for sizes in SIZES {
        for (rounds, bias) in [(1, false), (3, false), (4, true)] {
            let block = block(rounds, bias, sizes);
            let x = input(&block);
            let z = outputs(&block, &x);
            let mut inferred = vec![f64::NAN; z.len()];
            block.infer(M, &x, &mut inferred);
            assert_eq!(inferred, z);
            for (z, x) in z.chunks(block.outputs()).zip(x.chunks(block.inputs())) {
                let (v, c) = by_definition(&block, x);
                for (z, v) in z.iter().zip(&v) {
                    assert!((z - v).abs() < 1e-13, "{sizes:?} {rounds}: {z} {v}");
                }
                for c in c.chunks(sizes.1) {
                    assert!((c.iter().sum::<f64>() - 1.0).abs() < 1e-14);
                }
                let moved = c.iter().any(|c| (c - 1.0 / sizes.1 as f64).abs() > 1e-2);
                assert_eq!(moved, rounds > 1, "{sizes:?} {rounds}");
            }
        }
    }
}

#[test]
fn one_round_is_the_uniform_sum_of_votes() {
    let block = block(1, false, (8, 4, 16));
    let x = input(&block);
    let Sizes { inputs, depth, outputs: capsules, width } = block.sizes;
    for (z, x) in outputs(&block, &x).chunks(capsules * width).zip(x.chunks(inputs * depth)) {
        let mut s = vec![0.0; capsules * width];
        for (i, u) in x.chunks(depth).enumerate() {
            for (s, w) in s.iter_mut().zip(block.weight()[i * block.sizes.weights()..].chunks(depth)) {
                *s += w.iter().zip(u).map(|(w, u)| w * u).sum::<f64>() / capsules as f64;
            }
        }
        let mut v = vec![0.0; s.len()];
        super::super::squash(width, &s, &mut v);
        z.iter().zip(&v).for_each(|(z, v)| assert!((z - v).abs() < 1e-14));
    }
}

#[test]
fn input_capsules_permuted_with_their_weights_give_the_same_outputs() {
    let block = block(3, false, (8, 3, 4));
    let x = input(&block);
    let Sizes { inputs, depth, .. } = block.sizes;
    let weights = block.sizes.weights();
    let mut order: Vec<usize> = (0..inputs).collect();
    Stream::new(1, "permutation", 0).shuffle(&mut order);
    let mut permuted = block.clone();
    for (to, &from) in order.iter().enumerate() {
        permuted.parameters[to * weights..(to + 1) * weights]
            .copy_from_slice(&block.parameters[from * weights..(from + 1) * weights]);
    }
    let row = |x: &[f64]| order.iter().flat_map(|&i| x[i * depth..(i + 1) * depth].to_vec()).collect::<Vec<_>>();
    let turned: Vec<f64> = x.chunks(block.inputs()).flat_map(row).collect();
    for (a, b) in outputs(&block, &x).iter().zip(outputs(&permuted, &turned)) {
        assert!((a - b).abs() < 1e-14, "{a} {b}");
    }
    assert_ne!(outputs(&block, &turned), outputs(&block, &x));
}

#[test]
fn gradients_agree_with_central_differences() {
    for sizes in SIZES {
        for (rounds, bias) in [(1, false), (2, true), (3, true)] {
            let mut block = block(rounds, bias, sizes);
            let mut x = input(&block);
            let mut stream = Stream::new(7, "routed", 0);
            let v: Vec<f64> = (0..M * block.outputs()).map(|_| stream.normal()).collect();
            let (mut z, mut cache) = (vec![0.0; v.len()], Cache::default());
            block.forward(M, &x, &mut z, &mut cache);
            let mut gradient = vec![f64::NAN; block.parameters.len()];
            let mut dx = vec![f64::NAN; x.len()];
            block.gradient(M, &x, &z, &mut v.clone(), &mut cache, &mut gradient, Some(&mut dx));
            let mut alone = vec![f64::NAN; gradient.len()];
            block.gradient(M, &x, &z, &mut v.clone(), &mut cache, &mut alone, None);
            assert_eq!(alone, gradient);
            let loss = |block: &RoutedCapsules<f64>, x: &[f64]| -> f64 {
                outputs(block, x).iter().zip(&v).map(|(z, v)| z * v).sum()
            };
            // Not by `testing::agrees`, whose five rows fill no piece of sixteen samples.
            let (h, case) = (1e-6, format!("{sizes:?} rounds {rounds}"));
            let count = gradient.len();
            for i in (0..count).step_by(13).chain(count - 3..count) {
                let kept = block.parameters[i];
                block.parameters[i] = kept + h;
                let up = loss(&block, &x);
                block.parameters[i] = kept - h;
                let down = loss(&block, &x);
                block.parameters[i] = kept;
                // Cancellation 2e-16 |L| / h with |L| below 50, and truncation h^2.
                assert!((gradient[i] - (up - down) / (2.0 * h)).abs() < 3e-8, "{case} parameter {i}");
            }
            for i in (0..x.len()).step_by(17) {
                let kept = x[i];
                x[i] = kept + h;
                let up = loss(&block, &x);
                x[i] = kept - h;
                let down = loss(&block, &x);
                x[i] = kept;
                assert!((dx[i] - (up - down) / (2.0 * h)).abs() < 3e-8, "{case} input {i}");
            }
        }
    }
}

#[test]
fn weights_go_out_by_output_capsule_then_by_type_line_and_pixel() {
    let block = block(3, false, (8, 3, 4));
    let spec = &block.layout()[0];
    assert_eq!(spec.shape, [3, 18, 4, 8]);
    let places: Vec<usize> = spec.places().collect();
    // Output capsule 2, type 1 at line 2, pixel 0, value 3, input value 5; stored pixel by pixel, types last.
    let outside = ((2 * 18 + (9 + 2 * 3)) * 4 + 3) * 8 + 5;
    let (input, value) = ((2 * 3) * 2 + 1, 2 * 4 + 3);
    assert_eq!(places[outside], (input * 12 + value) * 8 + 5);
}

#[test]
fn threads_do_not_move_a_bit() {
    let block = block(3, true, (8, 3, 16));
    let x = input(&block);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (mut z, mut cache) = (vec![0.0; M * block.outputs()], Cache::default());
            block.forward(M, &x, &mut z, &mut cache);
            let (mut gradient, mut dx) = (vec![0.0; block.parameters.len()], vec![0.0; x.len()]);
            block.gradient(M, &x, &z, &mut z.clone(), &mut cache, &mut gradient, Some(&mut dx));
            (z, gradient, dx)
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn silent_inputs_give_no_votes_and_finite_gradients() {
    let block = block(3, false, (8, 3, 16));
    let x = vec![0.0; M * block.inputs()];
    let (mut z, mut cache) = (vec![f64::NAN; M * block.outputs()], Cache::default());
    block.forward(M, &x, &mut z, &mut cache);
    assert!(z.iter().all(|&z| z == 0.0));
    let mut gradient = vec![f64::NAN; block.parameters.len()];
    block.gradient(M, &x, &z, &mut vec![1.0; z.len()], &mut cache, &mut gradient, None);
    assert!(gradient.iter().all(|&value| value == 0.0));
}

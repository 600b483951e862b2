//! What happens between blocks against its definitions, maps beside plain lists of channels.

use super::*;
use crate::network::{Activation, Dense, Norm};
use crate::testing::agrees;

const M: usize = 5;

const VECTOR: Shape = Shape { channels: 6, height: 1, width: 1 };

fn after(map: Shape, entrance: Entrance) -> Entered<f64> {
    let mut stream = Stream::new(3, "entrance", 0);
    let dense = Dense::new(map.columns(), 4, Activation::Tanh, Norm::Batch, &mut stream);
    Entered::new(Box::new(dense), entrance, map, 9, 2)
}

fn entered(entrance: Entrance) -> Entered<f64> {
    after(VECTOR, entrance)
}

fn input() -> Vec<f64> {
    let mut stream = Stream::new(4, "entrance", 1);
    (0..M * 6).map(|_| stream.normal()).collect()
}

#[test]
fn gradients_agree_with_central_differences() {
    let map = Shape { channels: 3, height: 2, width: 2 };
    let bands = Between::DivisiveBands(2);
    for between in [Between::None, Between::Rms, Between::Divisive(2), Between::Divisive(4), bands] {
        for dropout in [0.0, 0.4] {
            for (map, dropout_by) in [(VECTOR, DropoutBy::Value), (map, DropoutBy::Value), (map, DropoutBy::Channel)] {
                let mut block = after(map, Entrance { between, dropout, dropout_by });
                assert_eq!(agrees(&mut block, 4), Ok(()), "{between} {dropout} {map:?} {dropout_by:?}");
            }
        }
    }
}

/// A row of 3 x 3 pixels of 4 channels, each of mean 0 and of a deviation of its own.
fn map_of_deviations(deviations: [f64; 4]) -> Vec<f64> {
    // -a, 0 and a, three times each, have the variance 2 a^2 / 3.
    let value =
        |pixel: usize, deviation: f64| (pixel % 3) as f64 * 1.5f64.sqrt() * deviation - 1.5f64.sqrt() * deviation;
    (0..9).flat_map(|pixel| deviations.map(|deviation| value(pixel, deviation))).collect()
}

#[test]
fn groups_of_a_map_are_channels() {
    let map = Shape { channels: 4, height: 3, width: 3 };
    let x = map_of_deviations([1.0, 1.0, 5.0, 5.0]);
    let normalized = |between| {
        let mut y = vec![0.0; 36];
        after(map, Entrance { between, ..Entrance::default() }).normalize(&x, &mut y);
        [0, 1, 2, 3].map(|c| (y.iter().skip(c).step_by(4).map(|y| y * y).sum::<f64>() / 9.0).sqrt())
    };
    // A group of two channels has n = 18 values of variance s^2: s / (s^2 + 1/18)^0.2.
    let expected = [1.0f64, 1.0, 5.0, 5.0].map(|s| s / (s * s + 1.0 / 18.0).powf(0.2));
    let found = normalized(Between::Divisive(2));
    found.iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-14, "{found:?} {expected:?}"));
    // Bands of pixels mix all channels: none has that deviation.
    let bands = normalized(Between::DivisiveBands(2));
    assert!(bands.iter().zip(expected).all(|(a, b)| (a - b).abs() > 0.1), "{bands:?}");
}

#[test]
fn groups_of_a_map_are_those_of_a_plain_list_of_channels() {
    // Unequal groups (5 channels in 2 and 3), beside a reference whose rows lie channel by channel.
    let map = Shape { channels: 5, height: 2, width: 3 };
    let mut stream = Stream::new(4, "entrance", 7);
    let x: Vec<f64> = (0..M * 30).map(|_| stream.normal()).collect();
    let mut y = vec![0.0; x.len()];
    after(map, Entrance { between: Between::Divisive(2), ..Entrance::default() }).normalize(&x, &mut y);
    for (x, y) in x.chunks(30).zip(y.chunks(30)) {
        for channels in [0..2, 2..5] {
            let places: Vec<usize> = channels.flat_map(|c| (0..6).map(move |pixel| pixel * 5 + c)).collect();
            let n = places.len() as f64;
            let mean = places.iter().map(|&place| x[place]).sum::<f64>() / n;
            let variance = places.iter().map(|&place| (x[place] - mean).powi(2)).sum::<f64>() / n;
            for &place in &places {
                let expected = (x[place] - mean) / (variance + 1.0 / n).powf(0.2);
                // Sums of 18 terms in another order.
                assert!((y[place] - expected).abs() < 1e-14, "{place}: {} {expected}", y[place]);
            }
        }
    }
}

#[test]
fn dropout_by_channel_takes_all_pixels_of_one_or_none() {
    let map = Shape { channels: 3, height: 4, width: 5 };
    let block = after(map, Entrance { dropout: 0.4, dropout_by: DropoutBy::Channel, ..Entrance::default() });
    let mut values = vec![1.0; 2000 * 60];
    block.mask(Some(1), &mut values);
    let mut dropped = 0;
    for row in values.chunks(60) {
        for channel in 0..3 {
            let own: Vec<f64> = row.iter().skip(channel).step_by(3).copied().collect();
            assert!(own.iter().all(|value| *value == own[0]), "{own:?}");
            dropped += usize::from(own[0] == 0.0);
        }
    }
    // 6000 draws of probability 0.4 have a deviation of 38; five of them.
    assert!((dropped as f64 - 2400.0).abs() < 190.0, "{dropped}");
    assert!(values.iter().all(|&value| value == 0.0 || (value - 1.0 / 0.6).abs() < 1e-15));
}

#[test]
fn modules_say_what_happens_between_blocks() {
    let map = Shape { channels: 3, height: 2, width: 2 };
    let modules = |map, between, dropout, dropout_by| {
        let block = after(map, Entrance { between, dropout, dropout_by });
        let modules = block.modules().into_iter().map(|module| (module.class, module.arguments)).collect::<Vec<_>>();
        let (own, inner) = modules.split_at(modules.len() - block.block.modules().len());
        assert_eq!(inner[0].0, "Linear");
        // Tensors are named by the places of modules.
        let places = |specs: Vec<TensorSpec>| specs.into_iter().map(|spec| spec.module).collect::<Vec<_>>();
        let behind: Vec<usize> = places(block.block.layout()).into_iter().map(|place| place + own.len()).collect();
        assert_eq!(places(block.layout()), behind);
        own.to_vec()
    };
    assert_eq!(modules(map, Between::None, 0.0, DropoutBy::Channel), []);
    assert_eq!(modules(map, Between::None, 0.4, DropoutBy::Channel), [("Dropout2d", vec![0.4])]);
    // A value is all of its channel where there are no pixels.
    assert_eq!(modules(VECTOR, Between::None, 0.4, DropoutBy::Channel), [("Dropout", vec![0.4])]);
    let divided = ("DivisiveNorm", vec![2.0]);
    assert_eq!(modules(map, Between::Divisive(2), 0.4, DropoutBy::Value), [divided, ("Dropout", vec![0.4])]);
    assert_eq!(modules(map, Between::DivisiveBands(4), 0.0, DropoutBy::Value), [("DivisiveBands", vec![4.0])]);
    assert_eq!(modules(map, Between::Rms, 0.0, DropoutBy::Value), [("RowRms", vec![])]);
}

#[test]
fn a_step_repeats_its_mask_and_another_has_another() {
    let block = entered(Entrance { dropout: 0.5, ..Entrance::default() });
    let outputs = |draw| {
        let (mut z, mut cache) = (vec![0.0; M * 4], Cache::default());
        cache.set_draw(draw);
        block.forward(M, &input(), &mut z, &mut cache);
        z
    };
    assert_eq!(outputs(Some(5)), outputs(Some(5)));
    assert_ne!(outputs(Some(5)), outputs(Some(6)));
}

#[test]
fn without_a_draw_the_statistics_are_the_batchs_and_nothing_is_dropped() {
    let outputs = |dropout, draw| {
        let block = entered(Entrance { dropout, ..Entrance::default() });
        let (mut z, mut cache) = (vec![0.0; M * 4], Cache::default());
        cache.set_draw(draw);
        block.forward(M, &input(), &mut z, &mut cache);
        z
    };
    assert_eq!(outputs(0.5, None), outputs(0.0, Some(0)));
    assert_ne!(outputs(0.5, Some(0)), outputs(0.0, Some(0)));
}

#[test]
fn dropout_keeps_the_mean_and_is_not_there_in_evaluation() {
    let block = entered(Entrance { dropout: 0.3, ..Entrance::default() });
    let mut values = vec![1.0; 100_000];
    block.mask(Some(0), &mut values);
    let mean = values.iter().sum::<f64>() / 1e5;
    // A value's deviation is sqrt(0.3 / 0.7) = 0.65; five standard errors of the mean.
    assert!((mean - 1.0).abs() < 0.0104, "{mean}");
    let (mut with, mut without) = (vec![0.0; M * 4], vec![0.0; M * 4]);
    block.infer(M, &input(), &mut with);
    entered(Entrance::default()).infer(M, &input(), &mut without);
    assert_eq!(with, without);
}

#[test]
fn the_root_mean_square_takes_a_rows_length() {
    let block = entered(Entrance { between: Between::Rms, ..Entrance::default() });
    let (x, mut y) = (input(), vec![0.0; M * 6]);
    block.normalize(&x, &mut y);
    for row in y.chunks(6) {
        assert!((row.iter().map(|y| y * y).sum::<f64>() / 6.0 - 1.0).abs() < 1e-7);
    }
    let doubled: Vec<f64> = x.iter().map(|x| 2.0 * x).collect();
    let mut again = vec![0.0; M * 6];
    block.normalize(&doubled, &mut again);
    y.iter().zip(&again).for_each(|(a, b)| assert!((a - b).abs() < 1e-7));
    block.normalize(&[0.0; 6], &mut again[..6]);
    assert_eq!(again[..6], [0.0; 6]);
}

#[test]
fn names_are_read_as_they_are_written() {
    for between in [Between::None, Between::Rms, Between::Divisive(16), Between::DivisiveBands(3)] {
        assert_eq!(between.to_string().parse(), Ok(between));
    }
    for wrong in ["divisive:0", "divisive", "divisive-bands:x", "", ":4"] {
        assert!(wrong.parse::<Between>().is_err(), "{wrong}");
    }
}

//! Integration tests: one module a behaviour.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod archives;
mod backprop;
mod battery;
mod by_size;
mod capsules;
mod cifar;
mod clipping;
mod conclusion;
mod crashes;
mod datasets;
mod digests;
mod division;
mod edges;
mod encode;
mod folders;
mod images;
mod judged;
mod keeping;
mod maps;
mod methods;
mod packed;
mod photos;
mod prediction;
mod recipe;
mod regression;
mod runs;
mod samples;
mod schedules;
mod shards;
mod stages;
mod statistics;
mod three_blocks;
mod timeline;
mod training;
mod units;

use hsic::random::Stream;
use hsic_bottleneck::dataset::{Dataset, Origin, Samples, Shape, Split, Targets};

/// Three classes of points in six columns, 60 training and 30 test rows, apart enough to be learned and not without error.
fn points() -> Split {
    let part = |purpose: &str, rows: usize| {
        let mut stream = Stream::new(2, purpose, 0);
        let labels: Vec<u16> = (0..rows).map(|row| (row % 3) as u16).collect();
        let value = |&label: &u16, column: usize| f32::from(label == (column % 3) as u16);
        let values = labels.iter().flat_map(|label| (0..6).map(move |column| value(label, column)));
        Dataset {
            name: "points".to_owned(),
            samples: Samples::Floats(values.map(|value| 1.2 * value + stream.normal() as f32).collect()),
            shape: Shape { channels: 1, height: 1, width: 6 },
            targets: Targets::classes(labels, ["left", "middle", "right"].map(str::to_owned).to_vec()),
            normalization: None,
        }
    };
    Split { train: part("train", 60), test: part("test", 30), standardization: None, origin: Origin::default() }
}

/// A row of a data set.
fn row(data: &Dataset, index: usize) -> Vec<f32> {
    let mut row = vec![0.0; data.columns()];
    data.fill_row(index, &mut row).unwrap();
    row
}

/// Index of the largest number.
fn largest(values: &[f32]) -> usize {
    (0..values.len()).reduce(|best, index| if values[index] > values[best] { index } else { best }).unwrap()
}

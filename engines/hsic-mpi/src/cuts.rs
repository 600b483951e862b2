//! Which blocks each process has.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::config::TrainConfig;
use hsic_bottleneck::dataset::Split;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::session::Session;
use hsic_bottleneck::span::Work;

use crate::blocks::Blocks;

/// Steps by which blocks are measured.
const STEPS: u64 = 12;

/// The first of them, in which memory grows, are not counted.
const WARM: u64 = 2;

/// How blocks are cut into stages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stages {
    /// By the time that blocks take.
    Auto,
    /// So many blocks a stage.
    Given(Vec<usize>),
}

impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Given(counts) => f.write_str(&counts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
        }
    }
}

impl FromStr for Stages {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("auto") {
            return Ok(Self::Auto);
        }
        let counts: Option<Vec<usize>> =
            text.split(',').map(|part| part.trim().parse().ok().filter(|&count| count >= 1)).collect();
        counts.map(Self::Given).ok_or_else(|| "expected auto, or numbers of blocks >= 1, as 2,2,3".to_owned())
    }
}

/// What is amiss with stages for so many blocks and processes: what was found, what was expected.
pub(crate) fn fault(stages: &Stages, blocks: usize, processes: usize) -> Option<String> {
    if processes > blocks {
        return Some(format!("{processes} processes for {blocks} blocks: expected one block each at the least"));
    }
    let Stages::Given(counts) = stages else { return None };
    let told = stages.to_string();
    if counts.len() != processes {
        return Some(format!("stages = {told}: expected {processes} numbers, one a process"));
    }
    let sum: usize = counts.iter().sum();
    (sum != blocks).then(|| format!("stages = {told}: expected {blocks} blocks in all, those of the network"))
}

/// The blocks of each stage, by how many it has.
pub(crate) fn ranges(counts: &[usize]) -> Vec<Range<usize>> {
    let mut start = 0;
    let range = |&count: &usize| {
        start += count;
        start - count..start
    };
    counts.iter().map(range).collect()
}

/// How many blocks each of so many stages has, so that the largest sum of `seconds` of a stage is the least; of equal cuts
/// the one whose first stages are short.
pub(crate) fn even(seconds: &[f64], stages: usize) -> Vec<usize> {
    let sums: Vec<f64> = std::iter::once(0.0)
        .chain(seconds.iter().scan(0.0, |sum, own| {
            *sum += own;
            Some(*sum)
        }))
        .collect();
    let blocks = seconds.len();
    // Of the blocks from the first on: the least largest sum of a number of stages, and where its last stage begins.
    let mut best = vec![(f64::INFINITY, 0); blocks + 1];
    best[0] = (0.0, 0);
    let mut starts = Vec::new();
    for _ in 0..stages {
        let cut = |end: usize| {
            let of = |start: usize| (best[start].0.max(sums[end] - sums[start]), start);
            let least = |a: (f64, usize), b: (f64, usize)| if b.0 < a.0 { b } else { a };
            (0..end).map(of).reduce(least).unwrap_or((f64::INFINITY, 0))
        };
        best = (0..=blocks).map(cut).collect();
        starts.push(best.iter().map(|&(_, start)| start).collect::<Vec<_>>());
    }
    let mut counts = Vec::new();
    let mut end = blocks;
    for starts in starts.iter().rev() {
        counts.push(end - starts[end]);
        end = starts[end];
    }
    counts.reverse();
    counts
}

/// Seconds that each block takes in a step, forward pass and learning, as this machine has it.
///
/// # Errors
/// What making the network or its steps says.
pub(crate) fn measured(blocks: &dyn Blocks, config: &TrainConfig, data: &Split) -> Result<Vec<f64>, Error> {
    let mut seconds = Vec::new();
    blocks.with_session(config, data, &mut |session| {
        seconds = seconds_of(session, config, data)?;
        Ok(())
    })?;
    Ok(seconds)
}

fn seconds_of(session: &mut dyn Session, config: &TrainConfig, data: &Split) -> Result<Vec<f64>, Error> {
    let mut seconds = vec![0.0; session.block_columns().len()];
    let rows = data.train.rows().min(config.batch_size);
    let mut batch = Batch::default();
    batch.fill(&data.train, &(0..rows).collect::<Vec<_>>())?;
    for step in 0..STEPS {
        batch.step = step;
        let report = session.step(&batch, 1e-6)?;
        if step >= WARM {
            for span in report.spans.iter().filter(|span| span.work != Work::Operator) {
                seconds[span.block] += span.end_milliseconds - span.begin_milliseconds;
            }
        }
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_numbers_of_blocks_or_found() {
        assert_eq!("2, 2,3".parse(), Ok(Stages::Given(vec![2, 2, 3])));
        assert_eq!("Auto".parse(), Ok(Stages::Auto));
        for wrong in ["", "2,,3", "0,2", "two", "-1"] {
            assert!(wrong.parse::<Stages>().is_err(), "{wrong}");
        }
        let given = Stages::Given(vec![2, 3]);
        assert_eq!(fault(&given, 5, 2), None);
        assert_eq!(fault(&given, 6, 2).unwrap(), "stages = 2,3: expected 6 blocks in all, those of the network");
        assert_eq!(fault(&given, 5, 3).unwrap(), "stages = 2,3: expected 3 numbers, one a process");
        assert!(fault(&Stages::Auto, 2, 3).unwrap().starts_with("3 processes for 2 blocks"));
        assert_eq!(ranges(&[2, 1, 3]), [0..2, 2..3, 3..6]);
    }

    #[test]
    fn blocks_are_cut_where_the_slowest_stage_is_fastest() {
        assert_eq!(even(&[1.0; 6], 3), [2, 2, 2]);
        assert_eq!(even(&[1.0; 6], 1), [6]);
        assert_eq!(even(&[5.0, 1.0, 1.0, 1.0, 1.0], 2), [1, 4]);
        assert_eq!(even(&[1.0, 1.0, 1.0, 9.0], 3), [1, 2, 1]);
        assert_eq!(even(&[1.0, 2.0, 3.0], 3), [1, 1, 1]);
        // Every stage has a block even where some take no time.
        assert_eq!(even(&[0.0; 4], 4), [1, 1, 1, 1]);
    }
}

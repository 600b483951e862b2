//! Readouts of the blocks while a network is trained: `--probe-epochs`.
//!
//! They read the network at rest and draw nothing from the streams of training, so that its bits are those without them. They
//! are judged on the validation part or, without one, on a fifth of the training rows at hand, to which they are not
//! fitted: the test part says nothing before the end.

use hsic::random::Stream;
use hsic_data::dataset::Split;
use hsic_learn::judge::at_rest::{AtRest, FormatInput, Members};
use hsic_learn::judge::probe::{Blocks, FITTED_ROWS};
use hsic_learn::session::Session;

use crate::error::Error;
use crate::log::{ProbeReport, ProbedOn};

/// Of so many training rows one judges where there is no validation part.
const JUDGING: usize = 5;

/// At most `most` of so many rows, in an order that is drawn once: of rows that go through the classes in turn, as those of
/// drawn digits do, evenly spaced ones would have some of the classes alone.
pub(crate) fn drawn(rows: usize, most: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    Stream::new(1, "probe rows", 0).shuffle(&mut order);
    order.truncate(most);
    order
}

/// Whether blocks are read out after so many epochs of so many: every `every`, and at the end.
pub(crate) fn is_due(every: u64, epoch: u64, epochs: u64) -> bool {
    every > 0 && (epoch.is_multiple_of(every) || epoch == epochs)
}

/// Fits a readout to each block and judges it, after so many epochs and steps.
///
/// # Errors
/// `Dataset` of samples that lie in a file.
pub(crate) fn probe(session: &dyn Session, data: &Split, (epoch, step): (u64, u64)) -> Result<ProbeReport, Error> {
    let blocks = Blocks::of(AtRest::new(Members::One(session), FormatInput::All));
    let at_hand = drawn(data.train.rows(), FITTED_ROWS);
    let (judged_on, fitted, judges, judging) = match data.origin.validation {
        Some(_) => (ProbedOn::Validation, at_hand, &data.test, drawn(data.test.rows(), FITTED_ROWS)),
        None => {
            let (judging, fitted) = at_hand.split_at(at_hand.len() / JUDGING);
            (ProbedOn::Training, fitted.to_vec(), &data.train, judging.to_vec())
        }
    };
    let readouts = blocks.readouts(&data.train, &fitted)?;
    let accuracy = readouts.accuracies(&blocks, judges, &judging)?;
    Ok(ProbeReport { epoch, step, fitted_rows: fitted.len(), judged_on, judged_rows: judging.len(), accuracy })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_go_through_the_classes_in_turn_are_drawn_from_all_of_them() {
        let rows = drawn(1000, 500);
        let of_class = |class: usize| rows.iter().filter(|&row| row % 10 == class).count();
        // 50 are expected of each, with a deviation of 5.
        assert!((0..10).all(|class| (30..70).contains(&of_class(class))), "{rows:?}");
        let mut all = drawn(7, 9);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn blocks_are_read_out_every_so_many_epochs_and_at_the_end() {
        let due = |every| (1..=7).filter(|&epoch| is_due(every, epoch, 7)).collect::<Vec<u64>>();
        assert_eq!((due(3), due(1).len(), due(0), due(9)), (vec![3, 6, 7], 7, vec![], vec![7]));
    }
}

//! Several runs in the same coordinates: a curve a run.

use hsic_bottleneck::log::EpochReport;
use hsic_bottleneck::summary::JudgedOn;

use super::plot::{Axis, Marks, Panel, Plot, Series, Style};
use super::run_report::RunReport;

/// Most runs that are told apart in one drawing, as many as there are colors.
pub const MOST_RUNS: usize = 8;

/// A quantity of an epoch; `None` where a run does not have it.
type Quantity = fn(&EpochReport) -> Option<f64>;

/// What runs have in common, each figure with its title: how well they are judged, over epochs and over time, and what their
/// last blocks learn. A quantity that no run has gives no figure.
#[must_use]
pub fn overlaid(runs: &[(String, &RunReport)]) -> Vec<(String, Plot)> {
    let part = part(runs);
    let accuracy: Quantity = |epoch| {
        let share = 100.0 * epoch.test_accuracy;
        share.is_finite().then_some(share)
    };
    let r2: Quantity = |epoch| Some(epoch.values?.test.r2);
    let label = format!("{part} accuracy (%)");
    let accuracies = format!("Accuracy on the {part} data after each epoch: over epochs (left) and over time (right).");
    let scores = format!("R2 on the {part} data after each epoch: over epochs (left) and over time (right).");
    let losses = "Loss of the last block, the mean over an epoch's steps. Losses of different methods are different \
                  quantities.";
    let dependences = "What the last block that learns by it knows of the input (left) and of the labels (right), the mean \
                       over an epoch's batches.";
    let figures = [
        ("Accuracy", accuracies, beside_time(runs, &label, accuracy)),
        ("R2", scores, beside_time(runs, &format!("{part} R2"), r2)),
        ("Loss of the last block", losses.to_owned(), vec![by_epoch(runs, "loss", last_loss)]),
        (
            "Dependence at the last block",
            dependences.to_owned(),
            vec![
                by_epoch(runs, "nHSIC(X, Z)", |epoch| last_dependence(epoch, &epoch.nhsic_x)),
                by_epoch(runs, "nHSIC(Y, Z)", |epoch| last_dependence(epoch, &epoch.nhsic_y)),
            ],
        ),
    ];
    let shown = figures.into_iter().filter(|(.., panels)| panels.iter().any(has_points));
    shown
        .map(|(title, caption, panels)| {
            let columns = panels.len();
            (title.to_owned(), Plot { caption, panels, columns, ..Plot::default() })
        })
        .collect()
}

/// By which part of the data runs are judged, in a word.
fn part(runs: &[(String, &RunReport)]) -> &'static str {
    let mut parts: Vec<JudgedOn> = runs.iter().map(|(_, run)| run.config.judged_on()).collect();
    parts.dedup();
    match parts[..] {
        [only] => only.name(),
        _ => "judged",
    }
}

fn last_loss(epoch: &EpochReport) -> Option<f64> {
    epoch.loss.last().copied().filter(|loss| loss.is_finite())
}

/// A dependence at the last block that has one with the labels: an output block that learns by cross-entropy has none.
fn last_dependence(epoch: &EpochReport, values: &[f64]) -> Option<f64> {
    let block = epoch.nhsic_y.iter().rposition(|&y| y != 0.0)?;
    values.get(block).copied().filter(|value| value.is_finite())
}

fn by_epoch(runs: &[(String, &RunReport)], label: &str, quantity: Quantity) -> Panel {
    panel(runs, "epoch", label, |epoch| Some((epoch.epoch as f64, quantity(epoch)?)))
}

fn beside_time(runs: &[(String, &RunReport)], label: &str, quantity: Quantity) -> Vec<Panel> {
    let by_time = panel(runs, "time (s)", label, |epoch| Some((epoch.seconds, quantity(epoch)?)));
    vec![by_epoch(runs, label, quantity), by_time]
}

fn panel(
    runs: &[(String, &RunReport)],
    x: &str,
    label: &str,
    point: impl Fn(&EpochReport) -> Option<(f64, f64)>,
) -> Panel {
    let curve = |(name, run): &(String, &RunReport)| {
        let points: Vec<(f64, f64)> = run.epochs.iter().filter_map(&point).collect();
        let style = if points.len() <= 40 { Style::Line } else { Style::Curve };
        Series::plain(name, style, points)
    };
    let series = runs.iter().map(curve).filter(|series| !series.points.is_empty()).collect();
    let title = format!("{label} by {}", if x == "epoch" { "epoch" } else { "time" });
    Panel { title, x: Axis::linear(x), y: Axis::linear(label), marks: Marks::Series(series) }
}

fn has_points(panel: &Panel) -> bool {
    matches!(&panel.marks, Marks::Series(series) if !series.is_empty())
}

#[cfg(test)]
mod tests {
    use hsic_bottleneck::config::TrainOptions;

    use super::*;

    fn run(nhsic: bool, validation: Option<f64>) -> RunReport {
        let mut options = TrainOptions::default();
        options.data.validation = validation;
        let epoch = |epoch: u64| EpochReport {
            epoch,
            step: 10 * epoch,
            seconds: 2.5 * epoch as f64,
            learning_rate: 0.1,
            loss: vec![9.0, 1.0 / epoch as f64],
            nhsic_x: if nhsic { vec![5.0, 3.0, 0.0] } else { Vec::new() },
            nhsic_y: if nhsic { vec![1.0, 2.0, 0.0] } else { Vec::new() },
            terms: Default::default(),
            train_accuracy: 0.5,
            test_accuracy: 0.25 * epoch as f64,
            values: None,
            authors_test_accuracy: None,
        };
        RunReport {
            config: options.resolve().unwrap(),
            summary: None,
            epochs: vec![epoch(1), epoch(2)],
            monitor: Vec::new(),
            probes: Vec::new(),
            format: Vec::new(),
            timelines: Vec::new(),
            warnings: Vec::new(),
            values: None,
            reconstructions: None,
            samples: None,
            filters: None,
            members: Vec::new(),
        }
    }

    fn curves(plot: &Plot, panel: usize) -> Vec<(&str, Vec<(f64, f64)>)> {
        let Marks::Series(series) = &plot.panels[panel].marks else { panic!("series expected") };
        let ends = |series: &Series| series.points.iter().map(|point| (point.x, point.y)).collect();
        series.iter().map(|series| (&*series.name, ends(series))).collect()
    }

    #[test]
    fn each_run_has_a_curve_by_epoch_and_by_time() {
        let (a, b) = (run(true, None), run(false, None));
        let figures = overlaid(&[("a".to_owned(), &a), ("b".to_owned(), &b)]);
        let titles: Vec<&str> = figures.iter().map(|(title, _)| &**title).collect();
        assert_eq!(titles, ["Accuracy", "Loss of the last block", "Dependence at the last block"]);
        let accuracy = &figures[0].1;
        assert_eq!(curves(accuracy, 0)[1], ("b", vec![(1.0, 25.0), (2.0, 50.0)]));
        assert_eq!(curves(accuracy, 1)[0], ("a", vec![(2.5, 25.0), (5.0, 50.0)]));
        assert_eq!(curves(&figures[1].1, 0)[0].1, [(1.0, 1.0), (2.0, 0.5)]);
        // The last block learns by another loss; the one before is meant. A method without nHSIC has no curve.
        assert_eq!(curves(&figures[2].1, 0), [("a", vec![(1.0, 3.0), (2.0, 3.0)])]);
        assert_eq!(curves(&figures[2].1, 1), [("a", vec![(1.0, 2.0), (2.0, 2.0)])]);
    }

    #[test]
    fn the_part_that_judges_is_named_where_it_is_the_same() {
        let (test, held) = (run(true, None), run(true, Some(0.1)));
        let label = |runs: &[(String, &RunReport)]| overlaid(runs)[0].1.panels[0].y.label.clone();
        assert_eq!(label(&[("a".to_owned(), &held)]), "validation accuracy (%)");
        assert_eq!(label(&[("a".to_owned(), &held), ("b".to_owned(), &test)]), "judged accuracy (%)");
        assert_eq!(overlaid(&[]), []);
    }
}

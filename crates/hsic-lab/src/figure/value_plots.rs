//! What a run that learned values has to show.

use hsic_bottleneck::log::{EpochReport, ValueReport};
use hsic_bottleneck::summary::JudgedOn;
use hsic_bottleneck::valued::ValuePairs;

use super::plot::{Axis, Marks, Panel, Plot, Series, Style};

fn plot(caption: String, panel: Panel) -> Plot {
    Plot { caption, panels: vec![panel], columns: 1, ..Plot::default() }
}

fn panel(title: &str, x: &str, y: &str, series: Vec<Series>) -> Panel {
    Panel { title: title.to_owned(), x: Axis::linear(x), y: Axis::linear(y), marks: Marks::Series(series) }
}

/// R2 after each epoch.
pub(super) fn scores(epochs: &[EpochReport], judged: JudgedOn) -> Option<Plot> {
    let last = epochs.last().filter(|last| last.values.is_some())?;
    let style = if epochs.len() <= 40 { Style::Line } else { Style::Curve };
    let of = |name: &str, score: fn(&ValueReport) -> f64| {
        let points = epochs.iter().filter_map(|report| Some((report.epoch as f64, score(report.values.as_ref()?))));
        Series::plain(name, style, points)
    };
    let name = judged.name();
    let series = vec![of("training", |report| report.train.r2), of(name, |report| report.test.r2)];
    let caption = format!(
        "R2 on (part of) the training data and on the {name} data after each epoch, {} in all: 1 is perfect, 0 is what the mean \
         comes to.",
        last.epoch
    );
    Some(plot(caption, panel("R2", "epoch", "R2", series)))
}

/// Predicted values over the true ones, and where they are equal.
pub(super) fn scatter(found: &ValuePairs, judged: JudgedOn) -> Option<Plot> {
    let all = || found.pairs.iter().flatten().copied().filter(|value| value.is_finite());
    let (least, most) = (all().reduce(f64::min)?, all().reduce(f64::max)?);
    let mut pairs: Vec<(f64, f64)> = found.pairs.iter().map(|&[truth, told]| (truth, told)).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let series = vec![
        Series::plain("", Style::Guide, [(least, least), (most, most)]),
        Series::plain("a row", Style::Points, pairs),
    ];
    let part = judged.title();
    let caption = format!(
        "{part} rows by their true value and the predicted one, {} of them; on the line both are equal.",
        found.pairs.len()
    );
    Some(plot(caption, panel("values", "true value", "predicted value", series)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_points_without_a_line_beside_the_line_of_equal_values() {
        let found = ValuePairs { pairs: vec![[3.0, 2.5], [1.0, -1.0], [2.0, 2.0]] };
        let plot = scatter(&found, JudgedOn::Test).unwrap();
        let Marks::Series(series) = &plot.panels[0].marks else { panic!("series expected") };
        let points = |series: &Series| series.points.iter().map(|point| (point.x, point.y)).collect::<Vec<_>>();
        assert_eq!(points(&series[0]), [(-1.0, -1.0), (3.0, 3.0)]);
        assert_eq!((series[1].style, points(&series[1])), (Style::Points, vec![(1.0, -1.0), (2.0, 2.0), (3.0, 2.5)]));
        assert!(plot.caption.starts_with("Test rows by their true value and the predicted one, 3 of them"));
        assert!(scatter(&ValuePairs::default(), JudgedOn::Test).is_none());
    }
}

//! What the blocks of a run know of the classes, and where samples lie in their features.

use hsic_bottleneck::log::{ProbeReport, ProbedOn};
use hsic_bottleneck::samples::{BlockComponents, Samples};

use super::plot::{Axis, Marks, Panel, Plot, Series, Style};

/// Most classes that have marks of their own; of more the most frequent have.
const MOST_CLASSES: usize = 10;

/// Most blocks with a curve of their own.
const MOST_CURVES: usize = 8;

fn percent(fraction: f64) -> f64 {
    100.0 * fraction
}

/// Accuracy of a linear readout of each block at the end.
pub(super) fn readouts(samples: &Samples) -> Option<Plot> {
    let points: Vec<(f64, f64)> = (samples.accuracy.iter().enumerate())
        .filter_map(|(block, accuracy)| Some((block as f64, percent((*accuracy)?))))
        .collect();
    let part = samples.judged_on.name();
    let caption = format!(
        "What a linear readout of each block tells of the classes at the end: a ridge regression on the block's features, fitted to \
         {} training rows and judged on {} {part} rows. Blocks are counted from the input.",
        samples.fitted_rows, samples.judged_rows
    );
    let marks = Marks::Series(vec![Series::plain(part, Style::Line, points.iter().copied())]);
    let (x, y) = (Axis::linear("block"), Axis::linear("accuracy (%)"));
    let panel = Panel { title: "readout of each block".to_owned(), x, y, marks };
    (!points.is_empty()).then(|| Plot { caption, panels: vec![panel], columns: 1, ..Plot::default() })
}

/// The same every so many epochs.
pub(super) fn probes(probes: &[ProbeReport]) -> Option<Plot> {
    let last = probes.last()?;
    let blocks = last.accuracy.len();
    let shown: Vec<usize> = match blocks <= MOST_CURVES {
        true => (0..blocks).collect(),
        false => (0..MOST_CURVES).map(|index| index * (blocks - 1) / (MOST_CURVES - 1)).collect(),
    };
    let curve = |&block: &usize| {
        let point = |probe: &ProbeReport| Some((probe.epoch as f64, percent((*probe.accuracy.get(block)?)?)));
        Series::plain(&format!("block {block}"), Style::Line, probes.iter().filter_map(point))
    };
    let series: Vec<Series> = shown.iter().map(curve).filter(|series| !series.points.is_empty()).collect();
    let judged = match last.judged_on {
        ProbedOn::Validation => "rows of the validation part",
        ProbedOn::Training => "training rows that the readouts were not fitted to, though the network was",
    };
    let some =
        if blocks > shown.len() { format!(" Of {blocks} blocks {} are shown.", shown.len()) } else { String::new() };
    let caption = format!(
        "What a linear readout of each block tells of the classes while the network is trained: fitted to {} training rows, judged \
         on {} {judged}.{some}",
        last.fitted_rows, last.judged_rows
    );
    let panel = Panel {
        title: "readout of each block".to_owned(),
        x: Axis::linear("epoch"),
        y: Axis::linear("accuracy (%)"),
        marks: Marks::Series(series),
    };
    Some(Plot { caption, panels: vec![panel], columns: 1, ..Plot::default() })
}

/// Samples along the first two principal components of some blocks' features.
pub(super) fn components(samples: &Samples) -> Option<Plot> {
    let mut order: Vec<usize> = (0..samples.shown_classes.len()).collect();
    let count = |class: usize| samples.shown.iter().filter(|&&one| one == class).count();
    order.sort_by_key(|&class| (std::cmp::Reverse(count(class)), class));
    let mut own: Vec<usize> = order.into_iter().take(MOST_CLASSES).collect();
    own.sort_unstable();
    let panel = |block: &BlockComponents| {
        let of = |name: &str, is: &dyn Fn(usize) -> bool| {
            let places = samples.shown.iter().zip(&block.points).filter(|(class, _)| is(**class));
            let mut points: Vec<(f64, f64)> = places.map(|(_, &[x, y])| (f64::from(x), f64::from(y))).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            Series::plain(name, Style::Points, points)
        };
        let mut series: Vec<Series> =
            own.iter().map(|&class| of(&samples.shown_classes[class], &|one| one == class)).collect();
        if samples.shown_classes.len() > own.len() {
            series.push(of("other classes", &|one| !own.contains(&one)));
        }
        let [first, second] = block.shares.map(percent);
        Panel {
            title: format!("block {}: {:.1} % of the variance", block.block, first + second),
            x: Axis::linear(&format!("first component ({first:.1} %)")),
            y: Axis::linear(&format!("second component ({second:.1} %)")),
            marks: Marks::Series(series),
        }
    };
    let panels: Vec<Panel> = samples.components.iter().map(panel).collect();
    let caption = format!(
        "{} {} samples along the two directions in which they differ most in the features of a block; how much of their variance \
         those tell stands at the axes. Classes differ in shape and color of their marks.",
        samples.shown.len(),
        samples.judged_on.name()
    );
    (!panels.is_empty()).then(|| Plot { caption, columns: 2.min(panels.len()), panels, ..Plot::default() })
}

#[cfg(test)]
mod tests {
    use hsic_bottleneck::summary::JudgedOn;

    use super::*;

    fn samples() -> Samples {
        Samples {
            judged_on: JudgedOn::Validation,
            shape: None,
            columns: Vec::new(),
            all_columns: 0,
            samples: Vec::new(),
            images: Vec::new(),
            fitted_rows: 50,
            judged_rows: 9,
            accuracy: vec![Some(0.5), None, Some(0.75)],
            shown: vec![1, 0, 1],
            shown_classes: vec!["a".to_owned(), "b".to_owned()],
            components: vec![BlockComponents {
                block: 2,
                shares: [0.5, 0.125],
                points: vec![[3.0, 1.0], [2.0, 5.0], [-1.0, 0.0]],
            }],
        }
    }

    fn points(panel: &Panel) -> Vec<(String, Vec<(f64, f64)>)> {
        let Marks::Series(all) = &panel.marks else { panic!("series expected") };
        let of = |one: &Series| (one.name.clone(), one.points.iter().map(|point| (point.x, point.y)).collect());
        all.iter().map(of).collect()
    }

    #[test]
    fn a_block_without_a_readout_has_no_point() {
        let plot = readouts(&samples()).unwrap();
        assert_eq!(points(&plot.panels[0]), [("validation".to_owned(), vec![(0.0, 50.0), (2.0, 75.0)])]);
        assert!(plot.caption.contains("fitted to 50 training rows and judged on 9 validation rows"));
        assert!(readouts(&Samples { accuracy: vec![None], ..samples() }).is_none());
    }

    #[test]
    fn readouts_of_training_say_what_judged_them() {
        let probe = |epoch, judged_on| ProbeReport {
            epoch,
            step: epoch,
            fitted_rows: 40,
            judged_on,
            judged_rows: 10,
            accuracy: (0..9).map(|block| (block != 0).then_some(epoch as f64 / 10.0)).collect(),
        };
        let plot = probes(&[probe(2, ProbedOn::Training), probe(4, ProbedOn::Training)]).unwrap();
        let found = points(&plot.panels[0]);
        // Of nine blocks eight are shown, of which the first has no readout.
        assert_eq!((found.len(), &found[6]), (7, &("block 8".to_owned(), vec![(2.0, 20.0), (4.0, 40.0)])));
        assert!(plot.caption.contains("10 training rows that the readouts were not fitted to"), "{}", plot.caption);
        assert!(probes(&[probe(1, ProbedOn::Validation)]).unwrap().caption.contains("rows of the validation part"));
        assert!(probes(&[]).is_none());
    }

    #[test]
    fn classes_are_series_and_the_rest_of_many_one() {
        let plot = components(&samples()).unwrap();
        let expected = [("a".to_owned(), vec![(2.0, 5.0)]), ("b".to_owned(), vec![(-1.0, 0.0), (3.0, 1.0)])];
        assert_eq!(points(&plot.panels[0]), expected);
        assert_eq!(plot.panels[0].title, "block 2: 62.5 % of the variance");
        let mut many = samples();
        many.shown_classes = (0..12).map(|class| class.to_string()).collect();
        many.shown = vec![11, 0, 11];
        let found = points(&components(&many).unwrap().panels[0]);
        assert_eq!((found.len(), found[9].0.as_str(), found[10].0.as_str()), (11, "11", "other classes"));
        assert_eq!(found[9].1.len(), 2);
    }
}

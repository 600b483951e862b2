//! A run as curves: what of all that its folder tells is worth a figure.

use hsic_bottleneck::judge::monitor::MonitorReport;
use hsic_bottleneck::log::EpochReport;
use hsic_bottleneck::reconstruction::{Reconstruction, Reconstructions};
use hsic_bottleneck::summary::{JudgedOn, Summary};

use super::plot::{Axis, Heat, Marks, Panel, Pictures, Plot, Scale, Series, Style};
use super::run_report::RunReport;
use super::sample_plots;
use super::value_plots::{scatter, scores};

/// Most curves in one panel; more blocks are shown by some of them, the first and the last among these.
const MOST_CURVES: usize = 8;

/// Most classes of which a confusion table is drawn with a number in each cell.
const MOST_CLASSES: usize = 20;

/// What a run has to show, each figure with its title; nothing for what it has no records of.
#[must_use]
pub fn plots(report: &RunReport) -> Vec<(String, Plot)> {
    let (mut found, judged) = (Vec::new(), report.config.judged_on());
    let mut add = |title: &str, member: Option<f64>, plot: Option<Plot>| {
        if let Some(plot) = plot {
            let title = member.map_or_else(|| title.to_owned(), |sigma| format!("{title}, sigma {sigma}"));
            found.push((title, plot));
        }
    };
    let own = std::iter::once((None, report));
    for (member, run) in own.chain(report.members.iter().map(|(sigma, run)| (Some(*sigma), run))) {
        add("Accuracy", member, accuracy(&run.epochs, judged));
        add("R2", member, scores(&run.epochs, judged));
        // What a member was read as is told by the whole.
        if member.is_none() {
            add("Format training", None, format(&run.format, judged));
            add("Confusion", None, run.summary.as_ref().and_then(|summary| confusion(summary, judged)));
            add("Predicted and true values", None, run.values.as_ref().and_then(|found| scatter(found, judged)));
            add("Reconstructions", None, run.reconstructions.as_ref().and_then(|found| reconstructions(found, judged)));
        }
        add("Accuracy by block", member, run.samples.as_ref().and_then(sample_plots::readouts));
        add("Accuracy by block over epochs", member, sample_plots::probes(&run.probes));
        add("Samples in the features of blocks", member, run.samples.as_ref().and_then(sample_plots::components));
        add("Loss by block", member, loss(&run.epochs));
        add("What the rule measures", member, measured(&run.epochs));
        add("Dependence by block", member, dependence(run));
        add("Plane of dependences", member, plane(run));
        add("Gradients", member, gradients(&run.monitor));
    }
    found
}

fn percent(fraction: f64) -> f64 {
    100.0 * fraction
}

fn plot(caption: String, columns: usize, panels: Vec<Panel>) -> Plot {
    Plot { caption, panels, columns, ..Plot::default() }
}

fn panel(title: &str, x: &str, y: Axis, series: Vec<Series>) -> Panel {
    Panel { title: title.to_owned(), x: Axis::linear(x), y, marks: Marks::Series(series) }
}

fn accuracy(epochs: &[EpochReport], judged: JudgedOn) -> Option<Plot> {
    let last = epochs.last().filter(|last| last.values.is_none())?;
    let of = |name: &str, value: fn(&EpochReport) -> f64| {
        Series::plain(name, Style::Line, epochs.iter().map(|report| (report.epoch as f64, percent(value(report)))))
    };
    let name = judged.name();
    let mut series = vec![of("training", |report| report.train_accuracy), of(name, |report| report.test_accuracy)];
    let authors =
        epochs.iter().filter_map(|report| Some((report.epoch as f64, percent(report.authors_test_accuracy?))));
    let authors = Series::plain(&format!("{name}, authors' protocol"), Style::Line, authors);
    if !authors.points.is_empty() {
        series.push(authors);
    }
    let caption = format!(
        "Accuracy on (part of) the training data and on the {name} data after each epoch, {} in all.",
        last.epoch
    );
    Some(plot(caption, 1, vec![panel("accuracy", "epoch", Axis::linear("accuracy (%)"), series)]))
}

fn format(accuracies: &[f64], judged: JudgedOn) -> Option<Plot> {
    if accuracies.is_empty() {
        return None;
    }
    let points = accuracies.iter().enumerate().map(|(index, &share)| (index as f64 + 1.0, percent(share)));
    let series = vec![Series::plain(judged.name(), Style::Line, points)];
    let part = judged.title();
    let caption = format!("{part} accuracy after each epoch of format training, which leaves the network as it is.");
    let axis = Axis::linear(&format!("{} accuracy (%)", judged.name()));
    Some(plot(caption, 1, vec![panel("format training", "epoch", axis, series)]))
}

/// The blocks that are shown of so many.
fn shown(blocks: usize) -> Vec<usize> {
    if blocks <= MOST_CURVES {
        return (0..blocks).collect();
    }
    (0..MOST_CURVES).map(|index| (index * (blocks - 1) + (MOST_CURVES - 1) / 2) / (MOST_CURVES - 1)).collect()
}

/// What a caption says if not all blocks are shown.
fn selection(blocks: usize) -> String {
    match blocks <= MOST_CURVES {
        true => String::new(),
        false => format!(" Of {blocks} blocks {MOST_CURVES} are shown."),
    }
}

/// A curve a block through `reports`; those without a value for the block, or whose value is no number, have no point.
fn by_block<R>(
    reports: &[R],
    blocks: usize,
    style: Style,
    point: impl Fn(&R, usize) -> Option<(f64, f64)>,
) -> Vec<Series> {
    let curve = |block: usize| {
        let points = reports.iter().filter_map(|report| point(report, block));
        let finite = points.filter(|(x, y)| x.is_finite() && y.is_finite());
        Series::plain(&format!("block {block}"), style, finite)
    };
    shown(blocks).into_iter().map(curve).filter(|series| !series.points.is_empty()).collect()
}

/// Points are marked where they are few.
fn style(points: usize) -> Style {
    if points <= 40 { Style::Line } else { Style::Curve }
}

fn loss(epochs: &[EpochReport]) -> Option<Plot> {
    let blocks = epochs.first()?.loss.len();
    let point = |report: &EpochReport, block: usize| Some((report.epoch as f64, *report.loss.get(block)?));
    let series = by_block(epochs, blocks, style(epochs.len()), point);
    let caption = format!(
        "Each block's own loss, the mean over an epoch's steps. Blocks are counted from the input.{}",
        selection(blocks)
    );
    let panel = panel("loss", "epoch", Axis::linear("loss"), series);
    (blocks > 0).then(|| plot(caption, 1, vec![panel]))
}

/// What a method measures beside its loss, a panel a quantity.
fn measured(epochs: &[EpochReport]) -> Option<Plot> {
    let terms = &epochs.first()?.terms;
    let blocks = terms.values().map(Vec::len).max()?;
    let of = |name: &String| {
        let point = |report: &EpochReport, block| Some((report.epoch as f64, *report.terms.get(name)?.get(block)?));
        let label = name.replace('_', " ");
        panel(&label, "epoch", Axis::linear(&label), by_block(epochs, blocks, style(epochs.len()), point))
    };
    let caption = format!("What the rule measures at each block, the mean over an epoch's steps.{}", selection(blocks));
    Some(plot(caption, terms.len(), terms.keys().map(of).collect()))
}

/// Both dependences of every block at a time.
struct Dependences<'a> {
    time: f64,
    x: &'a [f64],
    y: &'a [f64],
}

/// After each epoch and as the monitor saw them, the one or the other first, each with its unit of time: the first of
/// which there is any.
fn dependences(run: &RunReport, monitor_first: bool) -> Option<(&'static str, Vec<Dependences<'_>>)> {
    let seen = |time: u64, x, y| Dependences { time: time as f64, x, y };
    let epochs = run.epochs.iter().map(|report| seen(report.epoch, &*report.nhsic_x, &*report.nhsic_y)).collect();
    let monitor = run.monitor.iter().map(|report| seen(report.step, &*report.nhsic_x, &*report.nhsic_y)).collect();
    let (first, second) = (("epoch", epochs), ("step", monitor));
    let order: [(&str, Vec<Dependences<'_>>); 2] = if monitor_first { [second, first] } else { [first, second] };
    order.into_iter().find(|(_, reports)| reports.iter().any(|seen| !seen.x.is_empty() && !seen.y.is_empty()))
}

fn dependence(run: &RunReport) -> Option<Plot> {
    let (time, reports) = dependences(run, false)?;
    let blocks = reports.iter().map(|seen| seen.x.len()).max()?;
    let style = style(reports.len());
    let input = by_block(&reports, blocks, style, |seen, block| Some((seen.time, *seen.x.get(block)?)));
    let labels = by_block(&reports, blocks, style, |seen, block| Some((seen.time, *seen.y.get(block)?)));
    let how = if time == "epoch" { "the mean over an epoch's batches" } else { "on a batch as the monitor saw it" };
    let caption = format!(
        "What each block knows of the input (left) and of the labels (right), {how}. The HSIC bottleneck lowers the first \
         and raises the second.{}",
        selection(blocks)
    );
    let panels = vec![
        panel("of the input", time, Axis::linear("nHSIC(X, Z)"), input),
        panel("of the labels", time, Axis::linear("nHSIC(Y, Z)"), labels),
    ];
    Some(plot(caption, 2, panels))
}

fn plane(run: &RunReport) -> Option<Plot> {
    let (time, reports) = dependences(run, true)?;
    let blocks = reports.iter().map(|seen| seen.x.len()).max()?;
    let point = |seen: &Dependences<'_>, block: usize| Some((*seen.x.get(block)?, *seen.y.get(block)?));
    let series = by_block(&reports, blocks, style(reports.len()), point);
    let (count, first, last) = (reports.len(), reports.first()?.time, reports.last()?.time);
    let caption = format!(
        "Each block's way through training: {count} points from {time} {first} to {time} {last}. Upward it learns the \
         labels, to the left it forgets the input.{}",
        selection(blocks)
    );
    let panel = panel("input and labels", "nHSIC(X, Z)", Axis::linear("nHSIC(Y, Z)"), series);
    Some(plot(caption, 1, vec![panel]))
}

fn gradients(monitor: &[MonitorReport]) -> Option<Plot> {
    let blocks = monitor.first()?.gradient_norm.len();
    // A norm of 0 has no place on an axis of factors: a dead block has no point.
    let norm = |report: &MonitorReport, block: usize| {
        let norm = *report.gradient_norm.get(block)?;
        (norm > 0.0).then_some((report.step as f64, norm))
    };
    let style = style(monitor.len());
    let norms = by_block(monitor, blocks, style, norm);
    let share = |report: &MonitorReport| Some((report.step as f64, percent(report.batch_accuracy?)));
    let read: Vec<(f64, f64)> = monitor.iter().filter_map(share).collect();
    let caption = format!(
        "As the monitor saw it on the batch of every so many steps: the norm of the gradient with respect to each block's \
         parameters{}.{}",
        if read.is_empty() { "" } else { " (left), and how much of the batch is read right (right)" },
        selection(blocks)
    );
    let mut panels = Vec::new();
    if !read.is_empty() {
        let read = vec![Series::plain("batch", style, read)];
        panels.push(panel("accuracy on the batch", "step", Axis::linear("accuracy (%)"), read));
    }
    if !norms.is_empty() {
        let axis = Axis { scale: Scale::Log, ..Axis::linear("gradient norm") };
        panels.insert(0, panel("gradient norm", "step", axis, norms));
    }
    (!panels.is_empty()).then(|| plot(caption, 2, panels))
}

fn confusion(summary: &Summary, judged: JudgedOn) -> Option<Plot> {
    let part = judged.name();
    let counts = &summary.confusion.counts;
    let (classes, columns) = (counts.len(), counts.iter().map(Vec::len).max()?);
    let name = |class: usize| summary.class_names.get(class).map_or_else(|| class.to_string(), String::clone);
    let recall: Vec<f64> = summary.confusion.recall().into_iter().map(percent).collect();
    let read = if summary.formatted { "trained class scores" } else { "unformatted outputs" };
    if classes.max(columns) > MOST_CLASSES {
        let points = recall.iter().enumerate().map(|(class, &share)| (class as f64, share));
        let series = vec![Series::plain("read right", Style::Curve, points)];
        let caption = format!("Share of each of {classes} classes' {part} samples that is read right from {read}.");
        return Some(plot(caption, 1, vec![panel("by class", "class", Axis::linear("read right (%)"), series)]));
    }
    let caption = format!(
        "{} samples by their true class (row) and the class predicted from {read} (column), with the share read right.",
        judged.title()
    );
    let values = counts.iter().map(|row| row.iter().map(|&count| count as f64).collect()).collect();
    let row_notes = recall.iter().map(|share| format!("{share:.1} %")).collect();
    let panel = Panel {
        title: format!("{part} samples"),
        x: Axis::linear("predicted class").named((0..columns).map(name)),
        y: Axis::linear("true class").named((0..classes).map(name)),
        marks: Marks::Heat(Heat { values, row_notes }),
    };
    Some(plot(caption, 1, vec![panel]))
}

fn reconstructions(found: &Reconstructions, judged: JudgedOn) -> Option<Plot> {
    let row = |of: fn(&Reconstruction) -> &[u8]| found.pairs.iter().map(|pair| found.shades(of(pair))).collect();
    let name = |pair: &Reconstruction| match pair.class == pair.read {
        true => pair.class.clone(),
        false => format!("{} as {}", pair.class, pair.read),
    };
    let caption = format!(
        "{} images, and what the decoder draws from the longest capsule of each: what the network knows of an image beside \
         its class.",
        judged.title()
    );
    let panel = Panel {
        title: "images and reconstructions".to_owned(),
        x: Axis::linear("class").named(found.pairs.iter().map(name)),
        y: Axis::linear("").named(["image", "drawn"]),
        marks: Marks::Pictures(Pictures { rows: vec![row(|pair| &pair.image), row(|pair| &pair.drawn)] }),
    };
    (!found.pairs.is_empty()).then(|| plot(caption, 1, vec![panel]))
}

#[cfg(test)]
mod tests {
    use hsic_bottleneck::config::TrainOptions;
    use hsic_bottleneck::judge::assignment::Confusion;

    use super::*;

    fn epoch(epoch: u64, blocks: usize, nhsic: bool) -> EpochReport {
        let by_block = |scale: f64| (0..blocks).map(|block| scale * (block + 1) as f64 * epoch as f64).collect();
        EpochReport {
            epoch,
            step: 10 * epoch,
            seconds: 1.0,
            learning_rate: 0.1,
            loss: by_block(-1.0),
            nhsic_x: if nhsic { by_block(1.0) } else { Vec::new() },
            nhsic_y: if nhsic { by_block(0.5) } else { Vec::new() },
            terms: Default::default(),
            train_accuracy: 0.5,
            test_accuracy: 0.25,
            values: None,
            authors_test_accuracy: None,
        }
    }

    fn monitor(step: u64, gradient_norm: Vec<f64>) -> MonitorReport {
        MonitorReport {
            step,
            nhsic_x: vec![7.0, 6.0],
            nhsic_y: vec![3.0, 4.0],
            gradient_norm,
            batch_accuracy: Some(0.75),
        }
    }

    fn report() -> RunReport {
        RunReport {
            config: TrainOptions::default().resolve().unwrap(),
            summary: None,
            epochs: Vec::new(),
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

    fn series(plot: &Plot, panel: usize) -> &[Series] {
        match &plot.panels[panel].marks {
            Marks::Series(series) => series,
            Marks::Heat(_) | Marks::Pictures(_) => panic!("expected curves"),
        }
    }

    fn ends(series: &Series) -> Vec<(f64, f64)> {
        series.points.iter().map(|point| (point.x, point.y)).collect()
    }

    fn titled<'p>(plots: &'p [(String, Plot)], title: &str) -> Option<&'p Plot> {
        plots.iter().find(|(name, _)| name == title).map(|(_, plot)| plot)
    }

    #[test]
    fn a_run_without_records_has_nothing_to_show() {
        assert_eq!(plots(&report()), []);
    }

    #[test]
    fn accuracies_are_percent_by_epoch() {
        let report = RunReport { epochs: vec![epoch(1, 2, true), epoch(2, 2, true)], ..report() };
        let plots = plots(&report);
        let curves = series(titled(&plots, "Accuracy").unwrap(), 0);
        assert_eq!((&*curves[1].name, ends(&curves[1])), ("test", vec![(1.0, 25.0), (2.0, 25.0)]));
    }

    #[test]
    fn what_was_held_out_is_called_validation_and_nothing_is_called_test() {
        let mut options = TrainOptions::default();
        options.data.validation = Some(0.1);
        let both = EpochReport { authors_test_accuracy: Some(0.375), ..epoch(1, 2, true) };
        let report =
            RunReport { config: options.resolve().unwrap(), epochs: vec![both], format: vec![0.5], ..report() };
        let plots = plots(&report);
        let curves = series(titled(&plots, "Accuracy").unwrap(), 0);
        assert_eq!([&*curves[1].name, &*curves[2].name], ["validation", "validation, authors' protocol"]);
        let text = serde_json::to_string(&plots.iter().map(|(_, plot)| plot).collect::<Vec<_>>()).unwrap();
        assert!(text.contains("Validation accuracy after each epoch of format training"), "{text}");
        assert!(!text.to_lowercase().contains("test"), "{text}");
    }

    #[test]
    fn the_plane_has_a_curve_a_block_by_the_monitor_or_else_by_epochs() {
        let mut report = RunReport { epochs: vec![epoch(1, 2, true), epoch(2, 2, true)], ..report() };
        let found = plots(&report);
        let curves = series(titled(&found, "Plane of dependences").unwrap(), 0);
        assert_eq!(ends(&curves[1]), [(2.0, 1.0), (4.0, 2.0)]);
        report.monitor = vec![monitor(5, vec![1.0, 2.0])];
        let found = plots(&report);
        let curves = series(titled(&found, "Plane of dependences").unwrap(), 0);
        assert_eq!((curves.len(), ends(&curves[0])), (2, vec![(7.0, 3.0)]));
    }

    #[test]
    fn a_method_without_nhsic_shows_what_the_monitor_saw() {
        let mut report = RunReport { epochs: vec![epoch(1, 2, false)], ..report() };
        assert!(titled(&plots(&report), "Dependence by block").is_none());
        report.monitor = vec![monitor(5, vec![1.0, 2.0])];
        let found = plots(&report);
        let plot = titled(&found, "Dependence by block").unwrap();
        assert_eq!((&*plot.panels[0].x.label, ends(&series(plot, 1)[1])), ("step", vec![(5.0, 4.0)]));
    }

    #[test]
    fn a_dead_block_has_no_point_among_gradient_norms() {
        let report = RunReport { monitor: vec![monitor(5, vec![0.0, 2.0]), monitor(10, vec![0.0, 1.0])], ..report() };
        let found = plots(&report);
        let plot = titled(&found, "Gradients").unwrap();
        let norms = series(plot, 0);
        assert_eq!((norms.len(), &*norms[0].name, ends(&norms[0])), (1, "block 1", vec![(5.0, 2.0), (10.0, 1.0)]));
        let dead = RunReport { monitor: vec![monitor(5, vec![0.0, 0.0])], ..self::report() };
        assert_eq!(titled(&plots(&dead), "Gradients").unwrap().panels.len(), 1);
    }

    #[test]
    fn of_many_blocks_the_first_and_the_last_are_among_those_shown() {
        assert_eq!(shown(7), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(shown(51), [0, 7, 14, 21, 29, 36, 43, 50]);
        for blocks in MOST_CURVES + 1..200 {
            let shown = shown(blocks);
            assert!(shown.is_sorted_by(|a, b| a < b) && shown[0] == 0 && shown[MOST_CURVES - 1] == blocks - 1);
        }
        let report = RunReport { epochs: vec![epoch(1, 51, true)], ..report() };
        let found = plots(&report);
        let plot = titled(&found, "Loss by block").unwrap();
        assert!(plot.caption.ends_with("Of 51 blocks 8 are shown.") && series(plot, 0).len() == 8);
    }

    #[test]
    fn a_confusion_table_is_of_shades_and_of_many_classes_a_curve() {
        let summary = |classes: usize| {
            let mut confusion = Confusion::new(classes, classes);
            confusion.counts[1] = (0..classes as u64).collect();
            let text = format!(
                r#"{{"run":"r","dataset":"d","model":"mlp","method":"hsic","epochs":1,"steps":1,"seed":1,"threads":1,
                "train_accuracy":1,"test_accuracy":1,"format_accuracy":null,"seconds":1,"milliseconds_per_step":1,
                "peak_memory_bytes":null,"parameters":1,"confusion":{},"class_names":["a","b"]}}"#,
                serde_json::to_string(&confusion).unwrap()
            );
            serde_json::from_str::<Summary>(&text).unwrap()
        };
        let few = confusion(&summary(3), JudgedOn::Test).unwrap();
        let Marks::Heat(heat) = &few.panels[0].marks else { panic!("expected shades") };
        assert_eq!(heat.values[1], [0.0, 1.0, 2.0]);
        assert_eq!(heat.row_notes[1], "33.3 %");
        assert_eq!(few.panels[0].y.names[2], (2.0, "2".to_owned()));
        let many = confusion(&summary(30), JudgedOn::Validation).unwrap();
        assert!(many.caption.contains("30 classes' validation samples"), "{}", many.caption);
        assert_eq!(series(&many, 0)[0].points.len(), 30);
    }

    #[test]
    fn reconstructions_stand_below_their_images_under_what_they_were_read_as() {
        use hsic_bottleneck::dataset::Shape;
        let pair = |class: &str, read: &str, image| {
            let (class, read) = (class.to_owned(), read.to_owned());
            Reconstruction { class, read, image, drawn: vec![51, 0] }
        };
        let pairs = vec![pair("3", "3", vec![0, 255]), pair("4", "9", vec![255, 0])];
        let shape = Shape { channels: 1, height: 1, width: 2 };
        let report = RunReport { reconstructions: Some(Reconstructions { shape, pairs }), ..report() };
        let found = plots(&report);
        let plot = titled(&found, "Reconstructions").unwrap();
        let Marks::Pictures(pictures) = &plot.panels[0].marks else { panic!("expected pictures") };
        assert_eq!(pictures.rows[0], [[[0.0, 1.0]], [[1.0, 0.0]]]);
        assert_eq!(pictures.rows[1], [[[0.2, 0.0]], [[0.2, 0.0]]]);
        assert_eq!(plot.panels[0].x.names[1].1, "4 as 9");
    }

    #[test]
    fn of_several_sigmas_each_network_has_its_curves() {
        let member = RunReport { epochs: vec![epoch(1, 2, true)], ..report() };
        let report = RunReport { members: vec![(0.5, member)], format: vec![0.9], ..report() };
        let plots = plots(&report);
        assert!(titled(&plots, "Accuracy, sigma 0.5").is_some() && titled(&plots, "Format training").is_some());
        assert!(titled(&plots, "Accuracy").is_none());
    }

    #[test]
    fn the_authors_protocol_has_a_curve_where_it_was_asked_for() {
        let both = EpochReport { authors_test_accuracy: Some(0.375), ..epoch(2, 2, true) };
        let report = RunReport { epochs: vec![epoch(1, 2, true), both], ..report() };
        let plots = plots(&report);
        let curves = series(titled(&plots, "Accuracy").unwrap(), 0);
        assert_eq!((curves.len(), ends(&curves[2])), (3, vec![(2.0, 37.5)]));
    }

    #[test]
    fn what_a_rule_measures_has_a_panel_a_quantity() {
        let with = |value: f64| EpochReport {
            terms: [("bp_cosine".to_owned(), vec![value, 0.5])].into(),
            ..epoch(1, 2, false)
        };
        let plot = measured(&[with(0.25)]).unwrap();
        let Marks::Series(series) = &plot.panels[0].marks else { panic!("no series") };
        assert_eq!((plot.panels.len(), &*plot.panels[0].title, series[0].points[0].y), (1, "bp cosine", 0.25));
        assert_eq!(measured(&[epoch(1, 2, true)]), None);
    }
}

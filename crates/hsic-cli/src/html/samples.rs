//! What a run's page shows of the samples that its folder keeps, of its first layer, and of what its blocks know.

use hsic_bottleneck::filters::Filters;
use hsic_bottleneck::log::ProbeReport;
use hsic_bottleneck::samples::{Said, Sample, Samples, Why};
use maud::{Markup, html};

use super::parts::scroll;
use super::pictures::{picture, sheet};
use crate::table::significant;

/// Pixels that the longest side of a sample is shown with, about.
const SIDE: usize = 72;

/// The same of a filter, and how many stand in a line.
const FILTER: (usize, usize) = (64, 12);

/// Most epochs of which the readouts have a line.
const MOST_EPOCHS: usize = 200;

fn percent(fraction: f64) -> String {
    format!("{:.1} %", 100.0 * fraction)
}

fn accuracy(share: Option<f64>) -> String {
    share.map_or_else(|| "\u{2014}".to_owned(), |share| format!("{:.2}", 100.0 * share))
}

/// Times that a picture of so many pixels is enlarged.
fn scale(side: usize, shown: usize) -> usize {
    (shown / side.max(1)).max(1)
}

/// A value with the digits that are shown of it.
fn value(value: f64) -> String {
    significant(value, 5)
}

/// The samples that were confused, and the surest and the least sure, or those of the largest errors and of the smallest: a title,
/// a sentence and a table each; none that there is none of.
pub(super) fn galleries(samples: &Samples) -> Vec<(&'static str, &'static str, Markup)> {
    let part = samples.judged_on.name();
    let confused = format!(
        "{} samples that were read wrong, from the most confused pair of classes on; of each pair those of which the network was \
         surest.",
        samples.judged_on.title()
    );
    let surest = format!("Of all {part} samples those of whose class, right or wrong, the network was surest.");
    let least = format!("Of all {part} samples those of whose class the network was least sure.");
    let largest =
        format!("The {part} samples whose predicted value is furthest from the true one, the furthest first.");
    let smallest = format!("The {part} samples whose predicted value is nearest to the true one, the nearest first.");
    let of = [
        ("confused", "Confused samples", Why::Confused, confused),
        ("surest", "Surest samples", Why::Surest, surest),
        ("least-sure", "Least sure samples", Why::LeastSure, least),
        ("largest-errors", "Largest errors", Why::LargestError, largest),
        ("smallest-errors", "Smallest errors", Why::SmallestError, smallest),
    ];
    let shown = |(id, title, why, said): (&'static str, &'static str, Why, String)| {
        let own: Vec<(usize, &Sample)> = samples.samples.iter().enumerate().filter(|(_, one)| one.why == why).collect();
        let content = html! {
            p { (said) }
            @if samples.shape.is_some() {
                ul.samples { @for (index, sample) in &own { (one(samples, *index, sample)) } }
                details { summary { (title) " in numbers" } (table(title, samples, &own)) }
            } @else {
                (table(title, samples, &own))
            }
        };
        (!own.is_empty()).then_some((id, title, content))
    };
    of.into_iter().filter_map(shown).collect()
}

/// An image with what was said of it.
fn one(samples: &Samples, index: usize, sample: &Sample) -> Markup {
    let (Some(shape), Some(image)) = (samples.shape, samples.images.get(index)) else { return html! {} };
    let (alt, read, how) = match &sample.said {
        Said::Class { class, read, probability } => {
            let told = if class == read { class.clone() } else { format!("{class} as {read}") };
            (format!("Image of class {class}, read as {read}"), told, percent(*probability))
        }
        Said::Value { truth, predicted } => {
            let (truth, told) = (value(*truth), value(*predicted));
            (format!("Image of value {truth}, predicted as {told}"), format!("{truth} as {told}"), error(sample))
        }
    };
    html! {
        li {
            (picture(shape, image, scale(shape.height.max(shape.width), SIDE), &alt))
            span { (read) }
            span.note { (how) }
        }
    }
}

/// How far a predicted value is from the true one, with its sign; nothing of a class.
fn error(sample: &Sample) -> String {
    match sample.said {
        Said::Value { truth, predicted } if predicted > truth => format!("+{}", significant(predicted - truth, 3)),
        Said::Value { truth, predicted } => significant(predicted - truth, 3),
        Said::Class { .. } => String::new(),
    }
}

fn table(title: &str, samples: &Samples, own: &[(usize, &Sample)]) -> Markup {
    let of_values = own.iter().any(|(_, sample)| matches!(sample.said, Said::Value { .. }));
    let left_out = samples.all_columns.saturating_sub(samples.columns.len());
    let content = html! {
        table {
            caption {
                (title)
                @if left_out > 0 { ", with the first " (samples.columns.len()) " of " (samples.all_columns) " columns" }
            }
            thead {
                tr {
                    th.number scope="col" { "row, from 0" }
                    @if of_values {
                        th.number scope="col" { "true value" }
                        th.number scope="col" { "predicted value" }
                        th.number scope="col" { "error" }
                    } @else {
                        th scope="col" { "true class" }
                        th scope="col" { "read as" }
                        th.number scope="col" { "probability" }
                    }
                    @for column in &samples.columns { th scope="col" { (column) } }
                }
            }
            tbody {
                @for (_, sample) in own {
                    tr {
                        th.number scope="row" { (sample.row) }
                        @match &sample.said {
                            Said::Class { class, read, probability } => {
                                td { (class) }
                                td { (read) }
                                td.number { (percent(*probability)) }
                            }
                            Said::Value { truth, predicted } => {
                                td.number { (value(*truth)) }
                                td.number { (value(*predicted)) }
                                td.number { (error(sample)) }
                            }
                        }
                        @for cell in &sample.cells { td { (cell) } }
                    }
                }
            }
        }
    };
    scroll(title, &content)
}

/// The first layer's weights as pictures.
pub(super) fn filters(filters: &Filters) -> Markup {
    let (shape, shown) = (filters.shape, filters.pictures.len());
    let what = match filters.windows {
        true => "the windows of the first convolution",
        false => "the weights of the first layer's units, each where its pixel lies in the image",
    };
    let said = format!("{shown} of {} filters of the first layer", filters.all);
    let enlarged = scale(shape.height.max(shape.width), FILTER.0);
    html! {
        p {
            "What the first block looks for: " (what) ". Gray is a weight of 0, white the largest of a filter and black its opposite; \
             each filter has a scale of its own."
        }
        figure { (scroll("Filters", &html! { div.filters { (sheet(shape, &filters.pictures, FILTER.1, enlarged, &said)) } })) }
        (scroll("Filters in numbers", &html! {
            table {
                caption { "Filters of the first layer" }
                tbody {
                    tr { th scope="row" { "filters" } td.number { (filters.all) } }
                    tr { th scope="row" { "shown, the first ones" } td.number { (shown) } }
                    tr { th scope="row" { "channels x lines x pixels as shown" } td.number { (shape) } }
                }
            }
        }))
    }
}

/// The readout of each block as numbers.
pub(super) fn readouts(samples: &Samples) -> Markup {
    let caption = "Accuracy of a linear readout of each block";
    scroll(
        caption,
        &html! {
            table {
                caption { (caption) " on " (samples.judged_rows) " " (samples.judged_on.name()) " rows" }
                thead { tr { th.number scope="col" { "block" } th.number scope="col" { "accuracy (%)" } } }
                tbody {
                    @for (block, share) in samples.accuracy.iter().enumerate() {
                        tr { th.number scope="row" { (block) } td.number { (accuracy(*share)) } }
                    }
                }
            }
        },
    )
}

/// The readouts of training as numbers, the last first, folded.
pub(super) fn probes(probes: &[ProbeReport]) -> Markup {
    let blocks = probes.last().map_or(0, |probe| probe.accuracy.len());
    let caption = "Accuracy (%) of a linear readout of each block";
    let every = probes.len().div_ceil(MOST_EPOCHS).max(1);
    let content = html! {
        table {
            caption { (caption) ", the last epoch first" @if every > 1 { ", every " (every) } }
            thead {
                tr {
                    th.number scope="col" { "epoch" }
                    @for block in 0..blocks { th.number scope="col" { "block " (block) } }
                }
            }
            tbody {
                @for probe in probes.iter().rev().step_by(every) {
                    tr {
                        th.number scope="row" { (probe.epoch) }
                        @for share in &probe.accuracy { td.number { (accuracy(*share)) } }
                    }
                }
            }
        }
    };
    html! { details { summary { "Every readout in numbers" } (scroll(caption, &content)) } }
}

/// How much of the samples' variance the shown directions tell.
pub(super) fn shares(samples: &Samples) -> Markup {
    let caption = "Share of the variance along both components";
    scroll(
        caption,
        &html! {
            table {
                caption { (caption) ", of " (samples.shown.len()) " samples" }
                thead {
                    tr {
                        th.number scope="col" { "block" }
                        th.number scope="col" { "first" }
                        th.number scope="col" { "second" }
                    }
                }
                tbody {
                    @for own in &samples.components {
                        tr {
                            th.number scope="row" { (own.block) }
                            @for share in own.shares { td.number { (percent(share)) } }
                        }
                    }
                }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use hsic_bottleneck::dataset::Shape;
    use hsic_bottleneck::log::ProbedOn;
    use hsic_bottleneck::samples::BlockComponents;
    use hsic_bottleneck::summary::JudgedOn;

    use super::*;

    fn samples(shape: Option<Shape>) -> Samples {
        let sample = |why, class: &str, read: &str| Sample {
            why,
            row: 17,
            said: Said::Class { class: class.to_owned(), read: read.to_owned(), probability: 0.875 },
            cells: if shape.is_none() { vec!["4.5".to_owned()] } else { Vec::new() },
        };
        Samples {
            judged_on: JudgedOn::Test,
            shape,
            columns: if shape.is_none() { vec!["<length>".to_owned()] } else { Vec::new() },
            all_columns: if shape.is_none() { 3 } else { 0 },
            samples: vec![sample(Why::Confused, "<a>", "b"), sample(Why::LeastSure, "b", "b")],
            images: shape.map_or_else(Vec::new, |shape| vec![vec![7; shape.columns()]; 2]),
            fitted_rows: 5,
            judged_rows: 4,
            accuracy: vec![Some(0.5), None],
            shown: vec![0],
            shown_classes: vec!["a".to_owned()],
            components: vec![BlockComponents { block: 1, shares: [0.5, 0.25], points: vec![[0.0, 0.0]] }],
        }
    }

    #[test]
    fn images_stand_with_what_was_read_and_names_are_escaped() {
        let found = galleries(&samples(Some(Shape { channels: 1, height: 24, width: 12 })));
        let ids: Vec<&str> = found.iter().map(|(id, ..)| *id).collect();
        assert_eq!(ids, ["confused", "least-sure"]);
        let text = found[0].2.clone().into_string();
        assert!(text.contains("width=\"36\" height=\"72\" alt=\"Image of class &lt;a&gt;, read as b\""), "{text}");
        assert!(text.contains("&lt;a&gt; as b") && text.contains("87.5 %") && !text.contains("<a>"), "{text}");
        assert!(text.contains("<details>") && text.contains(">17</th>"), "{text}");
        assert!(found[1].2.clone().into_string().contains("<span>b</span>"));
    }

    #[test]
    fn rows_of_a_table_stand_in_one() {
        let text = galleries(&samples(None))[0].2.clone().into_string();
        assert!(text.contains("with the first 1 of 3 columns") && text.contains("&lt;length&gt;"), "{text}");
        assert!(text.contains("<td>4.5</td>") && !text.contains("<img") && !text.contains("<details>"), "{text}");
    }

    #[test]
    fn values_stand_beside_the_predicted_ones_with_the_error_and_its_sign() {
        let sample = |why, truth, predicted| Sample {
            why,
            row: 3,
            said: Said::Value { truth, predicted },
            cells: vec!["1".to_owned()],
        };
        let mut own = samples(None);
        own.samples = vec![sample(Why::LargestError, 2.5, -1.25), sample(Why::SmallestError, 1.0, 1.5)];
        let found = galleries(&own);
        assert_eq!(found.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), ["largest-errors", "smallest-errors"]);
        let text = |index: usize| found[index].2.clone().into_string();
        let cells = |values: [&str; 3]| values.map(|value| format!("<td class=\"number\">{value}</td>")).concat();
        assert!(text(0).contains(&cells(["2.5", "\u{2212}1.25", "\u{2212}3.75"])), "{}", text(0));
        assert!(text(1).contains(&cells(["1", "1.5", "+0.5"])), "{}", text(1));
        assert!(text(0).contains("predicted value") && !text(0).contains("probability"), "{}", text(0));
        own.shape = Some(Shape { channels: 1, height: 2, width: 2 });
        own.images = vec![vec![7; 4]; 2];
        own.samples.iter_mut().for_each(|sample| sample.cells.clear());
        let text = galleries(&own)[1].2.clone().into_string();
        assert!(text.contains("alt=\"Image of value 1, predicted as 1.5\""), "{text}");
    }

    #[test]
    fn numbers_stand_beside_the_figures() {
        let samples = samples(None);
        let text = readouts(&samples).into_string();
        assert!(text.contains("<td class=\"number\">50.00</td>") && text.contains("\u{2014}"), "{text}");
        assert!(shares(&samples).into_string().contains("50.0 %"));
        let probe = |epoch| ProbeReport {
            epoch,
            step: epoch,
            fitted_rows: 4,
            judged_on: ProbedOn::Training,
            judged_rows: 1,
            accuracy: vec![Some(0.25), None],
        };
        let text = probes(&[probe(1), probe(2)]).into_string();
        assert!(text.find(">2</th>") < text.find(">1</th>") && text.contains("25.00"), "{text}");
    }

    #[test]
    fn filters_are_one_picture_with_its_sizes() {
        let shape = Shape { channels: 1, height: 5, width: 5 };
        let own = Filters { shape, windows: true, pictures: vec![vec![128; 25]; 13], all: 64 };
        let text = filters(&own).into_string();
        // 12 windows of 5 pixels in a line, a pixel apart, 12 times as large.
        assert!(text.contains("width=\"852\" height=\"132\" alt=\"13 of 64 filters of the first layer\""), "{text}");
        assert!(text.contains("the windows of the first convolution") && text.contains("1 x 5 x 5"), "{text}");
    }
}

//! Where the time of a training went: its parts, and within a step the parts of each block.

use hsic_bottleneck::log::TimelineReport;
use hsic_bottleneck::span::Work;
use hsic_bottleneck::summary::Summary;
use maud::{Markup, html};

use super::parts::{bounds, scroll};
use crate::report::duration;
use crate::table::significant;

/// Pixels across and down of the bar.
const BAR: (f64, f64) = (760.0, 30.0);

/// Parts of less than this share have no number in the bar: there is no room for one.
const NARROW: f64 = 0.03;

/// A part of the time.
struct Part {
    name: &'static str,
    class: &'static str,
    seconds: f64,
}

/// The parts of a finished training. The steps are counted with their median time, and what else it took is the rest.
fn parts(summary: &Summary) -> Vec<Part> {
    let steps = (1e-3 * summary.milliseconds_per_step * summary.steps as f64).min(summary.seconds);
    let mut parts = vec![
        Part { name: "training steps, by their median", class: "block", seconds: steps },
        Part {
            name: "evaluation, checkpoints, format training and slower steps",
            class: "forward",
            seconds: summary.seconds - steps,
        },
    ];
    if let Some(seconds) = summary.samples_seconds {
        parts.push(Part { name: "samples and readouts for this page", class: "operator", seconds });
    }
    parts
}

/// The section's content.
pub(super) fn of(summary: &Summary, timelines: &[TimelineReport]) -> Markup {
    let parts = parts(summary);
    let all: f64 = parts.iter().map(|part| part.seconds).sum();
    let share = |seconds: f64| if all > 0.0 { seconds / all } else { 0.0 };
    let mut left = 0.0;
    let placed: Vec<(f64, f64)> = parts
        .iter()
        .map(|part| {
            let begin = left;
            left += BAR.0 * share(part.seconds);
            (begin, left - begin)
        })
        .collect();
    let said = format!("{} in {} parts", duration(all), parts.len());
    html! {
        p { "What the training took, all in all " (duration(all)) ". The numbers in the bar are those of the lines below." }
        figure {
            (scroll("Where the time went", &html! {
                div.drawing style=(bounds(BAR.0)) {
                    svg.time viewBox={ "0 0 " (BAR.0) " " (BAR.1) } width=(BAR.0) height=(BAR.1) role="img" aria-label=(said) {
                        @for (index, (part, (left, width))) in parts.iter().zip(&placed).enumerate() {
                            rect class=(part.class) x=(format!("{left:.1}")) y="0" width=(format!("{width:.1}")) height=(BAR.1) {}
                            @if *width > NARROW * BAR.0 {
                                text class="inside" text-anchor="middle" x=(format!("{:.1}", left + 0.5 * width)) y="20" { (index + 1) }
                            }
                        }
                    }
                }
            }))
        }
        (scroll("Parts of the time", &html! {
            table {
                caption { "Parts of the time" }
                thead {
                    tr {
                        th.number scope="col" { "part" }
                        th scope="col" { "what" }
                        th.number scope="col" { "time" }
                        th.number scope="col" { "share" }
                    }
                }
                tbody {
                    @for (index, part) in parts.iter().enumerate() {
                        tr {
                            th.number scope="row" { (index + 1) }
                            td { (part.name) }
                            td.number { (duration(part.seconds)) }
                            td.number { (format!("{:.1} %", 100.0 * share(part.seconds))) }
                        }
                    }
                }
            }
        }))
        @if let Some(timeline) = timelines.last() { (of_step(timeline)) }
    }
}

/// Milliseconds of each block in the traced step, by kind of work.
fn of_step(timeline: &TimelineReport) -> Markup {
    let blocks = timeline.spans.iter().filter(|span| span.work != Work::Operator).map(|span| span.block + 1).max();
    let sum = |work: Work, block: Option<usize>| -> f64 {
        let own =
            timeline.spans.iter().filter(|span| span.work == work && block.is_none_or(|block| span.block == block));
        own.map(|span| (span.end_milliseconds - span.begin_milliseconds).max(0.0)).sum()
    };
    let caption = format!("Step {} by block, in milliseconds of the threads' work", timeline.step);
    let cell = |milliseconds: f64| significant(milliseconds, 3);
    scroll(
        &caption,
        &html! {
            table {
                caption { (caption) "; what the blocks share: " (cell(sum(Work::Operator, None))) }
                thead {
                    tr {
                        th.number scope="col" { "block" }
                        th.number scope="col" { "forward" }
                        th.number scope="col" { "objective, gradient, new weights" }
                    }
                }
                tbody {
                    @for block in 0..blocks.unwrap_or(0) {
                        tr {
                            th.number scope="row" { (block) }
                            td.number { (cell(sum(Work::Forward, Some(block)))) }
                            td.number { (cell(sum(Work::Block, Some(block)))) }
                        }
                    }
                }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use hsic_bottleneck::span::Span;

    use super::*;

    fn summary(samples: &str) -> Summary {
        let text = format!(
            r#"{{"run":"r","dataset":"d","model":"mlp","method":"hsic","epochs":1,"steps":1000,"seed":1,"threads":1,
            "train_accuracy":1,"test_accuracy":1,"format_accuracy":null,"seconds":8{samples},"milliseconds_per_step":6,
            "peak_memory_bytes":null,"parameters":1,"confusion":{{"counts":[]}},"class_names":[]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_parts_are_all_of_the_time() {
        let text = of(&summary(r#","samples_seconds":2"#), &[]).into_string();
        for told in ["all in all 10 s", "<td class=\"number\">60.0 %</td>", "<td class=\"number\">20.0 %</td>", "6.0 s"]
        {
            assert!(text.contains(told), "{told}: {text}");
        }
        // Bars of 60, 20 and 20 %.
        assert!(
            text.contains("x=\"0.0\" y=\"0\" width=\"456.0\"") && text.contains("x=\"608.0\" y=\"0\" width=\"152.0\"")
        );
        assert!(!of(&summary(""), &[]).into_string().contains("for this page"));
    }

    #[test]
    fn a_step_is_told_by_block() {
        let span = |work, block, begin: f64, end: f64| Span {
            work,
            block,
            thread: 0,
            begin_milliseconds: begin,
            end_milliseconds: end,
        };
        let spans = vec![
            span(Work::Forward, 0, 0.0, 1.5),
            span(Work::Operator, 0, 0.0, 7.0),
            span(Work::Block, 1, 2.0, 4.0),
            span(Work::Block, 1, 5.0, 6.0),
        ];
        let text = of(&summary(""), &[TimelineReport { step: 20, threads: 1, spans }]).into_string();
        assert!(text.contains("Step 20 by block") && text.contains("what the blocks share: 7"), "{text}");
        assert!(
            text.contains("<td class=\"number\">1.5</td>") && text.contains("<td class=\"number\">3</td>"),
            "{text}"
        );
    }
}

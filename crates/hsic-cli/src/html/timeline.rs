//! Who worked on what in a step: a bar a piece of work, a row a thread.

use hsic_bottleneck::log::TimelineReport;
use hsic_bottleneck::span::Span;
use hsic_bottleneck::span::Work;
use maud::{Markup, html};

use super::parts::{bounds, scroll};
use crate::table::significant;

/// Most steps that are drawn.
const MOST_STEPS: usize = 3;

/// Sizes in pixels of the drawing's own.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 40.0;
const BAR: f64 = 26.0;
const GAP: f64 = 10.0;
const BOTTOM: f64 = 44.0;

/// A bar, placed.
#[derive(Debug, PartialEq)]
struct Bar<'a> {
    span: &'a Span,
    /// Row within the thread, from 0: work that a thread took up while other work of its own waited stands below it.
    lane: usize,
}

/// Some of the steps, the first and the last among them.
pub(super) fn drawings(timelines: &[TimelineReport]) -> Vec<Markup> {
    let last = timelines.len().saturating_sub(1);
    let mut shown: Vec<usize> = (0..MOST_STEPS).map(|index| index * last / (MOST_STEPS - 1)).collect();
    shown.dedup();
    shown.into_iter().filter_map(|index| timelines.get(index)).filter_map(drawing).collect()
}

/// `None` for a step in which nothing was done.
fn drawing(timeline: &TimelineReport) -> Option<Markup> {
    let threads: Vec<Vec<Bar<'_>>> = rows(timeline);
    let spans = || threads.iter().flatten().map(|bar| bar.span);
    let end = spans().map(|span| span.end_milliseconds).fold(0.0, f64::max);
    if end <= 0.0 {
        return None;
    }
    let lanes: Vec<usize> = threads.iter().map(|bars| bars.iter().map(|bar| bar.lane + 1).max().unwrap_or(1)).collect();
    let begin_of = |thread: usize| {
        let above: usize = lanes[..thread].iter().sum();
        TOP + above as f64 * BAR + thread as f64 * GAP
    };
    let bottom = begin_of(threads.len());
    let scale = (WIDTH - LEFT - RIGHT) / end;
    let at = |milliseconds: f64| LEFT + milliseconds * scale;
    let summary = format!("Step {}: {} ms on {}", timeline.step, significant(end, 3), counted(threads.len()));
    let svg = html! {
        svg.time viewBox={ "0 0 " (WIDTH) " " (px(bottom + BOTTOM)) } width=(WIDTH) height=(px(bottom + BOTTOM))
            role="img" aria-label=(summary) {
            @for (index, (work, name)) in [(Work::Forward, "forward"), (Work::Operator, "operator"), (Work::Block, "objective, gradient, new weights of a block")].into_iter().enumerate() {
                rect class=(class(work)) x=(px(LEFT + 150.0 * index as f64)) y="8" width="14" height="14" {}
                text x=(px(LEFT + 150.0 * index as f64 + 20.0)) y="20" { (name) }
            }
            @for tick in ticks(end) {
                line.rule x1=(px(at(tick))) x2=(px(at(tick))) y1=(TOP - 6.0) y2=(px(bottom)) {}
                text text-anchor="middle" x=(px(at(tick))) y=(px(bottom + 16.0)) { (significant(tick, 3)) }
            }
            text text-anchor="middle" x=(px(f64::midpoint(LEFT, WIDTH - RIGHT))) y=(px(bottom + 36.0)) { "time since the step's begin (ms)" }
            @for (thread, bars) in threads.iter().enumerate() {
                text text-anchor="end" x=(LEFT - 8.0) y=(px(begin_of(thread) + 0.5 * BAR + 5.0)) { "thread " (thread) }
                @for Bar { span, lane } in bars {
                    @let (x, y) = (at(span.begin_milliseconds), begin_of(thread) + *lane as f64 * BAR);
                    @let width = (at(span.end_milliseconds) - x).max(0.5);
                    g {
                        title { (said(span)) }
                        rect class=(class(span.work)) x=(px(x)) y=(px(y)) width=(px(width)) height=(BAR - 3.0) {}
                        @if width >= 22.0 && span.work != Work::Operator {
                            text class="inside" text-anchor="middle" x=(px(x + 0.5 * width)) y=(px(y + 16.5)) { (span.block) }
                        }
                    }
                }
            }
        }
    };
    let busy: f64 = threads.iter().map(|bars| covered(bars)).sum::<f64>() / (end * threads.len() as f64);
    Some(html! {
        figure {
            (scroll(&summary, &html! { div.drawing style=(bounds(WIDTH)) { (svg) } }))
            figcaption { (summary) ", " (format!("{:.0}", 100.0 * busy)) " % of their time at work." }
        }
    })
}

/// Bars by thread, as many rows as there are threads or as spans name.
fn rows(timeline: &TimelineReport) -> Vec<Vec<Bar<'_>>> {
    let finite = |span: &&Span| span.begin_milliseconds >= 0.0 && span.end_milliseconds >= span.begin_milliseconds;
    let mut spans: Vec<&Span> = timeline.spans.iter().filter(finite).collect();
    spans.sort_by(|a, b| {
        a.begin_milliseconds.total_cmp(&b.begin_milliseconds).then(b.end_milliseconds.total_cmp(&a.end_milliseconds))
    });
    let mut threads: Vec<usize> = spans.iter().map(|span| span.thread).chain(0..timeline.threads.min(1024)).collect();
    threads.sort_unstable();
    threads.dedup();
    let row = |&thread: &usize| {
        let mut ends: Vec<f64> = Vec::new();
        let mine = spans.iter().filter(|span| span.thread == thread);
        let place = |span: &&'_ Span| {
            let free = ends.iter().position(|&end| end <= span.begin_milliseconds);
            let lane = free.unwrap_or(ends.len());
            if lane == ends.len() {
                ends.push(span.end_milliseconds);
            } else {
                ends[lane] = span.end_milliseconds;
            }
            lane
        };
        let lanes: Vec<usize> = mine.clone().map(place).collect();
        mine.zip(lanes).map(|(&span, lane)| Bar { span, lane }).collect()
    };
    threads.iter().map(row).collect()
}

/// Milliseconds in which there is any work; bars are in order of their begin.
fn covered(bars: &[Bar<'_>]) -> f64 {
    let (mut sum, mut until) = (0.0, 0.0_f64);
    for Bar { span, .. } in bars {
        sum += (span.end_milliseconds - span.begin_milliseconds.max(until)).max(0.0);
        until = until.max(span.end_milliseconds);
    }
    sum
}

/// Round values from 0 to `end`, five to ten of them.
fn ticks(end: f64) -> Vec<f64> {
    let power = 10_f64.powf((end / 10.0).log10().ceil());
    let step = [0.1, 0.2, 0.5, 1.0].map(|part| part * power).into_iter().find(|step| end / step <= 10.0).unwrap_or(end);
    (0..).map(|index| f64::from(index) * step).take_while(|&tick| tick <= end).collect()
}

fn class(work: Work) -> &'static str {
    match work {
        Work::Forward => "forward",
        Work::Operator => "operator",
        Work::Block => "block",
    }
}

/// A bar in words.
fn said(span: &Span) -> String {
    let what = match span.work {
        Work::Forward => format!("forward pass of block {}", span.block),
        Work::Operator => "operator".to_owned(),
        Work::Block => format!("block {}", span.block),
    };
    let (begin, end) = (significant(span.begin_milliseconds, 4), significant(span.end_milliseconds, 4));
    format!("{what}: {begin} to {end} ms")
}

fn counted(threads: usize) -> String {
    if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") }
}

/// A length to the hundredth.
fn px(length: f64) -> String {
    format!("{length:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(block: usize, thread: usize, begin_milliseconds: f64, end_milliseconds: f64) -> Span {
        Span { work: Work::Block, block, thread, begin_milliseconds, end_milliseconds }
    }

    fn timeline(spans: Vec<Span>) -> TimelineReport {
        TimelineReport { step: 5, threads: 2, spans }
    }

    #[test]
    fn work_taken_up_while_other_work_waits_stands_below_it() {
        let timeline = timeline(vec![span(2, 0, 1.0, 2.0), span(1, 0, 0.0, 4.0), span(3, 0, 4.0, 5.0)]);
        let rows = rows(&timeline);
        let lanes: Vec<_> = rows[0].iter().map(|bar| (bar.span.block, bar.lane)).collect();
        assert_eq!((lanes, rows[1].len()), (vec![(1, 0), (2, 1), (3, 0)], 0));
        assert_eq!(covered(&rows[0]), 5.0);
    }

    #[test]
    fn a_bar_lies_where_its_times_say() {
        let timeline = timeline(vec![span(0, 0, 0.0, 8.0), span(1, 1, 2.0, 4.0)]);
        let drawn = drawing(&timeline).unwrap().into_string();
        assert!(drawn.contains("Step 5: 8 ms on 2 threads, 62 % of their time at work."), "{drawn}");
        // 864 pixels for 8 ms from 80 on.
        assert!(drawn.contains("x=\"296\" y=\"76\" width=\"216\""), "{drawn}");
        assert!(drawn.contains("<title>block 1: 2 to 4 ms</title>"));
    }

    #[test]
    fn a_step_without_work_or_with_times_that_cannot_be_is_not_drawn() {
        assert!(drawing(&timeline(Vec::new())).is_none());
        assert!(drawing(&timeline(vec![span(0, 0, 2.0, 1.0)])).is_none());
    }

    #[test]
    fn of_many_steps_the_first_and_the_last_are_drawn() {
        let steps =
            |count: u64| (1..=count).map(|step| TimelineReport { step, ..timeline(vec![span(0, 0, 0.0, 1.0)]) });
        let drawn = drawings(&steps(9).collect::<Vec<_>>());
        let drawn: Vec<_> = drawn.into_iter().map(|drawing| drawing.into_string()).collect();
        assert_eq!(drawn.len(), 3);
        assert!(drawn[0].contains("Step 1:") && drawn[1].contains("Step 5:") && drawn[2].contains("Step 9:"));
        assert_eq!((drawings(&[]).len(), drawings(&steps(1).collect::<Vec<_>>()).len()), (0, 1));
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(8.0), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(ticks(130.0).last(), Some(&120.0));
        for end in [0.003, 0.7, 1.0, 9.9, 10.0, 11.0, 4321.0] {
            assert!((5..=12).contains(&ticks(end).len()), "{end}: {:?}", ticks(end));
        }
    }
}

//! The page of a reproduction.

use hsic_lab::figure::plot::{Claim, Value, Verdict};
use hsic_lab::figure::record::FigureRecord;
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::overview::{figures, fold, keys, of_reproduction};
use super::parts::{Draw, command, drawing, folded, identifier, page as whole, scroll};
use crate::report::{ReproductionReport, duration, machine};
use crate::table::{Row, Seeds, Standing};

/// The page.
pub(crate) fn page(content: &ReproductionReport, draw: Draw) -> String {
    let named: Vec<(String, &FigureRecord)> = content
        .figures
        .iter()
        .enumerate()
        .map(|(index, figure)| (identifier("figure", &figure.name, index), figure))
        .collect();
    let groups: Vec<Group<'_>> = named
        .iter()
        .filter(|(_, figure)| !figure.plot.values.is_empty())
        .map(|(id, figure)| (Some((&**id, &*figure.title)), &*figure.plot.values))
        .collect();
    let summary = html! {
        @if groups.is_empty() {
            p { "No figure has a value to compare with the paper." }
        } @else {
            (values("The paper's values and ours, by figure", &groups))
            p.note {
                "Mean of the seeds, with the least and the largest in parentheses. The authors' protocol fits the \
                 readout on test data and lets batch normalization see the test batch; the fair protocol does \
                 neither, and the difference is its mean less the paper's value. The band is where that mean has to \
                 lie. A dash stands where there is no value."
            }
        }
    };
    let small: Vec<_> = named.iter().map(|(id, figure)| (&**id, &*figure.title, &figure.plot)).collect();
    let body = html! {
        (keys(&of_reproduction(content)))
        @for sentence in content.tally() { p { (sentence) } }
        nav.first aria-label="Figures" { (figures(&small, draw)) }
        (fold("summary", "Summary", &summary))
        @for (id, figure) in &named { (section(id, figure, draw)) }
        (fold("about", "What this is and how it was made", &introduction(content)))
    };
    whole(&content.title(), &body)
}

fn introduction(content: &ReproductionReport) -> Markup {
    html! {
        p {
            "The HSIC bottleneck trains a deep network without back-propagation. Each block learns by itself: its outputs \
             are to depend more on the labels and less on the input, and both dependences are measured by the \
             Hilbert-Schmidt independence criterion (Ma, Lewis, Kleijn: The HSIC Bottleneck: Deep Learning without \
             Back-Propagation, AAAI 2020). This page puts the paper's figures, trained anew by this program, beside what \
             the paper shows."
        }
        dl.facts {
            @for (name, fact) in content.facts() { div { dt { (name) } dd { (fact) } } }
            div { dt { "Command" } dd { (command(&content.command())) } }
        }
    }
}

/// Rows under a heading that leads to their figure.
type Group<'a> = (Option<(&'a str, &'a str)>, &'a [Value]);

fn values(caption: &str, groups: &[Group<'_>]) -> Markup {
    let table = html! {
        table {
            caption { (caption) }
            thead {
                tr {
                    th scope="col" { "quantity" }
                    th.number scope="col" { "paper" }
                    th.number scope="col" { "ours, authors' protocol" }
                    th.number scope="col" { "ours, fair protocol" }
                    th.number scope="col" { "difference (fair \u{2212} paper)" }
                    th scope="col" { "band" }
                    th scope="col" { "command" }
                }
            }
            @for (heading, values) in groups {
                tbody {
                    @if let Some((target, title)) = heading {
                        tr.group { th colspan="7" scope="rowgroup" { a href={ "#" (target) } { (title) } } }
                    }
                    @for value in *values { (value_row(&Row::of(value))) }
                }
            }
        }
    };
    scroll(caption, &table)
}

fn value_row(row: &Row) -> Markup {
    html! {
        tr.broken[row.standing.is_broken()] {
            th scope="row" { (row.quantity) }
            td.number { (row.paper) }
            td.number { (seeds(&row.authors)) }
            td.number { (seeds(&row.ours)) }
            td.number { (row.difference) }
            td.band { (row.band) @if row.standing != Standing::Free { " " span.mark { (row.standing.mark()) } } }
            td { (folded(&row.command)) }
        }
    }
}

fn seeds(Seeds { mean, range }: &Seeds) -> Markup {
    html! { (mean) @if let Some(range) = range { span.range { " (" (range) ")" } } }
}

fn section(id: &str, figure: &FigureRecord, draw: Draw) -> Markup {
    let plot = &figure.plot;
    let content = html! {
        p.note { "Source: " (figure.source) }
        figure {
            (drawing(plot, &figure.title, id, draw))
            figcaption { (plot.caption) }
        }
        @if !plot.values.is_empty() {
            h3 { "Values" }
            (values("The paper's values and ours", &[(None, &plot.values)]))
        }
        @if !plot.claims.is_empty() {
            h3 { "Claims" }
            (claims(&plot.claims))
        }
        h3 { "How it was made" }
        p { (command(&figure.command)) }
        (details(figure))
    };
    fold(id, &figure.title, &content)
}

fn claims(claims: &[Claim]) -> Markup {
    let caption = "What is said of this figure, and what came of it";
    let table = html! {
        table {
            caption { (caption) }
            thead { tr { th scope="col" { "claim" } th scope="col" { "verdict" } th scope="col" { "evidence" } } }
            tbody {
                @for Claim { statement, verdict, evidence } in claims {
                    tr.broken[*verdict == Verdict::Fails] {
                        th.prose scope="row" { (statement) }
                        td.verdict { (judged(*verdict)) }
                        td.prose { (evidence) }
                    }
                }
            }
        }
    };
    scroll(caption, &table)
}

/// A verdict in a sign and words.
fn judged(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "\u{2713} holds",
        Verdict::Partly => "\u{2248} holds partly",
        Verdict::Fails => "\u{2717} does not hold",
        Verdict::NotJudged => "not judged",
    }
}

fn details(figure: &FigureRecord) -> Markup {
    let seeds: Vec<String> = figure.seeds.iter().map(ToString::to_string).collect();
    let csv = format!("data:text/csv;charset=utf-8,{}", utf8_percent_encode(&figure.plot.csv(), NON_ALPHANUMERIC));
    let caption = "Trainings of this figure";
    html! {
        details {
            summary { "Trainings, seeds, machine, data, points" }
            dl.facts {
                div { dt { "Profile" } dd { (figure.profile) } }
                div { dt { "Seeds" } dd { (seeds.join(", ")) } }
                div { dt { "Data" } dd { (figure.data.join(", ")) } }
                div { dt { "Machine" } dd { (machine(&figure.machine)) } }
                div {
                    dt { "Points" }
                    dd { a href=(csv) download={ (figure.name) ".csv" } { (figure.name) ".csv" } " (in this page)" }
                }
            }
            @if !figure.runs.is_empty() {
                (scroll(caption, &html! {
                    table {
                        caption { (caption) }
                        thead {
                            tr {
                                th scope="col" { "training" }
                                th.number scope="col" { "seed" }
                                th.number scope="col" { "time" }
                                th scope="col" { "command" }
                            }
                        }
                        tbody {
                            @for run in &figure.runs {
                                tr {
                                    th scope="row" { (run.label) }
                                    td.number { (run.seed) }
                                    td.number { (duration(run.seconds)) }
                                    td { (folded(&run.command)) }
                                }
                            }
                        }
                    }
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::reproduction;

    fn draw(_: &hsic_lab::figure::plot::Plot, title: &str) -> String {
        let title = title.replace('<', "&lt;");
        format!("<svg viewBox=\"0 0 1 1\"><title id=\"t\">{title}</title><path id=\"a\"/><use href=\"#a\"/></svg>")
    }

    /// Every value of an attribute.
    fn attributes<'p>(page: &'p str, name: &str) -> Vec<&'p str> {
        page.split(&format!(" {name}=\"")).skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }

    #[test]
    fn a_value_outside_its_band_is_marked_by_a_word() {
        let page = page(&reproduction(), draw);
        assert_eq!(page.matches("\u{2717} outside").count(), 2, "in the summary and at its figure");
        assert_eq!(page.matches("\u{2713} inside").count(), 2);
        assert!(page.contains("<tr class=\"broken\"><th scope=\"row\">ratio</th><td class=\"number\">\u{2014}</td>"));
        assert!(page.contains("\u{2717} does not hold"));
    }

    #[test]
    fn the_smoke_profile_judges_nothing_and_says_so() {
        let mut figures = reproduction().figures;
        for figure in &mut figures {
            figure.profile = "smoke".to_owned();
        }
        // Records of earlier versions hold verdicts.
        let content = crate::report::ReproductionReport::new(figures);
        let page = page(&content, draw);
        assert_eq!(page.matches("<td class=\"verdict\">not judged</td>").count(), 3);
        assert!(page.contains(crate::report::NOT_JUDGED));
        for told in ["\u{2717}", "\u{2713}", "\u{2248}", "class=\"broken\""] {
            assert!(!page.contains(told), "{told}");
        }
        assert!(crate::markdown::reproduction(&content).contains(crate::report::NOT_JUDGED));
    }

    #[test]
    fn names_are_escaped() {
        let mut content = reproduction();
        let figure = &mut content.figures[0];
        let value = &mut figure.plot.values[0];
        for text in [
            &mut figure.name,
            &mut figure.title,
            &mut figure.source,
            &mut figure.command,
            &mut figure.plot.caption,
            &mut value.name,
            &mut value.command,
            &mut figure.runs[0].label,
            &mut figure.data[0],
            &mut figure.machine.processor,
        ] {
            "\"><script>alert(1)</script>".clone_into(text);
        }
        let page = page(&content, draw);
        assert!(!page.contains("<script") && page.contains("&lt;script"));
    }

    #[test]
    fn identifiers_do_not_collide_and_every_reference_has_its_target() {
        let mut content = reproduction();
        content.figures[1].name = content.figures[0].name.clone();
        let page = page(&content, draw);
        let ids = attributes(&page, "id");
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        // The summary, both figures in small and whole with two identifiers each, their headings, and how it was made.
        assert_eq!((ids.len(), distinct.len()), (12, 12));
        for target in attributes(&page, "href").iter().filter_map(|target| target.strip_prefix('#')) {
            assert!(ids.contains(&target), "{target}");
        }
    }

    #[test]
    fn a_long_command_is_folded_and_whole() {
        let mut content = reproduction();
        let long = format!("hsic train --dataset mnist {}", "--epochs 5 ".repeat(8).trim_end());
        content.figures[0].plot.values[0].command.clone_from(&long);
        let page = page(&content, draw);
        let fold = "<details class=\"folded\"><summary><code>hsic train --dataset mnist \u{2026}</code></summary>";
        assert_eq!(page.matches(fold).count(), 2);
        let (_, rest) = page.split_once(fold).unwrap();
        let (code, _) = rest.split_once("</code>").unwrap();
        let text: String = code.split('<').filter_map(|piece| piece.split_once('>')).map(|(_, text)| text).collect();
        assert_eq!(text, long);
    }

    #[test]
    fn the_points_are_in_the_page() {
        let page = page(&reproduction(), draw);
        let link = attributes(&page, "href").into_iter().find(|link| link.starts_with("data:")).unwrap();
        let encoded = link.strip_prefix("data:text/csv;charset=utf-8,").unwrap();
        let csv = percent_encoding::percent_decode_str(encoded).decode_utf8().unwrap();
        assert_eq!(csv, reproduction().figures[0].plot.csv());
    }
}

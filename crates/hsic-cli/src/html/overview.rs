//! The first look at a page of many trainings: ten numbers, its figures in small, and the rest folded below them.

use hsic_lab::comparison::{ComparisonRecord, MethodRow};
use hsic_lab::figure::plot::{Plot, Value, Verdict, mean};
use maud::{Markup, PreEscaped, html};

use super::parts::Draw;
use super::svg;
use crate::report::{ReproductionReport, duration};
use crate::table::{MISSING, significant};

/// Numbers that a page begins with.
pub(super) const KEYS: usize = 10;

/// Most figures in small.
const MOST_SMALL: usize = 12;

/// A number with its name.
pub(super) type Key = (&'static str, String);

/// The numbers of a reproduction.
pub(super) fn of_reproduction(content: &ReproductionReport) -> [Key; KEYS] {
    let banded = content.values().filter(|value| value.band.is_some()).count();
    let inside = banded - content.values_outside().min(banded);
    let trainings: usize = content.figures.iter().map(|figure| figure.runs.len()).sum();
    let fact = |name: &str| {
        content.facts().into_iter().find(|(own, _)| *own == name).map_or_else(|| MISSING.to_owned(), |(_, fact)| fact)
    };
    // Percent alone can be set beside each other.
    let differences: Vec<f64> = content.values().filter(|value| value.unit == "%").filter_map(difference).collect();
    let far = differences.iter().copied().fold(0.0f64, |far, one| if one.abs() > far.abs() { one } else { far });
    let points = |value: f64| match differences.is_empty() {
        true => MISSING.to_owned(),
        false => format!("{value:+.2} points"),
    };
    [
        ("figures", content.figures.len().to_string()),
        ("values in their band", format!("{inside} of {banded}")),
        ("mean difference from the paper", points(mean(&differences))),
        ("largest difference", points(far)),
        ("claims that hold", content.claims(Verdict::Holds).to_string()),
        ("claims that hold partly", content.claims(Verdict::Partly).to_string()),
        ("claims that do not hold", content.claims(Verdict::Fails).to_string()),
        ("trainings shown", trainings.to_string()),
        ("seeds", fact("Seeds")),
        ("trained for", fact("Trained for")),
    ]
}

/// What a value of ours is above the paper's.
fn difference(value: &Value) -> Option<f64> {
    let paper = value.paper.filter(|_| !value.ours.is_empty())?;
    Some(mean(&value.ours) - paper).filter(|difference| difference.is_finite())
}

/// The numbers of a comparison.
pub(super) fn of_comparison(record: &ComparisonRecord) -> [Key; KEYS] {
    let known: Vec<&MethodRow> = record.rows.iter().filter(|row| !row.test_accuracy.is_empty()).collect();
    let accuracy = |row: &MethodRow| 100.0 * mean(&row.test_accuracy);
    let memory = |row: &MethodRow| {
        let megabytes: Vec<f64> = row.peak_memory_bytes.iter().map(|&bytes| bytes as f64 / 1e6).collect();
        mean(&megabytes)
    };
    let seconds = |row: &MethodRow| mean(&row.seconds);
    // The row for which a number is the largest or the least, as text; none of what was not measured.
    let extreme = |of: &dyn Fn(&MethodRow) -> f64, sign: f64, text: &dyn Fn(f64) -> String| {
        let measured = known.iter().filter(|row| of(row).is_finite());
        let best = measured.max_by(|a, b| (sign * of(a)).total_cmp(&(sign * of(b))));
        best.map_or_else(|| MISSING.to_owned(), |row| format!("{} ({})", row.label(), text(of(row))))
    };
    let percent = |value: f64| format!("{value:.2} %");
    let named = |name: &str| {
        let row = known.iter().find(|row| row.label() == name);
        row.map_or_else(|| MISSING.to_owned(), |row| percent(accuracy(row)))
    };
    let trained: f64 = record.rows.iter().flat_map(|row| &row.seconds).sum();
    let at_once = record.rows.iter().filter(|row| row.parallel).count();
    [
        ("most accurate", extreme(&accuracy, 1.0, &percent)),
        ("least accurate", extreme(&accuracy, -1.0, &percent)),
        ("hsic", named("hsic")),
        ("back-propagation", named("backprop")),
        ("fastest", extreme(&seconds, -1.0, &duration)),
        ("least memory", extreme(&memory, -1.0, &|megabytes| format!("{} MB", significant(megabytes, 3)))),
        ("methods with a result", format!("{} of {}", known.len(), record.rows.len())),
        ("can update all blocks at once", format!("{at_once} of {}", record.rows.len())),
        ("seeds", record.seeds.len().to_string()),
        ("final trainings", duration(trained)),
    ]
}

/// Numbers with their names, beside and below each other.
pub(super) fn keys(keys: &[Key; KEYS]) -> Markup {
    html! { dl.keys { @for (name, value) in keys { div { dt { (name) } dd { (value) } } } } }
}

/// Figures in small, each the first panel of a plot with its title, which leads to the whole; of many the first.
pub(super) fn figures(plots: &[(&str, &str, &Plot)], draw: Draw) -> Markup {
    let small = |(id, title, plot): &(&str, &str, &Plot)| {
        let panels = plot.panels.iter().take(1).cloned().collect();
        let first = Plot { panels, columns: 1, ..Plot::default() };
        html! {
            li {
                a href={ "#" (id) } { (title) }
                (PreEscaped(svg::inline(&draw(&first, ""), &format!("small-{id}"), title)))
            }
        }
    };
    html! {
        ul.small { @for one in plots.iter().take(MOST_SMALL) { (small(one)) } }
        @if plots.len() > MOST_SMALL { p.note { (plots.len() - MOST_SMALL) " more figures stand below." } }
    }
}

/// A section that opens where one asks for it, or comes to it by a link.
pub(super) fn fold(id: &str, title: &str, content: &Markup) -> Markup {
    html! {
        section.fold aria-labelledby=(id) {
            details {
                summary { h2 id=(id) { (title) } }
                (content)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compared::tests::comparison;
    use crate::report::tests::reproduction;

    fn of<'k>(keys: &'k [Key], name: &str) -> &'k str {
        keys.iter().find(|(own, _)| *own == name).map_or("", |(_, value)| value)
    }

    #[test]
    fn a_reproduction_begins_with_its_tally() {
        let keys = of_reproduction(&reproduction());
        assert_eq!((of(&keys, "figures"), of(&keys, "values in their band")), ("2", "1 of 2"));
        assert_eq!((of(&keys, "claims that hold"), of(&keys, "claims that do not hold")), ("1", "1"));
        assert_eq!((of(&keys, "seeds"), of(&keys, "trained for"), of(&keys, "trainings shown")), ("1, 2", "90 s", "4"));
        let values: Vec<f64> =
            reproduction().values().filter(|value| value.unit == "%").filter_map(difference).collect();
        assert_eq!(of(&keys, "largest difference"), format!("{:+.2} points", values[0]));
        // Without a value in percent there is nothing to set beside the paper.
        let mut none = reproduction();
        none.figures.iter_mut().for_each(|figure| figure.plot.values.clear());
        assert_eq!(of(&of_reproduction(&none), "mean difference from the paper"), MISSING);
    }

    #[test]
    fn a_comparison_begins_with_the_best_and_the_fastest() {
        let mut record = comparison();
        let mut other = record.rows[0].clone();
        (other.method, other.test_accuracy, other.seconds) = ("backprop".to_owned(), vec![0.99], vec![20.0]);
        other.peak_memory_bytes = vec![90_000_000];
        record.rows.push(other);
        let keys = of_comparison(&record);
        assert_eq!(of(&keys, "most accurate"), "backprop (99.00 %)");
        assert_eq!(of(&keys, "least accurate"), "hsic (97.50 %)");
        assert_eq!((of(&keys, "hsic"), of(&keys, "back-propagation")), ("97.50 %", "99.00 %"));
        assert_eq!((of(&keys, "fastest"), of(&keys, "least memory")), ("hsic (11 s)", "backprop (90 MB)"));
        assert_eq!(
            (of(&keys, "methods with a result"), of(&keys, "can update all blocks at once")),
            ("2 of 3", "2 of 3")
        );
        assert_eq!(of(&keys, "final trainings"), "42 s");
        record.rows.retain(|row| row.test_accuracy.is_empty());
        assert_eq!(of(&of_comparison(&record), "fastest"), MISSING);
    }

    #[test]
    fn a_figure_in_small_is_its_first_panel_and_leads_to_the_whole() {
        let content = reproduction();
        let plot = &content.figures[0].plot;
        let many: Vec<(&str, &str, &Plot)> = (0..14).map(|_| ("whole", "<b>", plot)).collect();
        let draw: Draw = |plot, _| format!("<svg><g id=\"a\">{}</g></svg>", plot.panels.len());
        let text = figures(&many, draw).into_string();
        assert_eq!(text.matches("<li><a href=\"#whole\">&lt;b&gt;</a><svg").count(), MOST_SMALL);
        assert!(text.contains("id=\"small-whole-a\">1</g>") && text.contains("2 more figures stand below."), "{text}");
    }
}

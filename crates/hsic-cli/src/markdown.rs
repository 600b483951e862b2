//! Reports in Markdown.

use std::fmt::Write as _;

use hsic_lab::comparison::ComparisonRecord;
use hsic_lab::speedrun::SpeedRunRecord;

use crate::compared::{ComparedTable, elsewhere};
use crate::report::{ReproductionReport, RunFacts, machine};
use crate::several::SeveralRuns;
use crate::speedrun::{ATTEMPT_HEADS, GOAL_HEADS, attempt_cells, facts, goal_cells, notes, title};
use crate::table::Row;

/// The last line of a report, by which one is known.
pub(crate) const MADE_BY: &str = "Made by `hsic report`.";

/// The summary table of a reproduction, and how it came about.
pub(crate) fn reproduction(content: &ReproductionReport) -> String {
    let mut text = format!("# {}\n\n", prose(&content.title()));
    if content.values().next().is_some() {
        text.push_str(
            "| quantity | paper | ours, authors' protocol | ours, fair protocol | difference (fair - paper) | band | command |\n\
             | --- | ---: | ---: | ---: | ---: | --- | --- |\n",
        );
    }
    for figure in content.figures.iter().filter(|figure| !figure.plot.values.is_empty()) {
        let _ = writeln!(text, "| **{}** | | | | | | |", prose(&figure.title));
        for value in &figure.plot.values {
            text.push_str(&line(&Row::of(value)));
        }
    }
    let facts: Vec<String> =
        content.facts().into_iter().map(|(name, fact)| format!("{}: {}", name.to_lowercase(), prose(&fact))).collect();
    let _ = writeln!(text, "\n{}; command: {}", facts.join("; "), code(&content.command()));
    for sentence in content.tally() {
        let _ = writeln!(text, "\n{}", prose(&sentence));
    }
    let _ = writeln!(text, "\n{MADE_BY}");
    text
}

fn line(row: &Row) -> String {
    let mut text = String::new();
    let (authors, ours) = (row.authors.to_string(), row.ours.to_string());
    for cell in [&row.quantity, &row.paper, &authors, &ours, &row.difference] {
        let _ = write!(text, "| {} ", prose(cell));
    }
    let mark = row.standing.mark();
    let mark = match row.standing.is_broken() {
        true => format!(" **{mark}**"),
        false if mark.is_empty() => String::new(),
        false => format!(" {mark}"),
    };
    let _ = writeln!(text, "| {}{mark} | {} |", row.band, code(&row.command));
    text
}

/// A comparison's table, how its rates were found, and how it came about.
pub(crate) fn comparison(record: &ComparisonRecord) -> String {
    let mut text = format!("# Learning methods: {} on {}\n\n", prose(&record.model), prose(&record.data.join(", ")));
    let columns = ComparedTable::of(record);
    let _ = writeln!(text, "| {} |", columns.heads().join(" | "));
    let _ = writeln!(text, "| ---{} |", " | ---:".repeat(columns.heads().len() - 1));
    for row in &record.rows {
        let cells: Vec<String> = columns.cells(row).iter().map(|cell| prose(cell)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    for row in &record.rows {
        if let Some(failure) = &row.failure {
            let _ = writeln!(text, "\n{}: {}", prose(row.label()), prose(failure));
        }
    }
    if let Some(told) = elsewhere(&record.rows) {
        let _ = writeln!(text, "\n{}", prose(&told));
    }
    let seeds: Vec<String> = record.seeds.iter().map(ToString::to_string).collect();
    let _ = writeln!(text, "\n{}", prose(&record.search()));
    let _ = writeln!(
        text,
        "\nbudget of each training: {}; seeds: {}; machine: {}; command: {}",
        record.budget,
        seeds.join(", "),
        prose(&machine(&record.machine)),
        code(&record.command)
    );
    let _ = writeln!(text, "\n{MADE_BY}");
    text
}

/// A speed run's goals, the lengths that were tried, and how it came about.
pub(crate) fn speedrun(record: &SpeedRunRecord) -> String {
    let mut text = format!("# {}\n", prose(&title(record)));
    let mut table = |heads: &[&str], rows: Vec<Vec<String>>| {
        let _ = writeln!(text, "\n| {} |\n|{}", heads.join(" | "), " ---: |".repeat(heads.len()));
        for cells in rows {
            let cells: Vec<String> = cells.iter().map(|cell| prose(cell)).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
    };
    table(&GOAL_HEADS, record.goals.iter().map(|row| goal_cells(row).to_vec()).collect());
    table(&ATTEMPT_HEADS, record.attempts.iter().map(|tried| attempt_cells(tried).to_vec()).collect());
    for note in notes(record) {
        let _ = writeln!(text, "\n{}", prose(&note));
    }
    let facts: Vec<String> =
        facts(record).into_iter().map(|(name, fact)| format!("{}: {}", name.to_lowercase(), prose(&fact))).collect();
    let _ = writeln!(text, "\n{}; command: {}\n\n{MADE_BY}", facts.join("; "), code(&record.command));
    text
}

/// What a run came to, in a table.
pub(crate) fn run(facts: &RunFacts) -> String {
    let mut text = format!("# {}\n\n{}\n\n| quantity | value |\n| --- | --- |\n", prose(&facts.title), facts.state);
    for (name, value) in &facts.rows {
        let _ = writeln!(text, "| {} | {} |", prose(name), prose(value));
    }
    for warning in &facts.warnings {
        let _ = writeln!(text, "\nWarning: {}", prose(warning));
    }
    let _ = writeln!(text, "\nCommand: {}\n\n{MADE_BY}", code(&facts.command));
    text
}

/// What several runs came to, a column a run.
pub(crate) fn several(content: &SeveralRuns) -> String {
    let mut text = format!("# {}\n", content.title());
    for (head, rows) in [("quantity", &content.rows), ("option that differs", &content.options)] {
        if rows.is_empty() {
            continue;
        }
        let names: String = content.names().map(|name| format!(" {} |", prose(name))).collect();
        let _ = writeln!(text, "\n| {head} |{names}\n| --- |{}", " --- |".repeat(content.runs.len()));
        for (name, values) in rows {
            let values: String = values.iter().map(|value| format!(" {} |", prose(value))).collect();
            let _ = writeln!(text, "| {} |{values}", prose(name));
        }
    }
    for warning in &content.warnings {
        let _ = writeln!(text, "\nWarning: {}", prose(warning));
    }
    let _ = writeln!(text, "\n{MADE_BY}");
    text
}

/// Text that Markdown leaves as it is, on one line.
pub(crate) fn prose(text: &str) -> String {
    let mut escaped = String::new();
    for character in one_line(text).chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '*' | '_' | '`' | '[' | ']' | '|' | '#' => escaped.extend(['\\', character]),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A command. Between longer fences it may hold backticks; a bar ends a cell even so.
pub(crate) fn code(text: &str) -> String {
    let text = one_line(text).replace('|', "\\|");
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::reproduction as sample;

    #[test]
    fn the_table_of_a_small_reproduction_is_exactly_this() {
        let expected = "# Reproduction of the HSIC bottleneck, profile quick\n\
            \n\
            | quantity | paper | ours, authors' protocol | ours, fair protocol | difference (fair - paper) | band | command |\n\
            | --- | ---: | ---: | ---: | ---: | --- | --- |\n\
            | **Depth \\| width** | | | | | | |\n\
            | MNIST after 5 epochs (%) | 97.5 | 98.00 | 97.88 (97.25 to 98.50) | +0.38 | 96 to 99 \u{2713} inside | `hsic train --dataset mnist` |\n\
            | ratio | \u{2014} | \u{2014} | 2 | \u{2014} | 0 to 1 **\u{2717} outside** | `hsic train \\| tee` |\n\
            \n\
            profile: quick (real data, shortened training); seeds: 1, 2; data: mnist (60000 + 10000); machine: Some CPU, 2 cores, \
            8.0 GB of memory, linux x86\\_64; trained for: 90 s; command: `hsic reproduce all --profile quick`\n\
            \n\
            1 of 2 values with a band lies inside it.\n\
            \n\
            Of the claims 1 holds, 1 holds partly, 1 does not hold.\n\
            \n\
            Made by `hsic report`.\n";
        assert_eq!(reproduction(&sample()), expected);
    }

    #[test]
    fn what_has_a_meaning_in_markdown_is_escaped() {
        assert_eq!(prose("a|b <script> *x*\n_y_"), "a\\|b &lt;script> \\*x\\* \\_y\\_");
        assert_eq!((code("a `b`"), code("a\nb")), ("`` a `b` ``".to_owned(), "`a b`".to_owned()));
    }
}

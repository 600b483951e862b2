//! Predictions as lines of text and as a CSV file.

use std::fmt::Write as _;

use hsic_bottleneck::predict::Prediction;

use crate::results::{Named, Ranked, Valued};

/// The likeliest other classes of a prediction, the first `count` of them, and the margin: its probability less that of the
/// likeliest other class.
pub(crate) fn ranked<'n>(prediction: &Prediction, names: &'n [String], count: usize) -> (f64, Vec<Ranked<'n>>) {
    let Prediction { class, probability, probabilities } = prediction;
    let mut others: Vec<usize> = (0..probabilities.len()).filter(|other| other != class).collect();
    // Of equal ones, the first in the order of the classes.
    others.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    let margin = probability - others.first().map_or(0.0, |&next| probabilities[next]);
    let rank = |class: usize| Ranked { class: &names[class], probability: probabilities[class] };
    (margin, others.into_iter().take(count).map(rank).collect())
}

/// A line a sample: file, row (from 0), class, probability, and the next classes with theirs.
pub(crate) fn lines(predictions: &[Named<'_>]) -> String {
    let width = predictions.iter().map(|found| found.class.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for Named { file, row, class, probability, next, .. } in predictions {
        let _ = write!(text, "{}:{row}  {class:width$}  {probability:.4}", file.display());
        for Ranked { class, probability } in next {
            let _ = write!(text, "  {class:width$}  {probability:.4}");
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

/// A table with a row a sample, its first line of names.
pub(crate) fn csv(predictions: &[Named<'_>]) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let beside = predictions.iter().map(|found| found.next.len()).max().unwrap_or(0);
    let names = ["file", "row", "class", "probability", "margin"].map(str::to_owned).into_iter();
    writer
        .write_record(names.chain((2..beside + 2).flat_map(|n| [format!("class_{n}"), format!("probability_{n}")])))?;
    for Named { file, row, class, probability, margin, next, .. } in predictions {
        let first = [
            file.display().to_string(),
            row.to_string(),
            (*class).to_owned(),
            probability.to_string(),
            margin.to_string(),
        ];
        let next = next.iter().flat_map(|ranked| [ranked.class.to_owned(), ranked.probability.to_string()]);
        writer.write_record(first.into_iter().chain(next))?;
    }
    Ok(writer.into_inner()?)
}

/// A line a sample: file, row (from 0), value.
pub(crate) fn lines_of_values(predictions: &[Valued<'_>]) -> String {
    let line = |Valued { file, row, value }: &Valued<'_>| format!("{}:{row}  {value:?}", file.display());
    predictions.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A table with a row a sample, its first line of names.
pub(crate) fn csv_of_values(predictions: &[Valued<'_>]) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["file", "row", "value"])?;
    for Valued { file, row, value } in predictions {
        writer.write_record([file.display().to_string(), row.to_string(), value.to_string()])?;
    }
    Ok(writer.into_inner()?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_others_are_ranked_and_the_margin_is_to_the_first_of_them() {
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        let prediction = Prediction { class: 1, probability: 0.5, probabilities: vec![0.125, 0.5, 0.25, 0.125] };
        let (margin, next) = ranked(&prediction, &names, 2);
        let next: Vec<_> = next.iter().map(|ranked| (ranked.class, ranked.probability)).collect();
        assert_eq!((margin, next), (0.25, vec![("c", 0.25), ("a", 0.125)]));
        assert_eq!(ranked(&prediction, &names, 9).1.len(), 3);
        assert!(ranked(&prediction, &names, 0).1.is_empty());
    }

    #[test]
    fn a_table_quotes_what_has_a_comma() {
        let next = vec![Ranked { class: "dog", probability: 0.25 }];
        let probabilities = vec![0.75, 0.25];
        let named = [Named {
            file: Path::new("a, b.png"),
            row: 0,
            class: "cat",
            probability: 0.75,
            margin: 0.5,
            probabilities,
            next,
        }];
        let text = String::from_utf8(csv(&named).unwrap()).unwrap();
        assert_eq!(
            text,
            "file,row,class,probability,margin,class_2,probability_2\n\"a, b.png\",0,cat,0.75,0.5,dog,0.25\n"
        );
        assert_eq!(lines(&named), "a, b.png:0  cat  0.7500  dog  0.2500");
    }
}

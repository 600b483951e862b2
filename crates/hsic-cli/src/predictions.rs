//! Predictions as they come: as lines of text, as a CSV file, as JSON.

use std::fmt::Write as _;
use std::path::Path;

use hsic_bottleneck::dataset::Task;
use hsic_bottleneck::files::Aside;
use hsic_bottleneck::predict::{Prediction, Predictor};
use serde::Serialize;

use crate::printer;
use crate::results::{Misfit, Named, Ranked, Said, Valued};

/// What a run says of some rows.
pub(crate) enum Told {
    Classes(Vec<Prediction>),
    Values(Vec<f64>),
}

impl Told {
    /// What it says of rows as the network takes them.
    pub(crate) fn by(predictor: &Predictor, rows: &[f32]) -> Self {
        predictor.values(rows).map_or_else(|| Self::Classes(predictor.predict(rows)), Self::Values)
    }
}

/// The same with names and places.
enum Rows<'a> {
    Classes(Vec<Named<'a>>),
    Values(Vec<Valued<'a>>),
}

/// What goes to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Printed {
    Nothing,
    Lines,
    Json,
}

/// Where predictions go as they come: to standard output at once, into a file that has its name when it is whole.
pub(crate) struct Output<'a> {
    run: &'a Path,
    /// Of the classes; none for values.
    names: &'a [String],
    /// How many classes stand beside the first.
    beside: usize,
    /// Letters of the longest name.
    width: usize,
    path: Option<&'a Path>,
    table: Option<Aside>,
    /// Bytes of the table before the rows of the file that is read.
    before: u64,
    printed: Printed,
    /// Whether something was printed, and whether rows of the file that is read were.
    has_printed: bool,
    has_printed_rows: bool,
    /// Whether rows were printed of a file that turned out not to fit.
    is_cut_short: bool,
}

impl<'a> Output<'a> {
    /// `beside` classes stand beside the first, as far as there are so many; a table goes to `path`.
    pub(crate) fn new(
        run: &'a Path,
        names: &'a [String],
        beside: usize,
        path: Option<&'a Path>,
        printed: Printed,
    ) -> Self {
        let beside = beside.min(names.len().saturating_sub(1));
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        Self {
            run,
            names,
            beside,
            width,
            path,
            table: None,
            before: 0,
            printed,
            has_printed: false,
            has_printed_rows: false,
            is_cut_short: false,
        }
    }

    /// Says that the rows of another file follow.
    pub(crate) fn begin_file(&mut self) {
        self.before = self.table.as_ref().map_or(0, Aside::length);
        self.has_printed_rows = false;
    }

    /// Takes back what came of the file, as far as it is not printed.
    pub(crate) fn drop_file(&mut self) -> anyhow::Result<()> {
        self.is_cut_short |= self.has_printed_rows;
        match &mut self.table {
            // Without a row there is no table.
            Some(_) if self.before == 0 => self.table = None,
            Some(table) => table.cut(self.before)?,
            None => {}
        }
        Ok(())
    }

    /// Tells what is said of the rows of a file from row `first` on.
    pub(crate) fn add(&mut self, file: &Path, first: usize, told: Told) -> anyhow::Result<()> {
        let rows = match told {
            Told::Values(values) => {
                Rows::Values(values.into_iter().zip(first..).map(|(value, row)| Valued { file, row, value }).collect())
            }
            Told::Classes(predictions) => Rows::Classes(
                predictions
                    .into_iter()
                    .zip(first..)
                    .map(|(prediction, row)| {
                        let (margin, next) = ranked(&prediction, self.names, self.beside);
                        let Prediction { class, probability, probabilities } = prediction;
                        Named { file, row, class: &self.names[class], probability, margin, probabilities, next }
                    })
                    .collect(),
            ),
        };
        if let Some(path) = self.path {
            let begun = self.table.is_some();
            if !begun {
                self.table = Some(Aside::begin(path)?);
            }
            let bytes = match &rows {
                Rows::Classes(rows) => csv(rows, (!begun).then_some(self.beside))?,
                Rows::Values(rows) => csv_of_values(rows, !begun)?,
            };
            self.table.iter_mut().try_for_each(|table| table.add(&bytes))?;
        }
        let text = match (self.printed, &rows) {
            (Printed::Nothing, _) => return Ok(()),
            (Printed::Lines, Rows::Classes(rows)) => lines(rows, self.width),
            (Printed::Lines, Rows::Values(rows)) => lines_of_values(rows),
            (Printed::Json, Rows::Classes(rows)) => self.head("\"class_names\"", self.names)? + &elements(rows)?,
            (Printed::Json, Rows::Values(rows)) => self.head("\"task\"", &Task::Regression)? + &elements(rows)?,
        };
        (self.has_printed, self.has_printed_rows) = (true, true);
        Ok(printer::bytes(text.as_bytes())?)
    }

    /// Whether rows were printed of a file that turned out not to fit.
    pub(crate) fn is_cut_short(&self) -> bool {
        self.is_cut_short
    }

    /// What stands before some predictions of the JSON object.
    fn head(&self, key: &str, value: &(impl Serialize + ?Sized)) -> anyhow::Result<String> {
        if self.has_printed {
            return Ok(",".to_owned());
        }
        let (run, value) = (serde_json::to_string(self.run)?, serde_json::to_string(value)?);
        Ok(format!("{{\"run\":{run},{key}:{value},\"predictions\":["))
    }

    /// Ends what is printed and gives the table its name, if something fitted.
    pub(crate) fn finish(self, fitted: bool, misfits: &[Misfit<'_>], said: &[Said<'_>]) -> anyhow::Result<()> {
        if let Some(table) = self.table.filter(|_| fitted) {
            table.finish()?;
        }
        if self.printed == Printed::Json && self.has_printed {
            let mut text = format!("],\"misfits\":{}", serde_json::to_string(misfits)?);
            if !said.is_empty() {
                let _ = write!(text, ",\"notes\":{}", serde_json::to_string(said)?);
            }
            printer::line(&format!("{text}}}"))?;
        }
        Ok(())
    }
}

/// Elements of an array in JSON.
fn elements(rows: &[impl Serialize]) -> anyhow::Result<String> {
    let array = serde_json::to_string(rows)?;
    Ok(array[1..array.len() - 1].to_owned())
}

/// The likeliest other classes of a prediction, the first `count` of them, and the margin: its probability less that of the
/// likeliest other class.
fn ranked<'n>(prediction: &Prediction, names: &'n [String], count: usize) -> (f64, Vec<Ranked<'n>>) {
    let Prediction { class, probability, probabilities } = prediction;
    let mut others: Vec<usize> = (0..probabilities.len()).filter(|other| other != class).collect();
    // Of equal ones, the first in the order of the classes.
    others.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    let margin = probability - others.first().map_or(0.0, |&next| probabilities[next]);
    let rank = |class: usize| Ranked { class: &names[class], probability: probabilities[class] };
    (margin, others.into_iter().take(count).map(rank).collect())
}

/// A line a sample: file, row (from 0), class, probability, and the next classes with theirs. Names have room for `width` letters.
fn lines(predictions: &[Named<'_>], width: usize) -> String {
    let mut text = String::new();
    for Named { file, row, class, probability, next, .. } in predictions {
        let _ = write!(text, "{}:{row}  {class:width$}  {probability:.4}", file.display());
        for Ranked { class, probability } in next {
            let _ = write!(text, "  {class:width$}  {probability:.4}");
        }
        text.push('\n');
    }
    text
}

/// Rows of a table, one a sample, behind a line of names where it is said how many classes stand beside the first.
fn csv(predictions: &[Named<'_>], names: Option<usize>) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if let Some(beside) = names {
        let names = ["file", "row", "class", "probability", "margin"].map(str::to_owned).into_iter();
        let next = (2..beside + 2).flat_map(|n| [format!("class_{n}"), format!("probability_{n}")]);
        writer.write_record(names.chain(next))?;
    }
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
fn lines_of_values(predictions: &[Valued<'_>]) -> String {
    let line = |Valued { file, row, value }: &Valued<'_>| format!("{}:{row}  {value:?}\n", file.display());
    predictions.iter().map(line).collect()
}

/// Rows of a table, one a sample, behind a line of names where those are wanted.
fn csv_of_values(predictions: &[Valued<'_>], names: bool) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if names {
        writer.write_record(["file", "row", "value"])?;
    }
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
        let text = String::from_utf8(csv(&named, Some(1)).unwrap()).unwrap();
        assert_eq!(
            text,
            "file,row,class,probability,margin,class_2,probability_2\n\"a, b.png\",0,cat,0.75,0.5,dog,0.25\n"
        );
        // What follows has no line of names.
        assert_eq!(csv(&named, None).unwrap(), text.split_once('\n').unwrap().1.as_bytes());
        assert_eq!(lines(&named, 4), "a, b.png:0  cat   0.7500  dog   0.2500\n");
    }
}

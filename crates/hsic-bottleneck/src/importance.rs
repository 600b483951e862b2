//! Which columns of a table a trained network relies on, and which the target depends on at all.
//!
//! **Importance** of a column (Breiman 2001; Fisher, Rudin, Dominici 2019) is what the shown metric loses on rows that were
//! not trained on when the column's values are dealt out anew among them, which leaves their distribution and breaks what
//! ties them to the target. Columns that say the same stand in for each other: each loses little then, whatever both are
//! worth together, so that pairs of this kind are listed. **Dependence** is of the data alone: HSIC of the column and the
//! target, with the p-value of a permutation test.

use std::sync::atomic::{AtomicBool, Ordering};

use hsic::Kernel;
use hsic::double::permutation_test;
use hsic::faer::{Mat, MatRef};
use hsic::random::Stream;
use hsic_data::dataset::{Coding, Dataset};
use rayon::prelude::*;
use serde::Serialize;
use thiserror::Error;

use crate::error::Error;
use crate::predict::Predictor;

/// Rows that a network looks at together.
const CHUNK: usize = 2048;

/// Rows whose dependence is tested at the most: a test takes memory by their square.
const TESTED: usize = 2000;

/// Size of a correlation from which on two columns say much the same.
const ALIKE: f64 = 0.9;

/// Most columns among which such pairs are looked for, since every pair is looked at.
const COMPARED: usize = 500;

/// Why importance cannot be told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportanceError {
    /// The rows do not fit the run, or cannot be read.
    #[error(transparent)]
    Run(#[from] Error),
    /// Samples are no rows of a table.
    #[error("{dataset}: samples of {shape}, expected rows of a table, whose columns mean something by themselves")]
    NotATable {
        /// Name of the data.
        dataset: String,
        /// Sizes of a sample.
        shape: hsic_data::dataset::Shape,
    },
    /// Too few rows to deal values out among.
    #[error("{dataset}: {rows} rows, expected at least 2")]
    TooFew {
        /// Name of the data.
        dataset: String,
        /// Its rows.
        rows: usize,
    },
    /// Targets of which there is only one.
    #[error("{dataset}: all targets are {value}, expected different ones")]
    Constant {
        /// Name of the data.
        dataset: String,
        /// The value.
        value: f64,
    },
    /// A number out of its range.
    #[error("{key} = 0: expected a whole number >= 1")]
    Zero {
        /// What is 0.
        key: &'static str,
    },
    /// A test of independence cannot be made.
    #[error("column {column}: {source}")]
    Test {
        /// Name of the column.
        column: String,
        /// Why.
        source: hsic::Error,
    },
}

/// How importance is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportanceOptions {
    /// Times that each column is dealt out anew, >= 1.
    pub shuffles: usize,
    /// Permutations of each test of independence, >= 1.
    pub permutations: usize,
    /// Seed of both.
    pub seed: u64,
}

impl Default for ImportanceOptions {
    fn default() -> Self {
        Self { shuffles: 20, permutations: 1000, seed: 1 }
    }
}

/// What is known of a column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnImportance {
    /// Name of the source column.
    pub name: String,
    /// What the metric loses without it, averaged over rows and shuffles.
    pub importance: f64,
    /// Interval of 95 % for it: the rows are a sample, and so are the shuffles.
    pub interval: [f64; 2],
    /// Biased HSIC of the column and the target.
    pub hsic: f64,
    /// Probability, were they independent, of an HSIC as large.
    pub p_value: f64,
}

/// Two columns that say much the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alike {
    /// Their names.
    pub columns: [String; 2],
    /// Their correlation.
    pub correlation: f64,
}

/// By what a network is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The share of rows whose class is told.
    Accuracy,
    /// Of values: the share of their variance that is explained.
    R2,
}

/// What the columns of a table are worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Importance {
    /// The metric.
    pub metric: Metric,
    /// Its value with all columns as they are.
    pub value: f64,
    /// Rows that judged.
    pub rows: usize,
    /// Of these, the first so many whose dependence was tested.
    pub tested_rows: usize,
    /// The columns, the most important first.
    pub columns: Vec<ColumnImportance>,
    /// Pairs that share their importance, the most correlated first.
    pub alike: Vec<Alike>,
}

/// Importance and dependence of every column that a run reads, on rows of a table; `None` if it was asked to stop.
///
/// The same seed gives the same bits for any number of threads.
///
/// # Errors
/// `NotATable`, `TooFew`, `Zero`; `Run` where the rows do not fit the run; `Test` where a test cannot be made.
///
/// # Cost
/// 1 + columns x shuffles predictions of all rows, and a permutation test a column on 2,000 rows at the most.
pub fn importance(
    predictor: &Predictor,
    dataset: &Dataset,
    options: ImportanceOptions,
    stop: &AtomicBool,
) -> Result<Option<Importance>, ImportanceError> {
    let (rows, width, record) = (dataset.rows(), dataset.columns(), predictor.provenance());
    if !record.is_table() {
        return Err(ImportanceError::NotATable { dataset: dataset.name.clone(), shape: record.shape });
    }
    if rows < 2 {
        return Err(ImportanceError::TooFew { dataset: dataset.name.clone(), rows });
    }
    for (key, number) in [("shuffles", options.shuffles), ("permutations", options.permutations)] {
        if number == 0 {
            return Err(ImportanceError::Zero { key });
        }
    }
    let truth = Truth::of(predictor, dataset)?;
    let mut x = vec![0.0; rows * width];
    let filled = x.par_chunks_exact_mut(width).enumerate().try_for_each(|(row, values)| dataset.fill_row(row, values));
    filled.map_err(Error::from)?;
    let columns = columns(predictor);
    let whole = truth.scores(predictor, &x, width);

    let mut found = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let mut lost = vec![0.0; rows];
        for shuffle in 0..options.shuffles {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let dealt = dealt(&x, width, column, options.seed, (index * options.shuffles + shuffle) as u64);
            let scores = truth.scores(predictor, &dealt, width);
            for ((lost, before), after) in lost.iter_mut().zip(&whole).zip(scores) {
                *lost += (before - after) / options.shuffles as f64;
            }
        }
        let (importance, interval) = mean_with_interval(&lost);
        let (hsic, p_value) = dependence(&x, width, column, &truth, options)?;
        found.push(ColumnImportance { name: column.name.clone(), importance, interval, hsic, p_value });
    }
    // Of two that are as important the first of the table stands first.
    found.sort_by(|a, b| b.importance.total_cmp(&a.importance));
    Ok(Some(Importance {
        metric: truth.metric(),
        value: whole.iter().sum::<f64>() / rows as f64,
        rows,
        tested_rows: rows.min(TESTED),
        columns: found,
        alike: alike(&x, width, &columns),
    }))
}

/// A source column, as the network sees it.
struct Column {
    name: String,
    span: std::ops::Range<usize>,
    /// Whether its values are words, which are equal or not.
    words: bool,
}

fn columns(predictor: &Predictor) -> Vec<Column> {
    let record = predictor.provenance();
    match &record.encoding {
        Some(encoding) => encoding
            .spans()
            .map(|(source, span)| Column {
                name: source.name.clone(),
                span,
                words: matches!(source.coding, Coding::Words { .. }),
            })
            .collect(),
        // Runs of earlier versions, and arrays, have numbers without names.
        None => (0..record.columns())
            .map(|index| Column { name: format!("column {index}"), span: index..index + 1, words: false })
            .collect(),
    }
}

/// What is to be told of each row.
enum Truth {
    /// The run's class.
    Classes(Vec<usize>),
    /// A value, and the mean of their squared deviations.
    Values(Vec<f64>, f64),
}

impl Truth {
    fn of(predictor: &Predictor, dataset: &Dataset) -> Result<Self, ImportanceError> {
        if let Some(quantities) = dataset.of_values() {
            predictor.check_values(dataset)?;
            let values = quantities.values.clone();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let spread = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
            if spread <= 0.0 {
                return Err(ImportanceError::Constant { dataset: dataset.name.clone(), value: mean });
            }
            return Ok(Self::Values(values, spread));
        }
        let of = predictor.check(dataset)?;
        Ok(Self::Classes(dataset.labels().iter().map(|&label| of[usize::from(label)]).collect()))
    }

    fn metric(&self) -> Metric {
        match self {
            Self::Classes(_) => Metric::Accuracy,
            Self::Values(..) => Metric::R2,
        }
    }

    /// A number for each row, whose mean is the metric.
    fn scores(&self, predictor: &Predictor, x: &[f32], width: usize) -> Vec<f64> {
        let chunks = x.chunks(CHUNK * width);
        match self {
            Self::Classes(labels) => {
                let told = chunks.flat_map(|x| predictor.predict(x));
                told.zip(labels).map(|(told, &label)| f64::from(u8::from(told.class == label))).collect()
            }
            Self::Values(values, spread) => {
                let told = chunks.flat_map(|x| predictor.values(x).unwrap_or_default());
                told.zip(values).map(|(told, value)| 1.0 - (value - told).powi(2) / spread).collect()
            }
        }
    }

    /// The first rows as numbers, and the kernel that compares them.
    fn column(&self, rows: usize) -> (Vec<f64>, Kernel) {
        match self {
            Self::Classes(labels) => (labels[..rows].iter().map(|&label| label as f64).collect(), Kernel::Delta),
            Self::Values(values, _) => (values[..rows].to_vec(), Kernel::gaussian_median()),
        }
    }
}

/// The rows with the values of a column dealt out anew.
fn dealt(x: &[f32], width: usize, column: &Column, seed: u64, index: u64) -> Vec<f32> {
    let mut order: Vec<usize> = (0..x.len() / width).collect();
    Stream::new(seed, "importance", index).shuffle(&mut order);
    let mut dealt = x.to_vec();
    for (row, &from) in order.iter().enumerate() {
        dealt[row * width..][column.span.clone()].copy_from_slice(&x[from * width..][column.span.clone()]);
    }
    dealt
}

/// The mean of values and an interval of 95 % for that of what they are a sample of, by Student's distribution.
fn mean_with_interval(values: &[f64]) -> (f64, [f64; 2]) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half = student(n - 1.0) * (variance / n).sqrt();
    (mean, [mean - half, mean + half])
}

/// The quantile of 97.5 % of Student's distribution: exact for 1 and 2 degrees of freedom, from there on by the expansion
/// about the normal quantile (Abramowitz and Stegun 26.7.5), to 0.3 %.
fn student(freedom: f64) -> f64 {
    if freedom < 1.5 {
        return 12.706_204_736_174_7;
    }
    if freedom < 2.5 {
        return 4.302_652_729_749_46;
    }
    let z = 1.959_963_984_540_054_f64;
    let terms = [
        z,
        (z.powi(3) + z) / 4.0,
        (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0,
        (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0,
        (79.0 * z.powi(9) + 776.0 * z.powi(7) + 1482.0 * z.powi(5) - 1920.0 * z.powi(3) - 945.0 * z) / 92_160.0,
    ];
    terms.iter().rev().fold(0.0, |sum, term| sum / freedom + term)
}

/// HSIC of a column and the target, and the p-value of a permutation test. Words and classes are compared by whether they
/// are equal, numbers by a Gaussian kernel of median width.
fn dependence(
    x: &[f32],
    width: usize,
    column: &Column,
    truth: &Truth,
    options: ImportanceOptions,
) -> Result<(f64, f64), ImportanceError> {
    let rows = (x.len() / width).min(TESTED);
    let values =
        Mat::from_fn(rows, column.span.len(), |row, place| f64::from(x[row * width + column.span.start + place]));
    let (target, of_target) = truth.column(rows);
    let y = MatRef::from_column_major_slice(&target, rows, 1);
    let kernel = if column.words { Kernel::Delta } else { Kernel::gaussian_median() };
    permutation_test(values.as_ref(), y, &kernel, &of_target, options.permutations, options.seed)
        .map(|test| (test.statistic, test.p_value))
        .map_err(|source| ImportanceError::Test { column: column.name.clone(), source })
}

/// Pairs of columns of numbers that are correlated so much that each stands in for the other.
fn alike(x: &[f32], width: usize, columns: &[Column]) -> Vec<Alike> {
    let numbers: Vec<&Column> = columns.iter().filter(|column| !column.words).take(COMPARED).collect();
    let rows = x.len() / width;
    // Each column by its mean and length: a correlation is a product then.
    let scaled: Vec<Vec<f64>> = numbers
        .par_iter()
        .map(|column| {
            let of = |row: usize| f64::from(x[row * width + column.span.start]);
            let mean = (0..rows).map(of).sum::<f64>() / rows as f64;
            let length = (0..rows).map(|row| (of(row) - mean).powi(2)).sum::<f64>().sqrt();
            (0..rows).map(|row| if length > 0.0 { (of(row) - mean) / length } else { 0.0 }).collect()
        })
        .collect();
    let mut pairs: Vec<Alike> = (0..numbers.len())
        .into_par_iter()
        .flat_map_iter(|i| {
            let (scaled, numbers) = (&scaled, &numbers);
            (0..i).filter_map(move |j| {
                let correlation: f64 = scaled[i].iter().zip(&scaled[j]).map(|(a, b)| a * b).sum();
                let columns = [numbers[j].name.clone(), numbers[i].name.clone()];
                (correlation.abs() >= ALIKE).then_some(Alike { columns, correlation })
            })
        })
        .collect();
    pairs.sort_by(|a, b| b.correlation.abs().total_cmp(&a.correlation.abs()));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_quantiles_are_those_of_the_tables() {
        // scipy.stats.t.ppf(0.975, freedom).
        for (freedom, expected) in [
            (1.0, 12.706_204_736),
            (2.0, 4.302_652_730),
            (3.0, 3.182_446_305),
            (5.0, 2.570_581_836),
            (29.0, 2.045_229_642),
            (1000.0, 1.962_339_081),
        ] {
            let found = student(freedom);
            assert!((found / expected - 1.0).abs() < 3e-3, "{freedom}: {found}");
        }
    }

    #[test]
    fn an_interval_is_that_of_the_mean() {
        // Mean 2.5, variance 5 / 3, so the half width is 3.182 sqrt(5 / 12).
        let (mean, [low, high]) = mean_with_interval(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(mean, 2.5);
        assert!((high - 2.5 - 3.182_446 * (5.0f64 / 12.0).sqrt()).abs() < 0.01 && (high + low - 5.0).abs() < 1e-12);
        assert_eq!(mean_with_interval(&[0.0; 5]), (0.0, [0.0, 0.0]));
    }

    fn column(name: &str, span: std::ops::Range<usize>, words: bool) -> Column {
        Column { name: name.to_owned(), span, words }
    }

    #[test]
    fn a_column_is_dealt_out_as_a_whole_and_the_others_stay() {
        let x: Vec<f32> = (0..30).map(|value| value as f32).collect();
        let dealt = dealt(&x, 3, &column("b", 1..3, true), 1, 0);
        assert_ne!(dealt, x);
        let mut seen = Vec::new();
        for (before, after) in x.chunks(3).zip(dealt.chunks(3)) {
            assert_eq!((before[0], after[1] + 1.0), (after[0], after[2]));
            seen.push(after[1]);
        }
        seen.sort_by(f32::total_cmp);
        assert_eq!(seen, (0..10).map(|row| (3 * row + 1) as f32).collect::<Vec<_>>());
    }

    #[test]
    fn columns_that_say_the_same_are_found() {
        // b is -2 a + 1, c is constant, d is of no size in common with them.
        let x: Vec<f32> = [1.0, 2.0, 5.0, 4.0]
            .iter()
            .zip([3.0, -1.0, 2.0, 2.5])
            .flat_map(|(&a, d)| [a, 1.0 - 2.0 * a, 7.0, d])
            .collect();
        let columns: Vec<Column> =
            ["a", "b", "c", "d"].iter().zip(0..).map(|(name, i)| column(name, i..i + 1, false)).collect();
        let found = alike(&x, 4, &columns);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].columns, ["a", "b"]);
        assert!((found[0].correlation + 1.0).abs() < 1e-12);
    }

    #[test]
    fn dependence_is_told_of_numbers_words_and_columns_of_mostly_one_value() {
        let options = ImportanceOptions { permutations: 199, ..ImportanceOptions::default() };
        let labels = Truth::Classes((0..60).map(|row| row % 3).collect());
        // A number that follows the class, the words of it, one that is 0 but for class 2 of late rows, and one value.
        let x: Vec<f32> = (0..60usize)
            .flat_map(|row| {
                let class = row % 3;
                let word = [class == 0, class == 1, class == 2].map(|is| f32::from(u8::from(is)));
                [
                    class as f32 + 0.01 * row as f32,
                    word[0],
                    word[1],
                    word[2],
                    f32::from(u8::from(class == 2 && row > 30)),
                    4.0,
                ]
            })
            .collect();
        let p = |span: std::ops::Range<usize>, words| {
            dependence(&x, 6, &column("c", span, words), &labels, options).unwrap()
        };
        assert_eq!(p(0..1, false).1, 1.0 / 200.0);
        // Delta kernels of three equal classes: both Gram matrices are blocks, and HSIC is tr(KHKH) / 60^2 = 2 (20 / 60)^2.
        let (statistic, p_value) = p(1..4, true);
        assert!((statistic - 2.0 / 9.0).abs() < 1e-12, "{statistic}");
        assert_eq!(p_value, 1.0 / 200.0);
        assert_eq!(p(4..5, false).1, 1.0 / 200.0);
        assert_eq!(p(5..6, false), (0.0, 1.0));
    }
}

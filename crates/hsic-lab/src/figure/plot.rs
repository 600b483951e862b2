//! What a figure shows, as data: panels of series over labeled axes, values beside the paper's, claims with a verdict.
//! Nothing here knows how it is drawn.

use serde::{Deserialize, Serialize};

/// A figure's contents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plot {
    /// One sentence under the title: what was done to get this.
    pub caption: String,
    /// Panels, row by row.
    pub panels: Vec<Panel>,
    /// Panels beside each other, >= 1.
    pub columns: usize,
    /// Values that the paper states, beside ours.
    pub values: Vec<Value>,
    /// What the paper says, or what one would expect, and whether it is so.
    pub claims: Vec<Claim>,
}

/// One coordinate system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Panel {
    /// What this panel is about.
    pub title: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// What lies in it.
    pub marks: Marks,
}

/// An axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// Quantity, with its unit in parentheses where it has one: `test accuracy (%)`.
    pub label: String,
    /// Spacing of equal steps.
    pub scale: Scale,
    /// First and last value shown; `None` to fit the data.
    pub range: Option<(f64, f64)>,
    /// Names that stand in place of numbers, each at its value; empty for numbers.
    pub names: Vec<(f64, String)>,
}

impl Axis {
    /// An axis of numbers that fits its data.
    #[must_use]
    pub fn linear(label: &str) -> Self {
        Self { label: label.to_owned(), scale: Scale::Linear, range: None, names: Vec::new() }
    }

    /// An axis whose steps are factors.
    #[must_use]
    pub fn log(label: &str) -> Self {
        Self { scale: Scale::Log, ..Self::linear(label) }
    }

    /// This axis from one value to another.
    #[must_use]
    pub fn within(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }

    /// This axis with names at the values 0, 1, 2, ...
    #[must_use]
    pub fn named<S: ToString>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = names.into_iter().enumerate().map(|(index, name)| (index as f64, name.to_string())).collect();
        self
    }
}

/// How values are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// By differences.
    Linear,
    /// By factors; all values are > 0.
    Log,
}

/// What lies in a panel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Marks {
    /// Curves and points.
    Series(Vec<Series>),
    /// A table of shades with the number in each cell.
    Heat(Heat),
    /// A table of pictures.
    Pictures(Pictures),
}

/// A table of pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pictures {
    /// `rows[row][column]`; a row is a value of the vertical axis, the first on top.
    pub rows: Vec<Vec<Picture>>,
}

/// Shades in [0, 1], line by line.
pub type Picture = Vec<Vec<f64>>;

/// Points that belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What it is, for the legend.
    pub name: String,
    /// How it is drawn.
    pub style: Style,
    /// In order of x.
    pub points: Vec<Point>,
}

impl Series {
    /// A curve of which each point is a list of values, one a seed: their mean in a band from the least to the largest.
    #[must_use]
    pub fn of_seeds(name: &str, style: Style, points: impl IntoIterator<Item = (f64, Vec<f64>)>) -> Self {
        let points = points.into_iter().filter_map(|(x, values)| Point::of_seeds(x, &values)).collect();
        Self { name: name.to_owned(), style, points }
    }

    /// A curve without a band.
    #[must_use]
    pub fn plain(name: &str, style: Style, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self::of_seeds(name, style, points.into_iter().map(|(x, y)| (x, vec![y])))
    }
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// A line through marked points; ours.
    Line,
    /// A line without marks, for many points.
    Curve,
    /// Open marks on a thin broken line: what the paper's figure shows.
    Paper,
    /// A thin line without marks: a law or a bound to compare with.
    Guide,
    /// Marks without a line: points in no order.
    Points,
    /// The area between each point's `low` and `high`, with a line on top; many of them above each other.
    Ridge,
}

/// A value of several seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Place on the horizontal axis.
    pub x: f64,
    /// Mean over the seeds.
    pub y: f64,
    /// Least of the seeds' values.
    pub low: f64,
    /// Largest of the seeds' values.
    pub high: f64,
}

impl Point {
    /// Mean, least and largest; `None` without values.
    #[must_use]
    pub fn of_seeds(x: f64, values: &[f64]) -> Option<Self> {
        let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
        (!values.is_empty()).then(|| Self { x, y: mean(values), low, high })
    }
}

/// Mean of some values; NaN without any.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// A table of shades.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heat {
    /// `values[row][column]`; a row is a value of the vertical axis, the first on top.
    pub values: Vec<Vec<f64>>,
    /// A short text at the end of each row; empty for none.
    pub row_notes: Vec<String>,
}

/// A value of the paper beside ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// What it is: `MNIST, 5 hidden layers, HSIC, after 5 epochs`.
    pub name: String,
    /// `%`, or what else it is counted in; empty for a plain number.
    pub unit: String,
    /// Read off the paper's figure; `None` where it shows none.
    pub paper: Option<f64>,
    /// Ours, judged as the authors' code judges (fitted on test data, batch norm of the test batch), by seed; empty where
    /// the two ways do not differ.
    pub authors: Vec<f64>,
    /// Ours, judged fairly, by seed.
    pub ours: Vec<f64>,
    /// Where the mean of ours has to lie; `None` where nothing is promised (a shortened training).
    pub band: Option<(f64, f64)>,
    /// The command that gives it.
    pub command: String,
}

impl Value {
    /// Whether the mean of ours lies in its band; true without a band. A value that is no number lies in none.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.band.is_none_or(|(low, high)| (low..=high).contains(&mean(&self.ours)))
    }
}

/// A statement and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// What is said: `BP does not train 50 plain layers`.
    pub statement: String,
    /// Whether it is so here.
    pub verdict: Verdict,
    /// The numbers that show it, or the reason for a difference with the experiment that shows it.
    pub evidence: String,
}

/// What came of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is so.
    Holds,
    /// It is so under conditions that the evidence names.
    Partly,
    /// It is not so.
    Fails,
    /// Nothing is said of it: what was trained is too small to show it.
    NotJudged,
}

impl Plot {
    /// This plot with nothing judged: no value has a band, no claim a verdict.
    #[must_use]
    pub fn unjudged(mut self) -> Self {
        self.values.iter_mut().for_each(|value| value.band = None);
        self.claims.iter_mut().for_each(|claim| claim.verdict = Verdict::NotJudged);
        self
    }

    /// This plot without points and values that are no finite number, which a file could not hold.
    #[must_use]
    pub(super) fn finite(mut self) -> Self {
        for panel in &mut self.panels {
            if let Marks::Series(series) = &mut panel.marks {
                let finite = |point: &Point| [point.x, point.y, point.low, point.high].iter().all(|v| v.is_finite());
                series.iter_mut().for_each(|series| series.points.retain(finite));
            }
        }
        for value in &mut self.values {
            value.paper = value.paper.filter(|paper| paper.is_finite());
            value.authors.retain(|value| value.is_finite());
            value.ours.retain(|value| value.is_finite());
        }
        self
    }

    /// Every point as comma-separated values: `panel,series,x,y,low,high`; of a table of shades, series is the row's
    /// name and x the column's number. Of pictures none.
    #[must_use]
    pub fn csv(&self) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let mut text = "panel,series,x,y,low,high\n".to_owned();
        let mut row = |panel: &str, series: &str, point: Point| {
            let Point { x, y, low, high } = point;
            text.push_str(&format!("{},{},{x},{y},{low},{high}\n", quoted(panel), quoted(series)));
        };
        for panel in &self.panels {
            match &panel.marks {
                Marks::Series(series) => {
                    for series in series {
                        series.points.iter().for_each(|&point| row(&panel.title, &series.name, point));
                    }
                }
                Marks::Heat(heat) => {
                    for (index, values) in heat.values.iter().enumerate() {
                        let name = panel.y.names.get(index).map_or_else(|| index.to_string(), |(_, name)| name.clone());
                        for (column, &y) in values.iter().enumerate() {
                            row(&panel.title, &name, Point { x: column as f64, y, low: y, high: y });
                        }
                    }
                }
                Marks::Pictures(_) => {}
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_of_seeds_is_their_mean_in_the_band_of_all() {
        let series = Series::of_seeds("a", Style::Line, [(1.0, vec![2.0, 4.0, 3.0]), (2.0, vec![])]);
        assert_eq!(series.points, [Point { x: 1.0, y: 3.0, low: 2.0, high: 4.0 }]);
    }

    #[test]
    fn a_value_is_held_to_its_band_and_nan_lies_in_none() {
        let mut value = Value {
            name: String::new(),
            unit: String::new(),
            paper: Some(3.0),
            authors: Vec::new(),
            ours: vec![1.0, 3.0],
            band: Some((2.0, 2.5)),
            command: String::new(),
        };
        assert!(value.holds());
        value.ours = vec![3.0];
        assert!(!value.holds());
        value.ours = vec![f64::NAN];
        assert!(!value.holds());
        let kept = Plot { values: vec![value.clone()], ..Plot::default() }.finite();
        assert!(kept.values[0].ours.is_empty() && !kept.values[0].holds());
        value.band = None;
        assert!(value.holds());
    }

    #[test]
    fn the_table_of_points_names_panel_and_series() {
        let series = Marks::Series(vec![Series::plain("a \"b\"", Style::Line, [(1.0, 0.5)])]);
        let heat = Marks::Heat(Heat { values: vec![vec![7.0, 8.0]], row_notes: Vec::new() });
        let panel = |title: &str, marks, y: Axis| Panel { title: title.to_owned(), x: Axis::linear("x"), y, marks };
        let plot = Plot {
            panels: vec![
                panel("p, q", series, Axis::linear("y")),
                panel("h", heat, Axis::linear("class").named(["zero"])),
            ],
            columns: 2,
            ..Plot::default()
        };
        let expected = "panel,series,x,y,low,high\n\"p, q\",\"a \"\"b\"\"\",1,0.5,0.5,0.5\n\
                        \"h\",\"zero\",0,7,7,7\n\"h\",\"zero\",1,8,8,8\n";
        assert_eq!(plot.csv(), expected);
    }
}

//! What a run remembers of its data: enough to build its network again and to read new rows as in training.

use serde::{Deserialize, Serialize};

use crate::dataset::six_digits;
use crate::dataset::{
    Content, Dataset, Drawn, Encoding, ImagePlan, Normalization, Quantities, Reading, Shape, SourceColumn, Split,
    Standardization, TableColumns, TargetKind, TargetScale, Targets, Task,
};

/// Most values a sample may have according to a file: a bound on what a damaged one can make us take.
const MOST_COLUMNS: usize = 1 << 24;

/// Most classes that labels can tell apart.
const MOST_CLASSES: usize = 1 << 16;

/// The data of a run, `data.json` in its folder. Keys that later versions add have defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Name of the data set, or of its file without the folder.
    pub name: String,
    /// Sizes of one sample.
    pub shape: Shape,
    /// Names of the classes, in the order of their indices; none where targets are values.
    pub class_names: Vec<String>,
    /// How targets that are values were standardized; `None` where they are classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetScale>,
    /// Whether the samples were pixels of 0 to 255, which the network sees as value / 255.
    #[serde(default)]
    pub pixels: bool,
    /// Training samples; 0 if not recorded.
    #[serde(default)]
    pub train_rows: usize,
    /// Test samples; 0 if not recorded.
    #[serde(default)]
    pub test_rows: usize,
    /// How the columns of a table were standardized.
    #[serde(default)]
    pub standardization: Option<Standardization>,
    /// How the channels of images were normalized.
    #[serde(default)]
    pub normalization: Option<Normalization>,
    /// What the data are, all of them; `None` if not recorded.
    #[serde(default)]
    pub content: Option<Content>,
    /// How the test part was drawn; `None` if the source has one, or if not recorded.
    #[serde(default)]
    pub split: Option<Drawn>,
    /// How the part was drawn that was held out and stands in the place of the test part; `None` without one, or if not
    /// recorded.
    #[serde(default)]
    pub validation: Option<Drawn>,
    /// How image files became samples; `None` for other data, and for runs of earlier versions, whose images all had the
    /// samples' sizes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<Reading>,
    /// How the columns of a table became values, `columns` in the file; `None` for other data, for rows of an array that
    /// has no columns of labels, and for runs of earlier versions, whose tables held numbers alone.
    #[serde(default, rename = "columns", skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
}

impl Provenance {
    /// The record of a data set.
    #[must_use]
    pub fn of(split: &Split) -> Self {
        let Dataset { name, shape, targets, samples, .. } = &split.train;
        let (class_names, target) = match targets {
            Targets::Classes(classes) => (classes.names.clone(), None),
            Targets::Values(Quantities { scale, .. }) => (Vec::new(), Some(*scale)),
        };
        Self {
            name: name.clone(),
            shape: *shape,
            class_names,
            target,
            pixels: samples.are_pixels(),
            train_rows: split.train.rows(),
            test_rows: split.test.rows(),
            standardization: split.standardization.clone(),
            normalization: split.normalization().cloned(),
            content: split.origin.content.clone(),
            split: split.origin.split,
            validation: split.origin.validation,
            reading: split.origin.reading.clone(),
            encoding: split.origin.encoding.clone(),
        }
    }

    /// How image files are to be read, so that they are what they were in training.
    #[must_use]
    pub fn image_plan(&self) -> ImagePlan {
        ImagePlan::Recorded { shape: self.shape, reading: self.reading.clone() }
    }

    /// Which columns tables are to be read with: the first versions read numbers alone, by their places.
    #[must_use]
    pub fn table_columns(&self) -> TableColumns {
        if self.encoding.is_none() { TableColumns::Numbers } else { TableColumns::All }
    }

    /// Values in one sample.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.shape.columns()
    }

    /// Whether samples were rows of a table, also where an array held images.
    #[must_use]
    pub fn is_table(&self) -> bool {
        !self.pixels && self.shape.channels == 1 && self.shape.height == 1
    }

    /// Number of classes; 0 where targets are values.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.class_names.len()
    }

    /// Of which kind the targets are.
    #[must_use]
    pub fn kind(&self) -> TargetKind {
        if self.target.is_some() { TargetKind::Values } else { TargetKind::Classes(self.classes()) }
    }

    /// What was learned.
    #[must_use]
    pub fn task(&self) -> Task {
        if self.target.is_some() { Task::Regression } else { Task::Classification }
    }

    /// What a sample of a table says in the units of its file: the name of each source column and what stands in it, a
    /// number with six digits. A table that was read without names has the places of its columns.
    ///
    /// # Panics
    /// If the sample has another number of values than [`columns`](Self::columns).
    #[must_use]
    pub fn cells(&self, sample: &[f32]) -> Vec<(String, String)> {
        assert_eq!(sample.len(), self.columns(), "a sample has a value of each column");
        let restored = |(column, &value): (usize, &f32)| match &self.standardization {
            Some(standardization) => standardization.restored(column, f64::from(value)),
            None => f64::from(value),
        };
        let values: Vec<f64> = sample.iter().enumerate().map(restored).collect();
        match &self.encoding {
            Some(encoding) => {
                let cell = |(source, span): (&SourceColumn, std::ops::Range<usize>)| {
                    (source.name.clone(), Encoding::cell(source, &values[span]))
                };
                encoding.spans().map(cell).collect()
            }
            None => {
                let cell = |(column, value): (usize, &f64)| (format!("column {column}"), six_digits(*value));
                values.iter().enumerate().map(cell).collect()
            }
        }
    }

    /// What is wrong with a record that was read: what it says, and what was expected.
    pub fn fault(&self) -> Option<(String, String)> {
        let Shape { channels, height, width } = self.shape;
        let columns = channels.checked_mul(height).and_then(|size| size.checked_mul(width));
        let Some(columns) = columns.filter(|columns| (1..=MOST_COLUMNS).contains(columns)) else {
            return Some((format!("shape {}", self.shape), format!("1 to {MOST_COLUMNS} values in a sample")));
        };
        if let Some(scale) = &self.target {
            if !scale.is_usable() {
                return Some((format!("target {scale:?}"), "a finite mean, and a deviation > 0".to_owned()));
            }
            if !self.class_names.is_empty() {
                let found = format!("a scale of values beside {} class names", self.classes());
                return Some((found, "one of them".to_owned()));
            }
        } else if !(2..=MOST_CLASSES).contains(&self.classes()) {
            return Some((format!("{} class names", self.classes()), format!("2 to {MOST_CLASSES}")));
        }
        if let Some(found) = self.normalization.as_ref().filter(|normalization| !normalization.fits(channels)) {
            let found = format!("normalization {found:?}");
            return Some((found, format!("a finite mean and deviation for each of {channels} channels")));
        }
        if let Some(range) = self.reading.as_ref().filter(|reading| !reading.is_usable()).map(|reading| reading.range) {
            return Some((format!("reading of levels {range:?}"), "a lower level and a higher one".to_owned()));
        }
        if let Some(fault) = self.encoding.as_ref().and_then(|encoding| encoding.fault(columns)) {
            return Some(fault);
        }
        let Standardization { means, deviations } = self.standardization.as_ref()?;
        if means.len() != columns || deviations.len() != columns {
            let found = format!("standardization of {} means and {} deviations", means.len(), deviations.len());
            return Some((found, format!("{columns} of each, one a column")));
        }
        None
    }

    /// The first thing in which the data now loaded are not those of the record: what is there, what was recorded. The
    /// content is another's to compare, since it says where the data are; what was not recorded differs from nothing.
    pub fn difference(&self, now: &Self) -> Option<(String, String)> {
        let told = |what: &str, now: &dyn std::fmt::Display, then: &dyn std::fmt::Display| {
            Some((format!("data with {what} {now}"), format!("{then} as when the run began")))
        };
        if self.shape != now.shape {
            return told("samples of", &now.shape, &self.shape);
        }
        if self.task() != now.task() {
            let of = |record: &Self| if record.target.is_some() { "values" } else { "classes" };
            return told("targets that are", &of(now), &of(self));
        }
        if self.target != now.target {
            return told("targets of", &"another mean or deviation", &"the same values");
        }
        if self.class_names != now.class_names {
            return told("classes", &now.class_names.join(", "), &self.class_names.join(", "));
        }
        if self.train_rows != now.train_rows {
            return told("training rows", &now.train_rows, &self.train_rows);
        }
        if self.content.is_some() && (self.split, self.validation) != (now.split, now.validation) {
            let of = |record: &Self| format!("test part {:?}, held out {:?}", record.split, record.validation);
            return Some((of(now), of(self)));
        }
        if self.reading != now.reading {
            return Some((format!("images read by {:?}", now.reading), format!("{:?}", self.reading)));
        }
        if self.normalization != now.normalization {
            return Some((format!("normalization {:?}", now.normalization), format!("{:?}", self.normalization)));
        }
        if self.encoding.is_some() && self.encoding != now.encoding {
            return told("columns that become", &"other values", &"the same values");
        }
        if self.standardization != now.standardization {
            return told("columns of", &"other means or deviations", &"the same values");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::ImageFit;

    fn record() -> Provenance {
        Provenance {
            name: "flowers".into(),
            shape: Shape { channels: 1, height: 1, width: 2 },
            class_names: vec!["aster".into(), "rose".into()],
            target: None,
            pixels: false,
            train_rows: 9,
            test_rows: 3,
            standardization: Some(Standardization { means: vec![0.1 + 0.2, 7.0], deviations: vec![1.0 / 3.0, 0.0] }),
            normalization: None,
            content: None,
            split: None,
            validation: None,
            reading: None,
            encoding: None,
        }
    }

    #[test]
    fn every_bit_of_a_record_survives_json_and_later_keys_do_no_harm() {
        // Numbers whose shortest decimal form is read wrong by one unit in the last place without exact parsing.
        let mut record = record();
        record.content = Some(Content::of(b"rows"));
        record.split = Some(Drawn { seed: 1, fraction: 0.1 + 0.2, rows: 12 });
        record.reading = Some(Reading { fit: ImageFit::Pad, background: 255, range: Some([240, 360]) });
        record.standardization = Some(Standardization {
            means: vec![51.248_178_943_215_79, 5.213_675_213_675_213e-300],
            deviations: vec![0.316_712_234_918_726_4, 1e22],
        });
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Provenance>(&text).unwrap(), record);
        let later = text.replacen('{', r#"{"augment":"mirror","#, 1);
        assert_eq!(serde_json::from_str::<Provenance>(&later).unwrap(), record);
        let least = r#"{"name":"d","shape":{"channels":3,"height":2,"width":2},"class_names":["0","1"]}"#;
        let least: Provenance = serde_json::from_str(least).unwrap();
        assert_eq!((least.columns(), least.classes(), least.standardization), (12, 2, None));
    }

    #[test]
    fn a_sample_is_told_in_the_units_of_its_file() {
        let cells = |record: &Provenance, sample: &[f32]| -> Vec<String> {
            record.cells(sample).into_iter().map(|(name, text)| format!("{name}: {text}")).collect()
        };
        // 0.3 + 3 / 3, and a constant column.
        assert_eq!(cells(&record(), &[3.0, 0.0]), ["column 0: 1.3", "column 1: 7"]);
        let plain = Provenance { standardization: None, ..record() };
        // (0 - 3.02) / 1.9 in single precision gives 0 back, and not what was rounded off.
        let mut rounded = record();
        rounded.standardization = Some(Standardization { means: vec![3.02, 7.0], deviations: vec![1.9, 2.0] });
        let zero = (-3.02_f64 / 1.9) as f32;
        assert_ne!(3.02 + 1.9 * f64::from(zero), 0.0);
        assert_eq!(cells(&rounded, &[zero, 1e-6]), ["column 0: 0", "column 1: 7"]);
        assert_eq!(cells(&plain, &[0.1, -2.5]), ["column 0: 0.1", "column 1: -2.5"]);
    }

    #[test]
    fn sizes_that_cannot_be_are_told_before_memory_is_taken() {
        assert_eq!(record().fault(), None);
        let mut huge = record();
        huge.shape = Shape { channels: 1 << 40, height: 1 << 40, width: 1 };
        assert!(huge.fault().unwrap().0.starts_with("shape 1099511627776 x"));
        huge.shape = Shape { channels: 0, height: 1, width: 1 };
        assert!(huge.fault().is_some());
        let mut one = record();
        one.class_names.pop();
        assert_eq!(one.fault().unwrap().0, "1 class names");
        let scale = TargetScale { mean: 2.0, deviation: 0.5 };
        let values = Provenance { class_names: Vec::new(), target: Some(scale), ..record() };
        assert_eq!((values.fault(), values.kind(), values.task()), (None, TargetKind::Values, Task::Regression));
        let both = Provenance { target: Some(scale), ..record() };
        assert_eq!(both.fault().unwrap().0, "a scale of values beside 2 class names");
        let flat = Provenance { target: Some(TargetScale { deviation: 0.0, ..scale }), ..values };
        assert_eq!(flat.fault().unwrap().1, "a finite mean, and a deviation > 0");
        let mut wide = record();
        wide.shape.width = 3;
        assert_eq!(wide.fault().unwrap().1, "3 of each, one a column");
        let mut stretched = record();
        stretched.reading = Some(Reading { fit: ImageFit::Crop, background: 0, range: Some([7, 7]) });
        assert_eq!(stretched.fault().unwrap().0, "reading of levels Some([7, 7])");
    }

    #[test]
    fn data_that_changed_are_told_by_what_changed() {
        let mut now = record();
        now.name = "renamed".into();
        assert_eq!(record().difference(&now), None);
        now.train_rows = 8;
        let expected = ("data with training rows 8".to_owned(), "9 as when the run began".to_owned());
        assert_eq!(record().difference(&now), Some(expected));
        now = record();
        now.class_names[1] = "tulip".into();
        assert_eq!(record().difference(&now).unwrap().0, "data with classes aster, tulip");
        now = record();
        now.standardization = None;
        assert!(record().difference(&now).is_some());
        now = record();
        (now.class_names, now.target) = (Vec::new(), Some(TargetScale { mean: 2.0, deviation: 0.5 }));
        assert_eq!(record().difference(&now).unwrap().0, "data with targets that are values");
        let moved = Provenance { target: Some(TargetScale { mean: 2.5, deviation: 0.5 }), ..now.clone() };
        assert_eq!(now.difference(&moved).unwrap().0, "data with targets of another mean or deviation");
        // Rows that were drawn otherwise; a record of an earlier version says nothing of them.
        now = record();
        now.split = Some(Drawn { seed: 2, fraction: 0.25, rows: 12 });
        assert_eq!(record().difference(&now), None);
        let recorded = Provenance { content: Some(Content::of(b"rows")), ..record() };
        assert!(recorded.difference(&now).unwrap().0.starts_with("test part Some(Drawn { seed: 2, fraction: 0.25"));
    }
}

//! A run for a hub of models: its model card, in Markdown behind a head of YAML that the hub reads, and its configuration for
//! programs. Neither names a path of the machine that trained it.

use std::fmt::Write as _;
use std::path::Path;

use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::export::Input;
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::summary::Summary;
use hsic_lab::figure::flags;
use hsic_lab::figure::run_report::RunReport;
use serde_json::{Value, json};

use crate::markdown::{code, prose};
use crate::report::{RunFacts, name_of};

/// Most classes that are named one by one.
const MOST_CLASSES: usize = 20;

/// A finished run as a hub shows it.
pub(crate) struct Card<'a> {
    pub(crate) predictor: &'a Predictor,
    pub(crate) report: &'a RunReport,
    pub(crate) summary: &'a Summary,
    /// Whether its softmax layer is left out.
    pub(crate) unformatted: bool,
}

impl Card<'_> {
    /// What a program has to know, as JSON.
    ///
    /// # Errors
    /// What has no form in JSON.
    pub(crate) fn config(&self) -> anyhow::Result<String> {
        let record = self.predictor.provenance();
        let options = serde_json::to_value(self.options())?;
        let config = json!({
            "library_name": "hsic",
            "library_version": env!("CARGO_PKG_VERSION"),
            "model_type": self.summary.model,
            "method": self.summary.method,
            "shape": record.shape,
            "classes": record.class_names,
            "target": record.target,
            "input": Input::of(record),
            "tensors": "model.safetensors: modules and features are in its metadata under state",
            "options": given(options),
        });
        Ok(serde_json::to_string_pretty(&config)? + "\n")
    }

    /// The options, data named without their places.
    fn options(&self) -> TrainOptions {
        let mut options = self.report.config.options.clone();
        let bare = |place: &str| name_of(place);
        options.data.dataset = options.data.dataset.as_deref().map(bare);
        options.data.test_dataset = options.data.test_dataset.map(|place| bare(&place.to_string_lossy()).into());
        (options.data.data_dir, options.data.cache) = (None, None);
        options
    }

    /// The command that trains it, every option that is read among its flags: later versions may have other defaults.
    fn command(&self) -> String {
        let options = self.options();
        let unread = self.report.config.unread(&options);
        format!("hsic train{}", flags(&options.without(&unread)))
    }

    /// The model card.
    pub(crate) fn text(&self) -> String {
        let facts = RunFacts::of(self.report, Path::new(""));
        let mut text = self.head(&facts.title);
        let _ = writeln!(text, "\n# {}\n", prose(&facts.title));
        let _ = writeln!(
            text,
            "A network of {} parameters, trained by `{}` (hsic {}), whose blocks and their learning `hsic methods {}` explains.",
            self.summary.parameters,
            self.summary.method,
            env!("CARGO_PKG_VERSION"),
            self.summary.method
        );
        self.results(&mut text, &facts);
        self.data(&mut text);
        self.use_of_it(&mut text);
        let _ = writeln!(text, "\n## Training\n\n{}", code(&self.command()));
        self.limits(&mut text, &facts);
        text
    }

    /// What the hub reads. A text of JSON is one of YAML.
    fn head(&self, title: &str) -> String {
        let record = self.predictor.provenance();
        let task = match (record.target.is_some(), record.shape.height > 1) {
            (true, _) => "tabular-regression",
            (false, true) => "image-classification",
            (false, false) => "tabular-classification",
        };
        let quoted = |text: &str| Value::from(text).to_string();
        let metrics: Vec<(&str, f64)> = match self.summary.values {
            Some(values) => vec![("r2", values.test_r2), ("rmse", values.test_rmse)],
            None => vec![("accuracy", self.accuracy())],
        };
        let mut text = format!(
            "---\nlibrary_name: hsic\npipeline_tag: {task}\ntags:\n- {}\n- local-learning\nmetrics:\n",
            quoted(&self.summary.method)
        );
        for (name, _) in &metrics {
            let _ = writeln!(text, "- {name}");
        }
        let data = quoted(&record.name);
        let _ = writeln!(
            text,
            "model-index:\n- name: {}\n  results:\n  - task:\n      type: {task}\n    dataset:\n      name: {data}\n      type: {data}\n      \
             split: {}\n    metrics:",
            quoted(title),
            self.summary.judged_on.name()
        );
        for (name, value) in &metrics {
            let _ = writeln!(text, "    - type: {name}\n      value: {value}");
        }
        text.push_str("---\n");
        text
    }

    /// The accuracy of what is exported.
    fn accuracy(&self) -> f64 {
        if self.unformatted { self.summary.test_accuracy } else { self.summary.accuracy() }
    }

    fn results(&self, text: &mut String, facts: &RunFacts) {
        text.push_str("\n## Results\n\n| quantity | value |\n| --- | --- |\n");
        for (name, value) in &facts.rows {
            let _ = writeln!(text, "| {} | {} |", prose(name), prose(value));
        }
        let recall = self.summary.confusion.recall();
        if recall.is_empty() || recall.len() > MOST_CLASSES {
            return;
        }
        let part = self.summary.judged_on.name();
        let _ = writeln!(text, "\n| class | {part} samples | read right |\n| --- | ---: | ---: |");
        for (class, (share, row)) in recall.iter().zip(&self.summary.confusion.counts).enumerate() {
            let name = self.summary.class_names.get(class).map_or_else(|| class.to_string(), Clone::clone);
            let rows: u64 = row.iter().sum();
            let share = if rows > 0 { format!("{:.1} %", 100.0 * share) } else { "none to read".to_owned() };
            let _ = writeln!(text, "| {} | {rows} | {share} |", prose(&name));
        }
    }

    fn data(&self, text: &mut String) {
        let record = self.predictor.provenance();
        let part = self.summary.judged_on.name();
        let _ = writeln!(
            text,
            "\n## Data\n\n- {}: {} rows trained on, {} {part} rows.",
            prose(&record.name),
            record.train_rows,
            record.test_rows
        );
        if let Some(content) = &record.content {
            let _ = writeln!(text, "- Content: {} bytes, SHA-256 {}.", content.bytes, code(&content.sha256));
        }
        match &record.split {
            Some(drawn) => {
                let _ = writeln!(
                    text,
                    "- Split: {} of each class of {} rows were drawn as the test part by seed {}.",
                    percent(drawn.fraction),
                    drawn.rows,
                    drawn.seed
                );
            }
            None => text.push_str("- Split: the test part is the one that the data come with, or was not recorded.\n"),
        }
        if let Some(drawn) = &record.validation {
            let _ = writeln!(
                text,
                "- {} of each class of {} training rows were held out by seed {} and judge the run.",
                percent(drawn.fraction),
                drawn.rows,
                drawn.seed
            );
        }
    }

    fn use_of_it(&self, text: &mut String) {
        let input = Input::of(self.predictor.provenance());
        let scaled = match (input.pixels, input.standardization.is_some() || input.normalization.is_some()) {
            (true, true) => "pixels of 0 to 255 as value / 255, then scaled by means and deviations",
            (true, false) => "pixels of 0 to 255 as value / 255",
            (false, true) => "values of a row, scaled by means and deviations",
            (false, false) => "values of a row as they are",
        };
        let _ = writeln!(
            text,
            "\n## Use\n\nThe tensors in `model.safetensors` have the names of one flat PyTorch `nn.Sequential`, whose modules its \
             metadata lists under `state`. Input: {scaled}; the numbers for that are in `config.json` under `input`. Outputs are in the \
             order of `classes` there{}.",
            if self.predictor.format().is_some() && !self.unformatted {
                ", from the softmax layer"
            } else {
                ", where units are trained to name classes, and else in no order that means one"
            }
        );
    }

    fn limits(&self, text: &mut String, facts: &RunFacts) {
        let record = self.predictor.provenance();
        let judged: u64 = self.summary.confusion.counts.iter().flatten().sum();
        text.push_str("\n## Limits\n\n");
        let part = self.summary.judged_on.name();
        let rows = if judged > 0 { judged } else { record.test_rows as u64 };
        let _ = writeln!(
            text,
            "- The figures above are those of one training with seed {} on {rows} {part} rows; other data were not looked at.",
            self.summary.seed
        );
        if self.predictor.format().is_none() && record.target.is_none() {
            text.push_str("- Probabilities were fitted to training rows, and are too sure on rows that the network fits less well.\n");
        }
        text.push_str("- Nothing was done about what the data may lack or lean to.\n");
        for warning in &facts.warnings {
            let _ = writeln!(text, "- {}", prose(warning));
        }
    }
}

fn percent(fraction: f64) -> String {
    format!("{:.0} %", 100.0 * fraction)
}

/// A value without what is not given.
fn given(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let kept = entries.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, given(value))).collect())
        }
        other => other,
    }
}

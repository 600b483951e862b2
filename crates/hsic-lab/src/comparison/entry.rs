//! What is compared: a method, with options of its own if it is given any.
//!
//! In a list an entry is the method's name, then `:KEY=VALUE` for each option: `hsic-local:beta=1:feature=pool:4`. Keys
//! are those of the TOML file. A part without `=` belongs to the value before it, so that nothing has to be quoted in a
//! shell; a value with a comma cannot be given.

use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::fault::Fault;
use hsic_bottleneck::method::Method;
use hsic_bottleneck::methods::Methods;
use hsic_bottleneck::names::same;

/// Stages of which an entry may have options of its own. Data, network and batches are the same for all that is compared,
/// but for what the objective sees of a map.
const OWN_STAGES: [&str; 4] = ["objective", "rule", "optimizer", "format"];

/// Keys of other stages that an entry may have.
const OWN_KEYS: [(&str, &str); 2] = [("network", "feature"), ("training", "unit")];

/// Stages whose keys are named in the message about a key that an entry cannot have.
const SHARED_STAGES: [&str; 4] = ["data", "network", "training", "evaluation"];

/// A method that is compared, with options of its own.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As it was asked for: what tells it from the others.
    pub label: String,
    /// The method.
    pub method: &'static Method,
    /// Its own options; those that are not given are the comparison's.
    pub options: TrainOptions,
}

impl From<&'static Method> for Entry {
    fn from(method: &'static Method) -> Self {
        Self { label: method.name.to_owned(), method, options: TrainOptions::default() }
    }
}

impl Entry {
    /// Reads one entry.
    fn read(text: &str, known: &Methods) -> Result<Self, Fault> {
        let mut parts = text.split(':').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let fault =
            |value: &str, expected: String| Fault { key: "methods".to_owned(), value: value.to_owned(), expected };
        let method = known.named(name).ok_or_else(|| fault(name, format!("all, or {}", known.instead_of(name))))?;
        let mut given: Vec<(&str, String)> = Vec::new();
        for part in parts {
            match (part.split_once('='), given.last_mut()) {
                (Some((key, value)), _) => given.push((key, value.to_owned())),
                (None, Some((_, value))) => {
                    value.push(':');
                    value.push_str(part);
                }
                (None, None) => {
                    return Err(fault(text, format!("options as {name}:KEY=VALUE, such as {name}:learning-rate=1e-3")));
                }
            }
        }
        let mut options = TrainOptions::default();
        for (index, (key, value)) in given.iter().enumerate() {
            if given[..index].iter().any(|(earlier, _)| earlier == key) {
                return Err(fault(text, format!("{key} once")));
            }
            options =
                option(key, value).map_err(|expected| fault(&format!("{name}:{key}={value}"), expected))?.or(options);
        }
        if options.objective.method.is_some() {
            return Err(fault(text, format!("another option than method, which is {name}")));
        }
        Ok(Self { label: text.to_owned(), method, options })
    }

    /// This entry's options with the comparison's where it has none of its own. The network's own outputs are compared, where
    /// they can be read and the entry asks for nothing else.
    pub(super) fn over(&self, common: &TrainOptions) -> TrainOptions {
        let mut options = self.options.clone().or(common.clone());
        options.objective.method = Some(self.method.name.to_owned());
        options.unformatted(self.method.outputs)
    }
}

/// The entries of a list, each once.
///
/// `all` stands for every method, and for back-propagation by gradient descent with momentum beside the one by its own
/// optimizer: which of them is better depends on the network, and the rival should have both.
///
/// # Errors
/// `Fault` with the first entry that cannot be read, or the whole if it names none.
///
/// # Examples
/// ```
/// use hsic_bottleneck::methods::Methods;
/// use hsic_lab::comparison::entries_named;
/// let entries = entries_named("hsic-local:beta=1:feature=pool:4,hsic-local,backprop", &Methods::known())?;
/// assert_eq!(entries.iter().map(|entry| entry.method.name).collect::<Vec<_>>(), ["hsic-local", "hsic-local", "backprop"]);
/// assert_eq!(entries[0].options.objective.beta, Some(1.0));
/// # Ok::<(), hsic_bottleneck::fault::Fault>(())
/// ```
pub fn entries_named(list: &str, known: &Methods) -> Result<Vec<Entry>, Fault> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut add = |entry: Entry| {
        if !entries.iter().any(|earlier| earlier.label == entry.label) {
            entries.push(entry);
        }
    };
    for text in list.split(',').map(str::trim) {
        if same("all", text) {
            for method in known.iter() {
                add(method.into());
                if method.name == "backprop" {
                    add(Entry::read("backprop:optimizer=sgd:momentum=0.9", known)?);
                }
            }
        } else {
            add(Entry::read(text, known)?);
        }
    }
    Ok(entries)
}

/// Options of which this key alone is given; what was expected if there are none.
fn option(key: &str, value: &str) -> Result<TrainOptions, String> {
    let read = |stage: &str, literal: &str| toml::from_str::<TrainOptions>(&format!("[{stage}]\n{key} = {literal}\n"));
    let has = |stage: &str| match read(stage, "\"\"") {
        Ok(_) => true,
        // A key that the stage does not have is told as such; any other message is about the value.
        Err(error) => !error.message().starts_with("unknown field"),
    };
    // A key that is no key of TOML would be told as a fault of the file.
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let own = OWN_STAGES.into_iter().find(|stage| plain && has(stage));
    let stage = own.or_else(|| OWN_KEYS.into_iter().find(|&(_, own)| own == key).map(|(stage, _)| stage));
    let Some(stage) = stage else {
        return Err(if plain && SHARED_STAGES.into_iter().any(has) {
            format!("an option of the method; --{key} is given for all that is compared")
        } else {
            format!("an option of the tables {} of a settings file", OWN_STAGES.join(", "))
        });
    };
    // A number or a truth value as it stands, anything else as text.
    let text = toml::Value::String(value.to_owned()).to_string();
    let bare = value.parse::<f64>().is_ok() || matches!(value, "true" | "false");
    let found = if bare { read(stage, value).or_else(|_| read(stage, &text)) } else { read(stage, &text) };
    found.map_err(|error| error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use hsic_bottleneck::network::Feature;
    use hsic_bottleneck::optimizer::OptimizerName;

    use super::*;

    fn entries(list: &str) -> Vec<Entry> {
        entries_named(list, &Methods::known()).unwrap()
    }

    fn told(list: &str) -> (String, String) {
        let fault = entries_named(list, &Methods::known()).unwrap_err();
        assert_eq!(fault.key, "methods");
        (fault.value, fault.expected)
    }

    #[test]
    fn options_stand_behind_the_name_and_need_no_quotes() {
        let found = entries("hsic-local:beta=1:classifier=1:feature=pool:4, predsim");
        let [local, predsim] = &found[..] else { panic!("{found:?}") };
        assert_eq!(
            (local.label.as_str(), local.method.name),
            ("hsic-local:beta=1:classifier=1:feature=pool:4", "hsic-local")
        );
        let mut expected = TrainOptions::default();
        expected.objective.beta = Some(1.0);
        expected.rule.classifier = Some(1.0);
        expected.network.feature = Some(Feature::Pool(4));
        assert_eq!(local.options, expected);
        assert_eq!((predsim.label.as_str(), &predsim.options), ("predsim", &TrainOptions::default()));
        let sgd = &entries("backprop:optimizer=sgd:momentum=0.9:learning-rate=5e-2")[0].options.optimizer;
        let expected = (Some(OptimizerName::Sgd), Some(0.9), Some(0.05));
        assert_eq!((sgd.optimizer, sgd.momentum, sgd.learning_rate), expected);
    }

    #[test]
    fn an_entry_comes_once_and_the_same_method_twice_where_its_options_differ() {
        let labels = |list: &str| entries(list).into_iter().map(|entry| entry.label).collect::<Vec<_>>();
        assert_eq!(labels("frozen, hsic,frozen"), ["frozen", "hsic"]);
        assert_eq!(labels("hsic:beta=1,hsic:beta=2,hsic"), ["hsic:beta=1", "hsic:beta=2", "hsic"]);
        let all = labels("all");
        assert_eq!(all.len(), Methods::known().iter().count() + 1);
        assert!(all.iter().any(|label| label == "backprop:optimizer=sgd:momentum=0.9"));
    }

    #[test]
    fn what_cannot_be_an_option_of_a_method_is_told() {
        let (value, expected) = told("hsic,magic");
        assert!(value == "magic" && expected.starts_with("all, or hsic, "), "{value} {expected}");
        assert_eq!(told("hsic:fast").1, "options as hsic:KEY=VALUE, such as hsic:learning-rate=1e-3");
        assert_eq!(told("hsic:widths=8").1, "an option of the method; --widths is given for all that is compared");
        assert_eq!(
            told("hsic:magic=1"),
            (
                "hsic:magic=1".to_owned(),
                "an option of the tables objective, rule, optimizer, format of a settings file".to_owned()
            )
        );
        assert_eq!(told("hsic:beta=1:beta=2").1, "beta once");
        let (value, expected) = told("hsic:beta=much");
        assert!(value == "hsic:beta=much" && expected.contains("expected f64"), "{value} {expected}");
        assert_eq!(told("hsic:method=dni").1, "another option than method, which is hsic");
    }
}

//! The command's words for what the libraries say: which flag or command is the remedy.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::path::Path;

use hsic_bottleneck::Error;
use hsic_bottleneck::config::ConfigError;
use hsic_bottleneck::dataset::{ArrayFault, DatasetError, TableFault};
use hsic_bottleneck::files::FileError;
use hsic_bottleneck::log::Warning;
use hsic_bottleneck::run::RunError;
use hsic_bottleneck::step_error::{ObjectiveError, StepError};

/// What a user of the command can do about an error, to follow its text.
pub(crate) fn remedy(error: &(dyn StdError + 'static)) -> Option<Cow<'static, str>> {
    if let Some(ObjectiveError::Hsic(hsic::Error::Memory { .. })) = error.downcast_ref() {
        return Some(" (--batch-size), or an approximation (--approximation fourier:512)".into());
    }
    if let Some(hsic::Error::Memory { .. }) = error.downcast_ref() {
        return Some(": a random part of both tables gives the same figure but for its noise".into());
    }
    let dataset = match error.downcast_ref() {
        Some(Error::Dataset(dataset) | Error::Step(StepError::Data(dataset))) => Some(dataset),
        _ => error.downcast_ref(),
    };
    match dataset {
        Some(DatasetError::FilesMissing { name, .. }) => {
            return Some(format!(" (--data-dir FOLDER, or hsic data fetch {name})").into());
        }
        Some(DatasetError::NoFolder { .. }) => return Some(" (--data-dir FOLDER)".into()),
        Some(DatasetError::Members { .. } | DatasetError::Array { fault: ArrayFault::Name { .. }, .. }) => {
            return Some(" (--arrays x=NAME,y=NAME)".into());
        }
        Some(DatasetError::LabelRange { path, .. }) => {
            let folder = path.parent().unwrap_or(path).display();
            return Some(format!(" (--dataset {folder} takes the classes of its labels, however many)").into());
        }
        Some(DatasetError::LabelFraction { .. } | DatasetError::ClassCount { .. }) => {
            return Some(" (--label-column NAME says which column is the label)".into());
        }
        Some(DatasetError::FileKind { path }) if is_other_table(path) => {
            return Some("; save it as CSV (in pandas: df.to_csv(\"table.csv\", index=False))".into());
        }
        Some(DatasetError::Table { fault, .. }) => return of_table(fault),
        Some(DatasetError::Packed { .. }) => {
            return Some(" (hsic data uncache NAME, with --cache DIR where a training was given that)".into());
        }
        Some(DatasetError::NoParts { .. }) => return Some(" (--part all)".into()),
        Some(DatasetError::Image { .. } | DatasetError::ImageEnd { .. }) => {
            return Some(" (--skip-broken leaves such files out)".into());
        }
        _ => {}
    }
    if is_changed(error) {
        return Some(
            "; put the file back that was there, or remove digests.json of the run if you changed it yourself".into(),
        );
    }
    let run = match error.downcast_ref() {
        Some(Error::Run(run)) => run,
        _ => error.downcast_ref()?,
    };
    match run {
        RunError::Occupied { .. } => Some(", or --resume".into()),
        RunError::InUse { .. } => Some(": wait until it ends, or name another folder by --run".into()),
        RunError::Unnamed { .. } => Some(" (without --unformatted)".into()),
        RunError::Unfinished { .. } => Some(" (hsic train --resume goes on with this one)".into()),
        RunError::OtherData { .. } => {
            Some("; put those data back, train a new run, or judge this one on others by hsic eval --dataset".into())
        }
        _ => None,
    }
}

/// Whether an error is that a file of a run is not what training left.
fn is_changed(error: &(dyn StdError + 'static)) -> bool {
    let file = match (error.downcast_ref(), error.downcast_ref(), error.downcast_ref()) {
        (Some(Error::Run(RunError::File(file))), ..) | (_, Some(RunError::File(file)), _) => Some(file),
        (Some(Error::Config(ConfigError::Changed(file))), ..) | (.., Some(ConfigError::Changed(file))) => Some(file),
        _ => error.downcast_ref(),
    };
    matches!(file, Some(FileError::Changed { .. }))
}

/// Whether a file's ending is that of tables in a form that is not read.
fn is_other_table(path: &Path) -> bool {
    const ENDINGS: [&str; 9] = ["parquet", "xlsx", "xls", "ods", "json", "jsonl", "feather", "arff", "sav"];
    path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// What a user of the command can do about a table.
fn of_table(fault: &TableFault) -> Option<Cow<'static, str>> {
    // A column is given by its name, or by its index if it has none.
    let drop = |name: &str| {
        let name = name.strip_prefix("column ").unwrap_or(name);
        let name = if name.contains(' ') { format!("\"{name}\"") } else { name.to_owned() };
        Some(format!(" (--drop {name} leaves the column out)").into())
    };
    match fault {
        TableFault::Encoding { .. } => Some(" (--encoding windows-1252, or utf-16le)".into()),
        TableFault::Slip { name, .. } | TableFault::TooManyWords { name, .. } => drop(name),
        TableFault::Gap { .. } => Some(" (--missing mean fills it, --missing drop leaves such rows out)".into()),
        TableFault::LabelMissing { .. } => Some(" (--missing mean or drop leaves such rows out)".into()),
        TableFault::LabelColumn { .. } => Some(" (--label-column)".into()),
        _ => None,
    }
}

/// A warning, with the flag or the command that is the remedy, in the training of a run.
pub(crate) fn warning(warning: &Warning, run: Option<&Path>) -> String {
    let told = warning.to_string();
    match warning {
        Warning::LostClass { formatted: false, .. } => told.replace("a softmax layer", "--format-epochs"),
        Warning::NotAboveLargestClass { epochs, .. } => {
            let further = run.map(|run| format!(" (hsic train --resume {} --epochs {})", run.display(), 2 * epochs));
            let told = told.replace("more epochs", &format!("more epochs{}", further.unwrap_or_default()));
            told.replace("another learning rate", "another --learning-rate")
        }
        Warning::FewSteps { enough, .. } => told
            .replace("a smaller batch", "a smaller --batch-size")
            .replace(&format!("{enough} epochs"), &format!("--epochs {enough}")),
        Warning::NotAboveMean { epochs, .. } => {
            let further = run.map(|run| format!(" (hsic train --resume {} --epochs {})", run.display(), 2 * epochs));
            let told = told.replace("more epochs", &format!("more epochs{}", further.unwrap_or_default()));
            told.replace("another learning rate", "another --learning-rate")
        }
        Warning::LongStep { .. } => told
            .replace("a smaller batch", "a smaller --batch-size")
            .replace("an approximation", "--approximation fourier:512"),
        _ => told,
    }
}

#[cfg(test)]
mod tests {
    use hsic_bottleneck::dataset::PackedFault;

    use super::*;

    #[test]
    fn remedies_are_found_under_the_library_s_own_error() {
        let occupied = || RunError::Occupied { path: "r".into() };
        assert_eq!(remedy(&occupied()).as_deref(), Some(", or --resume"));
        assert_eq!(remedy(&Error::from(occupied())).as_deref(), Some(", or --resume"));
        assert_eq!(remedy(&Error::from(RunError::Foreign { path: "r".into() })), None);
        assert_eq!(remedy(&std::io::Error::other("x")), None);
        let memory = || hsic::Error::Memory { rows: 9, needed: 648, available: None };
        assert!(remedy(&memory()).is_some_and(|words| words.starts_with(": a random part")));
        assert!(remedy(&ObjectiveError::from(memory())).is_some_and(|words| words.contains("--batch-size")));
        let missing = || DatasetError::FilesMissing { name: "mnist", files: vec!["a"], directories: vec!["d".into()] };
        let parts = DatasetError::NoParts { name: "d".into(), part: "test" };
        assert_eq!(remedy(&Error::from(parts)).as_deref(), Some(" (--part all)"));
        let packed = || DatasetError::Packed { path: "p".into(), fault: PackedFault::Cut { part: 1, parts: 2 } };
        assert!(remedy(&packed()).is_some_and(|words| words.starts_with(" (hsic data uncache NAME")));
        assert_eq!(remedy(&Error::from(StepError::from(packed()))), remedy(&packed()));
        let sheet = DatasetError::FileKind { path: "a.XLSX".into() };
        assert!(remedy(&sheet).is_some_and(|words| words.starts_with("; save it as CSV")));
        assert_eq!(remedy(&DatasetError::FileKind { path: "a.bin".into() }), None);
        let fault = TableFault::TooManyWords {
            name: "full name".into(),
            words: 60,
            more: false,
            most: 50,
            example: "x".into(),
        };
        let many = DatasetError::Table { path: "a.csv".into(), fault };
        assert_eq!(remedy(&many).as_deref(), Some(" (--drop \"full name\" leaves the column out)"));
        let cut = DatasetError::ImageEnd { path: "a.jpg".into(), found: 9 };
        assert_eq!(remedy(&Error::from(cut)).as_deref(), Some(" (--skip-broken leaves such files out)"));
        let told = " (--data-dir FOLDER, or hsic data fetch mnist)";
        assert_eq!(remedy(&missing()).as_deref(), Some(told));
        assert_eq!(remedy(&Error::from(missing())).as_deref(), Some(told));
    }

    #[test]
    fn a_lost_class_names_the_flag() {
        let lost = |formatted| Warning::LostClass { class: "9".to_owned(), formatted, share: 0.25 };
        assert!(warning(&lost(false), None).ends_with("expected another seed or --format-epochs"));
        assert!(warning(&lost(true), None).ends_with("expected more epochs or another learning rate"));
    }

    #[test]
    fn what_is_no_better_than_a_guess_has_a_command_that_goes_on() {
        let class = "9".to_owned();
        let told = Warning::NotAboveLargestClass { accuracy: 0.125, class, share: 0.1, rows: 200, epochs: 5 };
        let expected = "12.5 % of 200 rows are read right, not clearly more than the 10.0 % of the largest class, 9: \
                        expected more epochs (hsic train --resume runs/x --epochs 10) or another --learning-rate";
        assert_eq!(warning(&told, Some(Path::new("runs/x"))), expected);
        assert!(warning(&told, None).ends_with("expected more epochs or another --learning-rate"));
        let long = Warning::LongStep { rows: 9, seconds: 61.0, bytes: 9 };
        assert!(warning(&long, None).ends_with("expected a smaller --batch-size or --approximation fourier:512"));
    }
}

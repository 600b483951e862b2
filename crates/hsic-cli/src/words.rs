//! The command's words for what the libraries say: which flag or command is the remedy.

use std::borrow::Cow;
use std::error::Error as StdError;

use hsic_bottleneck::Error;
use hsic_bottleneck::dataset::DatasetError;
use hsic_bottleneck::log::Warning;
use hsic_bottleneck::run::RunError;
use hsic_bottleneck::step_error::ObjectiveError;

/// What a user of the command can do about an error, to follow its text.
pub(crate) fn remedy(error: &(dyn StdError + 'static)) -> Option<Cow<'static, str>> {
    if let Some(ObjectiveError::Hsic(hsic::Error::Memory { .. })) = error.downcast_ref() {
        return Some(" (--batch-size), or an approximation (--approximation fourier:512)".into());
    }
    if let Some(hsic::Error::Memory { .. }) = error.downcast_ref() {
        return Some(": a random part of both tables gives the same figure but for its noise".into());
    }
    let dataset = match error.downcast_ref() {
        Some(Error::Dataset(dataset)) => Some(dataset),
        _ => error.downcast_ref(),
    };
    match dataset {
        Some(DatasetError::FilesMissing { name, .. }) => {
            return Some(format!(" (--data-dir FOLDER, or hsic data fetch {name})").into());
        }
        Some(DatasetError::NoFolder { .. }) => return Some(" (--data-dir FOLDER)".into()),
        _ => {}
    }
    let run = match error.downcast_ref() {
        Some(Error::Run(run)) => run,
        _ => error.downcast_ref()?,
    };
    match run {
        RunError::Occupied { .. } => Some(", or --resume".into()),
        RunError::Unfinished { .. } => Some(" (hsic train --resume goes on with this one)".into()),
        _ => None,
    }
}

/// A warning, with the flag that is the remedy.
pub(crate) fn warning(warning: &Warning) -> String {
    let told = warning.to_string();
    match warning {
        Warning::LostClass { formatted: false, .. } => told.replace("a softmax layer", "--format-epochs"),
        _ => told,
    }
}

#[cfg(test)]
mod tests {
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
        let told = " (--data-dir FOLDER, or hsic data fetch mnist)";
        assert_eq!(remedy(&missing()).as_deref(), Some(told));
        assert_eq!(remedy(&Error::from(missing())).as_deref(), Some(told));
    }

    #[test]
    fn a_lost_class_names_the_flag() {
        let lost = |formatted| Warning::LostClass { class: "9".to_owned(), formatted, share: 0.25 };
        assert!(warning(&lost(false)).ends_with("expected another seed or --format-epochs"));
        assert!(warning(&lost(true)).ends_with("expected more epochs or another learning rate"));
    }
}

//! A run's folder, emptied for another run: that and nothing else.

use std::path::{Path, PathBuf};

use hsic_data::disk;

use super::{
    CONFIG, DIGESTS, EVENTS, EXPORT, EXPORTS, FILES, HUB, HUB_FILES, MEMBER, NEXT, RESULTS, Run, RunError, SUMMARY,
    TENSORBOARD, WHOLE, entries,
};
use crate::config::TrainOptions;
use crate::files::{FileError, PART};
use crate::lock::LOCK;
use crate::state_files::is_stage;

impl Run {
    /// Removes the run that a folder holds, if it holds one, for [`Run::create`] to make another. Everything in the
    /// folder is looked at before anything is removed. The list of digests and the summary go first and the configuration last, so
    /// that what is left when this is interrupted is a run whose training has not ended; checkpoints go before the records that
    /// they count on.
    ///
    /// # Errors
    /// `Foreign` naming the first thing that no run makes, `InUse` if a process works in it; nothing is removed then. `Io`.
    pub fn clear(path: &Path) -> Result<(), RunError> {
        if !path.exists() {
            return Ok(());
        }
        // A folder that no process has worked in has nothing to be held by. What lies in one that is held changes while it is
        // looked at.
        let held = path.join(LOCK).exists().then(|| Self::at(path).lock()).transpose()?;
        let mut doomed = Vec::new();
        Self::look_at(path, &mut doomed)?;
        for entry in doomed {
            // One after the other, after a power cut as well.
            let removed = if is_folder(&entry) { disk::remove_dir(&entry) } else { disk::remove(&entry) };
            removed.map_err(|source| FileError::Io { path: entry, source })?;
        }
        drop(held);
        Ok(())
    }

    /// Adds what is to be removed of the run in a folder, in the order in which it goes, and removes nothing.
    fn look_at(path: &Path, doomed: &mut Vec<PathBuf>) -> Result<(), RunError> {
        let is_member = |entry: &PathBuf| {
            let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(MEMBER) && is_folder(entry)
        };
        let (members, own): (Vec<PathBuf>, Vec<PathBuf>) = entries(path)?.into_iter().partition(is_member);
        let mut of_members = Vec::new();
        for member in members {
            Self::look_at(&member, &mut of_members)?;
            of_members.push(member);
        }
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for entry in own {
            let known: Option<&[&str]> = match entry.file_name().and_then(|name| name.to_str()) {
                Some("checkpoint") => Some(&["state.safetensors", "stages.json"]),
                Some(NEXT) => Some(RESULTS),
                Some(EXPORT) => Some(EXPORTS),
                Some(HUB) => Some(HUB_FILES),
                Some(TENSORBOARD) => Some(&[]),
                _ => None,
            };
            if let Some(known) = known.filter(|_| is_folder(&entry)) {
                let inside = entries(&entry)?;
                let events = entry.ends_with(TENSORBOARD);
                let is_own = |file: &PathBuf| {
                    is_named(file, known) || if events { is_events_file(file) } else { is_stage_file(file) }
                };
                if let Some(foreign) = inside.iter().find(|file| !is_own(file)) {
                    return Err(RunError::Foreign { path: foreign.clone() });
                }
                files.extend(inside);
                folders.push(entry);
            } else if is_named(&entry, FILES) {
                files.push(entry);
            } else {
                return Err(RunError::Foreign { path: entry });
            }
        }
        // Without a configuration that can be read, only one that was never finished may be there.
        let config = path.join(CONFIG);
        let named_so = |file: &PathBuf| is_named(file, &[CONFIG]);
        let stranger = if config.exists() {
            TrainOptions::read(&config).is_err().then_some(&config)
        } else {
            files.iter().find(|file| !named_so(file))
        };
        if let Some(stranger) = stranger {
            return Err(RunError::Foreign { path: stranger.clone() });
        }
        let place = |file: &PathBuf| match file {
            file if is_named(file, &[DIGESTS]) => 0,
            file if is_named(file, &[SUMMARY]) => 1,
            // Without this list what lies aside is no result.
            file if is_named(file, &[WHOLE]) => 2,
            file if file.parent() != Some(path) => 3,
            _ => 4,
        };
        let (config, mut files): (Vec<PathBuf>, Vec<PathBuf>) = files.into_iter().partition(named_so);
        files.sort_by_key(place);
        let rest = files.split_off(files.partition_point(|file| place(file) < 3));
        for mut next in [files, of_members, rest, folders, config] {
            doomed.append(&mut next);
        }
        Ok(())
    }
}

/// Whether this is a folder, and no link to one.
fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

/// Whether this is the state of some blocks, whole or in the making: a file, and no link.
fn is_stage_file(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_file = path.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
    is_file && is_stage(name.strip_suffix(PART).unwrap_or(name))
}

/// Whether this is a file for TensorBoard, and no link.
fn is_events_file(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with(EVENTS) && path.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
}

/// Whether this is a file, and no link, of one of these names, whole or in the making.
fn is_named(path: &Path, names: &[&str]) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let whole = name.strip_suffix(PART).unwrap_or(name);
    names.contains(&whole) && path.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
}

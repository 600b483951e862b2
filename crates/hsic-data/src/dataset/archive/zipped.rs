//! Zip archives of a folder of images.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::held::{Held, MOST_IMAGE_BYTES};
use crate::dataset::DatasetError;
use crate::dataset::gzip::DEFLATE_RATIO;
use crate::dataset::picture::is_image;

/// Reads all images of a zip archive into memory.
pub(super) fn read(path: &Path, mut file: impl Read + Seek) -> Result<Held, DatasetError> {
    let length = file.seek(SeekFrom::End(0)).map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
    let wrong = |source| DatasetError::ImageZip { path: path.to_owned(), source };
    let mut zip = ZipArchive::new(file).map_err(wrong)?;
    let mut held = Held::new(path, length);
    for index in 0..zip.len() {
        let member = zip.by_index(index).map_err(wrong)?;
        // Some programs of Windows write the other slash.
        let entry = PathBuf::from(member.name().map_err(wrong)?.replace('\\', "/"));
        let is_folder = member.is_dir();
        let Some(place) = held.enter(&entry, is_folder)? else { continue };
        if is_folder || !is_image(&place) {
            continue;
        }
        if member.is_symlink() {
            let mut target = String::new();
            let read = member.take(1 << 12).read_to_string(&mut target);
            read.map_err(|source| DatasetError::Io { path: place.clone(), source })?;
            let from = entry.parent().unwrap_or(Path::new("")).to_owned();
            held.link(&entry, place, &from, Path::new(&target))?;
            continue;
        }
        let (claimed, possible) = (member.size(), member.compressed_size().saturating_mul(DEFLATE_RATIO));
        if claimed > possible {
            return Err(DatasetError::Oversized { path: place, claimed, possible });
        }
        let limit = MOST_IMAGE_BYTES.min(held.left());
        if claimed > limit {
            return Err(DatasetError::TooLarge { path: place, found: claimed, limit });
        }
        // The vector grows with what arrives; the checksum is verified at the end.
        let mut bytes = Vec::new();
        let read = member.take(limit).read_to_end(&mut bytes);
        read.map_err(|source| DatasetError::Io { path: place.clone(), source })?;
        held.keep(&entry, place, bytes)?;
    }
    held.follow_links()?;
    Ok(held)
}

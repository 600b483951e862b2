//! Image files looked at before they become samples: which can be read, which size all are brought to, and how.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::DatasetError;
use super::content::Content;
use super::notes::Note;
use super::picture::{Look, Picture, Reading, picture};
use super::source::ImagePlan;
use super::store::Collected;
use super::tree::Tree;
use crate::shape::Shape;

/// Images that are decoded before more memory is taken.
const BLOCK: usize = 2048;

/// The longest of shorter sides that images keep, or get, if no size is asked for.
const USUAL_SIDE: usize = 64;

/// Bytes of decoded images that are kept from the look until they become samples; others are decoded a second time.
const KEPT_BYTES: u64 = 1 << 29;

/// Bytes of an image that is kept wherever there is room for all samples, since the sample that it becomes takes no less.
const SMALL_BYTES: usize = 3 * USUAL_SIDE * USUAL_SIDE;

/// Levels of 16 bits that take less than this share of the scale are stretched.
const STRETCHED_SHARE: f64 = 0.1;

/// An image file with its class.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) label: u16,
    /// Its place among all of the folder.
    pub(super) file: usize,
    pub(super) path: PathBuf,
    seen: Option<Seen>,
}

/// What was found in an image file.
#[derive(Clone, Debug)]
struct Seen {
    look: Look,
    /// The decoded image, if it was kept.
    picture: Option<Picture>,
}

impl Image {
    pub(super) fn new(label: u16, path: PathBuf) -> Self {
        Self { label, file: 0, path, seen: None }
    }
}

/// What each image file holds, by its place; `None` of one that was not read.
pub(super) type Contents = Vec<Option<Content>>;

/// Images of a folder or archive, looked at.
pub(super) struct Survey<'t, T> {
    tree: &'t T,
    room: Room,
    pub(super) contents: Contents,
    /// Files that were left out since they cannot be read: how many, and the first error.
    broken: Option<(usize, String)>,
}

impl<'t, T: Tree> Survey<'t, T> {
    /// Of a folder with so many image files, whose samples may take so many bytes of memory.
    pub(super) fn new(tree: &'t T, files: usize, memory: u64) -> Self {
        Self { tree, room: Room::of(memory), contents: vec![None; files], broken: None }
    }

    /// Looks at the images that were not looked at yet, on all threads. Of several that cannot be read the first is named,
    /// whichever thread met it.
    pub(super) fn look(&mut self, images: Vec<Image>) -> Result<Vec<Image>, DatasetError> {
        self.look_at(images, Err)
    }

    /// The images that can be read; others are left out and counted.
    pub(super) fn sound(&mut self, images: Vec<Image>) -> Result<Vec<Image>, DatasetError> {
        let (mut files, mut first) = self.broken.take().map_or((0, None), |(files, first)| (files, Some(first)));
        let sound = self.look_at(images, |error| {
            if !is_of_the_image(&error) {
                return Err(error);
            }
            files += 1;
            first.get_or_insert_with(|| told(&error));
            Ok(())
        });
        self.broken = first.map(|first| (files, first));
        sound
    }

    fn look_at(
        &mut self,
        images: Vec<Image>,
        mut refuse: impl FnMut(DatasetError) -> Result<(), DatasetError>,
    ) -> Result<Vec<Image>, DatasetError> {
        let mut looked = Vec::with_capacity(images.len());
        let mut images = images.into_iter();
        loop {
            let block: Vec<Image> = images.by_ref().take(BLOCK).collect();
            if block.is_empty() {
                return Ok(looked);
            }
            let (tree, room) = (self.tree, &self.room);
            let found: Vec<Result<(Image, Option<Content>), DatasetError>> = block
                .into_par_iter()
                .map(|image| {
                    if image.seen.is_some() {
                        return Ok((image, None));
                    }
                    let file = tree.bytes(&image.path)?;
                    let picture = picture(&image.path, &file)?;
                    let look = Look::at(&picture);
                    let picture = Some(picture).filter(|picture| room.takes(picture.size()));
                    Ok((Image { seen: Some(Seen { look, picture }), ..image }, Some(Content::of(&file))))
                })
                .collect();
            for found in found {
                match found {
                    Ok((image, content)) => {
                        if content.is_some() {
                            self.contents[image.file] = content;
                        }
                        looked.push(image);
                    }
                    Err(error) => refuse(error)?,
                }
            }
        }
    }

    /// The samples of images, one after another, in the frame, go where `samples` has them.
    pub(super) fn collect(
        &self,
        images: Vec<Image>,
        frame: &Frame,
        samples: &mut Collected<'_>,
    ) -> Result<(), DatasetError> {
        let columns = frame.shape.columns();
        let mut images = images.into_iter();
        let mut framed_block = Vec::new();
        loop {
            let block: Vec<Image> = images.by_ref().take(BLOCK).collect();
            let Some(first) = block.first().map(|image| image.path.clone()) else { return Ok(()) };
            framed_block.clear();
            framed_block.resize(block.len() * columns, 0);
            let framed: Vec<Result<(), DatasetError>> = framed_block
                .par_chunks_exact_mut(columns)
                .zip(block)
                .map(|(out, image)| {
                    let picture = match image.seen.and_then(|seen| seen.picture) {
                        Some(picture) => picture,
                        None => picture(&image.path, &self.tree.bytes(&image.path)?)?,
                    };
                    out.copy_from_slice(&frame.sample(&image.path, picture)?);
                    Ok(())
                })
                .collect();
            framed.into_iter().collect::<Result<(), _>>()?;
            samples.add(&first, &framed_block)?;
        }
    }

    /// What is to be said of images and of what they became.
    pub(super) fn notes(&self, images: &[&[Image]], frame: &Frame, plan: &ImagePlan) -> Vec<Note> {
        let looks = || images.iter().flat_map(|part| part.iter()).filter_map(|image| Some(&image.seen.as_ref()?.look));
        let mut notes = Vec::new();
        if let Some((files, first)) = &self.broken {
            notes.push(Note::Broken { files: *files, first: first.clone() });
        }
        let Some(reading) = &frame.reading else { return notes };
        let to = [frame.shape.height, frame.shape.width];
        let size = |look: &Look| [look.shape.height, look.shape.width];
        let others = looks().filter(|&look| size(look) != to).count();
        if others > 0 {
            let area = |size: &[usize; 2]| (size[0] * size[1], *size);
            let (least, most) = (looks().map(size).min_by_key(area), looks().map(size).max_by_key(area));
            let from = [least.unwrap_or(to), most.unwrap_or(to)];
            let asked = matches!(plan, ImagePlan::Recorded { .. } | ImagePlan::Found { size: Some(_), .. });
            notes.push(Note::Resized { images: others, from, to, fit: reading.fit, asked });
        }
        let gray = looks().filter(|look| look.shape.channels == 1).count();
        let colored = looks().count() - gray;
        if gray > 0 && colored > 0 {
            notes.push(Note::Mixed { gray, colored, channels: frame.shape.channels });
        }
        let veils = || looks().filter_map(|look| look.veil.as_ref());
        if veils().next().is_some() {
            let alone = veils().filter(|veil| veil.is_alone).count();
            notes.push(Note::Transparent { images: veils().count(), alone, background: reading.background });
        }
        if let Some(range) = reading.range {
            notes.push(Note::Stretched { range });
        }
        notes
    }
}

/// Bytes of decoded images that may still be kept. What is kept changes no sample.
struct Room {
    /// Of those that are as small as samples.
    small: AtomicU64,
    /// Of larger ones.
    large: AtomicU64,
}

impl Room {
    fn of(memory: u64) -> Self {
        Self { small: AtomicU64::new(memory), large: AtomicU64::new(memory.min(KEPT_BYTES)) }
    }

    /// Whether a picture of so many bytes is kept, which then takes them.
    fn takes(&self, bytes: usize) -> bool {
        let room = if bytes <= SMALL_BYTES { &self.small } else { &self.large };
        room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes as u64)).is_ok()
    }
}

/// Whether an error is of what a file holds, and not of the disk.
fn is_of_the_image(error: &DatasetError) -> bool {
    matches!(
        error,
        DatasetError::Image { .. }
            | DatasetError::ImageEnd { .. }
            | DatasetError::Empty { .. }
            | DatasetError::Oversized { .. }
            | DatasetError::TooLarge { .. }
    )
}

/// An error with its causes.
fn told(error: &DatasetError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(reason) = cause {
        text.push_str(&format!(": {reason}"));
        cause = reason.source();
    }
    text
}

/// What every image is brought to.
#[derive(Debug, PartialEq)]
pub(super) struct Frame {
    /// Sizes of a sample.
    pub(super) shape: Shape,
    /// How an image is brought to them; `None` if each must have them, as in runs of earlier versions.
    pub(super) reading: Option<Reading>,
}

impl Frame {
    /// As the plan says, or as images of the training part, which were looked at, suggest.
    pub(super) fn of(plan: &ImagePlan, train: &[Image]) -> Self {
        let (size, fit) = match plan {
            ImagePlan::Recorded { shape, reading } => return Self { shape: *shape, reading: reading.clone() },
            ImagePlan::Found { size, fit } => (*size, *fit),
        };
        let looks = || train.iter().filter_map(|image| Some(&image.seen.as_ref()?.look));
        let channels = looks().map(|look| look.shape.channels).max().unwrap_or(1);
        let (height, width) = size.map_or_else(|| usual_size(looks().map(|look| look.shape)), |side| (side, side));
        let reading = Reading { fit, background: background(looks()), range: stretched_range(looks()) };
        Self { shape: Shape { channels, height, width }, reading: Some(reading) }
    }

    /// A picture as a sample.
    fn sample(&self, path: &Path, picture: Picture) -> Result<Vec<u8>, DatasetError> {
        let (found, expected) = (picture.shape(), self.shape);
        match &self.reading {
            Some(reading) => Ok(reading.apply(picture, expected)),
            None if found == expected => Ok(picture.into_bytes()),
            None => Err(DatasetError::ImageShape { path: path.to_owned(), found, expected }),
        }
    }
}

/// The size that images have, if it is one and not too large; else a square of the median of their shorter sides.
fn usual_size(shapes: impl Iterator<Item = Shape>) -> (usize, usize) {
    let sizes: Vec<(usize, usize)> = shapes.map(|shape| (shape.height, shape.width)).collect();
    let mut sides: Vec<usize> = sizes.iter().map(|&(height, width)| height.min(width)).collect();
    sides.sort_unstable();
    let median = sides.get(sides.len().saturating_sub(1) / 2).copied().unwrap_or(1);
    match sizes.first() {
        Some(&first) if median <= USUAL_SIDE && sizes.iter().all(|&size| size == first) => first,
        _ => (median.min(USUAL_SIDE), median.min(USUAL_SIDE)),
    }
}

/// White, or black where what shows of transparent images is bright.
fn background<'l>(looks: impl Iterator<Item = &'l Look>) -> u8 {
    let shown: Vec<f64> = looks.filter_map(|look| look.veil.as_ref()?.brightness).collect();
    if shown.iter().sum::<f64>() > 127.5 * shown.len() as f64 { 0 } else { 255 }
}

/// The range of the levels, if there are images of 16 bits and it is a small part of the scale.
fn stretched_range<'l>(looks: impl Iterator<Item = &'l Look> + Clone) -> Option<[u16; 2]> {
    if !looks.clone().any(|look| look.is_deep) {
        return None;
    }
    let join = |[low, high]: [u16; 2], [least, most]: [u16; 2]| [low.min(least), high.max(most)];
    let range = looks.filter_map(|look| look.range).reduce(join)?;
    let width = range[1] - range[0];
    (width > 0 && f64::from(width) < STRETCHED_SHARE * f64::from(u16::MAX)).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::super::picture::ImageFit;
    use super::*;

    fn seen(height: usize, width: usize, channels: usize) -> Image {
        let shape = Shape { channels, height, width };
        let look = Look { shape, is_deep: false, range: Some([0, 65_535]), veil: None };
        Image { seen: Some(Seen { look, picture: None }), ..Image::new(0, PathBuf::from("i.png")) }
    }

    fn deep(range: [u16; 2]) -> Image {
        let mut image = seen(8, 8, 1);
        if let Some(seen) = &mut image.seen {
            seen.look.is_deep = true;
            seen.look.range = Some(range);
        }
        image
    }

    fn frame(size: Option<usize>, images: &[Image]) -> Frame {
        Frame::of(&ImagePlan::Found { size, fit: ImageFit::Crop }, images)
    }

    #[test]
    fn one_size_stays_and_several_become_the_median_side() {
        let size = |size: Option<usize>, sizes: &[[usize; 2]]| {
            let images: Vec<Image> = sizes.iter().map(|&[height, width]| seen(height, width, 1)).collect();
            let Shape { height, width, .. } = frame(size, &images).shape;
            [height, width]
        };
        assert_eq!(size(None, &[[28, 28], [28, 28]]), [28, 28]);
        assert_eq!(size(None, &[[20, 64], [20, 64]]), [20, 64]);
        assert_eq!(size(None, &[[65, 80], [65, 80]]), [64, 64]);
        // Shorter sides 10, 12, 40: the middle one; of four, the lower of the two in the middle.
        assert_eq!(size(None, &[[40, 50], [12, 90], [30, 10]]), [12, 12]);
        assert_eq!(size(None, &[[40, 50], [12, 90], [30, 10], [30, 31]]), [12, 12]);
        assert_eq!(size(None, &[[400, 500], [300, 200]]), [64, 64]);
        assert_eq!(size(Some(96), &[[28, 28], [28, 28]]), [96, 96]);
    }

    #[test]
    fn one_colored_image_makes_all_colored() {
        assert_eq!(frame(None, &[seen(8, 8, 1), seen(8, 8, 3)]).shape.channels, 3);
        assert_eq!(frame(None, &[seen(8, 8, 1), seen(8, 8, 1)]).shape.channels, 1);
    }

    #[test]
    fn levels_of_sixteen_bits_in_a_tenth_of_the_scale_are_stretched() {
        let range = |images: &[Image]| frame(None, images).reading.unwrap().range;
        assert_eq!(range(&[deep([240, 300]), deep([250, 360])]), Some([240, 360]));
        // A tenth of 65,535 is 6,553.5.
        assert_eq!(range(&[deep([0, 6553])]), Some([0, 6553]));
        assert_eq!(range(&[deep([0, 6554])]), None);
        // An image of 8 bits among them that takes the whole scale, and one level alone.
        assert_eq!(range(&[deep([240, 300]), seen(8, 8, 1)]), None);
        assert_eq!(range(&[deep([240, 240])]), None);
        assert_eq!(range(&[seen(8, 8, 1)]), None);
    }

    #[test]
    fn the_background_stands_out_against_what_shows() {
        let veiled = |brightness: &[f64]| {
            let images = brightness.iter().map(|&brightness| {
                let mut image = seen(8, 8, 3);
                let veil = super::super::picture::Veil { is_alone: false, brightness: Some(brightness) };
                image.seen.as_mut().unwrap().look.veil = Some(veil);
                image
            });
            frame(None, &images.collect::<Vec<_>>()).reading.unwrap().background
        };
        assert_eq!((veiled(&[0.0]), veiled(&[255.0]), veiled(&[])), (255, 0, 255));
        assert_eq!((veiled(&[10.0, 200.0]), veiled(&[100.0, 200.0])), (255, 0));
    }

    #[test]
    fn pictures_take_room_by_their_size() {
        let room = Room::of(20_000);
        assert!(room.takes(SMALL_BYTES) && room.takes(15_000) && !room.takes(15_000));
        // What is as small as samples has a room of its own, which holds 20,000 bytes as well.
        assert!(!room.takes(SMALL_BYTES) && room.takes(20_000 - SMALL_BYTES));
        assert_eq!(room.large.load(Ordering::Relaxed), 5_000);
        assert_eq!(Room::of(u64::MAX).large.load(Ordering::Relaxed), KEPT_BYTES);
    }
}

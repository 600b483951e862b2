//! Images in arrays for which memory is short: read where they lie, if an archive holds them as they are to be read, else packed.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Samples;
use super::arrays::{Features, Pair, Rows, check_light, chosen, notes, paired};
use super::content::{Content, GrowingContent};
use super::error::DatasetError;
use super::gzip::DEFLATE_RATIO;
use super::layout::Layout;
use super::notes::Note;
use super::npz::{Archive, Member};
use super::parted::{GrowingSums, PartedFile};
use super::roles::ArrayNames;
use super::store::Store;
use super::stored::{Chosen, Element, StoredRows};

/// Bytes of a file that are looked at together.
const AT_ONCE: usize = 1 << 20;

/// Parts of an archive whose images do not go to memory.
pub(super) struct Parts {
    pub(super) train: Pair,
    pub(super) test: Option<Pair>,
    pub(super) content: Content,
    pub(super) notes: Vec<Note>,
}

/// An array of images.
struct Images {
    name: String,
    member: Member,
    layout: Layout,
}

/// The parts of an archive, if its samples are arrays of bytes that `store` wants out of memory; `None` if it is to be read as a
/// whole, and whoever does that tells what is wrong with it.
///
/// # Errors
/// Whatever is wrong with the file.
pub(super) fn read(
    path: &Path,
    names: Option<&ArrayNames>,
    store: &mut Store<'_>,
) -> Result<Option<Parts>, DatasetError> {
    let io = |source| DatasetError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    if !store.wants(file.metadata().map_err(io)?.len().saturating_mul(DEFLATE_RATIO)) {
        return Ok(None);
    }
    let mut archive = Archive::open(path, BufReader::new(file))?;
    let found = archive.names();
    let Some(names) = chosen(path, &found, names)? else { return Ok(None) };
    let mut arrays = Vec::new();
    for name in [&names.x].into_iter().chain(names.test.iter().map(|(x, _)| x)) {
        let Ok(Some(member)) = archive.byte_rows(name) else { return Ok(None) };
        let Some(layout) = Layout::of(&member.rows.shape) else { return Ok(None) };
        arrays.push(Images { name: name.clone(), member, layout });
    }
    let (shape, bytes) = (arrays[0].layout.shape, arrays.iter().map(|images| images.member.rows.bytes).sum());
    if arrays.iter().any(|images| images.layout.shape != shape) || !store.wants(bytes) {
        return Ok(None);
    }
    let mut notes = notes(&found, &names);
    let lie = |images: &Images| images.member.start.is_some() && images.layout.is_planar();
    let (samples, content) = if arrays.iter().all(lie) {
        notes.push(Note::Lying { file: path.to_owned(), bytes, free: store.free() });
        lying(path, &archive.member(&names.x), &arrays)?
    } else {
        store.decide(bytes, Element::Byte, shape.columns())?;
        let mut samples = Vec::new();
        for (index, Images { name, member, layout }) in arrays.iter().enumerate() {
            let (place, mut largest) = (archive.member(name), 0);
            let mut pixels = store.part(shape.columns());
            archive.stream(name, member, shape.columns(), |bytes| {
                largest = bytes.iter().copied().fold(largest, u8::max);
                pixels.add(path, &layout.planar(bytes))
            })?;
            if index == 0 {
                check_light(&place, largest)?;
            }
            samples.push(pixels.samples());
        }
        let content = Content::of_reader(File::open(path).map_err(io)?).map_err(io)?;
        (samples, content)
    };
    let labels = [&names.y].into_iter().chain(names.test.iter().map(|(_, y)| y));
    let mut pairs = Vec::new();
    for ((images, samples), y) in arrays.iter().zip(samples).zip(labels) {
        let rows = Rows { rows: images.member.rows.shape[0], shape, features: Features::Pixels(samples) };
        pairs.push(paired((archive.member(&images.name), rows), (archive.member(y), archive.array(y)?))?);
    }
    let mut pairs = pairs.into_iter();
    let (Some(train), test) = (pairs.next(), pairs.next()) else { return Ok(None) };
    Ok(Some(Parts { train, test, content, notes }))
}

/// Rows where they lie. The file is read once, for its content and for the checksums by which parts are compared later.
fn lying(path: &Path, first: &Path, arrays: &[Images]) -> Result<(Vec<Samples>, Content), DatasetError> {
    let io = |source| DatasetError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io)?;
    let mut passed: Vec<Passing> = arrays.iter().map(Passing::of).collect();
    let (mut content, mut place, mut bytes) = (GrowingContent::default(), 0u64, vec![0; AT_ONCE]);
    loop {
        let count = match file.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(io(error)),
        };
        content.add(&bytes[..count]);
        passed.iter_mut().for_each(|passing| passing.add(place, &bytes[..count]));
        place += count as u64;
    }
    if let Some(passing) = passed.first() {
        check_light(first, passing.largest)?;
    }
    let mut samples = Vec::new();
    for (passing, Images { name, member, layout }) in passed.into_iter().zip(arrays) {
        if passing.whole.finalize() != member.sum {
            let source = std::io::Error::new(std::io::ErrorKind::InvalidData, "Invalid checksum");
            return Err(DatasetError::Io { path: path.join(format!("{name}.npy")), source });
        }
        let (rows, columns) = (member.rows.shape[0], layout.shape.columns());
        let limit = u64::from(u32::MAX).saturating_mul(columns as u64);
        let large = |_| DatasetError::TooLarge { path: PathBuf::from(path), found: member.rows.bytes, limit };
        let count = u32::try_from(rows).map_err(large)?;
        let span = (passing.start, member.rows.bytes);
        let file = PartedFile::given(path, file.try_clone().map_err(io)?, span, passing.sums.sums());
        let chosen = Chosen::Run { first: 0, count };
        samples.push(Samples::Stored(StoredRows::new(&Arc::new(file), Element::Byte, columns, chosen)));
    }
    Ok((samples, content.content()))
}

/// What is found out of an array while its file is read.
struct Passing {
    /// Where its file begins within the archive, its samples begin, and both end.
    member: u64,
    start: u64,
    end: u64,
    sums: GrowingSums,
    /// Of its file.
    whole: crc32fast::Hasher,
    largest: u8,
}

impl Passing {
    fn of(Images { member, .. }: &Images) -> Self {
        let begin = member.start.unwrap_or_default();
        let (start, end) = (begin + member.rows.header, begin + member.length);
        let (sums, whole) = (GrowingSums::default(), crc32fast::Hasher::new());
        Self { member: begin, start, end, sums, whole, largest: 0 }
    }

    /// Takes bytes of the archive from `place` on.
    fn add(&mut self, place: u64, bytes: &[u8]) {
        let within = |from: u64| {
            let cut = |at: u64| (at.saturating_sub(place)).min(bytes.len() as u64) as usize;
            &bytes[cut(from)..cut(self.end).max(cut(from))]
        };
        let (of_file, of_samples) = (within(self.member), within(self.start));
        self.whole.update(of_file);
        self.sums.add(of_samples);
        self.largest = of_samples.iter().copied().fold(self.largest, u8::max);
    }
}

//! Every reader on inputs that fuzzing found, and on files that claim or become far more than they hold.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(unsafe_code, reason = "what is allocated is counted")]

#[path = "inputs/memory.rs"]
mod memory;
#[path = "inputs/repair.rs"]
mod repair;

use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;
use hsic_data::dataset::READERS;
use lzma_rust2::{XzOptions, XzWriter};
use memory::{Counting, Taken, beyond, taken};
use tar::{EntryType, Header};

#[global_allocator]
static COUNTED: Counting = Counting;

/// What a reader says of an input: nothing, or the error. Panics where it takes more memory than the bound.
fn read(name: &str, bytes: &[u8]) -> Result<Taken, String> {
    // Threads are counted together.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let reader = READERS.iter().find(|reader| reader.name == name).unwrap();
    let mut said = Ok(());
    let taken = taken(|| said = (reader.read)(bytes).map_err(|error| error.to_string()));
    assert_eq!(beyond(name, bytes.len(), taken), None);
    said.map(|()| taken)
}

#[test]
fn inputs_that_fuzzing_found_are_read_or_refused() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut inputs = 0;
    for reader in READERS {
        let folder = corpus.join(reader.name);
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            // Either is right; it is to come back.
            drop(read(reader.name, &repair::repaired(reader.name, &std::fs::read(&path).unwrap())));
            inputs += 1;
        }
    }
    assert!(inputs > 300, "{inputs} inputs");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(0)).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn header(name: &str, kind: EntryType, size: u64) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// A stream of zeros behind a start, compressed: members of gzip and streams of xz may follow one another.
fn zeros(compressed: fn(&[u8]) -> Vec<u8>, start: &[u8], megabytes: usize) -> Vec<u8> {
    const AT_ONCE: usize = 4;
    let piece = compressed(&vec![0; AT_ONCE << 20]);
    [compressed(start), piece.repeat(megabytes / AT_ONCE)].concat()
}

#[test]
fn an_archive_holds_no_more_than_its_bytes_can_stand_for() {
    // Two images of 48 MiB in an archive of less than one.
    let mut images = [Vec::new(), Vec::new()];
    for name in ["a/1.bmp", "b/1.bmp"] {
        let header = header(name, EntryType::Regular, 48 << 20);
        images[0].extend(zeros(gzip, &header, 48));
        images[1].extend(zeros(xz, &header, 48));
    }
    for (name, bytes) in ["tar-gz", "tar-xz"].into_iter().zip(&images) {
        assert!(bytes.len() < 1 << 20, "{}", bytes.len());
        let error = read(name, bytes).unwrap_err();
        assert!(error.contains("f.archive") && error.contains("50331648 bytes, expected at most"), "{error}");
    }
}

#[test]
fn a_name_of_many_bytes_is_refused_before_it_is_there() {
    for (kind, name) in [(EntryType::GNULongName, "GNU"), (EntryType::XHeader, "PAX")] {
        let first = [header("a/1.png", EntryType::Regular, 0), header("@", kind, 512 << 20)].concat();
        let error = read("tar-gz", &zeros(gzip, &first, 512)).unwrap_err();
        let told = "f.archive: a/1.png: behind it a name or notes of more than a megabyte, expected plain files below the folder";
        assert_eq!(error, told, "{name}");
    }
}

#[test]
fn a_path_of_many_parts_is_refused() {
    // Every folder of a path has a path of its own: these would take gigabytes, and a stack of so many calls.
    let long = format!("{}1.png", "a/".repeat(30_000));
    let mut bytes = header("@", EntryType::GNULongName, long.len() as u64);
    bytes.extend(long.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes.extend(header("x", EntryType::Regular, 0));
    bytes.extend([0; 1024]);
    assert!(read("tar", &bytes).unwrap_err().contains("a path of more than 100 parts"));

    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file(long, zip::write::SimpleFileOptions::default()).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    assert!(read("zip", &bytes).unwrap_err().contains("a path of more than 100 parts"));
}

/// Ten million entries of a tar archive, each an empty file of another name: five gigabytes, of which four are read.
#[test]
#[ignore = "takes half a minute"]
fn ten_million_empty_entries_are_refused() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for index in 0..10_000_000 {
        encoder.write_all(&header(&format!("a/{index}"), EntryType::Regular, 0)).unwrap();
    }
    let bytes = encoder.finish().unwrap();
    assert!(read("tar-gz", &bytes).unwrap_err().contains("bytes, expected at most"));
}

#[test]
fn many_entries_without_an_image_are_held_as_names_alone() {
    let entries: Vec<u8> =
        (0..50_000).flat_map(|index| header(&format!("{index:0>90}"), EntryType::Regular, 0)).collect();
    let bytes = gzip(&entries);
    // Names alone: 9 MB of them, and 25 MB of headers.
    assert!(read("tar-gz", &bytes).is_err());
}

#[test]
fn members_of_a_zip_that_are_one_and_the_same_are_held_once_each_and_no_more() {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    writer.start_file("a/1.bmp", options).unwrap();
    writer.write_all(&vec![0; 32 << 20]).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    // The directory has one entry, and a hundred of other names are put beside it.
    let at = bytes.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    let end = bytes.windows(4).rposition(|window| window == b"PK\x05\x06").unwrap();
    let entry = &bytes[at..end];
    let (mut all, count) = (bytes[..at].to_vec(), 100u16);
    for index in 0..count {
        let mut own = entry.to_vec();
        let name = own.windows(7).position(|window| window == b"a/1.bmp").unwrap();
        own[name..name + 3].copy_from_slice(format!("{index:03}").as_bytes());
        all.extend(own);
    }
    let directory = all.len() - at;
    let mut tail = bytes[end..].to_vec();
    tail[8..10].copy_from_slice(&count.to_le_bytes());
    tail[10..12].copy_from_slice(&count.to_le_bytes());
    tail[12..16].copy_from_slice(&(directory as u32).to_le_bytes());
    all.extend(tail);
    let error = read("zip", &all).unwrap_err();
    assert!(error.contains("33554432 bytes, expected at most") || error.contains("f.archive"), "{error}");
}

/// A PNG of one shade of bits, whose header claims these sizes.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 8, 1);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    encoder.write_header().unwrap().write_image_data(&[0]).unwrap();
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc32fast::hash(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    bytes
}

#[test]
fn an_image_becomes_no_more_than_its_bytes_can_stand_for() {
    let told = |name: &str, bytes: &[u8]| read(name, bytes).unwrap_err();
    // 2^31 pixels.
    let claim = png(1 << 16, 1 << 15);
    let limit = (64 << 20) + 40 * claim.len();
    assert_eq!(
        told("png", &claim),
        format!("f.image: 2147483648 bytes, expected at most {limit}: make it smaller, or compress it less")
    );
    // What the pixels of a byte allow, and its bytes do not: 10,000 x 10,000 of one bit.
    let error = told("png", &[png(10_000, 10_000), vec![0; 20_000]].concat());
    assert!(error.starts_with("f.image: 100000000 bytes, expected at most"), "{error}");
    // A WebP of one color takes some bytes, whatever its sizes: 14 bits of each side less 1, behind the signature.
    let mut webp = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f".to_vec();
    webp.extend((8_999u32 | 8_999 << 14).to_le_bytes());
    webp.extend([7, 0x10, 0xfd, 0x8f, 0xfe, 7, 34, 162, 255, 1]);
    let error = told("webp", &webp);
    assert!(error.starts_with("f.image: 324000000 bytes, expected at most"), "{error}");
}

#[test]
fn a_tile_of_a_tiff_takes_no_more_than_an_image() {
    // A pixel in a tile of 20,000 x 20,000, which a file of 200,000 bytes may hold.
    let length = 200_000u32;
    let entries: [[u32; 4]; 10] = [
        [256, 3, 1, 1],
        [257, 3, 1, 1],
        [258, 3, 1, 8],
        [259, 3, 1, 8],
        [262, 3, 1, 1],
        [277, 3, 1, 1],
        [322, 4, 1, 20_000],
        [323, 4, 1, 20_000],
        [324, 4, 1, 0],
        [325, 4, 1, length],
    ];
    let mut bytes = b"II*\0\x08\0\0\0\x0a\0".to_vec();
    for [tag, kind, count, value] in entries {
        bytes.extend([tag as u16, kind as u16].map(u16::to_le_bytes).concat());
        bytes.extend([count, value].map(u32::to_le_bytes).concat());
    }
    bytes.resize(length as usize, 0);
    let error = read("tiff", &bytes).unwrap_err();
    assert_eq!(error, "f.image: 400000000 bytes, expected at most 75108864: make it smaller, or compress it less");
}

#[test]
fn frames_of_a_webp_are_no_larger_than_the_picture() {
    // A picture of 7 x 158 with a frame whose own header says 16135 x 16383.
    let file =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/webp/found-frame-beyond-picture"));
    let error = read("webp", &file.unwrap()).unwrap_err();
    assert_eq!(error, "f.image: not readable, expected a PNG, JPEG, BMP, GIF, TIFF or WebP image");
}

#[test]
fn tables_take_memory_by_their_bytes() {
    // Many rows of one column, words that are all different, one long word.
    let words: String = (0..1 << 16).map(|row| format!("w{row:x},{}\n", row % 2)).collect();
    for text in ["1\n".repeat(1 << 18), words, format!("a,b\n{},1\nb,0\n", "x".repeat(1 << 20))] {
        // What becomes of them does not matter here.
        drop(read("csv", text.as_bytes()));
    }
    // Each column takes half a kilobyte.
    let error = read("csv", ",".repeat(1 << 20).as_bytes()).unwrap_err();
    assert_eq!(error, "f.csv: 1048577 columns, expected at most 1048576");
}

#[test]
fn an_array_that_claims_more_than_the_file_has_is_refused() {
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({}, 1), }}\n", 1u64 << 62);
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    let error = read("npy", &bytes).unwrap_err();
    assert!(error.starts_with("f.npy: ") && error.contains("18446744073709551615"), "{error}");
}

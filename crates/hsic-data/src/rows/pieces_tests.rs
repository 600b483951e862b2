//! Rows that come by pieces: the same as those that come at once, and what is wrong with them is told as it is.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::dataset::{LoadOptions, load};

/// A record of columns with numbers, words and gaps.
fn record(folder: &Path) -> Provenance {
    let path = folder.join("train.csv");
    let row = |row: usize| {
        let port = ["north", "south, far", "west"][row % 3];
        let age = if row.is_multiple_of(7) { String::new() } else { format!("{}.5", row % 11) };
        format!("{age},\"{port}\",{},{}\n", ["yes", "no"][row % 2], ["a", "b"][row / 2 % 2])
    };
    std::fs::write(&path, format!("age,port,paid,kind\n{}", (0..60).map(row).collect::<String>())).unwrap();
    Provenance::of(&load(path.to_str().unwrap(), &LoadOptions::default()).unwrap())
}

/// Rows, and what is to be said of them; or what is wrong.
type Read = Result<(Vec<u32>, Vec<Note>), String>;

/// The rows of a file, so many at a time.
fn by(path: &Path, record: &Provenance, most: usize) -> Read {
    let told = |error: RowsError| error.to_string();
    let mut pieces = Pieces::open(path, record, TextRules::default(), most).map_err(told)?;
    let mut rows: Vec<u32> = Vec::new();
    for piece in pieces.by_ref() {
        let piece = piece.map_err(told)?;
        assert!(piece.len() <= most.saturating_mul(record.columns()) && !piece.is_empty(), "{} values", piece.len());
        rows.extend(piece.iter().map(|value| value.to_bits()));
    }
    assert!(pieces.next().is_none());
    Ok((rows, pieces.notes()))
}

/// All sizes of pieces give what one gives; that is given back.
fn same(path: &Path, record: &Provenance) -> Read {
    let whole = by(path, record, usize::MAX);
    for most in [1, 7, 30, 31] {
        assert_eq!(by(path, record, most), whole, "{most} rows at a time of {}", path.display());
    }
    whole
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Other columns in another order, words and gaps that the training did not have, empty lines, ends of lines in a cell.
fn text(rows: usize, separator: &str) -> String {
    let row = |row: usize| {
        let port = ["\"south, far\"", "north", "\"a\nb\"", "", "west"][row % 5];
        let age = if row == 20 { "1e3".to_owned() } else { format!("{}", row % 9) };
        let empty = if row % 6 == 5 { "\r\n\n" } else { "" };
        let paid = ["no", "yes", "maybe"][row % 3];
        format!("{paid}{separator}{row}{separator}{age}{separator}{port}\r\n{empty}")
    };
    let names = ["paid", "id", "age", "port"].join(separator);
    format!("{names}\n{}", (0..rows).map(row).collect::<String>())
}

#[test]
fn texts_are_the_same_by_pieces_of_any_size() {
    let folder = tempfile::tempdir().unwrap();
    let record = record(folder.path());
    let path = folder.path().join("new.csv");
    let write = |bytes: &[u8]| std::fs::write(&path, bytes).unwrap();
    write(text(31, ",").as_bytes());
    let (rows, notes) = same(&path, &record).unwrap();
    assert_eq!((rows.len(), notes.len()), (31 * record.columns(), 3), "{notes:?}");
    // Of 31 rows, each third says maybe and each fifth is of a port that nobody knows.
    let unknown = vec![("port".to_owned(), 6, "a\nb".to_owned()), ("paid".to_owned(), 10, "maybe".to_owned())];
    assert!(notes.contains(&Note::UnknownWords { columns: unknown }), "{notes:?}");
    // What is compressed, in another encoding, or has a mark.
    let expected = Ok((rows, notes));
    write(&gzip(text(31, ",").as_bytes()));
    assert_eq!(same(&path, &record), expected);
    write(format!("\u{feff}{}", text(31, ",")).as_bytes());
    assert_eq!(same(&path, &record), expected);
    let wide: Vec<u8> = format!("\u{feff}{}", text(31, ",")).encode_utf16().flat_map(u16::to_le_bytes).collect();
    write(&wide);
    assert_eq!(same(&path, &record), expected);
    write(format!("sep=;\n{}", text(31, ";")).as_bytes());
    assert_eq!(same(&path, &record), expected);
    // Only the last row says that a comma is a decimal mark: it is one in every piece.
    write(text(30, ";").replace("1e3", "1000").as_bytes());
    let plain = same(&path, &record).unwrap().0;
    write(format!("{}no;30;0,25;north\n", text(30, ";").replace("1e3", "1000,0")).as_bytes());
    assert_eq!(same(&path, &record).unwrap().0[..plain.len()], plain);
}

#[test]
fn arrays_are_the_same_by_pieces_of_any_size() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("train.csv");
    let row = |row: usize| format!("{},{},{}\n", row % 5, row % 3, ["a", "b"][row % 2]);
    std::fs::write(&table, (0..60).map(row).collect::<String>()).unwrap();
    let encoded = Provenance::of(&load(table.to_str().unwrap(), &LoadOptions::default()).unwrap());
    let plain = Provenance { encoding: None, ..encoded.clone() };
    let values: Vec<f64> = (0..62).map(|value| f64::from(value) * 0.37 - 5.0).collect();
    let path = folder.path().join("x.npy");
    let write = |descr: &str, fortran: &str, shape: &str, data: Vec<u8>| {
        let header = format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let head = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
        std::fs::write(&path, [head, data].concat()).unwrap();
    };
    let doubles = |values: &mut dyn Iterator<Item = f64>| values.flat_map(f64::to_le_bytes).collect::<Vec<u8>>();
    let turned = || (0..2).flat_map(|column| (0..31).map(move |row| 2 * row + column));
    for record in [&encoded, &plain] {
        write("'<f8'", "False", "(31, 2)", doubles(&mut values.iter().copied()));
        let expected = same(&path, record).unwrap().0;
        assert_eq!(expected.len(), 62);
        write("'<f8'", "True", "(31, 2)", doubles(&mut turned().map(|index| values[index])));
        assert_eq!(same(&path, record).unwrap().0, expected);
        write("[('u', '<f8'), ('v', '<f8')]", "False", "(31,)", doubles(&mut values.iter().copied()));
        assert_eq!(same(&path, record).unwrap().0, expected);
        // Strings are numbers where all of them are.
        let letters = values.iter().flat_map(|value| format!("{value:<24}").into_bytes());
        write("'|S24'", "False", "(31, 2)", letters.collect());
        match same(&path, record) {
            Ok((rows, _)) => assert_eq!(rows, expected),
            // Where columns have no encoding, arrays hold numbers.
            Err(told) => assert!(record.encoding.is_none() && told.contains("expected numbers"), "{told}"),
        }
        // A fault is in its row of the file.
        let spoilt = values.iter().enumerate().map(|(index, &value)| if index == 51 { f64::INFINITY } else { value });
        write("'<f8'", "False", "(31, 2)", doubles(&mut { spoilt }));
        let told = same(&path, record).unwrap_err();
        assert!(told.ends_with("x.npy: row 25, column 1 (from 0): inf, expected a finite number"), "{told}");
        let large = (0..62).flat_map(|index| if index == 51 { (1u64 << 53) + 1 } else { index }.to_le_bytes());
        write("'<u8'", "False", "(31, 2)", large.collect());
        assert!(same(&path, record).unwrap_err().contains("index 51"), "{:?}", same(&path, record));
        write("'<f8'", "False", "(31, 2)", vec![0; 8 * 61]);
        assert!(same(&path, record).unwrap_err().ends_with("x.npy: 488 bytes of data, expected 496"));
    }
    // Images of two colors, channels last, are turned in every piece.
    let images = Provenance { shape: Shape { channels: 2, height: 3, width: 3 }, pixels: true, ..plain };
    write("'|u1'", "False", "(31, 3, 3, 2)", (0..558).map(|pixel| (pixel % 256) as u8).collect());
    let rows = same(&path, &images).unwrap().0;
    let first: Vec<f32> = rows[..18].iter().map(|&bits| f32::from_bits(bits)).collect();
    let planar = [0, 2, 4, 6, 8, 10, 12, 14, 16, 1, 3, 5, 7, 9, 11, 13, 15, 17];
    assert_eq!(first, planar.map(|pixel| pixel as f32 / 255.0));
    write("'<f4'", "False", "(31, 18)", (0..558).flat_map(|i| (i as f32 / 540.0).to_le_bytes()).collect());
    let told = same(&path, &images).unwrap_err();
    assert!(told.contains("x.npy: row 30, column 1 (from 0): 1.0018"), "{told}");
}

#[test]
fn a_late_fault_is_told_by_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let record = record(folder.path());
    let path = folder.path().join("new.csv");
    let lines = |last: &str| {
        let rows: String = (0..40).map(|row| format!("{row},north,no\n")).collect();
        std::fs::write(&path, format!("age,port,paid\n\n{rows}{last}\n3,west,yes\n")).unwrap();
        same(&path, &record).unwrap_err().replace(folder.path().to_str().unwrap(), "")
    };
    assert_eq!(lines("old,north,no"), "/new.csv: line 43, column 1: \"old\", expected a number");
    assert_eq!(lines("1,north"), "/new.csv: line 43 has 2 columns, expected 3 as in the first line");
    assert_eq!(lines("inf,north,no"), "/new.csv: row 40, column 0 (from 0): inf, expected a finite number");
}

#[test]
fn a_text_that_is_changed_or_cut_meanwhile_is_told_before_its_last_piece() {
    let folder = tempfile::tempdir().unwrap();
    let record = record(folder.path());
    let path = folder.path().join("new.csv");
    // More than is read at once, so that some of it is read after the change.
    let row = |row: usize| format!("{},north,no\n", 100_000 + row);
    let text = format!("age,port,paid\n{}", (0..30_000).map(row).collect::<String>());
    let changed = text.replace("129999", "12999x");
    let longer = format!("{text}1,north,no\n");
    let narrow = text.replace("129999,north", "129999 north");
    let damaged: Vec<u8> =
        text.bytes().enumerate().map(|(i, byte)| if i + 9 == text.len() { 0xff } else { byte }).collect();
    for other in
        [changed.as_bytes(), &text.as_bytes()[..text.len() / 2], longer.as_bytes(), narrow.as_bytes(), &damaged]
    {
        for most in [1000, usize::MAX] {
            std::fs::write(&path, &text).unwrap();
            let mut pieces = Pieces::open(&path, &record, TextRules::default(), most).unwrap();
            std::fs::write(&path, other).unwrap();
            let rows: Vec<_> = pieces.by_ref().collect();
            let (last, before) = rows.split_last().unwrap();
            assert!(before.iter().all(Result::is_ok) && pieces.next().is_none());
            let told = last.as_ref().unwrap_err().to_string();
            assert!(
                told.ends_with("new.csv: was changed while it was read, expected it to stay as it is for so long"),
                "{told}"
            );
        }
    }
    // An array that is cut.
    let path = folder.path().join("x.npy");
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (4000, 3), }\n";
    let head = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
    std::fs::write(&path, [head, vec![0; 96_000]].concat()).unwrap();
    let mut pieces = Pieces::open(&path, &record, TextRules::default(), 1000).unwrap();
    pieces.next().unwrap().unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(60_000).unwrap();
    let rows: Vec<_> = pieces.collect();
    assert!(rows.len() == 2 && rows[1].as_ref().unwrap_err().to_string().contains("was changed while it was read"));
}

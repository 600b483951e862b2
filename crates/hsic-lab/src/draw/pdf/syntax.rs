//! How a PDF file is written (ISO 32000-1, clause 7): numbers, packed streams, objects and the table that says where they are.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::super::error::DrawError;

/// A number as PDF has it: without a power of ten, to four decimals.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Numbers with spaces between them.
pub(super) fn numbers(values: &[f32]) -> String {
    values.iter().map(|&value| number(f64::from(value))).collect::<Vec<_>>().join(" ")
}

/// A stream, packed, with further entries of its dictionary.
///
/// # Errors
/// The bytes cannot be packed.
pub(super) fn stream(bytes: &[u8], entries: &str) -> Result<Vec<u8>, DrawError> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    let packed = packed.map_err(|error| DrawError::Pdf { found: error.to_string() })?;
    let mut object = format!("<< /Length {} /Filter /FlateDecode{entries} >>\nstream\n", packed.len()).into_bytes();
    object.extend(packed);
    object.extend(b"\nendstream");
    Ok(object)
}

/// Objects, numbered from 1, as a file: each where the table at its end says. The first is the catalog.
pub(super) fn file(objects: &[Vec<u8>]) -> Vec<u8> {
    // The second line tells programs that the file is no text.
    let mut bytes = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut places = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        places.push(bytes.len());
        bytes.extend(format!("{} 0 obj\n", index + 1).into_bytes());
        bytes.extend(object);
        bytes.extend(b"\nendobj\n");
    }
    let table = bytes.len();
    let mut text = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for place in places {
        let _ = writeln!(text, "{place:010} 00000 n ");
    }
    let _ = write!(text, "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1);
    bytes.extend(text.into_bytes());
    bytes
}

//! The rows of a Parquet file as columns.

use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use crate::dataset::error::DatasetError;
use crate::dataset::npy::{Array, Entries, Stored};
use crate::dataset::table_fault::TableFault;

/// The columns of a file, by name. Numbers, truth values and texts are columns; dates and times are texts.
///
/// # Errors
/// `Parquet` for what is no such file; `Table` for a column of lists or records, and for bytes that are no text;
/// `Inexact` for an integer that double precision does not hold; `Empty`.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Stored, DatasetError> {
    let unread = |source: ParquetError| DatasetError::Parquet { path: path.to_owned(), why: source.to_string() };
    let reader = SerializedFileReader::new(bytes::Bytes::copy_from_slice(bytes)).map_err(unread)?;
    let schema = reader.metadata().file_metadata().schema().get_fields();
    let names: Vec<String> = schema.iter().map(|field| field.name().to_owned()).collect();
    let nested = |name: &str| {
        let fault = TableFault::Nested { name: name.to_owned() };
        DatasetError::Table { path: path.to_owned(), fault }
    };
    if let Some(field) = schema.iter().find(|field| !field.is_primitive()) {
        return Err(nested(field.name()));
    }
    let mut columns: Vec<Cells> = names.iter().map(|_| Cells::Gaps(0)).collect();
    let mut rows = 0;
    for record in reader.get_row_iter(None).map_err(unread)? {
        for (index, (name, field)) in record.map_err(unread)?.get_column_iter().enumerate() {
            let cell = Cell::of(field).ok_or_else(|| nested(name))?;
            let inexact = |value| DatasetError::Inexact { path: path.to_owned(), index: rows, value };
            columns[index].push(cell).map_err(inexact)?;
        }
        rows += 1;
    }
    if rows == 0 || names.is_empty() {
        return Err(DatasetError::Empty { path: path.to_owned() });
    }
    let array = |cells: Cells| Array { shape: vec![rows], entries: cells.entries() };
    Ok(Stored::Records(names.into_iter().zip(columns.into_iter().map(array)).collect()))
}

/// What one cell holds.
enum Cell {
    Gap,
    Number(f64),
    Whole(i128),
    Text(String),
}

impl Cell {
    /// `None` for lists, records and bytes.
    fn of(field: &Field) -> Option<Self> {
        Some(match field {
            Field::Null => Self::Gap,
            Field::Bool(flag) => Self::Whole((*flag).into()),
            Field::Byte(number) => Self::Whole((*number).into()),
            Field::Short(number) => Self::Whole((*number).into()),
            Field::Int(number) => Self::Whole((*number).into()),
            Field::Long(number) => Self::Whole((*number).into()),
            Field::UByte(number) => Self::Whole((*number).into()),
            Field::UShort(number) => Self::Whole((*number).into()),
            Field::UInt(number) => Self::Whole((*number).into()),
            Field::ULong(number) => Self::Whole((*number).into()),
            Field::Float16(number) => Self::Number(number.to_f64()),
            Field::Float(number) => Self::Number((*number).into()),
            Field::Double(number) => Self::Number(*number),
            // The text of a decimal is its digits.
            Field::Decimal(_) => Self::Number(field.to_string().parse().ok()?),
            Field::Str(text) => Self::Text(text.clone()),
            Field::Date(_)
            | Field::TimeMillis(_)
            | Field::TimeMicros(_)
            | Field::TimestampMillis(_)
            | Field::TimestampMicros(_) => Self::Text(field.to_string()),
            _ => return None,
        })
    }
}

/// The cells of a column so far.
enum Cells {
    /// Nothing but so many gaps.
    Gaps(usize),
    Numbers(Vec<f64>),
    Texts(Vec<String>),
}

impl Cells {
    /// Adds a cell; a column of a file has one type.
    fn push(&mut self, cell: Cell) -> Result<(), i128> {
        if let Self::Gaps(gaps) = *self {
            match cell {
                Cell::Gap => {
                    *self = Self::Gaps(gaps + 1);
                    return Ok(());
                }
                Cell::Number(_) | Cell::Whole(_) => *self = Self::Numbers(vec![f64::NAN; gaps]),
                Cell::Text(_) => *self = Self::Texts(vec![String::new(); gaps]),
            }
        }
        match (self, cell) {
            (Self::Numbers(_), Cell::Whole(whole)) if whole as f64 as i128 != whole => return Err(whole),
            (Self::Numbers(numbers), Cell::Whole(whole)) => numbers.push(whole as f64),
            (Self::Numbers(numbers), Cell::Number(number)) => numbers.push(number),
            (Self::Numbers(numbers), _) => numbers.push(f64::NAN),
            (Self::Texts(texts), Cell::Text(text)) => texts.push(text),
            (Self::Texts(texts), _) => texts.push(String::new()),
            (Self::Gaps(_), _) => unreachable!("a column of gaps has become another above"),
        }
        Ok(())
    }

    fn entries(self) -> Entries {
        match self {
            Self::Gaps(rows) => Entries::Numbers(vec![f64::NAN; rows]),
            Self::Numbers(numbers) => Entries::Numbers(numbers),
            Self::Texts(texts) => Entries::Texts(texts),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;
    use crate::dataset::npy::{Array, Entries};
    use crate::dataset::{LoadOptions, load, read_table};

    /// A file of four columns by the writer of the same library; a definition level of 0 is a gap.
    fn written(whole: [i64; 4]) -> Vec<u8> {
        let schema = "message table { optional double length; required int64 count; optional boolean wet; required binary kind (UTF8); }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut bytes = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(WriterProperties::default())).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let kinds = ["reed", "moss", "reed", "moss"].map(ByteArray::from);
        for index in 0..4 {
            let mut column = group.next_column().unwrap().unwrap();
            let written = match index {
                0 => column.typed::<DoubleType>().write_batch(&[0.5, -2.0, 1e300], Some(&[1, 0, 1, 1]), None),
                1 => column.typed::<Int64Type>().write_batch(&whole, None, None),
                2 => column.typed::<BoolType>().write_batch(&[true, false], Some(&[0, 1, 0, 1]), None),
                _ => column.typed::<ByteArrayType>().write_batch(&kinds, None, None),
            };
            assert!(written.unwrap() > 0);
            column.close().unwrap();
        }
        group.close().unwrap();
        writer.close().unwrap();
        bytes
    }

    #[test]
    fn columns_come_with_their_names_types_and_gaps() {
        let parsed = parse(Path::new("t.parquet"), &written([1, -2, 3, 1 << 53])).unwrap();
        let Stored::Records(columns) = parsed else { panic!("records") };
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["length", "count", "wet", "kind"]);
        let numbers = |index: usize| -> Vec<String> {
            let Array { shape, entries: Entries::Numbers(numbers) } = &columns[index].1 else { panic!("numbers") };
            assert_eq!(shape, &[4]);
            numbers.iter().map(f64::to_string).collect()
        };
        assert_eq!(numbers(0)[..2], ["0.5", "NaN"]);
        assert_eq!(numbers(1), ["1", "-2", "3", "9007199254740992"]);
        assert_eq!(numbers(2), ["NaN", "1", "NaN", "0"]);
        assert_eq!(columns[3].1.entries, Entries::Texts(["reed", "moss", "reed", "moss"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let told = |bytes: &[u8]| parse(Path::new("t.parquet"), bytes).unwrap_err().to_string();
        assert!(told(&written([0, 0, (1 << 53) + 1, 0])).contains("integer 9007199254740993"));
        let whole = written([1, 2, 3, 4]);
        for cut in [0, 3, whole.len() / 2, whole.len() - 1] {
            assert!(told(&whole[..cut]).starts_with("t.parquet: no whole Parquet file"), "{cut}");
        }
    }

    #[test]
    fn a_data_set_is_loaded_as_from_a_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        std::fs::write(&path, written([1, 2, 3, 4])).unwrap();
        let csv = folder.path().join("t.csv");
        std::fs::write(&csv, "length,count,wet,kind\n0.5,1,,reed\n,2,1,moss\n-2,3,,reed\n1e300,4,0,moss\n").unwrap();
        // A table of numbers alone is measured; words are refused as they are in a text.
        assert!(read_table(&path).is_err());
        let options = LoadOptions { test_fraction: 0.5, standardize: false, ..LoadOptions::default() };
        let told = |path: &Path| load(&path.display().to_string(), &options).unwrap_err().to_string();
        for path in [&path, &csv] {
            assert!(told(path).contains("row 3, column 0 (from 0)") && told(path).contains("expected a finite number"));
        }
        let options = LoadOptions { drop: Some("length".parse().unwrap()), ..options };
        let loaded = |path: &Path| load(&path.display().to_string(), &options).unwrap().train;
        assert_eq!((loaded(&path).samples, loaded(&path).targets), (loaded(&csv).samples, loaded(&csv).targets));
    }
}

//! What a text holds, and its rows by pieces.
//!
//! A text is read twice: its [`Outline`] says what the columns of all of it are, and then the cells come, as many rows at a time as
//! are wanted. So that a piece is read as the whole is, whatever stands in it.

use super::cells::{CellReader, Numbers};
use super::header::{Header, Named, named};
use super::look::{Evidence, Kind, Look};
use super::number::{Decimal, read};
use super::raw::{Known, Place, RawColumn, RawTable, check_columns, distinct, unnamed};
use super::text::{Records, Text};
use crate::dataset::error::DatasetError;
use crate::dataset::table_fault::TableFault;

/// What the columns of a text are, by all of its rows.
pub(crate) struct Outline {
    /// A table that has its names alone.
    names: RawTable,
    columns: Vec<Outlined>,
    /// Whether every word is one, as for the first versions.
    early: bool,
    /// Rows, at least one.
    pub(crate) rows: usize,
}

/// What a column is.
struct Outlined {
    /// The mark of its numbers; `None` for words.
    decimal: Option<Decimal>,
    gap: Option<Place>,
    word: Option<(Place, usize, usize)>,
}

impl Outline {
    /// Looks at every row.
    ///
    /// # Errors
    /// `Empty` for a text without a row; `Table` for rows of several lengths and for numbers that could be read in two ways.
    pub(crate) fn of(text: &Text<'_>, known: Known<'_>) -> Result<Self, DatasetError> {
        let wrong = |fault| DatasetError::Table { path: text.path.clone(), fault };
        let mut first: Option<(usize, Vec<String>)> = None;
        let (mut looks, mut again, mut short) = (Vec::<Look>::new(), Vec::<bool>::new(), false);
        let mut lines = 0;
        let mut records = text.records()?;
        while let Some((byte, record)) = records.next()? {
            lines += 1;
            let Some((_, names)) = &mut first else {
                check_columns(record.len()).map_err(wrong)?;
                first = Some((byte, record.iter().map(str::to_owned).collect()));
                continue;
            };
            if looks.is_empty() {
                // R leaves out the name of the rows' names.
                if names.len() + 1 == record.len()
                    && known.header != Header::No
                    && names.iter().all(|name| read(name, Decimal::Point).is_none())
                {
                    short = true;
                    names.insert(0, String::new());
                }
                looks = vec![Look::default(); names.len()];
                again = vec![false; names.len()];
            }
            if record.len() != names.len() {
                let (line, found, expected) = (text.line(byte)?, record.len(), names.len() - usize::from(short));
                return Err(wrong(TableFault::Ragged { line, found, expected }));
            }
            for (column, cell) in record.iter().enumerate() {
                looks[column].add(byte, cell);
                again[column] |= cell == names[column];
            }
        }
        let Some((byte, first)) = first else { return Err(DatasetError::Empty { path: text.path.clone() }) };
        let cells: Vec<&str> = first.iter().map(String::as_str).collect();
        looks.resize(cells.len(), Look::default());
        again.resize(cells.len(), false);
        let named = match known.header {
            _ if short => Some(Named::Plainly),
            Header::Yes => Some(Named::Plainly),
            Header::No => None,
            Header::Auto => named(&cells, &looks, &again, known.expected, known.label)
                .filter(|&named| !known.early || named == Named::Plainly),
        };
        if named.is_none() {
            looks.iter_mut().zip(&cells).for_each(|(look, cell)| look.add_first(byte, cell));
        }
        let names = match named {
            Some(_) => distinct(first),
            None => (0..first.len()).map(unnamed).collect(),
        };
        let names = RawTable { names, named, columns: Vec::new(), rows: 0, kept: None };
        let texts = known.texts.map_or_else(Vec::new, |texts| texts(&names));
        let columns = outlined(text, looks, &texts)?;
        let rows = lines - usize::from(named.is_some());
        if rows == 0 {
            return Err(DatasetError::Empty { path: text.path.clone() });
        }
        Ok(Self { names, columns, early: known.early, rows })
    }

    /// A table that has its names alone.
    pub(crate) fn names(&self) -> &RawTable {
        &self.names
    }

    /// Readers of so many cells of each column.
    fn readers(&self, rows: usize) -> Vec<CellReader> {
        let reader = |column: &Outlined| match column.decimal {
            Some(decimal) => CellReader::Numbers(decimal, Numbers::with_capacity(rows)),
            None => CellReader::words(self.early, rows),
        };
        self.columns.iter().map(reader).collect()
    }
}

/// What columns are that looked so; those of `texts` are words whatever they look like.
fn outlined(text: &Text<'_>, looks: Vec<Look>, texts: &[usize]) -> Result<Vec<Outlined>, DatasetError> {
    let evidence = looks.iter().map(Look::evidence).fold(Evidence::default(), Evidence::and);
    let kinds: Vec<Kind> = looks.iter().map(|look| look.kind(text.separator, evidence)).collect();
    let mut places = Vec::new();
    for (column, (look, kind)) in looks.iter().zip(&kinds).enumerate() {
        match kind {
            Kind::Ambiguous(byte, number) if !texts.contains(&column) => {
                let fault = TableFault::Ambiguous { line: text.line(*byte)?, column: column + 1, text: number.clone() };
                return Err(DatasetError::Table { path: text.path.clone(), fault });
            }
            Kind::Words { first: Some((byte, _)), .. } => places.push(*byte),
            _ => {}
        }
        places.extend(look.gap.as_ref().map(|(byte, _)| *byte));
    }
    let lines = text.lines(&places)?;
    let place = |(byte, text): (usize, String)| Place { line: lines[&byte], text };
    let column = |(column, (look, kind)): (usize, (Look, Kind))| {
        let decimal = match kind {
            Kind::Numbers(decimal) if !texts.contains(&column) => Some(decimal),
            _ => None,
        };
        let word = match kind {
            Kind::Words { first, numbers } => first.map(|first| (place(first), numbers, look.filled)),
            _ => None,
        };
        Outlined { decimal, gap: look.gap.map(place), word }
    };
    Ok(looks.into_iter().zip(kinds).enumerate().map(column).collect())
}

impl RawTable {
    /// The table of a text: what its columns hold, then their cells.
    ///
    /// # Errors
    /// `Empty`; `Table` for rows of several lengths and for numbers that could be read in two ways.
    pub(crate) fn of_text(text: &Text<'_>, known: Known<'_>) -> Result<Self, DatasetError> {
        let outline = Outline::of(text, known)?;
        let rows = outline.rows;
        let whole = TextPieces::of(text, outline)?.next(rows)?;
        whole.ok_or_else(|| DatasetError::Empty { path: text.path.clone() })
    }
}

/// The rows of a text, some at a time.
pub(crate) struct TextPieces<'b> {
    outline: Outline,
    records: Records<'b>,
    /// Rows that came.
    row: usize,
}

impl<'b> TextPieces<'b> {
    /// The rows of a text that has this outline.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn of(text: &Text<'b>, outline: Outline) -> Result<Self, DatasetError> {
        let mut records = text.records()?;
        if outline.names.named.is_some() {
            records.next()?;
        }
        Ok(Self { outline, records, row: 0 })
    }

    /// The next rows, `most` at the most; `None` when all have come.
    ///
    /// # Errors
    /// `Io`; `ChangedMeanwhile` for a file that is not what its outline was made of. That is seen when its end is read: before the
    /// last piece is given.
    pub(crate) fn next(&mut self, most: usize) -> Result<Option<RawTable>, DatasetError> {
        let rows = most.min(self.outline.rows - self.row);
        if rows == 0 {
            return Ok(None);
        }
        let mut readers = self.outline.readers(rows);
        for _ in 0..rows {
            let columns = readers.len();
            match self.records.next()? {
                Some((_, record)) if record.len() == columns => {
                    record.iter().zip(&mut readers).for_each(|(cell, reader)| reader.push(cell));
                }
                _ => return Err(self.records.changed()),
            }
        }
        let first = self.row;
        self.row += rows;
        if self.row == self.outline.rows && self.records.next()?.is_some() {
            return Err(self.records.changed());
        }
        let column = |(reader, outlined): (CellReader, &Outlined)| RawColumn {
            cells: reader.finish(),
            gap: outlined.gap.clone(),
            word: outlined.word.clone(),
        };
        let columns = readers.into_iter().zip(&self.outline.columns).map(column).collect();
        let kept = (rows < self.outline.rows).then(|| (first..self.row).collect());
        let RawTable { names, named, .. } = self.outline.names.clone();
        Ok(Some(RawTable { names, named, columns, rows, kept }))
    }
}

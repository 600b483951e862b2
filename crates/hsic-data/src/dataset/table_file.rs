//! A file of a table as rows with labels, before they are divided and before anything is found out from them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::path::{Path, PathBuf};

use super::arrays::{self, Arrays, ImageArrays, Pair, Rows};
use super::columns::Columns;
use super::content::Content;
use super::encoding::Encoding;
use super::error::DatasetError;
use super::gzip;
use super::idx_folder;
use super::labels::{ClassLabels, RawLabels};
use super::large_arrays;
use super::notes::Note;
use super::npy::{self, Stored};
use super::npz::Archive;
use super::parquet;
use super::source::{LoadOptions, TableColumns};
use super::standard_input::{is_standard_input, text_bytes};
use super::store::Store;
use super::suspicious;
use super::table::{Kind, kind, of_numbers, read_file, tabs};
use super::table_fault::TableFault;
use super::tables::cells::{Cells, Numbers};
use super::tables::header::Named;
use super::tables::matching;
use super::tables::raw::{Known, RawColumn, RawTable};
use super::tables::select::{Missing, label, left_out, likelier_label};
use super::tables::text::Text;

/// A file, read: its rows, in two parts where it has two.
pub(super) struct TableFile {
    pub(super) train: Labeled,
    pub(super) test: Option<Labeled>,
    pub(super) content: Content,
    pub(super) notes: Vec<Note>,
}

/// Rows with a label each.
pub(super) struct Labeled {
    pub(super) features: Source,
    pub(super) labels: RawLabels,
    /// Where they are, for messages.
    pub(super) place: PathBuf,
}

impl Labeled {
    /// The labels as classes.
    ///
    /// # Errors
    /// Those of [`ClassLabels::of`].
    pub(super) fn classes(&self, known: &[String]) -> Result<ClassLabels, DatasetError> {
        ClassLabels::of(&self.place, &self.labels, known)
    }
}

/// What rows are made of.
pub(super) enum Source {
    /// Values as they are.
    Rows(Rows),
    /// Columns that are still to become values.
    Columns(Columned),
}

/// A table with a column of labels.
pub(super) struct Columned {
    pub(super) table: RawTable,
    pub(super) label: usize,
    /// Which columns a user leaves out.
    pub(super) left_out: Vec<bool>,
}

/// Reads a file once, or a folder of IDX files; it is hashed while it is read. A network that is known by its classes and
/// its encoding sees the file as its training file was seen. Images go where `store` has them.
///
/// # Errors
/// Whatever is wrong with the file.
pub(super) fn read(
    path: &Path,
    options: &LoadOptions,
    known: Option<&[String]>,
    store: &mut Store<'_>,
) -> Result<TableFile, DatasetError> {
    let mut file = read_one(path, options, known, None, store)?;
    let Some(other) = &options.test_dataset else { return Ok(file) };
    let wrong = |why| DatasetError::Table { path: other.clone(), fault: TableFault::TestDataset { why } };
    if file.test.is_some() {
        return Err(wrong("come with a test part"));
    }
    let Source::Columns(columned) = &file.train.features else { return Err(wrong("are no table of columns")) };
    let test = read_one(other, options, known, Some(columned), store)?;
    if test.test.is_some() || !matches!(test.train.features, Source::Columns(_)) {
        return Err(wrong("are tested on a table: one column of which is the label"));
    }
    let names = [b"data".to_vec(), b"test-data".to_vec()];
    file.content = Content::of_list(names.into_iter().zip([file.content, test.content]).collect());
    file.test = Some(test.train);
    file.notes.extend(test.notes);
    Ok(file)
}

/// What a table is, without reading more of it than its bytes.
///
/// # Errors
/// `FileKind`; `Io`.
pub(super) fn content(path: &Path, options: &LoadOptions) -> Result<Content, DatasetError> {
    let train = content_of_one(path)?;
    let Some(other) = &options.test_dataset else { return Ok(train) };
    let names = [b"data".to_vec(), b"test-data".to_vec()];
    Ok(Content::of_list(names.into_iter().zip([train, content_of_one(other)?]).collect()))
}

fn content_of_one(path: &Path) -> Result<Content, DatasetError> {
    if path.is_dir() {
        return idx_folder::content(path);
    }
    let io = |source| DatasetError::Io { path: path.to_owned(), source };
    match kind(path) {
        None => Err(DatasetError::FileKind { path: path.to_owned() }),
        Some(Kind::Text) if is_standard_input(path) => Ok(Content::of(&text_bytes(path)?)),
        Some(Kind::Text) => Content::of_reader(gzip::open(path)?.reader).map_err(io),
        Some(_) => Content::of_reader(std::fs::File::open(path).map_err(io)?).map_err(io),
    }
}

fn read_one(
    path: &Path,
    options: &LoadOptions,
    known: Option<&[String]>,
    train: Option<&Columned>,
    store: &mut Store<'_>,
) -> Result<TableFile, DatasetError> {
    if path.is_dir() {
        let idx_folder::Parts { train, test, content } = idx_folder::read(path, store)?;
        return Ok(TableFile { train: of_pair(train), test: test.map(of_pair), content, notes: Vec::new() });
    }
    let kind = kind(path).ok_or_else(|| DatasetError::FileKind { path: path.to_owned() })?;
    if kind == Kind::Npz
        && options.image_arrays == ImageArrays::Images
        && let Some(parts) = large_arrays::read(path, options.arrays.as_ref(), store)?
    {
        let large_arrays::Parts { train, test, content, notes } = parts;
        return Ok(TableFile { train: of_pair(train), test: test.map(of_pair), content, notes });
    }
    let bytes = if kind == Kind::Text { text_bytes(path)? } else { read_file(path)? };
    of_bytes(path, kind, &bytes, Reading { options, known, train })
}

/// What a file of a kind holds, by its bytes; those of a text are decompressed. `path` is for messages.
pub(super) fn of_bytes(path: &Path, kind: Kind, bytes: &[u8], reading: Reading<'_>) -> Result<TableFile, DatasetError> {
    let (content, parts) = rayon::join(
        || Content::of(bytes),
        || -> Result<(Labeled, Option<Labeled>, Vec<Note>), DatasetError> {
            match kind {
                Kind::Text => reading.text(path, bytes),
                Kind::Npy => reading.stored(path, npy::parse(path, bytes)?),
                Kind::Npz => reading.archive(path, bytes),
                Kind::Parquet => reading.stored(path, parquet::parse(path, bytes)?),
            }
        },
    );
    let (train, test, notes) = parts?;
    Ok(TableFile { train, test, content, notes })
}

fn of_pair(Pair { samples, labels, place }: Pair) -> Labeled {
    Labeled { features: Source::Rows(samples), labels, place }
}

/// What a file is read for.
#[derive(Clone, Copy)]
pub(super) struct Reading<'r> {
    pub(super) options: &'r LoadOptions,
    /// Classes of a network that the rows are to judge, if they are for that.
    pub(super) known: Option<&'r [String]>,
    /// The table of the training, where this is the file that judges it.
    pub(super) train: Option<&'r Columned>,
}

impl Reading<'_> {
    /// Whether columns are numbers and nothing else: for runs of early versions, and for rows that nothing is known of.
    fn numbers_alone(&self) -> bool {
        let unknown = self.known.is_some() && self.options.encoding.is_none();
        unknown || self.options.tables == TableColumns::Numbers
    }

    /// The column of labels, of which a table has the names alone or all.
    fn label_by_name(&self, table: &RawTable) -> Option<usize> {
        let wanted = self.options.label_column.as_deref();
        match (wanted, &self.options.encoding, self.train) {
            (_, _, Some(train)) if train.table.named.is_some() && table.named.is_some() => {
                table.names.iter().position(|name| *name == train.table.names[train.label])
            }
            (_, _, Some(train)) => Some(train.label).filter(|&label| label < table.names.len()),
            (Some(name), ..) => table.find(name),
            (None, Some(encoding), _) if encoding.named && table.named.is_some() => {
                table.names.iter().position(|name| *name == encoding.label.name)
            }
            (None, Some(encoding), _) => Some(encoding.label.index).filter(|&label| label < table.names.len()),
            (None, None, None) => table.names.len().checked_sub(1),
        }
    }

    /// Columns of which the cells are texts: labels that a network knows by name, and what was text in training.
    fn texts(&self, table: &RawTable) -> Vec<usize> {
        let label = self.label_by_name(table);
        let mut texts = Vec::new();
        if self.known.is_some_and(|known| !known.is_empty()) || self.options.tables == TableColumns::Numbers {
            texts.extend(label);
        }
        if let Some(encoding) = &self.options.encoding {
            texts.extend(matching::texts(encoding, table, label));
        }
        if let Some(train) = self.train {
            let both = train.table.named.is_some() && table.named.is_some();
            let words =
                train.table.columns.iter().enumerate().filter(|(_, column)| matches!(column.cells, Cells::Words(_)));
            let words: BTreeMap<&str, usize> = words.map(|(own, _)| (train.table.names[own].as_str(), own)).collect();
            let by_place: BTreeSet<usize> = words.values().copied().collect();
            let is_text = |place: &usize| {
                if both { words.contains_key(table.names[*place].as_str()) } else { by_place.contains(place) }
            };
            let places = (0..table.names.len()).filter(is_text);
            texts.extend(places);
        }
        texts
    }

    fn text(&self, path: &Path, bytes: &[u8]) -> Result<(Labeled, Option<Labeled>, Vec<Note>), DatasetError> {
        let text = Text::of(path, bytes, self.options.text_encoding, tabs(path))?;
        let early = self.options.tables == TableColumns::Numbers;
        let texts = |table: &RawTable| self.texts(table);
        let expected: Vec<&str> = match (self.train, &self.options.encoding) {
            (Some(train), _) if train.table.named.is_some() => train.table.names.iter().map(String::as_str).collect(),
            (None, Some(encoding)) if encoding.named => expected(encoding),
            _ => Vec::new(),
        };
        let known = Known {
            header: self.options.header,
            expected: &expected,
            label: self.options.label_column.as_deref(),
            texts: Some(&texts),
            early,
        };
        self.table(path, RawTable::of_text(&text, known)?)
    }

    fn stored(&self, path: &Path, stored: Stored) -> Result<(Labeled, Option<Labeled>, Vec<Note>), DatasetError> {
        let columns = Columns::of(stored).map_err(|fault| DatasetError::Array { path: path.to_owned(), fault })?;
        let texts = |table: &RawTable| self.texts(table);
        let table = RawTable::of_columns(path, &columns, Some(&texts))?;
        if self.numbers_alone() {
            let label = label(path, &table, self.label_name(&table), None)?;
            let (samples, labels) = arrays::split(path, columns, label)?;
            return Ok((of_pair(Pair { samples, labels, place: path.to_owned() }), None, Vec::new()));
        }
        drop(columns);
        self.table(path, table)
    }

    fn archive(&self, path: &Path, bytes: &[u8]) -> Result<(Labeled, Option<Labeled>, Vec<Note>), DatasetError> {
        let mut archive = Archive::open(path, Cursor::new(bytes))?;
        match arrays::read(path, &mut archive, self.options.arrays.as_ref(), self.options.image_arrays)? {
            Arrays::Single(place, stored) => self.stored(&place, stored),
            Arrays::Pairs(train, test, notes) => Ok((of_pair(*train), test.map(|test| of_pair(*test)), notes)),
        }
    }

    /// The name of the column of labels, where it is not the last that has anything in it.
    fn label_name<'n>(&'n self, table: &'n RawTable) -> Option<&'n str> {
        if let Some(train) = self.train {
            let both = train.table.named.is_some() && table.named.is_some();
            return if both {
                Some(&train.table.names[train.label])
            } else {
                table.names.get(train.label).map(|name| &**name)
            };
        }
        self.options.label_column.as_deref().or_else(|| {
            let encoding = self.options.encoding.as_ref()?;
            let both = encoding.named && table.named.is_some();
            if both { Some(&encoding.label.name) } else { table.names.get(encoding.label.index).map(|name| &**name) }
        })
    }

    /// The rows of a table with their labels.
    fn table(&self, path: &Path, mut table: RawTable) -> Result<(Labeled, Option<Labeled>, Vec<Note>), DatasetError> {
        let wrong = |fault| DatasetError::Table { path: path.to_owned(), fault };
        let (mut notes, options) = (Vec::new(), self.options);
        // A file that judges is seen as the training file was; only of that one it is said how it was taken.
        let judges = self.train.is_some() || options.encoding.is_some() || self.known.is_some();
        let label = label(path, &table, self.label_name(&table), options.drop.as_ref())?;
        if table.named == Some(Named::ByNumbers) && !judges {
            notes.push(Note::NumbersAreNames { names: table.names.clone() });
        }
        if let Some(likelier) = likelier_label(&table, label).filter(|_| !judges && options.label_column.is_none()) {
            let (taken, likelier) = (table.names[label].clone(), table.names[likelier].clone());
            notes.push(Note::LikelierLabel { taken, likelier });
        }
        let line = || table.columns[label].gap.as_ref().map_or(1, |gap| gap.line);
        if self.numbers_alone() {
            if (0..table.rows).any(|row| table.columns[label].cells.is_gap(row)) {
                return Err(wrong(TableFault::LabelMissing { line: line() }));
            }
            let samples = Rows::of_table(of_numbers(path, &table, Some(label))?);
            let labels = RawLabels::of_cells(table.columns.swap_remove(label).cells);
            return Ok((Labeled { features: Source::Rows(samples), labels, place: path.to_owned() }, None, notes));
        }
        let left_out = if self.train.is_some() || self.known.is_some() {
            // What a training left out, its encoding says.
            vec![false; table.names.len()]
        } else {
            left_out(&table, label, options.drop.as_ref(), options.columns.as_ref()).map_err(wrong)?
        };
        if !judges {
            finite(path, &table, label, &left_out)?;
            notes.extend(suspicious::notes(&table, label, &left_out));
        }
        let labeled: Vec<bool> = (0..table.rows).map(|row| !table.columns[label].cells.is_gap(row)).collect();
        let without = labeled.iter().filter(|&&labeled| !labeled).count();
        if without > 0 {
            if options.missing == Missing::Refuse {
                return Err(wrong(TableFault::LabelMissing { line: line() }));
            }
            notes.push(Note::LabelsMissing { rows: without });
            table.keep(&labeled);
            if table.rows == 0 {
                return Err(wrong(TableFault::NoRows { what: "a label" }));
            }
        }
        self.gaps(&mut table, label, &left_out, &mut notes).map_err(wrong)?;
        let cells = std::mem::replace(&mut table.columns[label].cells, Cells::Numbers(Default::default()));
        let labels = RawLabels::of_cells(cells);
        let features = Source::Columns(Columned { table, label, left_out });
        Ok((Labeled { features, labels, place: path.to_owned() }, None, notes))
    }

    /// Leaves out rows with gaps, or refuses them, where that is asked for.
    fn gaps(
        &self,
        table: &mut RawTable,
        label: usize,
        left_out: &[bool],
        notes: &mut Vec<Note>,
    ) -> Result<(), TableFault> {
        let with_gaps = |table: &RawTable| -> Vec<usize> {
            let is_used = |column: &usize| *column != label && !left_out[*column];
            let has_gap = |column: &usize| (0..table.rows).any(|row| table.columns[*column].cells.is_gap(row));
            (0..table.names.len()).filter(is_used).filter(has_gap).collect()
        };
        match self.options.missing {
            Missing::Mean => Ok(()),
            Missing::Refuse => match with_gaps(table).first() {
                None => Ok(()),
                Some(&column) => {
                    let gap = table.columns[column].gap.clone();
                    let (line, text) = gap.map_or((1, String::new()), |gap| (gap.line, gap.text));
                    Err(TableFault::Gap { line, column: column + 1, text })
                }
            },
            Missing::Drop => {
                let is_empty = |column: usize| (0..table.rows).all(|row| table.columns[column].cells.is_gap(row));
                let gapped: Vec<usize> = with_gaps(table).into_iter().filter(|&column| !is_empty(column)).collect();
                if gapped.is_empty() {
                    return Ok(());
                }
                let whole = |row: usize| gapped.iter().all(|&column| !table.columns[column].cells.is_gap(row));
                let kept: Vec<bool> = (0..table.rows).map(whole).collect();
                let rows = kept.iter().filter(|&&kept| !kept).count();
                let columns = gapped.iter().map(|&column| table.names[column].clone()).collect();
                notes.push(Note::RowsMissing { rows, columns });
                table.keep(&kept);
                if table.rows == 0 { Err(TableFault::NoRows { what: "a cell in every column" }) } else { Ok(()) }
            }
        }
    }
}

/// Whether every number that is there is finite, or which is not.
fn finite(path: &Path, table: &RawTable, label: usize, left_out: &[bool]) -> Result<(), DatasetError> {
    let columns = table.columns.iter().enumerate().filter(|&(column, _)| column != label && !left_out[column]);
    for (column, RawColumn { cells, .. }) in columns {
        let Cells::Numbers(Numbers::Doubles(numbers)) = cells else { continue };
        if let Some(row) = numbers.iter().position(|number| number.is_infinite()) {
            return Err(DatasetError::NotFinite { path: path.to_owned(), row, column, value: numbers[row] });
        }
    }
    Ok(())
}

/// Names that a file has whose columns are those of a training.
pub(super) fn expected(encoding: &Encoding) -> Vec<&str> {
    encoding.sources.iter().filter(|source| source.is_used()).map(|source| source.name.as_str()).collect()
}

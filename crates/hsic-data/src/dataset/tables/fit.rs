//! What a training finds out of the columns of a table, from the rows of its training part alone.

use std::path::Path;

use super::cells::{Cells, Numbers, Words};
use super::number::flag;
use super::raw::{RawColumn, RawTable};
use crate::dataset::encoding::{Coding, DropReason, Encoding, LabelColumn, MOST_CATEGORIES, SourceColumn};
use crate::dataset::error::DatasetError;
use crate::dataset::notes::Note;
use crate::dataset::table_fault::TableFault;

/// What becomes of the columns of a table, by those rows of it.
///
/// # Errors
/// `Table` for a word in a column of numbers, for more words than become columns, and where no column is left.
pub(crate) fn fit(
    path: &Path,
    table: &RawTable,
    label: usize,
    left_out: &[bool],
    rows: &[usize],
) -> Result<Encoding, DatasetError> {
    let mut sources = Vec::with_capacity(table.columns.len());
    for (index, column) in table.columns.iter().enumerate().filter(|&(index, _)| index != label) {
        let name = table.names[index].clone();
        let gaps = rows.iter().filter(|&&row| column.cells.is_gap(row)).count();
        let coding = if left_out[index] {
            Coding::Dropped { reason: DropReason::Asked }
        } else if gaps == rows.len() {
            Coding::Dropped { reason: DropReason::Empty }
        } else {
            coding(column, index, &name, rows, gaps > 0)
                .map_err(|fault| DatasetError::Table { path: path.to_owned(), fault })?
        };
        sources.push(SourceColumn { name, index, gaps, coding });
    }
    if !sources.iter().any(SourceColumn::is_used) {
        return Err(DatasetError::Table { path: path.to_owned(), fault: TableFault::NothingLeft });
    }
    let label = LabelColumn { name: table.names[label].clone(), index: label };
    Ok(Encoding { named: table.named.is_some(), label, sources })
}

fn coding(column: &RawColumn, index: usize, name: &str, rows: &[usize], indicator: bool) -> Result<Coding, TableFault> {
    let words = match &column.cells {
        Cells::Numbers(numbers) => return Ok(Coding::Number { fill: mean(numbers, rows), indicator }),
        Cells::Words(words) => words,
    };
    // Where numbers are the rule, a word is a slip of the pen.
    if let Some((place, numbers, filled)) = &column.word
        && 2 * numbers >= *filled
    {
        let (line, text) = (place.line, place.text.clone());
        return Err(TableFault::Slip { line, column: index + 1, name: name.to_owned(), text });
    }
    if !words.more() && words.list().iter().all(|word| flag(word).is_some()) {
        let flags =
            Numbers::of(rows.iter().filter_map(|&row| flag(words.get(row)?)).map(|flag| f64::from(u8::from(flag))));
        let all: Vec<usize> = (0..flags.len()).collect();
        return Ok(Coding::Boolean { fill: mean(&flags, &all), indicator });
    }
    let found = present(words, rows);
    if found.len() > MOST_CATEGORIES || words.more() && rows.iter().any(|&row| words.get(row) == Some("")) {
        let example = found.first().cloned().unwrap_or_default();
        let (words, more) = (found.len(), words.more());
        return Err(TableFault::TooManyWords { name: name.to_owned(), words, more, most: MOST_CATEGORIES, example });
    }
    Ok(Coding::Words { words: found, indicator })
}

/// The words of some rows, sorted.
fn present(words: &Words, rows: &[usize]) -> Vec<String> {
    let mut is_there = vec![false; words.list().len()];
    rows.iter().filter_map(|&row| words.code(row)).for_each(|code| is_there[code] = true);
    let mut found: Vec<String> =
        words.list().iter().zip(is_there).filter(|(_, is_there)| *is_there).map(|(word, _)| word.clone()).collect();
    found.sort();
    found
}

/// The mean of the numbers of some rows, of which one at least is there.
fn mean(numbers: &Numbers, rows: &[usize]) -> f64 {
    let values = || rows.iter().map(|&row| numbers.get(row)).filter(|number| !number.is_nan());
    let (count, first) = (values().count() as f64, values().next().unwrap_or_default());
    // Of equal numbers it is that number, which rounding would miss.
    if values().all(|number| number == first) { first } else { values().map(|number| number / count).sum() }
}

/// What is to be said of what a training found out.
pub(crate) fn notes(encoding: &Encoding) -> Vec<Note> {
    let mut notes = Vec::new();
    let of = |wanted: &dyn Fn(&SourceColumn) -> Option<usize>| -> Vec<(String, usize)> {
        encoding.sources.iter().filter_map(|source| Some((source.name.clone(), wanted(source)?))).collect()
    };
    let words = of(&|source| if let Coding::Words { words, .. } = &source.coding { Some(words.len()) } else { None });
    if !words.is_empty() {
        notes.push(Note::WordColumns { columns: words });
    }
    let gaps = of(&|source| (source.is_used() && source.gaps > 0).then_some(source.gaps));
    if !gaps.is_empty() {
        notes.push(Note::GapsFilled { columns: gaps });
    }
    let empty = of(&|source| (source.coding == Coding::Dropped { reason: DropReason::Empty }).then_some(0));
    if !empty.is_empty() {
        notes.push(Note::EmptyColumns { columns: empty.into_iter().map(|(name, _)| name).collect() });
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::tables::raw::Known;
    use crate::dataset::tables::text::Text;

    fn of(text: &str, rows: &[usize]) -> Result<Encoding, String> {
        let path = Path::new("t.csv");
        let table =
            RawTable::of_text(&Text::of(path, text.as_bytes(), None, false).unwrap(), Known::default()).unwrap();
        let label = table.names.len() - 1;
        let none = vec![false; table.names.len()];
        fit(path, &table, label, &none, rows).map_err(|error| error.to_string())
    }

    #[test]
    fn the_rows_of_the_training_part_alone_say_what_becomes_of_a_column() {
        let text = "age,port,paid,void,kind\n1,north,yes,,a\n4,south,no,,b\n,north,,,a\n1000,east,no,7,b\n";
        let encoding = of(text, &[0, 1, 2]).unwrap();
        let codings: Vec<&Coding> = encoding.sources.iter().map(|source| &source.coding).collect();
        assert_eq!(
            codings,
            [
                &Coding::Number { fill: 2.5, indicator: true },
                &Coding::Words { words: vec!["north".into(), "south".into()], indicator: false },
                &Coding::Boolean { fill: 0.5, indicator: true },
                &Coding::Dropped { reason: DropReason::Empty },
            ]
        );
        assert_eq!((encoding.named, encoding.label.name.as_str(), encoding.width()), (true, "kind", 6));
        assert_eq!(
            notes(&encoding),
            [
                Note::WordColumns { columns: vec![("port".into(), 2)] },
                Note::GapsFilled { columns: vec![("age".into(), 1), ("paid".into(), 1)] },
                Note::EmptyColumns { columns: vec!["void".into()] },
            ]
        );
        // In other rows it is another.
        let other = of(text, &[1, 3]).unwrap();
        assert_eq!(other.sources[0].coding, Coding::Number { fill: 502.0, indicator: false });
        assert!(matches!(&other.sources[1].coding, Coding::Words { words, .. } if words == &["east", "south"]));
        assert_eq!(other.sources[3].coding, Coding::Number { fill: 7.0, indicator: true });
    }

    #[test]
    fn slips_and_names_are_no_categories() {
        let told = of("a,kind\n1,0\n2,1\nold,0\n", &[0, 1, 2]).unwrap_err();
        assert_eq!(
            told,
            "t.csv: line 4, column 1 (a): \"old\" among numbers, expected a number, or nothing where it is missing"
        );
        let many: String = (0..60).map(|row| format!("patient {row:02},{}\n", row % 2)).collect();
        let rows: Vec<usize> = (0..60).collect();
        let told = of(&format!("name,kind\n{many}"), &rows).unwrap_err();
        assert!(told.starts_with("t.csv: column name: 60 words such as \"patient 00\" in the training part"), "{told}");
        // Fifty are taken, and so are more where the training part has fifty of them.
        let encoding = of(&format!("name,kind\n{many}"), &rows[..50]).unwrap();
        assert_eq!(encoding.width(), 50);
        assert!(of("void,kind\n,0\n,1\n", &[0, 1]).unwrap_err().contains("no column is left"));
    }
}

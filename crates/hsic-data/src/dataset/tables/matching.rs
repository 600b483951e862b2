//! Which columns of a file are those of a training: by name, or by place where there are no names.

use std::collections::BTreeMap;

use super::header::Named;
use super::number::plain;
use super::raw::RawTable;
use crate::dataset::encoding::{Coding, Encoding};
use crate::dataset::notes::Note;
use crate::dataset::table_fault::TableFault;

/// Where the columns of a training are in a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matched {
    /// Of each column of the encoding its index in the file; `None` for one that is left out, and is not there.
    pub(crate) places: Vec<Option<usize>>,
    /// What is to be said of it.
    pub(crate) notes: Vec<Note>,
}

/// Finds them. `label` is the file's column of labels, where it is known to have one.
///
/// # Errors
/// `Missing` with the names of those that are not there; `Width` for a file without names and of another number of columns.
pub(crate) fn matched(encoding: &Encoding, table: &RawTable, label: Option<usize>) -> Result<Matched, TableFault> {
    let both = encoding.named && table.named.is_some();
    if both {
        let found = by_name(encoding, table, label);
        // Names that only count, as pandas gives where there are none, say nothing.
        let counted = table.named == Some(Named::ByNumbers)
            || encoding.sources.iter().all(|source| plain(&source.name).is_some());
        if found.is_ok() || !counted {
            return found;
        }
    }
    let columns: Vec<usize> = (0..table.names.len()).filter(|&column| Some(column) != label).collect();
    let used = encoding.sources.iter().filter(|source| source.is_used()).count();
    let all = encoding.sources.len();
    let places: Vec<Option<usize>> = if columns.len() == all {
        columns.into_iter().map(Some).collect()
    } else if columns.len() == used {
        let mut columns = columns.into_iter();
        encoding.sources.iter().map(|source| source.is_used().then(|| columns.next()).flatten()).collect()
    } else {
        return Err(TableFault::Width { found: columns.len(), expected: all });
    };
    let one_has_names = both || encoding.named != table.named.is_some();
    Ok(Matched {
        places,
        notes: one_has_names
            .then_some(Note::MatchedByPlace { file: !both && table.named.is_some() })
            .into_iter()
            .collect(),
    })
}

fn by_name(encoding: &Encoding, table: &RawTable, label: Option<usize>) -> Result<Matched, TableFault> {
    let known: BTreeMap<&str, usize> =
        table.names.iter().zip(0..).map(|(name, index)| (name.as_str(), index)).collect();
    let place = |name: &str| known.get(name).copied();
    let places: Vec<Option<usize>> = encoding.sources.iter().map(|source| place(&source.name)).collect();
    let lacking = encoding.sources.iter().zip(&places).filter(|(source, place)| source.is_used() && place.is_none());
    let missing: Vec<String> = lacking.map(|(source, _)| source.name.clone()).collect();
    if !missing.is_empty() {
        return Err(TableFault::Missing { missing, found: table.names.clone() });
    }
    // Labels that stand in a file are no column that nobody knows, and neither are columns that the training left out.
    let mut is_known = vec![false; table.names.len()];
    let labels = label.into_iter().chain(place(&encoding.label.name));
    places.iter().flatten().copied().chain(labels).for_each(|index| is_known[index] = true);
    let others: Vec<String> =
        table.names.iter().zip(is_known).filter(|(_, is_known)| !is_known).map(|(name, _)| name.clone()).collect();
    let notes = if others.is_empty() { Vec::new() } else { vec![Note::OtherColumns { names: others }] };
    Ok(Matched { places, notes })
}

/// Columns of a file, of which only the names are known yet, whose cells a training read as texts: also where all that are
/// there look like numbers.
pub(crate) fn texts(encoding: &Encoding, table: &RawTable, label: Option<usize>) -> Vec<usize> {
    let Ok(Matched { places, .. }) = matched(encoding, table, label) else { return Vec::new() };
    let worded = |coding: &Coding| matches!(coding, Coding::Words { .. } | Coding::Boolean { .. });
    let sources = encoding.sources.iter().zip(places).filter(|(source, _)| worded(&source.coding));
    sources.filter_map(|(_, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::encoding::{DropReason, LabelColumn, SourceColumn};

    fn encoding(named: bool) -> Encoding {
        let number = Coding::Number { fill: 0.0, indicator: false };
        let dropped = Coding::Dropped { reason: DropReason::Asked };
        let words = Coding::Words { words: vec!["1".into(), "2+".into()], indicator: false };
        let of = |index: usize, name: &str, coding| SourceColumn { name: name.into(), index, gaps: 0, coding };
        let sources = vec![of(0, "id", dropped), of(1, "w", number), of(2, "grade", words)];
        Encoding { named, label: LabelColumn { name: "kind".into(), index: 3 }, sources }
    }

    fn table(names: &[&str], named: bool) -> RawTable {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        RawTable { names, named: named.then_some(Named::Plainly), columns: Vec::new(), rows: 0, kept: None }
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let of = |names: &[&str]| matched(&encoding(true), &table(names, true), None);
        let found = of(&["grade", "kind", "w", "note"]).unwrap();
        assert_eq!(found.places, [None, Some(2), Some(0)]);
        assert_eq!(found.notes, [Note::OtherColumns { names: vec!["note".into()] }]);
        assert!(of(&["w", "grade", "id"]).unwrap().notes.is_empty());
        let told = of(&["id", "v", "grade"]).unwrap_err().to_string();
        assert_eq!(told, "no column w, expected every column of the training; there are id, v, grade");
        assert_eq!(texts(&encoding(true), &table(&["grade", "w"], true), None), [0]);
    }

    #[test]
    fn columns_without_names_are_taken_by_place() {
        let of = |named, names: &[&str], file, label| matched(&encoding(named), &table(names, file), label);
        let found = of(true, &["0", "1", "2"], false, None).unwrap();
        assert_eq!(found.places, [Some(0), Some(1), Some(2)]);
        assert_eq!(found.notes, [Note::MatchedByPlace { file: false }]);
        // Without the column that was left out, and with the labels.
        assert_eq!(of(false, &["0", "1"], false, None).unwrap().places, [None, Some(0), Some(1)]);
        let found = of(false, &["0", "1", "2", "3"], false, Some(1)).unwrap();
        assert_eq!((found.places, found.notes), (vec![Some(0), Some(2), Some(3)], vec![]));
        assert_eq!(of(false, &["a", "b", "c"], true, None).unwrap().notes, [Note::MatchedByPlace { file: true }]);
        // Names that count are none.
        let counted = RawTable { named: Some(Named::ByNumbers), ..table(&["0", "1", "2"], true) };
        let found = matched(&encoding(true), &counted, None).unwrap();
        assert_eq!((found.places, found.notes.len()), (vec![Some(0), Some(1), Some(2)], 1));
        let told = of(true, &["0", "1", "2", "3"], false, None).unwrap_err().to_string();
        assert_eq!(told, "rows of 4 values, expected 3 as in training");
    }
}

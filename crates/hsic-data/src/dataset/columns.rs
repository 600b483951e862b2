//! Tables column by column: what arrays of records, of strings and of several types give.

use super::array_fault::ArrayFault;
use super::npy::{Array, Entries, Stored};

/// Most columns, each of which has a name: a file could claim far more than memory has room for names.
pub(super) const MOST_COLUMNS: usize = 1 << 20;

/// The columns of a table: arrays of as many rows, side by side.
#[derive(Debug, PartialEq)]
pub(super) struct Columns {
    names: Option<Vec<String>>,
    groups: Vec<Array>,
}

impl Columns {
    /// The columns of an array of two dimensions at the most, or those of records: a field of one entry is a column, one
    /// of several gives `name.0`, `name.1` and so on.
    ///
    /// # Errors
    /// `NoLabels` for an array of more dimensions; `Wide` for too many columns.
    pub(super) fn of(stored: Stored) -> Result<Self, ArrayFault> {
        match stored {
            Stored::Plain(array) if array.shape.len() > 2 => Err(ArrayFault::NoLabels { sizes: array.shape }),
            Stored::Plain(array) => Ok(Self { names: None, groups: vec![array] }),
            Stored::Records(fields) => Self::of_records(fields),
        }
    }

    /// The columns of records.
    ///
    /// # Errors
    /// `Wide` for too many columns.
    pub(super) fn of_records(fields: Vec<(String, Array)>) -> Result<Self, ArrayFault> {
        let columns = fields.iter().map(|(_, array)| array.table().1).sum();
        if columns > MOST_COLUMNS {
            return Err(ArrayFault::Wide { columns, most: MOST_COLUMNS });
        }
        let (mut names, mut groups) = (Vec::new(), Vec::new());
        for (name, array) in fields {
            match array.table().1 {
                1 => names.push(name),
                several => names.extend((0..several).map(|index| format!("{name}.{index}"))),
            }
            groups.push(array);
        }
        Ok(Self { names: Some(names), groups })
    }

    /// Names, where the file gives them.
    pub(super) fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    /// Number of columns.
    pub(super) fn cols(&self) -> usize {
        self.groups.iter().map(|group| group.table().1).sum()
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.groups.first().map_or(0, |group| group.table().0)
    }

    /// The entries of one column.
    ///
    /// # Panics
    /// If there is none of that index.
    pub(super) fn column(&self, index: usize) -> Entries {
        fn every<V: Clone>(values: &[V], first: usize, cols: usize) -> Vec<V> {
            values[first..].iter().step_by(cols).cloned().collect()
        }
        let mut first = index;
        for group in &self.groups {
            let cols = group.table().1;
            if first < cols {
                return match &group.entries {
                    Entries::Bytes(bytes) => Entries::Bytes(every(bytes, first, cols)),
                    Entries::Flags(flags) => Entries::Flags(every(flags, first, cols)),
                    Entries::Numbers(numbers) => Entries::Numbers(every(numbers, first, cols)),
                    Entries::Texts(texts) => Entries::Texts(every(texts, first, cols)),
                };
            }
            first -= cols;
        }
        panic!("a column below {}", self.cols())
    }

    /// All columns but `left_out` as numbers, row by row; strings are read as numbers.
    ///
    /// # Errors
    /// `Text` with the first string that is none.
    pub(super) fn numbers(self, left_out: Option<usize>) -> Result<Vec<f64>, ArrayFault> {
        let (rows, cols) = (self.rows(), self.cols());
        let names = self.names.unwrap_or_default();
        let mut groups = Vec::with_capacity(self.groups.len());
        let mut first = 0;
        for group in self.groups {
            let width = group.table().1;
            let values = match group.entries {
                Entries::Texts(texts) => {
                    let number = |(index, text): (usize, &String)| {
                        let column = first + index % width;
                        if left_out == Some(column) {
                            return Ok(0.0);
                        }
                        let unread = || ArrayFault::Text { name: names.get(column).cloned(), text: text.clone() };
                        text.trim().parse::<f64>().map_err(|_| unread())
                    };
                    texts.iter().enumerate().map(number).collect::<Result<Vec<f64>, _>>()?
                }
                entries => entries.into_numbers().unwrap_or_default(),
            };
            groups.push((first, width, values));
            first += width;
        }
        let mut all = Vec::with_capacity(rows * (cols - usize::from(left_out.is_some())));
        for row in 0..rows {
            for (first, width, values) in &groups {
                let values = &values[row * width..][..*width];
                match left_out.and_then(|column| column.checked_sub(*first)).filter(|place| place < width) {
                    None => all.extend_from_slice(values),
                    Some(place) => {
                        all.extend_from_slice(&values[..place]);
                        all.extend_from_slice(&values[place + 1..]);
                    }
                }
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(shape: &[usize], entries: Entries) -> Array {
        Array { shape: shape.to_vec(), entries }
    }

    fn texts(texts: &[&str]) -> Entries {
        Entries::Texts(texts.iter().map(|&text| text.to_owned()).collect())
    }

    #[test]
    fn records_give_a_column_for_each_entry_of_a_field() {
        let columns = || {
            let fields = vec![
                ("a".to_owned(), array(&[2], Entries::Flags(vec![1, 0]))),
                ("b".to_owned(), array(&[2, 2], Entries::Numbers(vec![1.0, 2.0, 3.0, 4.0]))),
                ("c".to_owned(), array(&[2], texts(&[" 7", "8e1"]))),
            ];
            Columns::of(Stored::Records(fields)).unwrap()
        };
        assert_eq!(columns().names().unwrap(), ["a", "b.0", "b.1", "c"]);
        assert_eq!((columns().rows(), columns().cols()), (2, 4));
        assert_eq!(columns().column(2), Entries::Numbers(vec![2.0, 4.0]));
        assert_eq!(columns().column(3), texts(&[" 7", "8e1"]));
        assert_eq!(columns().numbers(None).unwrap(), [1.0, 1.0, 2.0, 7.0, 0.0, 3.0, 4.0, 80.0]);
        assert_eq!(columns().numbers(Some(1)).unwrap(), [1.0, 2.0, 7.0, 0.0, 4.0, 80.0]);
        assert_eq!(columns().numbers(Some(3)).unwrap(), [1.0, 1.0, 2.0, 0.0, 3.0, 4.0]);
    }

    #[test]
    fn what_is_no_number_is_told_with_its_field() {
        let of_record =
            || Columns::of(Stored::Records(vec![("kind".into(), array(&[2], texts(&["1", "one"])))])).unwrap();
        let told = of_record().numbers(None).unwrap_err().to_string();
        assert_eq!(told, "field kind: strings such as \"one\", expected numbers");
        assert!(of_record().numbers(Some(0)).unwrap().is_empty());
        let table = || Columns::of(Stored::Plain(array(&[2, 2], texts(&["1", "a", "2", "b"])))).unwrap();
        assert_eq!(table().numbers(None).unwrap_err().to_string(), "strings such as \"a\", expected numbers");
        assert_eq!(table().numbers(Some(1)).unwrap(), [1.0, 2.0]);
    }

    #[test]
    fn what_is_no_table_is_told() {
        let cube = Columns::of(Stored::Plain(array(&[1, 2, 1], Entries::Bytes(vec![1, 2]))));
        assert!(cube.unwrap_err().to_string().starts_with("an array of 3 dimensions, expected a table of 2"));
        let wide = array(&[1, MOST_COLUMNS + 1], Entries::Bytes(vec![0; MOST_COLUMNS + 1]));
        let told = Columns::of(Stored::Records(vec![("a".into(), wide)])).unwrap_err().to_string();
        assert_eq!(told, "records of 1048577 entries, expected at most 1048576");
    }
}

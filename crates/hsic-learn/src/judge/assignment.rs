//! From outputs to classes.
//!
//! HSIC training fixes no order of the output units: which unit stands for which class is read off once, from training
//! data, as the one assignment of classes to units that gets most samples right (Kuhn 1955; shortest
//! augmenting paths as in Jonker and Volgenant 1987).

use serde::{Deserialize, Serialize};

/// Which class each output unit stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// By unit.
    pub class_of_unit: Vec<usize>,
}

/// Counts of samples by class and by predicted class or unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// `counts[class][column]`.
    pub counts: Vec<Vec<u64>>,
}

impl Confusion {
    /// An empty table.
    #[must_use]
    pub fn new(classes: usize, columns: usize) -> Self {
        Self { counts: vec![vec![0; columns]; classes] }
    }

    /// Adds samples: their classes and the outputs (`units` columns each), by the unit with the largest output (the
    /// first of equals).
    pub fn add(&mut self, labels: &[usize], outputs: &[f32], units: usize) {
        for (&label, row) in labels.iter().zip(outputs.chunks_exact(units)) {
            self.counts[label][largest(row)] += 1;
        }
    }

    /// The table by class that an assignment makes of a table by unit. Its columns are the classes that units stand for,
    /// which may be more than there are rows.
    #[must_use]
    pub fn assigned(&self, assignment: &Assignment) -> Self {
        let rows = self.counts.len();
        let columns = assignment.class_of_unit.iter().map(|class| class + 1).fold(rows, usize::max);
        let mut by_class = Self::new(rows, columns);
        for (from, to) in self.counts.iter().zip(&mut by_class.counts) {
            for (&count, &class) in from.iter().zip(&assignment.class_of_unit) {
                to[class] += count;
            }
        }
        by_class
    }

    /// Share of each class's samples on the diagonal; 1 for a class without samples.
    #[must_use]
    pub fn recall(&self) -> Vec<f64> {
        let share = |(class, row): (usize, &Vec<u64>)| {
            let (right, all) = (row.get(class).copied().unwrap_or(0), row.iter().sum::<u64>());
            if all == 0 { 1.0 } else { right as f64 / all as f64 }
        };
        self.counts.iter().enumerate().map(share).collect()
    }

    /// Share of samples on the diagonal, in [0, 1]; 0 for an empty table.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        let right: u64 = self.counts.iter().enumerate().map(|(class, row)| row.get(class).copied().unwrap_or(0)).sum();
        let all: u64 = self.counts.iter().flatten().sum();
        if all == 0 { 0.0 } else { right as f64 / all as f64 }
    }
}

/// Index of the largest entry, the first of equals.
#[must_use]
pub fn largest(row: &[f32]) -> usize {
    let mut best = 0;
    for (index, &value) in row.iter().enumerate() {
        if value > row[best] {
            best = index;
        }
    }
    best
}

impl Assignment {
    /// Unit k stands for class k.
    #[must_use]
    pub fn identity(classes: usize) -> Self {
        Self { class_of_unit: (0..classes).collect() }
    }

    /// The assignment of classes to distinct units that gets most samples of `table` (classes x units) right; a unit
    /// left over stands for its most frequent class. With fewer units than classes some classes have no unit.
    ///
    /// # Cost
    /// O(classes^2 max(classes, units)).
    #[must_use]
    pub fn fit(table: &Confusion) -> Self {
        let classes = table.counts.len();
        let units = table.counts.first().map_or(0, Vec::len);
        let reward = |class: usize, unit: usize| {
            table.counts.get(class).and_then(|row| row.get(unit)).copied().unwrap_or(0) as i64
        };
        let unit_of = minimum_cost(classes, classes.max(units), |class, unit| -reward(class, unit));
        let mut class_of_unit: Vec<usize> =
            (0..units).map(|unit| (0..classes).rev().max_by_key(|&class| reward(class, unit)).unwrap_or(0)).collect();
        for (class, &unit) in unit_of.iter().enumerate().take(classes) {
            if unit < units {
                class_of_unit[unit] = class;
            }
        }
        Self { class_of_unit }
    }

    /// What units stand for by a table of training samples (classes x units): unit k for class k where outputs name classes,
    /// else the [best fit](Self::fit).
    #[must_use]
    pub fn of_outputs(name_classes: bool, table: &Confusion) -> Self {
        match name_classes {
            true => Self::identity(table.counts.first().map_or(0, Vec::len)),
            false => Self::fit(table),
        }
    }

    /// The class of one sample's outputs.
    #[must_use]
    pub fn class(&self, outputs: &[f32]) -> usize {
        self.class_of_unit[largest(outputs)]
    }
}

/// For each row its column (of at least as many) in an assignment of least total cost, by successive shortest paths with potentials.
fn minimum_cost(rows: usize, columns: usize, cost: impl Fn(usize, usize) -> i64) -> Vec<usize> {
    // Index 0 is a dummy row and column; `row_of` gives the row (from 1) that holds a column, 0 if none does.
    let mut row_potential = vec![0i64; rows + 1];
    let mut column_potential = vec![0i64; columns + 1];
    let mut row_of = vec![0usize; columns + 1];
    for row in 1..=rows {
        row_of[0] = row;
        let mut current = 0;
        let mut slack = vec![i64::MAX; columns + 1];
        let mut previous = vec![0usize; columns + 1];
        let mut visited = vec![false; columns + 1];
        loop {
            visited[current] = true;
            let from = row_of[current];
            let (mut step, mut next) = (i64::MAX, 0);
            for column in 1..=columns {
                if visited[column] {
                    continue;
                }
                let reduced = cost(from - 1, column - 1) - row_potential[from] - column_potential[column];
                if reduced < slack[column] {
                    slack[column] = reduced;
                    previous[column] = current;
                }
                if slack[column] < step {
                    (step, next) = (slack[column], column);
                }
            }
            for column in 0..=columns {
                if visited[column] {
                    row_potential[row_of[column]] += step;
                    column_potential[column] -= step;
                } else if slack[column] != i64::MAX {
                    slack[column] -= step;
                }
            }
            current = next;
            if row_of[current] == 0 {
                break;
            }
        }
        while current != 0 {
            row_of[current] = row_of[previous[current]];
            current = previous[current];
        }
    }
    let mut column_of = vec![0; rows];
    for column in (1..=columns).filter(|&column| row_of[column] > 0) {
        column_of[row_of[column] - 1] = column - 1;
    }
    column_of
}

#[cfg(test)]
mod tests {
    use hsic::random::Stream;

    use super::*;

    #[test]
    fn the_assignment_beats_a_greedy_one() {
        // Greedy by class gives 9 + 0; the optimum is 8 + 7.
        let table = Confusion { counts: vec![vec![9, 8], vec![7, 0]] };
        let assignment = Assignment::fit(&table);
        assert_eq!(assignment.class_of_unit, [1, 0]);
        assert_eq!(table.assigned(&assignment).accuracy(), 15.0 / 24.0);
    }

    #[test]
    fn recall_is_the_share_of_each_row_and_accuracy_that_of_all() {
        // The second class has no samples, the third no column of its own.
        let table = Confusion { counts: vec![vec![3, 1], vec![0, 0], vec![1, 4]] };
        assert_eq!(table.recall(), [0.75, 1.0, 0.0]);
        assert_eq!(table.accuracy(), 3.0 / 9.0);
        assert_eq!(Confusion::new(2, 2).accuracy(), 0.0);
    }

    #[test]
    fn the_assignment_is_the_best_of_all_orders() {
        fn best(rows: &[Vec<u64>], free: &mut Vec<usize>) -> u64 {
            let Some((row, rest)) = rows.split_first() else { return 0 };
            (0..free.len())
                .map(|i| {
                    let unit = free.remove(i);
                    let total = row[unit] + best(rest, free);
                    free.insert(i, unit);
                    total
                })
                .max()
                .unwrap_or(0)
        }
        for index in 0..200 {
            let mut stream = Stream::new(9, "assignment", index);
            let counts: Vec<Vec<u64>> = (0..5).map(|_| (0..5).map(|_| stream.below(20)).collect()).collect();
            let table = Confusion { counts };
            let assigned = table.assigned(&Assignment::fit(&table));
            let right: u64 = (0..5).map(|k| assigned.counts[k][k]).sum();
            assert_eq!(right, best(&table.counts, &mut (0..5).collect()));
        }
    }

    #[test]
    fn a_unit_left_over_stands_for_its_most_frequent_class() {
        let table = Confusion { counts: vec![vec![5, 0, 3], vec![0, 5, 1]] };
        assert_eq!(Assignment::fit(&table).class_of_unit, [0, 1, 0]);
    }
}

//! The objective of a batch in parts by sums: that of the whole batch, and the same bits for any number of processes.

use std::ops::Range;
use std::sync::{Arc, Barrier, Mutex};

use faer::{Mat, MatMut, MatRef};
use hsic::parts::{AllHere, Parts, add_in_order, own_rows};
use hsic::random::Stream;
use hsic::{ApproximateOperator, ApproximateWorkspace, Approximation, Bottleneck, Scalar, Terms};

/// The parts of one of several processes, which threads stand for.
struct Process<T> {
    count: usize,
    own: Range<usize>,
    place: Arc<(Barrier, Mutex<Vec<T>>)>,
}

impl<T: Scalar> Parts<T> for Process<T> {
    fn count(&self) -> usize {
        self.count
    }

    fn own(&self) -> Range<usize> {
        self.own.clone()
    }

    fn gather(&mut self, rows: usize, all: &mut [T]) {
        let (own, length) = (own_rows(self, rows), all.len() / rows);
        let own = own.start * length..own.end * length;
        let (barrier, written) = &*self.place;
        {
            let mut written = written.lock().unwrap();
            written.resize(all.len(), T::of(f64::NAN));
            written[own.clone()].copy_from_slice(&all[own]);
        }
        barrier.wait();
        all.copy_from_slice(&written.lock().unwrap());
        // Nobody writes before all have read.
        barrier.wait();
    }

    fn sum(&mut self, own: &[T], sum: &mut [T]) {
        let mut all = vec![T::of(f64::NAN); self.count * sum.len()];
        all[self.own.start * sum.len()..self.own.end * sum.len()].copy_from_slice(own);
        self.gather(self.count, &mut all);
        add_in_order(&all, sum);
    }
}

/// A batch of so many rows: its operator, and activations of seven columns.
fn batch<T: Scalar>(form: Approximation, rows: usize, options: Bottleneck) -> (ApproximateOperator<T>, Mat<T>) {
    let mut stream = Stream::new(1, "parts", rows as u64);
    let labels: Vec<usize> = (0..rows).map(|_| stream.below(3) as usize).collect();
    let mut normal = |columns: usize| {
        Mat::from_fn(rows, columns, |row, column| {
            T::of(stream.normal() + f64::from(u8::from(labels[row] == column % 3)))
        })
    };
    let (x, z) = (normal(11), normal(7));
    (ApproximateOperator::new(x.as_ref(), &labels, 3, options, form, 5).unwrap(), z)
}

/// Value and own rows of the gradient, row by row, twice: what is left of the first time must not matter.
fn evaluated<T: Scalar>(
    operator: &ApproximateOperator<T>,
    z: MatRef<'_, T>,
    parts: &mut dyn Parts<T>,
) -> Result<(Terms, Vec<T>), hsic::Error> {
    let own = own_rows(parts, z.nrows());
    let rows: Vec<T> = own.clone().flat_map(|row| (0..z.ncols()).map(move |column| z[(row, column)])).collect();
    let mut gradient = vec![T::of(f64::NAN); rows.len()];
    let mut workspace = ApproximateWorkspace::default();
    let mut terms = Terms::default();
    for _ in 0..2 {
        let z = MatRef::from_row_major_slice(&rows, own.len(), z.ncols());
        let to = MatMut::from_row_major_slice_mut(&mut gradient, own.len(), z.ncols());
        terms = operator.evaluate_in_parts(to, z, &mut workspace, parts)?;
    }
    Ok((terms, gradient))
}

/// The same of all processes, in their order.
fn by_processes<T: Scalar>(
    operator: &ApproximateOperator<T>,
    z: MatRef<'_, T>,
    (count, processes): (usize, usize),
) -> Vec<Result<(Terms, Vec<T>), hsic::Error>> {
    let place = Arc::new((Barrier::new(processes), Mutex::default()));
    let of = |index| Process {
        count,
        own: index * count / processes..(index + 1) * count / processes,
        place: Arc::clone(&place),
    };
    std::thread::scope(|scope| {
        let start = |mut process: Process<T>| scope.spawn(move || evaluated(operator, z, &mut process));
        let threads: Vec<_> = (0..processes).map(of).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Batches that parts divide, that they do not, and of fewer rows than parts.
const ROWS: [usize; 4] = [40, 64, 37, 5];

fn options(epsilon: f64) -> Bottleneck {
    Bottleneck { epsilon, beta: 5.0, sigma: 2.0, sigma_labels: 2.0, ..Bottleneck::default() }
}

fn forms(rows: usize, count: usize) -> impl Iterator<Item = Approximation> {
    let forms =
        [Approximation::Fourier(16), Approximation::Fourier(64), Approximation::Blocks(5), Approximation::Blocks(8)];
    forms.into_iter().filter(move |form| form.takes_parts(rows, count))
}

#[test]
fn values_and_gradients_in_parts_are_those_of_the_whole_batch() {
    for rows in ROWS {
        for count in 1..=8 {
            for form in forms(rows, count) {
                for x_weight in [1.0, 0.0] {
                    let (operator, z) = batch::<f64>(form, rows, Bottleneck { x_weight, ..options(1e-3) });
                    let whole = operator.evaluate(z.as_ref()).unwrap();
                    let (terms, gradient) = evaluated(&operator, z.as_ref(), &mut AllHere::new(count)).unwrap();
                    let near = |a: f64, b: f64| (a - b).abs() < 1e-11 * (1.0 + b.abs());
                    assert!(
                        near(terms.loss, whole.terms.loss) && near(terms.x, whole.terms.x),
                        "{form} {rows} {count}"
                    );
                    for (index, found) in gradient.iter().enumerate() {
                        // 64 terms of rounding 1e-16, grown by a ridge of 1e-3.
                        let expected = whole.gradient[(index / 7, index % 7)];
                        assert!(near(*found, expected), "{form} {rows} {count}: {found} {expected}");
                    }
                }
            }
        }
    }
}

#[test]
fn any_number_of_processes_has_the_bits_of_one() {
    // With the smallest ridge single precision does not suffice, and what is done in double is done by all.
    for epsilon in [1e-3, 1e-5, 1e-12] {
        for rows in ROWS {
            for form in forms(rows, 8) {
                let (operator, z) = batch::<f32>(form, rows, options(epsilon));
                let (terms, gradient) = evaluated(&operator, z.as_ref(), &mut AllHere::new(8)).unwrap();
                for processes in [2, 3, 4, 8] {
                    let found = by_processes(&operator, z.as_ref(), (8, processes));
                    let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
                    assert!(found.iter().all(|(own, _)| *own == terms), "{form} {rows} {processes}");
                    let rows_of_all: Vec<f32> = found.into_iter().flat_map(|(_, gradient)| gradient).collect();
                    assert!(rows_of_all == gradient, "{form} {epsilon} {rows} rows, {processes} processes");
                }
            }
        }
    }
}

#[test]
fn a_row_that_is_not_finite_is_an_error_everywhere_and_equal_rows_are_dead_everywhere() {
    for form in [Approximation::Fourier(16), Approximation::Blocks(5)] {
        let (operator, mut z) = batch::<f32>(form, 40, options(1e-3));
        z[(33, 2)] = f32::NAN;
        for found in by_processes(&operator, z.as_ref(), (8, 2)) {
            assert!(matches!(found, Err(hsic::Error::NotFinite { argument: "z", .. })), "{form} {found:?}");
        }
        let equal = Mat::<f32>::from_fn(40, 7, |_, column| column as f32 - 1.5);
        for found in by_processes(&operator, equal.as_ref(), (8, 4)) {
            let (terms, gradient) = found.unwrap();
            assert!(terms.dead && gradient.iter().all(|&value| value == 0.0), "{form}");
        }
    }
}

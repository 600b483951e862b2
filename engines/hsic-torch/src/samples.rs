//! The samples of a training on the device: bytes stay bytes there, and the rows of a step are gathered, changed and normalized
//! where they lie. What travels are the rows' indices and what is drawn for each, by the very draws of the CPU's batches.

use hsic_bottleneck::augment::{Augmentation, Border, Draw};
use hsic_bottleneck::batch::Batches;
use hsic_bottleneck::dataset::{Dataset, Samples as Values, Shape};
use hsic_bottleneck::session::Samples;
use hsic_bottleneck::step_error::BoxError;
use tch::{Kind, Tensor};

use crate::device::Device;

/// What of the free memory samples may take: steps need the rest.
const SHARE: u64 = 2;

/// Values that a byte may have.
const BYTES: usize = 256;

/// Numbers that are sent for a row: its index, then its draw.
const SENT: usize = 6;

/// The samples of a training.
#[derive(Debug)]
pub(crate) struct Kept {
    /// rows x columns: bytes, or numbers as they are.
    values: Tensor,
    /// What each byte of each channel becomes; empty where values are numbers.
    table: Tensor,
    shape: Shape,
    batches: Batches,
    /// The order of an epoch.
    order: (u64, Vec<usize>),
    device: Device,
}

impl Kept {
    /// The training rows on the device, if there is room for them there and they are in memory here.
    ///
    /// # Errors
    /// What the device says of its memory.
    pub(crate) fn of(train: &Dataset, batches: &Batches, device: &Device) -> Result<(Samples, Option<Self>), BoxError> {
        let needed = match &train.samples {
            Values::Bytes(bytes) => bytes.len() as u64,
            Values::Floats(floats) => 4 * floats.len() as u64,
            // What is read from a file as it is needed is more than memory holds.
            Values::Stored(_) => return Ok((Samples::Travel, None)),
        };
        if let Some(free) = device.free_bytes()?.filter(|free| needed > free / SHARE) {
            return Ok((Samples::TooMany { needed, free }, None));
        }
        let (values, table) = match &train.samples {
            Values::Bytes(bytes) => (device.keep(bytes), table(train)),
            Values::Floats(floats) => (device.keep(floats), Vec::new()),
            Values::Stored(_) => return Ok((Samples::Travel, None)),
        };
        let kept = Self {
            values: values.view([train.rows() as i64, -1]),
            table: device.take(&table),
            shape: train.shape,
            batches: *batches,
            order: (u64::MAX, Vec::new()),
            device: device.clone(),
        };
        Ok((Samples::Kept, Some(kept)))
    }

    /// The rows of a step (m x columns), as a batch of the CPU's has them.
    pub(crate) fn batch(&mut self, step: u64) -> Tensor {
        let Self { batches, order, shape, .. } = self;
        let rows = self.values.size()[0] as usize;
        let (epoch, place) = batches.place(rows, step);
        if order.0 != epoch {
            *order = (epoch, batches.order(rows, epoch));
        }
        let (augmentation, seed) = (batches.augmentation, batches.seed);
        let numbers = |&row: &usize| {
            let Draw { flip, down, right, row: line, column } = augmentation.draw(*shape, (seed, epoch), row);
            [row as i64, i64::from(flip), down as i64, right as i64, line as i64, column as i64]
        };
        let picked = &order.1[place];
        let m = picked.len() as i64;
        let x = if augmentation.is_none() {
            let rows: Vec<i64> = picked.iter().map(|&row| row as i64).collect();
            self.converted(self.values.index_select(0, &self.device.take_whole(&rows)))
        } else {
            let sent: Vec<i64> = picked.iter().flat_map(numbers).collect();
            let sent = self.device.take_whole(&sent).view([m, SENT as i64]);
            self.changed(&augmentation, &sent)
        };
        x.view([m, -1])
    }

    /// Values as a network takes them.
    fn converted(&self, values: Tensor) -> Tensor {
        if self.table.numel() == 0 {
            return values;
        }
        let channels = self.shape.channels as i64;
        let first = Tensor::arange(channels, (Kind::Int, self.table.device())) * BYTES as i64;
        let places = values.view([-1, channels, self.pixels()]).to_kind(Kind::Int) + first.view([1, channels, 1]);
        self.table.index_select(0, &places.view(-1))
    }

    fn pixels(&self) -> i64 {
        (self.shape.height * self.shape.width) as i64
    }

    /// The rows and draws that were `sent`, changed by them.
    fn changed(&self, augmentation: &Augmentation, sent: &Tensor) -> Tensor {
        let [channels, height, width] =
            [self.shape.channels, self.shape.height, self.shape.width].map(|side| side as i64);
        let m = sent.size()[0];
        let number = |index: i64| sent.narrow(1, index, 1);
        let along = |side: i64| Tensor::arange(side, (Kind::Int64, sent.device())).unsqueeze(0);
        // Where each pixel comes from: first it was moved, then mirrored.
        let columns = along(width);
        let columns = &columns + number(1) * (&columns * -2 + (width - 1));
        let (y, is_line) = source(augmentation.border, along(height) - number(2), height);
        let (x, is_column) = source(augmentation.border, columns - number(3), width);
        let places =
            (y.unsqueeze(2) * width + x.unsqueeze(1)).view([m, 1, -1]).expand([m, channels, self.pixels()], false);
        let images = self.values.index_select(0, &sent.select(1, 0)).view([m, channels, -1]).gather(2, &places, false);
        let inside = is_line.unsqueeze(2).logical_and(&is_column.unsqueeze(1)).view([m, 1, -1]);
        let images = self.converted(images * inside);
        if augmentation.cutout == 0 {
            return images;
        }
        let cut = |center: Tensor, side: i64| {
            let reach = augmentation.cut(0);
            let from = along(side) - center;
            from.ge(reach.start as i64).logical_and(&from.lt(reach.end as i64))
        };
        let square = cut(number(4), height).unsqueeze(2).logical_and(&cut(number(5), width).unsqueeze(1));
        images.view([m, channels, height, width]).masked_fill(&square.unsqueeze(1), 0.0)
    }
}

/// Where the values of places `at` of a side come from, and which of them do not come from beyond the image.
fn source(border: Border, at: Tensor, side: i64) -> (Tensor, Tensor) {
    match border {
        Border::Black => (at.clamp(0, side - 1), at.ge(0).logical_and(&at.lt(side))),
        // Mirrored at 0, then at the other edge.
        Border::Reflect => {
            let mirrored = (at.abs() - (side - 1)).abs() * -1 + (side - 1);
            (mirrored, at.ones_like().to_kind(Kind::Bool))
        }
    }
}

/// What each byte of each channel becomes as a network takes it.
fn table(train: &Dataset) -> Vec<f32> {
    let (channels, columns) = (train.shape.channels, train.columns());
    let (mut table, mut out) = (vec![0.0; channels * BYTES], vec![0.0; columns]);
    for byte in 0..BYTES {
        train.convert(&vec![byte as u8; columns], &mut out);
        for channel in 0..channels {
            table[channel * BYTES + byte] = out[channel * columns / channels];
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use hsic_bottleneck::augment::Flip;
    use hsic_bottleneck::batch::Batch;
    use hsic_bottleneck::dataset::{Normalization, Targets};

    use super::*;
    use crate::agreement::device;

    const SHAPE: Shape = Shape { channels: 2, height: 5, width: 4 };

    fn data(samples: Values, normalization: Option<Normalization>) -> Dataset {
        let targets = Targets::classes(vec![0; 23], vec!["a".into(), "b".into()]);
        Dataset { name: "samples".into(), samples, shape: SHAPE, targets, normalization }
    }

    /// The batches of three epochs, bit for bit.
    fn check(data: &Dataset, augmentation: Augmentation) {
        let batches = Batches { size: 6, seed: 3, shuffle: true, augmentation, drop_last: false, smoothing: 0.0 };
        let (samples, kept) = Kept::of(data, &batches, &device()).expect("memory");
        let mut kept = kept.expect("room");
        assert_eq!(samples, Samples::Kept);
        let mut expected = Batch::default();
        for step in 0..3 * batches.steps(23) {
            batches.fill(data, step, &mut expected).expect("a batch");
            let found = device().read(&kept.batch(step));
            assert!(found == expected.x, "step {step} of {augmentation:?} {:?}", data.normalization);
        }
    }

    #[test]
    fn batches_have_the_bits_of_the_cpu_s_by_every_change() {
        let bytes: Vec<u8> = (0..23 * 40).map(|i| (i * 7 % 256) as u8).collect();
        let normalization = Normalization { means: vec![0.5, 0.25], deviations: vec![0.3, 0.2] };
        for normalization in [None, Some(normalization)] {
            let data = data(Values::Bytes(bytes.clone()), normalization);
            for flip in [Flip::Never, Flip::Random, Flip::Alternating] {
                for (shift, border, cutout) in [
                    (0, Border::Black, 0),
                    (3, Border::Black, 0),
                    (3, Border::Reflect, 0),
                    (0, Border::Black, 3),
                    (2, Border::Reflect, 2),
                    (1, Border::Black, 4),
                ] {
                    check(&data, Augmentation { flip, shift, border, cutout });
                }
            }
        }
        let floats = (0..23 * 40).map(|i| (i as f32).sin()).collect();
        check(&data(Values::Floats(floats), None), Augmentation::default());
    }

    #[test]
    fn samples_travel_where_there_is_no_room_for_them() {
        let device = device().with_free_bytes(1_000);
        let batches = Batches {
            size: 6,
            seed: 3,
            shuffle: true,
            augmentation: Augmentation::default(),
            drop_last: false,
            smoothing: 0.0,
        };
        let (samples, kept) = Kept::of(&data(Values::Bytes(vec![0; 920]), None), &batches, &device).expect("memory");
        assert_eq!((samples, kept.is_none()), (Samples::TooMany { needed: 920, free: 1_000 }, true));
    }
}

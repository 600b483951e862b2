//! The file that TensorBoard reads: records of a length, its checksum, a message and its checksum (TFRecord), each message an
//! `Event` of values by name.
//!
//! Field numbers are those of `event.proto` and `summary.proto`, <https://github.com/tensorflow/tensorboard/tree/master/tensorboard/compat/proto>.

use std::io::{self, Write};

use super::message::Message;

/// Bars of a histogram.
const BARS: usize = 30;

/// The status of a session that begins.
const START: u64 = 1;

/// Where somebody sees something of a run: at which step, and by the clock, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moment {
    pub(super) clock: f64,
    pub(super) step: u64,
}

/// Values of a moment, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Values(Message);

impl Values {
    /// A number. One that is not finite is left out: it has no place in a curve.
    pub(super) fn scalar(&mut self, tag: &str, value: f64) {
        if value.is_finite() {
            let mut entry = Message::default();
            entry.text(1, tag).float(2, value as f32);
            self.0.message(1, &entry);
        }
    }

    /// How some numbers are distributed, in bars of the same width; those that are not finite do not count.
    pub(super) fn histogram(&mut self, tag: &str, values: &[f32]) {
        let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).map(f64::from).collect();
        let Some((least, most)) = ends(&finite) else { return };
        let (edges, counts) = bars(&finite, least, most);
        let mut histogram = Message::default();
        histogram.double(1, least).double(2, most).double(3, finite.len() as f64);
        histogram.double(4, finite.iter().sum()).double(5, finite.iter().map(|value| value * value).sum());
        histogram.doubles(6, &edges).doubles(7, &counts);
        let mut entry = Message::default();
        entry.text(1, tag).message(5, &histogram);
        self.0.message(1, &entry);
    }

    /// A picture: the bytes of a PNG file of gray pixels.
    pub(super) fn picture(&mut self, tag: &str, (width, height): (usize, usize), png: &[u8]) {
        let mut picture = Message::default();
        picture.int(1, height as u64).int(2, width as u64).int(3, 1).bytes(4, png);
        let mut entry = Message::default();
        entry.text(1, tag).message(4, &picture);
        self.0.message(1, &entry);
    }

    /// Whether there is nothing to tell.
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn ends(values: &[f64]) -> Option<(f64, f64)> {
    let first = *values.first()?;
    Some(values.iter().fold((first, first), |(least, most), &value| (least.min(value), most.max(value))))
}

/// The right edges of bars from the least to the largest of some values, and how many values are in each.
fn bars(values: &[f64], least: f64, most: f64) -> (Vec<f64>, Vec<f64>) {
    let bars = if least < most { BARS } else { 1 };
    let width = (most - least) / bars as f64;
    let mut counts = vec![0.0; bars];
    for value in values {
        let bar = if width > 0.0 { ((value - least) / width) as usize } else { 0 };
        counts[bar.min(bars - 1)] += 1.0;
    }
    let edge = |bar: usize| if bar + 1 == bars { most } else { least + width * (bar + 1) as f64 };
    ((0..bars).map(edge).collect(), counts)
}

/// A file of events in the making.
#[derive(Debug)]
pub(super) struct Events<W>(W);

impl<W: Write> Events<W> {
    /// Begins a file at a time.
    ///
    /// # Errors
    /// What the writer says.
    pub(super) fn begin(mut to: W, clock: f64) -> io::Result<Self> {
        let mut first = Message::default();
        first.double(1, clock).text(3, "brain.Event:2");
        record(&mut to, &first.into_bytes())?;
        Ok(Self(to))
    }

    /// Adds the values of a moment, if there are any.
    ///
    /// # Errors
    /// What the writer says.
    pub(super) fn add(&mut self, at: Moment, values: &Values) -> io::Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let mut event = Message::default();
        event.double(1, at.clock).int(2, at.step).message(5, &values.0);
        record(&mut self.0, &event.into_bytes())?;
        self.0.flush()
    }

    /// Has a reader forget what earlier files told of this step and of later ones.
    ///
    /// # Errors
    /// What the writer says.
    pub(super) fn restart(&mut self, at: Moment) -> io::Result<()> {
        let (mut begun, mut event) = (Message::default(), Message::default());
        begun.int(1, START);
        event.double(1, at.clock).int(2, at.step).message(7, &begun);
        record(&mut self.0, &event.into_bytes())?;
        self.0.flush()
    }

    /// What it was written to.
    pub(super) fn into_inner(self) -> W {
        self.0
    }
}

/// Writes a record, in one piece: a reader of the growing file finds whole ones and at most one in the making.
fn record(to: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let length = (message.len() as u64).to_le_bytes();
    let mut bytes = length.to_vec();
    bytes.extend(masked(checksum(&length)).to_le_bytes());
    bytes.extend(message);
    bytes.extend(masked(checksum(message)).to_le_bytes());
    to.write_all(&bytes)
}

/// The remainders of all bytes by the polynomial of Castagnoli, bits in reverse order.
const REMAINDERS: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut rest, mut bit) = (byte as u32, 0);
        while bit < 8 {
            rest = if rest & 1 == 1 { rest >> 1 ^ 0x82f6_3b78 } else { rest >> 1 };
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
};

/// CRC-32C (RFC 3720, section 12.1).
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |rest, &byte| rest >> 8 ^ REMAINDERS[usize::from(rest as u8 ^ byte)])
}

/// A checksum as it stands beside what it is of, so that it does not look like one in what it is of (TFRecord).
fn masked(checksum: u32) -> u32 {
    checksum.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, appendix B.4, and the check value of CRC-32C in the catalogue of parametrised CRCs.
        assert_eq!(checksum(b"123456789"), 0xe306_9283);
        assert_eq!(checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(checksum(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(checksum(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
    }

    #[test]
    fn records_are_the_bytes_that_tensorboard_writes() {
        // By tensorboard 2.21.0: its RecordWriter on the messages of its own protocol buffers, of the same values.
        let known = "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c\
             2300000000000000b09f774309000000000000fc3f10ac022a150a130a0c6c6f73732f626c6f636b203015000080be83741c\
             f5\
             0f000000000000006d532b0909000000000000004010073a020801d1715dcb\
             6800000000000000fe9c7ad409000000000000fc3f10ac022a5a0a460a01772a4109000000000000e03f11000000000000e0\
             3f19000000000000004021000000000000f03f29000000000000e03f3208000000000000e03f3a0800000000000000400a10\
             0a0169220b0802100318012203706e67d9a17de4";
        let mut events = Events::begin(Vec::new(), 1.5).unwrap();
        let at = Moment { clock: 1.75, step: 300 };
        let mut values = Values::default();
        values.scalar("no number", f64::NAN);
        events.add(at, &values).unwrap();
        values.scalar("loss/block 0", -0.25);
        events.add(at, &values).unwrap();
        events.restart(Moment { clock: 2.0, step: 7 }).unwrap();
        let mut values = Values::default();
        values.histogram("w", &[0.5, f32::INFINITY, 0.5]);
        values.histogram("nothing", &[f32::NAN]);
        values.picture("i", (3, 2), b"png");
        events.add(at, &values).unwrap();
        let written: String = events.into_inner().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written, known);
    }

    #[test]
    fn every_value_is_in_a_bar() {
        let values: Vec<f64> = (0..=300).map(|index| f64::from(index) / 100.0 - 1.0).collect();
        let (edges, counts) = bars(&values, -1.0, 2.0);
        assert_eq!((edges.len(), counts.len(), edges[29]), (30, 30, 2.0));
        assert!(edges.windows(2).all(|pair| (pair[1] - pair[0] - 0.1).abs() < 1e-12), "{edges:?}");
        assert_eq!(counts.iter().sum::<f64>(), 301.0);
        // Ten or, where rounding puts a value beside an edge, nine or eleven; one more at the end.
        assert!(counts.iter().all(|count| (9.0..=12.0).contains(count)), "{counts:?}");
    }
}

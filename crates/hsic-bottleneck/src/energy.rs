//! What a machine's processors take while a training runs, where the system counts it.
//!
//! Linux shows the counters of the processors ("running average power limit") as folders: `intel-rapl:N` are whole
//! processors (also those of AMD), `intel-rapl:N:M` parts of them, of which only memory is not counted in the whole. A counter goes from
//! 0 to `max_energy_range_uj` microjoules and then begins anew, in some minutes under load. It counts what the machine does,
//! whoever asks for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Where Linux has the counters.
const COUNTERS: &str = "/sys/class/powercap";

/// Time between two looks at a counter: one of 65 kJ, as small as they are, goes round in four minutes at 250 watts.
const INTERVAL: Duration = Duration::from_secs(20);

/// A counter of microjoules.
#[derive(Debug)]
struct Counter {
    path: PathBuf,
    /// What it counts to before it begins anew.
    range: u64,
    last: u64,
}

impl Counter {
    /// The counter of a folder; `None` if it cannot be read.
    fn of(folder: &Path) -> Option<Self> {
        let range = number(&folder.join("max_energy_range_uj"))?;
        let path = folder.join("energy_uj");
        let last = number(&path)?;
        Some(Self { path, range, last })
    }

    /// Microjoules since the last look.
    fn passed(&mut self) -> Option<u64> {
        let now = number(&self.path)?;
        let passed = if now >= self.last { now - self.last } else { (self.range + now).checked_sub(self.last)? };
        self.last = now;
        Some(passed)
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// All counters, and what they have counted.
#[derive(Debug)]
struct Counters {
    counters: Vec<Counter>,
    /// Joules; `None` once a counter could not be read.
    joules: Option<f64>,
}

impl Counters {
    /// Those of a folder; `None` where there is no processor among them, or where one cannot be read.
    fn within(folder: &Path) -> Option<Self> {
        let mut counters = Vec::new();
        let mut processors = 0;
        for entry in fs::read_dir(folder).ok()? {
            let path = entry.ok()?.path();
            let zone =
                path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix("intel-rapl:"));
            let Some(zone) = zone else { continue };
            let name = fs::read_to_string(path.join("name")).ok()?;
            let (whole, name) = (!zone.contains(':'), name.trim());
            // Cores and graphics are counted in their processor; a platform counts its processors once more.
            if whole && name.starts_with("package") || !whole && name == "dram" {
                counters.push(Counter::of(&path)?);
                processors += usize::from(whole);
            }
        }
        (processors > 0).then_some(Self { counters, joules: Some(0.0) })
    }

    fn look(&mut self) {
        for counter in &mut self.counters {
            let passed = counter.passed();
            self.joules = self.joules.zip(passed).map(|(joules, passed)| joules + passed as f64 / 1e6);
        }
    }
}

/// Counts what the processors and the memory of this machine take, from its making on.
#[derive(Debug)]
pub struct Meter {
    counters: Arc<Mutex<Counters>>,
    /// Joules of before.
    before: f64,
    /// Whoever looks at the counters now and then hears its end by this.
    _ends: Sender<()>,
}

impl Meter {
    /// A meter of this machine; `None` where it does not tell, as most do only to an administrator.
    #[must_use]
    pub fn here() -> Option<Self> {
        Self::within(Path::new(COUNTERS), INTERVAL)
    }

    /// One of the counters in a folder, which are looked at in intervals.
    fn within(folder: &Path, interval: Duration) -> Option<Self> {
        let counters = Arc::new(Mutex::new(Counters::within(folder)?));
        let (ends, ended) = channel();
        let looked_at = Arc::clone(&counters);
        std::thread::spawn(move || watch(&looked_at, &ended, interval));
        Some(Self { counters, before: 0.0, _ends: ends })
    }

    /// This meter, which goes on from so many joules.
    #[must_use]
    pub fn after(self, joules: f64) -> Self {
        Self { before: joules, ..self }
    }

    /// Joules until now; `None` if a counter could not be read at some time.
    #[must_use]
    pub fn joules(&self) -> Option<f64> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.look();
        counters.joules.map(|joules| self.before + joules)
    }
}

/// Looks at counters in intervals, before they can go round, until the meter is gone.
fn watch(counters: &Mutex<Counters>, ended: &Receiver<()>, interval: Duration) {
    while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
        counters.lock().unwrap_or_else(PoisonError::into_inner).look();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a zone.
    fn zone(folder: &Path, zone: &str, name: &str, (energy, range): (u64, u64)) {
        let path = folder.join(zone);
        fs::create_dir_all(&path).unwrap();
        for (file, text) in
            [("name", name.to_owned()), ("energy_uj", energy.to_string()), ("max_energy_range_uj", range.to_string())]
        {
            fs::write(path.join(file), format!("{text}\n")).unwrap();
        }
    }

    const LONG: Duration = Duration::from_secs(3600);

    /// A machine of two processors, whose second one has a counter of memory.
    fn machine(folder: &Path, energies: [u64; 3]) {
        zone(folder, "intel-rapl:0", "package-0", (energies[0], 9_999_999));
        zone(folder, "intel-rapl:1", "package-1", (energies[1], 5_000_000));
        zone(folder, "intel-rapl:1:1", "dram", (energies[2], 9_999_999));
        // None of these counts: a part of a processor, the whole machine, the same processor by another way.
        for (other, name) in [("intel-rapl:0:0", "core"), ("intel-rapl:2", "psys"), ("intel-rapl-mmio:0", "package-0")]
        {
            zone(folder, other, name, (7 * energies[0], 9_999_999));
        }
        fs::create_dir_all(folder.join("dtpm")).unwrap();
    }

    #[test]
    fn processors_and_memory_count_and_a_counter_goes_round() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        machine(place, [1_000_000, 4_000_000, 0]);
        let meter = Meter::within(place, LONG).unwrap();
        assert_eq!(meter.joules(), Some(0.0));
        machine(place, [3_500_000, 4_250_000, 125_000]);
        assert_eq!(meter.joules(), Some(2.5 + 0.25 + 0.125));
        // The second processor's counter began anew at 5 J: 0.75 J to its end and 0.5 J behind it.
        machine(place, [3_500_000, 500_000, 125_000]);
        assert_eq!(meter.joules(), Some(2.875 + 1.25));
        let later = meter.after(10.0);
        assert_eq!(later.joules(), Some(14.125));
    }

    #[test]
    fn counters_are_looked_at_before_they_go_round_twice() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        machine(place, [0, 0, 0]);
        let meter = Meter::within(place, Duration::from_millis(1)).unwrap();
        let counted = || {
            let counters = meter.counters.lock().unwrap_or_else(PoisonError::into_inner);
            counters.joules.unwrap()
        };
        let mut expected = 0.0;
        for energy in [4_000_000, 3_000_000, 2_000_000] {
            // A file that is written anew is empty for a moment: it is put in its place whole.
            let aside = place.join("aside");
            fs::write(&aside, energy.to_string()).unwrap();
            fs::rename(&aside, place.join("intel-rapl:1/energy_uj")).unwrap();
            // 4 J, then 1 J to the end and 3 J, then 2 J to the end and 2 J.
            expected += 4.0;
            while counted() < expected {
                std::thread::yield_now();
            }
        }
        assert_eq!(counted(), 12.0);
    }

    #[test]
    fn a_machine_that_does_not_tell_has_no_meter() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        assert!(Meter::within(&place.join("nowhere"), LONG).is_none());
        assert!(Meter::within(place, LONG).is_none());
        zone(place, "intel-rapl:0", "psys", (1, 10));
        assert!(Meter::within(place, LONG).is_none());
        machine(place, [0, 0, 0]);
        let meter = Meter::within(place, LONG).unwrap();
        // One that cannot be read, before or meanwhile.
        fs::write(place.join("intel-rapl:0/energy_uj"), "").unwrap();
        assert!(Meter::within(place, LONG).is_none());
        assert_eq!(meter.joules(), None);
        machine(place, [1_000_000, 0, 0]);
        assert_eq!(meter.joules(), None);
    }
}

//! How much memory is left, asked before matrices of rows x rows are taken: a program that asks for more than there is
//! would be ended by the system, without a word of why.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// What is as small is taken without asking, which reads some files.
const SMALL: u64 = 64 << 20;

/// Bytes that can still be taken: the least of what the system has available, what the groups of processes that this one
/// belongs to may still use, and what is left of its address space. `None` where the system tells none of these.
#[must_use]
pub fn available() -> Option<u64> {
    let text = |path: &str| fs::read_to_string(path).ok();
    let system = text("/proc/meminfo").and_then(|meminfo| kilobytes(&meminfo, "MemAvailable:"));
    let groups = text("/proc/self/cgroup").map_or_else(Vec::new, |groups| folders(&groups));
    let groups = groups.iter().filter_map(|(folder, names)| left_in_group(folder, *names));
    let space = text("/proc/self/limits").zip(text("/proc/self/status"));
    let space = space.and_then(|(limits, status)| left_of_space(&limits, &status));
    groups.chain(system).chain(space).min()
}

/// Checks that `bytes` can be taken for matrices whose sides are `rows` long.
///
/// # Errors
/// [`Error::Memory`] with what is needed and what there is.
/// # Cost
/// Some ten microseconds; none below 64 MiB.
pub fn check(rows: usize, bytes: u64) -> Result<(), Error> {
    if bytes < SMALL {
        return Ok(());
    }
    let available = available();
    let fits = match available {
        Some(available) => bytes <= available,
        // The system does not tell: it is asked for the memory, which is given back at once.
        None => usize::try_from(bytes).is_ok_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok()),
    };
    if fits { Ok(()) } else { Err(Error::Memory { rows, needed: bytes, available }) }
}

/// Bytes of `count` matrices of rows x rows entries of `size` bytes each.
#[must_use]
pub fn squares(count: u64, rows: usize, size: usize) -> u64 {
    let rows = rows as u64;
    count.saturating_mul(rows.saturating_mul(rows)).saturating_mul(size as u64)
}

/// Checks that a buffer of `len` entries can grow to `square`, the entries of a matrix whose sides are `rows` long.
pub(crate) fn check_growth<T>(rows: usize, buffer: &[T], square: usize) -> Result<(), Error> {
    let more = square.saturating_sub(buffer.len()) as u64;
    check(rows, more.saturating_mul(size_of::<T>() as u64))
}

/// The bytes that a line such as `MemAvailable:   1234 kB` tells.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes.saturating_mul(1024))
}

/// Files of a group that say what it may use, what it uses, and which line of `memory.stat` what of that can be freed.
type Names = [&'static str; 3];

const UNIFIED: Names = ["memory.max", "memory.current", "inactive_file"];
const FIRST: Names = ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"];

/// The folders of the groups that a process belongs to, from a `/proc/self/cgroup`, each with all above it: what bounds a
/// group bounds those in it. Within a container the paths may be those of the host, of which only the root is seen.
fn folders(groups: &str) -> Vec<(PathBuf, Names)> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, names) = match controllers {
            "" => ("/sys/fs/cgroup", UNIFIED),
            _ if controllers.split(',').any(|name| name == "memory") => ("/sys/fs/cgroup/memory", FIRST),
            _ => continue,
        };
        let folder = Path::new(root).join(path.trim_start_matches('/'));
        found.extend(folder.ancestors().take_while(|above| above.starts_with(root)).map(|above| (above.into(), names)));
    }
    found
}

/// What a group may still use; `None` without a bound.
fn left_in_group(folder: &Path, [bound, used, idle]: Names) -> Option<u64> {
    let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let number = |name: &str| text(name)?.trim().parse::<u64>().ok();
    // A bound of `max` is no number.
    let (bound, used) = (number(bound)?, number(used)?);
    let stat = text("memory.stat").unwrap_or_default();
    let idle = stat.lines().find_map(|line| line.strip_prefix(idle)?.trim().parse::<u64>().ok()).unwrap_or(0);
    Some(bound.saturating_sub(used.saturating_sub(idle)))
}

/// What is left of the address space, from a `/proc/self/limits` and a `/proc/self/status`; `None` without a bound.
fn left_of_space(limits: &str, status: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let bound: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(bound.saturating_sub(kilobytes(status, "VmSize:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_files_are_read_as_they_are_written() {
        let meminfo = "MemTotal:       24546020 kB\nMemFree:        13000000 kB\nMemAvailable:   23000004 kB\n";
        assert_eq!(kilobytes(meminfo, "MemAvailable:"), Some(23_000_004 * 1024));
        assert_eq!(kilobytes("MemTotal: 1 kB\n", "MemAvailable:"), None);
        let limits = |bound: &str| format!("Limit  Soft  Hard  Units\nMax address space         {bound}  9  bytes\n");
        assert_eq!(
            left_of_space(&limits("5000000"), "VmPeak: 9 kB\nVmSize:\t   1000 kB\n"),
            Some(5_000_000 - 1_024_000)
        );
        assert_eq!(left_of_space(&limits("unlimited"), "VmSize: 1000 kB\n"), None);
    }

    #[test]
    fn a_group_is_bounded_by_those_above_it() {
        let paths = |text: &str| -> Vec<PathBuf> { folders(text).into_iter().map(|(folder, _)| folder).collect() };
        let of = |names: &[&str]| -> Vec<PathBuf> { names.iter().map(PathBuf::from).collect() };
        assert_eq!(paths("0::/a/b\n"), of(&["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"]));
        assert_eq!(paths("5:cpu:/x\n4:memory:/a\n"), of(&["/sys/fs/cgroup/memory/a", "/sys/fs/cgroup/memory"]));
        assert_eq!(paths("0::/\n"), of(&["/sys/fs/cgroup"]));
    }

    #[test]
    fn a_group_has_its_bound_less_what_cannot_be_freed() {
        let folder = std::env::temp_dir().join(format!("hsic-group-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        assert_eq!(left_in_group(&folder, UNIFIED), None);
        write("memory.current", "700\n");
        write("memory.max", "max\n");
        assert_eq!(left_in_group(&folder, UNIFIED), None);
        write("memory.max", "1000\n");
        assert_eq!(left_in_group(&folder, UNIFIED), Some(300));
        write("memory.stat", "anon 100\ninactive_file 250\nactive_file 20\n");
        assert_eq!(left_in_group(&folder, UNIFIED), Some(550));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_linux_tells_is_no_more_than_there_is() {
        let total = kilobytes(&fs::read_to_string("/proc/meminfo").unwrap(), "MemTotal:").unwrap();
        let left = available().unwrap();
        // A machine that runs this test has a megabyte left.
        assert!((1 << 20..=total).contains(&left), "{left} of {total}");
    }

    #[test]
    fn what_no_machine_has_is_refused_and_what_is_small_is_not_asked_for() {
        assert_eq!(check(1000, squares(4, 1000, 4)), Ok(()));
        let found = check(1 << 31, squares(3, 1 << 31, 8)).unwrap_err();
        let Error::Memory { rows, needed, available } = found else { panic!("{found}") };
        // 3 x 2^62 x 8 bytes are beyond the numbers of 64 bits.
        assert_eq!((rows, needed), (1 << 31, u64::MAX));
        assert!(available.is_none_or(|available| available < needed));
        assert_eq!(squares(2, 60_000, 8), 57_600_000_000);
    }
}

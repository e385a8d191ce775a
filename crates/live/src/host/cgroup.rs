//! Control groups: the CPU quota, and how long a group was throttled because it had used it up.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where control groups are mounted.
const MOUNT: &str = "/sys/fs/cgroup";

/// A control group that limits the CPU of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    folder: PathBuf,
    version: Version,
}

/// The layout of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    /// `cpu.cfs_quota_us`, and `throttled_time` in nanoseconds.
    One,
    /// `cpu.max`, and `throttled_usec` in microseconds.
    Two,
}

/// Returns the groups of this process, innermost first; none if the kernel has none.
pub(super) fn groups() -> Vec<Group> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    candidates(&own, Path::new(MOUNT))
        .into_iter()
        .filter(|group| group.folder.join("cpu.stat").exists())
        .collect()
}

/// Returns the groups that `/proc/self/cgroup` names, and all that they are in. In a container the names may be those of
/// the machine outside, where only the outermost folder exists.
fn candidates(own: &str, mount: &Path) -> Vec<Group> {
    let mut found = Vec::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(name)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (top, version) = if controllers.is_empty() {
            (mount.to_owned(), Version::Two)
        } else if controllers.split(',').any(|one| one == "cpu") {
            (mount.join(controllers), Version::One)
        } else {
            continue;
        };
        let relative = Path::new(name.trim_start_matches('/'));
        for ancestor in relative.ancestors() {
            found.push(Group {
                folder: top.join(ancestor),
                version,
            });
        }
    }
    found
}

impl Group {
    /// Returns the quota in CPUs; `None` without one.
    pub(super) fn quota(&self) -> Option<f64> {
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).ok();
        match self.version {
            Version::One => quota_one(&read("cpu.cfs_quota_us")?, &read("cpu.cfs_period_us")?),
            Version::Two => quota_two(&read("cpu.max")?),
        }
    }

    /// Returns how long the group was throttled so far; `None` if it does not tell.
    pub(super) fn throttled(&self) -> Option<Duration> {
        let stat = fs::read_to_string(self.folder.join("cpu.stat")).ok()?;
        throttled(&stat, self.version)
    }
}

fn quota_one(quota_us: &str, period_us: &str) -> Option<f64> {
    // No quota is -1.
    let quota: f64 = quota_us.trim().parse().ok().filter(|quota| *quota > 0.0)?;
    let period: f64 = period_us.trim().parse().ok().filter(|one| *one > 0.0)?;
    Some(quota / period)
}

fn quota_two(max: &str) -> Option<f64> {
    // No quota is `max`.
    let (quota_us, period_us) = max.trim().split_once(' ')?;
    quota_one(quota_us, period_us)
}

fn throttled(stat: &str, version: Version) -> Option<Duration> {
    let value = |name: &str| {
        let lines = stat.lines().filter_map(|line| line.split_once(' '));
        let mut found = lines.filter(|(key, _)| *key == name);
        found.next()?.1.trim().parse().ok()
    };
    match version {
        Version::One => value("throttled_time").map(Duration::from_nanos),
        Version::Two => value("throttled_usec").map(Duration::from_micros),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(own: &str) -> Vec<(String, Version)> {
        let groups = candidates(own, Path::new("/cg")).into_iter();
        groups
            .map(|group| (group.folder.display().to_string(), group.version))
            .collect()
    }

    #[test]
    fn version_two_has_one_tree_and_a_quota_may_be_anywhere_above() {
        let own = "0::/user.slice/run-7.scope\n";
        let expected = [
            ("/cg/user.slice/run-7.scope", Version::Two),
            ("/cg/user.slice", Version::Two),
            ("/cg/", Version::Two),
        ];
        let expected = expected.map(|(folder, version)| (folder.to_owned(), version));
        assert_eq!(folders(own), expected);
    }

    #[test]
    fn version_one_has_a_tree_for_the_cpu() {
        let own = "9:name=systemd:/\n4:memory:/box\n2:cpuacct:/\n1:cpu:/box\n";
        let expected = [("/cg/cpu/box", Version::One), ("/cg/cpu/", Version::One)];
        let expected = expected.map(|(folder, version)| (folder.to_owned(), version));
        assert_eq!(folders(own), expected);
        let joint = folders("3:cpu,cpuacct:/\n");
        assert_eq!(joint, [("/cg/cpu,cpuacct/".to_owned(), Version::One)]);
    }

    #[test]
    fn a_quota_is_read_in_cpus() {
        assert_eq!(quota_two("50000 100000\n"), Some(0.5));
        assert_eq!(quota_two("max 100000\n"), None);
        assert_eq!(quota_two(""), None);
        assert_eq!(quota_one("150000\n", "100000\n"), Some(1.5));
        assert_eq!(quota_one("-1\n", "100000\n"), None);
        assert_eq!(quota_one("1\n", "0\n"), None);
    }

    #[test]
    fn throttled_time_has_the_unit_of_its_version() {
        let two = "usage_usec 9000000\nuser_usec 1\nsystem_usec 2\nnr_periods 90\nnr_throttled 45\nthrottled_usec 2250000\n";
        assert_eq!(
            throttled(two, Version::Two),
            Some(Duration::from_millis(2_250))
        );
        let one = "nr_periods 90\nnr_throttled 45\nthrottled_time 2250000000\n";
        assert_eq!(
            throttled(one, Version::One),
            Some(Duration::from_millis(2_250))
        );
        assert_eq!(throttled("usage_usec 9\n", Version::Two), None);
    }
}

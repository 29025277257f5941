//! The control group of this process, as far as it limits the CPU, [`CpuGroup`], or memory,
//! [`MemoryGroup`]. Versions 1 and 2, with all groups above: the tightest limit counts
//! (Documentation/admin-guide/cgroup-v2.rst, Documentation/scheduler/sched-bwc.rst).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuGroup {
    version: Version,
    /// The group's folder and those of the groups above.
    levels: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

impl CpuGroup {
    /// That of this process; `None` where no controller of the CPU is mounted.
    pub fn of_self() -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Self::find(&groups, &mounts)
    }

    /// As `/proc/self/cgroup` and `/proc/self/mountinfo` say it.
    fn find(groups: &str, mounts: &str) -> Option<Self> {
        let (version, levels) = find("cpu", groups, mounts)?;
        Some(Self { version, levels })
    }

    /// Cores that the group may use; `None` without a limit.
    pub fn quota(&self) -> Option<f64> {
        let quota = |level: &PathBuf| match self.version {
            Version::V1 => {
                let number = |name| read(level, name)?.trim().parse::<f64>().ok();
                let quota = number("cpu.cfs_quota_us").filter(|&quota| quota > 0.0)?;
                Some(quota / number("cpu.cfs_period_us")?)
            }
            Version::V2 => quota_of_max(&read(level, "cpu.max")?),
        };
        self.levels.iter().filter_map(quota).min_by(f64::total_cmp)
    }

    /// How long threads of the group were kept from running since they had used up a quota, all
    /// CPUs together; `None` if nobody keeps account of it.
    pub fn throttled(&self) -> Option<Duration> {
        let stat = |level: &PathBuf| throttled(&read(level, "cpu.stat")?);
        self.levels.iter().filter_map(stat).max()
    }
}

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryGroup {
    version: Version,
    /// The group's folder and those of the groups above.
    levels: Vec<PathBuf>,
}

impl MemoryGroup {
    /// That of this process; `None` where no controller of memory is mounted.
    pub fn of_self() -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let (version, levels) = find("memory", &groups, &mounts)?;
        Some(Self { version, levels })
    }

    /// Bytes that the group may use; `None` without a limit.
    pub fn limit(&self) -> Option<u64> {
        // Without a limit it is `max`, or in version 1 the largest number of whole pages.
        let (name, most) = match self.version {
            Version::V1 => ("memory.limit_in_bytes", 1 << 62),
            Version::V2 => ("memory.max", u64::MAX),
        };
        let limit = |level: &PathBuf| read(level, name)?.trim().parse().ok();
        self.levels.iter().filter_map(limit).filter(|limit| *limit < most).min()
    }
}

/// The group of a controller, and the groups above, as `/proc/self/cgroup` and
/// `/proc/self/mountinfo` say it.
fn find(controller: &str, groups: &str, mounts: &str) -> Option<(Version, Vec<PathBuf>)> {
    let group = |wanted: &str| {
        groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            let found = controllers.split(',').any(|controller| controller == wanted);
            found.then_some(path)
        })
    };
    let mount = |kind: &str, option: Option<&str>| {
        mounts.lines().find_map(|line| {
            let (place, rest) = line.split_once(" - ")?;
            let mut place = place.split(' ').skip(3);
            let (root, point) = (place.next()?, place.next()?);
            let mut rest = rest.split(' ');
            let (found, options) = (rest.next()?, rest.nth(1)?);
            let has = |wanted| options.split(',').any(|option| option == wanted);
            (found == kind && option.is_none_or(has)).then_some((root, point))
        })
    };
    let v1 = group(controller).zip(mount("cgroup", Some(controller)));
    let v2 = || group("").zip(mount("cgroup2", None));
    let (version, (path, (root, point))) = match v1 {
        Some(found) => (Version::V1, found),
        None => (Version::V2, v2()?),
    };
    // The mount may show a part of the hierarchy only, as in a container.
    let path = Path::new(path);
    let inner = path.strip_prefix(root).or_else(|_| path.strip_prefix("/")).ok()?;
    let point = Path::new(point);
    let own = point.join(inner);
    let levels = own.ancestors().take_while(|level| level.starts_with(point));
    Some((version, levels.map(Into::into).collect()))
}

fn read(level: &Path, name: &str) -> Option<String> {
    fs::read_to_string(level.join(name)).ok()
}

/// `cpu.max`: the quota or `max`, and the period.
fn quota_of_max(text: &str) -> Option<f64> {
    let mut words = text.split_whitespace();
    let quota: f64 = words.next()?.parse().ok()?;
    let period: f64 = words.next()?.parse().ok()?;
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

/// `cpu.stat`: microseconds in version 2, nanoseconds in version 1.
fn throttled(text: &str) -> Option<Duration> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        match name {
            "throttled_usec" => value.parse().ok().map(Duration::from_micros),
            "throttled_time" => value.parse().ok().map(Duration::from_nanos),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(version: Version, levels: &[&str]) -> CpuGroup {
        let levels = levels.iter().map(PathBuf::from).collect();
        CpuGroup { version, levels }
    }

    #[test]
    fn finds_the_folder_of_either_version_and_those_above() {
        let v1 = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                  32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                  41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            CpuGroup::find("3:cpuset:/x\n4:cpu,cpuacct:/a/b\n0::/z\n", v1),
            Some(group(
                Version::V1,
                &[
                    "/sys/fs/cgroup/cpu,cpuacct/a/b",
                    "/sys/fs/cgroup/cpu,cpuacct/a",
                    "/sys/fs/cgroup/cpu,cpuacct"
                ]
            ))
        );
        let v2 = "24 1 0:22 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(
            CpuGroup::find("0::/user.slice\n", v2),
            Some(group(Version::V2, &["/sys/fs/cgroup/user.slice", "/sys/fs/cgroup"]))
        );
        let container = "9 1 0:22 /docker/f00 /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
        assert_eq!(
            CpuGroup::find("0::/docker/f00/app\n", container),
            Some(group(Version::V2, &["/sys/fs/cgroup/app", "/sys/fs/cgroup"]))
        );
        for (groups, mounts) in [("", ""), ("0::/x\n", ""), ("", v2), ("nonsense\n", v1)] {
            assert_eq!(CpuGroup::find(groups, mounts), None);
        }
    }

    #[test]
    fn the_tightest_memory_limit_of_all_levels_counts() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let write = |level: &Path, name: &str, text: &str| {
            fs::write(level.join(name), text).unwrap();
        };
        let group = |version| MemoryGroup {
            version,
            levels: vec![inner.clone(), folder.path().into()],
        };
        for (version, name, none) in [
            (Version::V2, "memory.max", "max"),
            (Version::V1, "memory.limit_in_bytes", "9223372036854771712"),
        ] {
            let group = group(version);
            assert_eq!(group.limit(), None, "no file");
            write(&inner, name, none);
            assert_eq!(group.limit(), None, "no limit");
            write(folder.path(), name, "100663296\n");
            assert_eq!(group.limit(), Some(96 << 20), "of the group above");
            write(&inner, name, "1048576\n");
            assert_eq!(group.limit(), Some(1 << 20));
        }
    }

    #[test]
    fn reads_quota_and_throttling_of_all_levels() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let write = |level: &Path, name: &str, text: &str| {
            fs::write(level.join(name), text).unwrap();
        };
        let group =
            |version| CpuGroup { version, levels: vec![inner.clone(), folder.path().into()] };
        let v2 = group(Version::V2);
        assert_eq!((v2.quota(), v2.throttled()), (None, None));
        write(&inner, "cpu.max", "max 100000\n");
        assert_eq!(v2.quota(), None);
        write(folder.path(), "cpu.max", "150000 100000\n");
        write(folder.path(), "cpu.stat", "usage_usec 9\nthrottled_usec 2500\n");
        assert_eq!(v2.quota(), Some(1.5));
        assert_eq!(v2.throttled(), Some(Duration::from_micros(2500)));
        let v1 = group(Version::V1);
        write(&inner, "cpu.cfs_quota_us", "10000\n");
        write(&inner, "cpu.cfs_period_us", "100000\n");
        write(folder.path(), "cpu.cfs_quota_us", "-1\n");
        write(&inner, "cpu.stat", "nr_throttled 3\nthrottled_time 4000000\n");
        assert_eq!(v1.quota(), Some(0.1));
        assert_eq!(v1.throttled(), Some(Duration::from_millis(4)));
    }
}

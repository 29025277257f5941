//! The machine that a run was made on: [`Environment`]. Read from the system at the time of
//! the run; what can't be read is null, never guessed.

use std::fs;
use std::path::Path;

use echo_net::cgroup::CpuGroup;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A fingerprint of the machine and its settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Kernel name and release.
    pub kernel: Option<String>,
    /// CPU model.
    pub cpu_model: Option<String>,
    /// Cores that this process may use.
    pub cores: Option<usize>,
    /// CPU limit of this process's control group and those above it, the tightest of them (`quota
    /// period` in microseconds, or `max`).
    pub cgroup_cpu: Option<String>,
    /// Memory limit of the control group in bytes, or `max`.
    pub cgroup_memory: Option<String>,
    /// Frequency governor of the first core.
    pub governor: Option<String>,
    /// The kernel's clock source.
    pub clock_source: Option<String>,
    /// TCP congestion control.
    pub congestion_control: Option<String>,
    /// TCP receive buffer: least, default, most, in bytes.
    pub tcp_rmem: Option<String>,
    /// TCP send buffer: least, default, most, in bytes.
    pub tcp_wmem: Option<String>,
    /// Longest accept queue that a listener may have.
    pub somaxconn: Option<String>,
    /// Ports that outgoing connections may use.
    pub port_range: Option<String>,
    /// Whether all traffic stays on this machine.
    pub loopback: bool,
}

impl Environment {
    /// Reads it.
    pub fn read(loopback: bool) -> Self {
        let name = rustix::system::uname();
        let (sysname, release) = (name.sysname().to_string_lossy(), name.release());
        Self {
            kernel: Some(format!("{sysname} {}", release.to_string_lossy())),
            cpu_model: cpu_model(),
            cores: std::thread::available_parallelism().ok().map(Into::into),
            cgroup_cpu: CpuGroup::of_self().map(|group| {
                let quota = |cores: f64| format!("{:.0} 100000", cores * 1e5);
                group.quota().map_or_else(|| "max".to_owned(), quota)
            }),
            cgroup_memory: line("/sys/fs/cgroup/memory.max"),
            governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            clock_source: line(
                "/sys/devices/system/clocksource/clocksource0/current_clocksource",
            ),
            congestion_control: line("/proc/sys/net/ipv4/tcp_congestion_control"),
            tcp_rmem: line("/proc/sys/net/ipv4/tcp_rmem"),
            tcp_wmem: line("/proc/sys/net/ipv4/tcp_wmem"),
            somaxconn: line("/proc/sys/net/core/somaxconn"),
            port_range: line("/proc/sys/net/ipv4/ip_local_port_range"),
            loopback,
        }
    }
}

/// The first line of a file, its white space folded.
fn line(path: impl AsRef<Path>) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let words: Vec<_> = text.lines().next()?.split_whitespace().collect();
    Some(words.join(" "))
}

fn cpu_model() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

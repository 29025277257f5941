//! What is looked at: [`Facts`]. What the kernel tells in files is read here; what has to be tried
//! out is handed in.

use std::fs;
use std::path::Path;
use std::time::Duration;

use echo_net::cgroup::{CpuGroup, MemoryGroup};

/// A limit that is set, or is not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit<T> {
    /// There is none.
    None,
    /// So much.
    At(T),
}

/// What is known of a machine; `None` is what could not be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Descriptors that this process may have.
    pub descriptors: Option<u64>,
    /// First and last port of outgoing connections.
    pub port_range: Option<(u64, u64)>,
    /// Connections in `TIME_WAIT`.
    pub time_wait: Option<u64>,
    /// `net.ipv4.tcp_tw_reuse`: 0 never, 1 always, 2 on the loopback.
    pub time_wait_reuse: Option<u64>,
    /// `net.core.somaxconn`.
    pub accept_queue: Option<u64>,
    /// `net.ipv4.tcp_max_syn_backlog`.
    pub syn_backlog: Option<u64>,
    /// CPUs that this process may run on.
    pub cores: Option<usize>,
    /// Cores that its control group may use.
    pub quota: Option<Limit<f64>>,
    /// Bytes of memory that its control group may use.
    pub memory: Option<Limit<u64>>,
    /// Frequency governors of the CPUs, each once.
    pub governors: Vec<String>,
    /// Whether CPUs may go faster than their base frequency for a while.
    pub turbo: Option<bool>,
    /// Whether two threads share a core.
    pub smt: Option<bool>,
    /// CPU vulnerabilities that the kernel works around.
    pub mitigations: Option<usize>,
    /// Whether it is a virtual machine.
    pub is_virtual: Option<bool>,
    /// The clock source.
    pub clock_source: Option<String>,
    /// `/proc/self/timerslack_ns`.
    pub timer_slack_ns: Option<u64>,
    /// By how much a short sleep ends late: the median and the worst of a hundred.
    pub oversleep: Option<[Duration; 2]>,
    /// Whether `io_uring` can be used, or why not.
    pub uring: Option<Result<(), String>>,
    /// Bytes that may be locked in memory; `u64::MAX` without a limit.
    pub locked_memory: Option<u64>,
    /// NUMA nodes.
    pub numa_nodes: Option<usize>,
    /// TCP congestion control.
    pub congestion: Option<String>,
    /// Whether the kernel takes receive stamps, or why not.
    pub stamps: Option<Result<(), String>>,
    /// Whether a link can be emulated, or why not, with the remedy.
    pub link: Option<Result<(), String>>,
    /// Cores that other processes keep busy.
    pub others_busy: Option<f64>,
    /// Cores that the hypervisor takes away.
    pub stolen: Option<f64>,
}

impl Facts {
    /// What the kernel tells in files.
    pub fn read() -> Self {
        let reads = |path: &str| line(path)?.parse().ok();
        Self {
            port_range: line("/proc/sys/net/ipv4/ip_local_port_range").and_then(|range| {
                let mut ends = range.split_whitespace().map(str::parse);
                Some((ends.next()?.ok()?, ends.next()?.ok()?))
            }),
            time_wait: time_wait(),
            time_wait_reuse: reads("/proc/sys/net/ipv4/tcp_tw_reuse"),
            accept_queue: reads("/proc/sys/net/core/somaxconn"),
            syn_backlog: reads("/proc/sys/net/ipv4/tcp_max_syn_backlog"),
            cores: std::thread::available_parallelism().ok().map(Into::into),
            quota: CpuGroup::of_self()
                .map(|group| group.quota().map_or(Limit::None, Limit::At)),
            memory: MemoryGroup::of_self()
                .map(|group| group.limit().map_or(Limit::None, Limit::At)),
            governors: governors(),
            turbo: turbo(),
            smt: line("/sys/devices/system/cpu/smt/active").map(|active| active == "1"),
            mitigations: mitigations(),
            // Other processors than those of x86 do not tell.
            is_virtual: fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
                let flags = text.lines().find(|line| line.starts_with("flags"))?;
                Some(flags.split_whitespace().any(|flag| flag == "hypervisor"))
            }),
            clock_source: line(
                "/sys/devices/system/clocksource/clocksource0/current_clocksource",
            ),
            timer_slack_ns: reads("/proc/self/timerslack_ns"),
            locked_memory: locked_memory(),
            numa_nodes: entries("/sys/devices/system/node", "node"),
            congestion: line("/proc/sys/net/ipv4/tcp_congestion_control"),
            ..Self::default()
        }
    }
}

/// The first line of a file.
fn line(path: impl AsRef<Path>) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.lines().next()?.trim().to_owned())
}

/// The number behind `tw` in the line of TCP, as the kernel's `net/ipv4/proc.c` writes it.
fn time_wait() -> Option<u64> {
    let text = fs::read_to_string("/proc/net/sockstat").ok()?;
    let line = text.lines().find(|line| line.starts_with("TCP:"))?;
    let mut words = line.split_whitespace().skip_while(|word| *word != "tw");
    words.nth(1)?.parse().ok()
}

fn governors() -> Vec<String> {
    let cpus = fs::read_dir("/sys/devices/system/cpu").into_iter().flatten().flatten();
    let of = |cpu: fs::DirEntry| line(cpu.path().join("cpufreq/scaling_governor"));
    let mut governors: Vec<String> = cpus.filter_map(of).collect();
    governors.sort_unstable();
    governors.dedup();
    governors
}

fn turbo() -> Option<bool> {
    let intel = line("/sys/devices/system/cpu/intel_pstate/no_turbo");
    let other = line("/sys/devices/system/cpu/cpufreq/boost");
    intel.map(|off| off == "0").or_else(|| other.map(|on| on == "1"))
}

fn mitigations() -> Option<usize> {
    let files = fs::read_dir("/sys/devices/system/cpu/vulnerabilities").ok()?.flatten();
    let texts = files.filter_map(|file| line(file.path()));
    Some(texts.filter(|text| text.starts_with("Mitigation")).count())
}

fn locked_memory() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        bytes => bytes.parse().ok(),
    }
}

/// Entries of a directory with this name and a number.
fn entries(directory: &str, name: &str) -> Option<usize> {
    let entries = fs::read_dir(directory).ok()?.flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let numbered = |text: &String| {
        text.strip_prefix(name).is_some_and(|number| number.parse::<u32>().is_ok())
    };
    Some(names.filter(numbered).count())
}

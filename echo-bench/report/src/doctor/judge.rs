//! How what is known of a machine is for measurements: [`examine`]. One function for each part of
//! the machine; no fact is judged twice.

use std::time::Duration;

use echo_net::settings::ByteSize;

use super::{Check, Facts, Health, Limit};

/// Fewest descriptors for loads that servers are compared under.
const FEW_DESCRIPTORS: u64 = 4096;

/// Fewest connections that a listener should hold until they are accepted.
const SHORT_QUEUE: u64 = 1024;

/// Cores kept busy by others, above which runs differ for that reason.
const MUCH_LOAD: f64 = 0.1;

/// Cores taken by the hypervisor, above which the same holds.
const MUCH_STOLEN: f64 = 0.02;

/// A sleep that ends so much later makes open loads late.
const LATE: Duration = Duration::from_micros(500);

/// Clock sources that are read without a system call.
const FAST_CLOCKS: [&str; 5] =
    ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "tsc-early"];

/// Every check, in the order of how often they matter.
pub fn examine(facts: &Facts) -> Vec<Check> {
    [processor(facts), load(facts), clocks(facts), connections(facts), kernel(facts)].concat()
}

fn processor(facts: &Facts) -> Vec<Check> {
    vec![
        cores(facts),
        quota(facts),
        governor(facts),
        turbo(facts),
        smt(facts),
        numa(facts),
        mitigations(facts),
        virtual_machine(facts),
        memory(facts),
    ]
}

fn cores(facts: &Facts) -> Check {
    let name = "cores";
    match facts.cores {
        None => Check::unknown(name),
        Some(1) => Check::new(name, "1", Health::Warning).because(
            "generator and server take turns on one core, so each waits for the other",
            "load a server on another machine, or use a machine with more cores",
        ),
        Some(cores @ 2..4) => Check::new(name, cores.to_string(), Health::Note).because(
            "one or two cores for each side, and everything else runs beside them",
            "stop what else runs; load a server on another machine for more than one core",
        ),
        Some(cores) => Check::ok(name, cores.to_string()),
    }
}

fn quota(facts: &Facts) -> Check {
    let name = "cpu quota";
    match (facts.quota, facts.cores) {
        (None, _) => Check::unknown(name),
        (Some(Limit::None), _) => Check::ok(name, "none"),
        (Some(Limit::At(quota)), Some(cores)) if quota >= cores as f64 => {
            Check::new(name, format!("{quota:.2} cores"), Health::Note)
                .said("as much as there is, but threads are still stopped if they exceed it")
        }
        (Some(Limit::At(quota)), _) => Check::new(
            name,
            format!("{quota:.2} cores"),
            Health::Warning,
        )
        .because(
            "threads are stopped for up to 100 ms when it is used up",
            "raise or lift it: docker run --cpus, CPUQuota= of systemd, limits.cpu of a pod",
        ),
    }
}

fn governor(facts: &Facts) -> Check {
    let name = "governor";
    let shown = facts.governors.join(", ");
    match &facts.governors[..] {
        [] if facts.is_virtual == Some(true) => Check::of_host(name),
        [] => Check::unknown(name),
        [only] if only == "performance" => Check::ok(name, shown),
        _ => Check::new(name, shown, Health::Warning).because(
            "CPUs are slow until they have been busy for a while, so light loads look slow",
            "cpupower frequency-set -g performance",
        ),
    }
}

fn turbo(facts: &Facts) -> Check {
    match facts.turbo {
        None if facts.is_virtual == Some(true) => Check::of_host("turbo"),
        None => Check::unknown("turbo"),
        Some(false) => Check::ok("turbo", "off"),
        Some(true) => Check::new("turbo", "on", Health::Note).because(
            "the frequency depends on temperature and on other cores, so runs differ more",
            "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo (or 0 > .../cpufreq/boost)",
        ),
    }
}

fn smt(facts: &Facts) -> Check {
    match facts.smt {
        None => Check::unknown("smt"),
        Some(false) => Check::ok("smt", "off"),
        Some(true) => Check::new("smt", "on", Health::Note).because(
            "two CPUs share a core; --pin auto takes one of each first",
            "echo off > /sys/devices/system/cpu/smt/control",
        ),
    }
}

fn numa(facts: &Facts) -> Check {
    match facts.numa_nodes {
        None | Some(0) => Check::unknown("numa nodes"),
        Some(1) => Check::ok("numa nodes", "1"),
        Some(nodes) => Check::new("numa nodes", nodes.to_string(), Health::Note).because(
            "memory of another node is slower, and placement decides which is used",
            "numactl --cpunodebind=0 --membind=0 echo-bench ...",
        ),
    }
}

fn mitigations(facts: &Facts) -> Check {
    match facts.mitigations {
        None => Check::unknown("mitigations"),
        Some(0) => Check::ok("mitigations", "none"),
        Some(count) => Check::new("mitigations", format!("{count} in use"), Health::Note)
            .said("system calls cost more than without; on both sides, and in production too"),
    }
}

fn virtual_machine(facts: &Facts) -> Check {
    match facts.is_virtual {
        None => Check::unknown("virtual machine"),
        Some(false) => Check::ok("virtual machine", "no"),
        Some(true) => Check::new("virtual machine", "yes", Health::Note).because(
            "other guests take CPU time unseen: runs differ by more than one run shows",
            "repeat runs (--repeat 5), and compare runs made in turns (sweep)",
        ),
    }
}

fn memory(facts: &Facts) -> Check {
    match facts.memory {
        None => Check::unknown("memory limit"),
        Some(Limit::None) => Check::ok("memory limit", "none"),
        Some(Limit::At(bytes)) if bytes >= 1 << 30 => Check::ok("memory limit", size(bytes)),
        Some(Limit::At(bytes)) => Check::new("memory limit", size(bytes), Health::Note)
            .because(
                "socket buffers of many connections count, too",
                "raise it: docker run --memory, MemoryMax= of systemd",
            ),
    }
}

fn load(facts: &Facts) -> Vec<Check> {
    let cores = |busy: f64| format!("{busy:.2} cores");
    let others = match facts.others_busy {
        None => Check::unknown("other load"),
        Some(busy) if busy < MUCH_LOAD => Check::ok("other load", cores(busy)),
        Some(busy) => Check::new("other load", cores(busy), Health::Warning).because(
            "other processes run now, and take time from both sides",
            "find and stop them: top -o %CPU",
        ),
    };
    let stolen = match facts.stolen {
        None => Check::unknown("stolen"),
        Some(stolen) if stolen < MUCH_STOLEN => Check::ok("stolen", cores(stolen)),
        Some(stolen) => Check::new("stolen", cores(stolen), Health::Warning).because(
            "the hypervisor gives this machine's CPUs to others",
            "use another host, or a machine with CPUs of its own",
        ),
    };
    vec![others, stolen]
}

fn clocks(facts: &Facts) -> Vec<Check> {
    let source = match &facts.clock_source {
        None => Check::unknown("clock source"),
        Some(source) if FAST_CLOCKS.contains(&&**source) => {
            Check::ok("clock source", source.clone())
        }
        Some(source) => Check::new("clock source", source.clone(), Health::Warning).because(
            "each look at the clock is a system call, and there are several per request",
            "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource",
        ),
    };
    let slack = facts.timer_slack_ns.map_or_else(
        || Check::unknown("timer slack"),
        |ns| {
            Check::ok("timer slack", format!("{:.0} µs", ns as f64 / 1e3))
                .said("generator threads set their own to 1 ns")
        },
    );
    let sleep = match facts.oversleep {
        None => Check::unknown("sleep ends late by"),
        Some([median, worst]) => {
            let value =
                [median, worst].map(|late| format!("{:.0} µs", late.as_secs_f64() * 1e6));
            let value = format!("{} (worst of 100: {})", value[0], value[1]);
            let check = |health| Check::new("sleep ends late by", value, health);
            if worst > LATE {
                check(Health::Note).because(
                    "in an open loop sends are as late with --idle sleep",
                    "--idle hybrid or spin, on a core that nothing else uses",
                )
            } else {
                check(Health::Ok)
            }
        }
    };
    vec![source, slack, sleep]
}

fn connections(facts: &Facts) -> Vec<Check> {
    vec![descriptors(facts), ports(facts), time_wait(facts), accept_queue(facts), syns(facts)]
}

fn descriptors(facts: &Facts) -> Check {
    let name = "descriptors";
    match facts.descriptors {
        None => Check::unknown(name),
        Some(most) if most >= FEW_DESCRIPTORS => Check::ok(name, most.to_string()),
        Some(most) => Check::new(name, most.to_string(), Health::Warning).because(
            "each connection takes one of the generator's and one of the server's",
            "ulimit -Hn 65536 (or LimitNOFILE=65536 of the service)",
        ),
    }
}

fn ports(facts: &Facts) -> Check {
    let name = "ports";
    match facts.port_range {
        None => Check::unknown(name),
        Some((first, last)) => {
            let count = (last + 1).saturating_sub(first);
            let value = format!("{count} ({first} to {last})");
            let check = |health| Check::new(name, value, health);
            if count > 60_000 {
                check(Health::Ok)
            } else {
                check(if count < 10_000 { Health::Warning } else { Health::Note }).because(
                    "so many connections from one address to one address and port",
                    "sysctl -w net.ipv4.ip_local_port_range='1024 65535' (or --source-ip, repeated)",
                )
            }
        }
    }
}

fn time_wait(facts: &Facts) -> Check {
    let name = "time_wait";
    let Some(waiting) = facts.time_wait else { return Check::unknown(name) };
    let value = format!("{waiting} now");
    let ports = facts.port_range.map(|(first, last)| (last + 1).saturating_sub(first));
    match (ports, facts.time_wait_reuse) {
        (Some(ports), reuse) if waiting > ports / 2 && reuse != Some(1) => {
            Check::new(name, value, Health::Warning).because(
                "each keeps a port from being used again for 60 s",
                "wait a minute, or sysctl -w net.ipv4.tcp_tw_reuse=1",
            )
        }
        _ => Check::ok(name, value),
    }
}

fn accept_queue(facts: &Facts) -> Check {
    queue("accept queue", "net.core.somaxconn", facts.accept_queue)
}

fn syns(facts: &Facts) -> Check {
    queue("syn queue", "net.ipv4.tcp_max_syn_backlog", facts.syn_backlog)
}

fn queue(name: &str, setting: &str, length: Option<u64>) -> Check {
    match length {
        None => Check::unknown(name),
        Some(length) if length >= SHORT_QUEUE => Check::ok(name, length.to_string()),
        Some(length) => Check::new(name, length.to_string(), Health::Warning).because(
            "a burst of new connections overflows it, and each waits 1 s for its second SYN",
            format!("sysctl -w {setting}=4096"),
        ),
    }
}

fn kernel(facts: &Facts) -> Vec<Check> {
    let uring = match &facts.uring {
        None => Check::unknown("io_uring"),
        Some(Ok(())) => Check::ok("io_uring", "usable"),
        Some(Err(reason)) => Check::new("io_uring", "not usable", Health::Note).because(
            format!("--engine uring and --model uring do not work: {reason}"),
            "sysctl -w kernel.io_uring_disabled=0; in a container, allow it in the seccomp profile",
        ),
    };
    let memlock = match facts.locked_memory {
        None => Check::unknown("locked memory"),
        Some(u64::MAX) => Check::ok("locked memory", "unlimited"),
        Some(bytes) => Check::ok("locked memory", size(bytes)),
    };
    let stamps = match &facts.stamps {
        None => Check::unknown("receive stamps"),
        Some(Ok(())) => Check::ok("receive stamps", "taken"),
        Some(Err(reason)) => Check::new("receive stamps", "none", Health::Warning).because(
            format!("no path latency and no generator share: {reason}"),
            "a kernel of Linux 4.6 or newer, outside of sandboxes that replace its network",
        ),
    };
    let congestion = match facts.congestion.as_deref() {
        None => Check::unknown("congestion control"),
        Some("cubic") => Check::ok("congestion control", "cubic"),
        Some(other) => Check::new("congestion control", other, Health::Note).because(
            "most servers run cubic; over a network with real round-trip times results differ",
            "sysctl -w net.ipv4.tcp_congestion_control=cubic",
        ),
    };
    let link = match &facts.link {
        None => Check::unknown("emulated link"),
        Some(Ok(())) => Check::ok("emulated link", "usable"),
        Some(Err(reason)) => {
            // An error ends with its remedy in brackets.
            let parts = reason.strip_suffix(')').and_then(|reason| reason.rsplit_once(" ("));
            let parts = parts.filter(|(_, remedy)| !remedy.starts_with("os error"));
            let (cause, remedy) = parts.unwrap_or((reason, "leave --link out"));
            Check::new("emulated link", "not usable", Health::Note)
                .because(format!("--link does not work: {cause}"), remedy)
        }
    };
    vec![uring, memlock, stamps, congestion, link]
}

/// A size in words.
fn size(bytes: u64) -> String {
    usize::try_from(bytes)
        .map_or_else(|_| bytes.to_string(), |bytes| ByteSize(bytes).to_string())
}

#[cfg(test)]
mod tests;

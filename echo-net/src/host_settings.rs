//! Kernel settings of networking that a new network namespace does not inherit, and that measurements
//! depend on: [`HostSettings`], read in one namespace and applied in another.

use std::fs;
use std::path::Path;

/// Below `/proc/sys/net`.
const NAMES: [&str; 8] = [
    "core/somaxconn",
    "ipv4/ip_local_port_range",
    "ipv4/tcp_congestion_control",
    "ipv4/tcp_max_syn_backlog",
    "ipv4/tcp_rmem",
    "ipv4/tcp_slow_start_after_idle",
    "ipv4/tcp_tw_reuse",
    "ipv4/tcp_wmem",
];

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSettings(Vec<(&'static str, String)>);

impl HostSettings {
    /// Those of the namespace that this thread is in. What can't be read is left out.
    pub fn read() -> Self {
        let known = NAMES.into_iter().filter_map(|name| Some((name, read(name)?)));
        Self(known.collect())
    }

    /// The same, but TCP Fast Open is allowed to clients and servers. It is not taken over: a run
    /// that asks for it is about it, and a new namespace allows it to clients only.
    #[must_use]
    pub fn with_fast_open(mut self) -> Self {
        self.0.push(("ipv4/tcp_fastopen", "3".into()));
        self
    }

    /// Applies them to the namespace that this thread is in: those that could not be, like
    /// `net.ipv4.tcp_congestion_control cubic, not bbr`.
    pub fn apply(&self) -> Vec<String> {
        let mut failed = Vec::new();
        for (name, value) in &self.0 {
            if read(name).as_ref() == Some(value) {
                continue;
            }
            // Whether it worked is read back.
            let _ = fs::write(Path::new("/proc/sys/net").join(name), value);
            let now = read(name).unwrap_or_else(|| "unknown".into());
            if now != *value {
                failed.push(format!("net.{} {now}, not {value}", name.replace('/', ".")));
            }
        }
        failed
    }
}

/// A setting, its white space folded.
fn read(name: &str) -> Option<String> {
    let text = fs::read_to_string(Path::new("/proc/sys/net").join(name)).ok()?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_so_already_is_not_written() {
        let settings = HostSettings::read();
        assert!(settings.0.iter().any(|(name, _)| *name == "core/somaxconn"));
        assert_eq!(settings.apply(), Vec::<String>::new());
    }
}

//! What the kernel made of the options of a connection: [`SocketSummary`].

use std::fmt;

use echo_net::settings::{OnOff, TimeSpan, Tos};
use echo_net::socket::{Changed, EffectiveOptions, SocketOptions, TcpOptions};

/// The options of the first connection, read back when it was accepted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SocketSummary {
    /// What the kernel says they are.
    #[serde(flatten)]
    pub effective: EffectiveOptions,
    /// Where that is not what was asked.
    pub changed: Vec<Changed>,
    #[serde(skip)]
    asked: TcpOptions,
}

impl SocketSummary {
    pub(super) fn new(asked: &SocketOptions, effective: EffectiveOptions) -> Self {
        Self { effective, changed: effective.changed_from(asked), asked: asked.tcp }
    }

    /// Whether there is something to say about it: TCP options were asked for, or the kernel has
    /// changed some option.
    pub(super) fn is_told(&self) -> bool {
        self.asked != TcpOptions::SYSTEM || !self.changed.is_empty()
    }
}

impl fmt::Display for SocketSummary {
    /// Like `congestion reno, tos 0x10; not as asked: send-buffer 2304 (asked 1)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = &self.asked;
        let user_timeout = asked.user_timeout.map(|time| TimeSpan(time).to_string());
        let asked = [
            ("congestion", asked.congestion.map(|name| name.to_string())),
            ("quickack", asked.quickack.map(|on| OnOff::from(on).to_string())),
            ("notsent-lowat", asked.notsent_lowat.map(|bytes| bytes.to_string())),
            ("user-timeout", user_timeout),
            ("tos", asked.tos.map(|tos| Tos(tos).to_string())),
            ("fastopen", asked.fastopen.map(|on| OnOff::from(on).to_string())),
        ];
        let is_changed = |flag: &str| self.changed.iter().any(|changed| changed.flag == flag);
        let set = asked.into_iter().filter(|(flag, _)| !is_changed(flag));
        let set = set.filter_map(|(flag, value)| Some(format!("{flag} {}", value?)));
        let changed = self
            .changed
            .iter()
            .map(|Changed { flag, asked, actual }| format!("{flag} {actual} (asked {asked})"));
        f.write_str(&set.chain(changed).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_and_what_the_kernel_changed_is_said() {
        let tcp = TcpOptions {
            congestion: Some("reno".parse().unwrap()),
            tos: Some(0x13),
            fastopen: Some(true),
            ..TcpOptions::SYSTEM
        };
        let asked = SocketOptions { tcp, ..SocketOptions::default() };
        let effective = EffectiveOptions {
            nodelay: Some(true),
            send_buffer: 4096,
            recv_buffer: 4096,
            congestion: tcp.congestion,
            quickack: Some(true),
            notsent_lowat: Some(0),
            user_timeout_ms: None,
            tos: Some(0x10),
            fastopen: Some(false),
        };
        let summary = SocketSummary::new(&asked, effective);
        assert!(summary.is_told());
        let told = "congestion reno, tos 16 (asked 19), fastopen off (asked on)";
        assert_eq!(summary.to_string(), told);
        let silent = SocketOptions::default();
        assert!(!SocketSummary::new(&silent, effective).is_told());
    }
}

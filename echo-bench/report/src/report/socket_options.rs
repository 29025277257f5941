//! Socket options of either side as the kernel has them: [`SocketOptionsReport`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use echo_net::socket::{Changed, EffectiveOptions, SocketOptions};

/// The options of a connection, read back from the kernel: of the generator's first connection at
/// its end, of the server's first when it was accepted. Null: the kernel did not say, or merged runs
/// differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SocketOptionsReport {
    /// Whether Nagle's algorithm is disabled; null: a unix-domain socket, which has no options of
    /// TCP.
    pub nodelay: Option<bool>,
    /// Send buffer in bytes: Linux doubles what is asked, and tunes it where nothing is.
    pub send_buffer: Option<usize>,
    /// Receive buffer in bytes: Linux doubles what is asked, and tunes it where nothing is.
    pub recv_buffer: Option<usize>,
    /// Congestion control.
    pub congestion: Option<String>,
    /// Whether segments were acknowledged immediately at that moment.
    pub quickack: Option<bool>,
    /// Limit of bytes that are queued but not sent; 0: the system's.
    pub notsent_lowat: Option<u32>,
    /// TCP user timeout in milliseconds; 0: by the number of retransmissions.
    pub user_timeout_ms: Option<u64>,
    /// Type of service (IPv4) or traffic class (IPv6).
    pub tos: Option<u8>,
    /// Whether TCP Fast Open worked: the generator sent data in a SYN, the server may accept it.
    /// Null: not asked for.
    #[serde(default)]
    pub fastopen: Option<bool>,
    /// Where that is not what was asked.
    #[serde(default)]
    pub changed: Vec<ChangedOption>,
}

/// An option that the kernel did not take as it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangedOption {
    /// The flag, without dashes.
    pub flag: String,
    /// What was asked.
    pub asked: String,
    /// What it is.
    pub actual: String,
}

impl SocketOptionsReport {
    /// What the kernel made of the options that were `asked`.
    pub(super) fn new(asked: &SocketOptions, effective: &EffectiveOptions) -> Self {
        let changed = effective.changed_from(asked).into_iter();
        Self {
            nodelay: effective.nodelay,
            send_buffer: Some(effective.send_buffer),
            recv_buffer: Some(effective.recv_buffer),
            congestion: effective.congestion.map(|congestion| congestion.to_string()),
            quickack: effective.quickack,
            notsent_lowat: effective.notsent_lowat,
            user_timeout_ms: effective.user_timeout_ms.map(u64::from),
            tos: effective.tos,
            fastopen: effective.fastopen,
            changed: changed
                .map(|Changed { flag, asked, actual }| ChangedOption {
                    flag: flag.to_owned(),
                    asked,
                    actual,
                })
                .collect(),
        }
    }

    /// Those of several runs: what all have, and every option that was changed in one.
    pub(crate) fn merged<'a>(all: impl Iterator<Item = &'a Self>) -> Option<Self> {
        let all: Vec<&Self> = all.collect();
        let mut merged = (*all.first()?).clone();
        for other in &all[1..] {
            keep_same(&mut merged.nodelay, other.nodelay.as_ref());
            keep_same(&mut merged.send_buffer, other.send_buffer.as_ref());
            keep_same(&mut merged.recv_buffer, other.recv_buffer.as_ref());
            keep_same(&mut merged.congestion, other.congestion.as_ref());
            keep_same(&mut merged.quickack, other.quickack.as_ref());
            keep_same(&mut merged.notsent_lowat, other.notsent_lowat.as_ref());
            keep_same(&mut merged.user_timeout_ms, other.user_timeout_ms.as_ref());
            keep_same(&mut merged.tos, other.tos.as_ref());
            keep_same(&mut merged.fastopen, other.fastopen.as_ref());
            for changed in &other.changed {
                if !merged.changed.contains(changed) {
                    merged.changed.push(changed.clone());
                }
            }
        }
        Some(merged)
    }
}

fn keep_same<T: PartialEq>(kept: &mut Option<T>, other: Option<&T>) {
    if kept.as_ref() != other {
        *kept = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_merged_runs_what_differs_is_null_and_every_change_is_kept() {
        let run = |quickack, send_buffer, changed: Vec<ChangedOption>| SocketOptionsReport {
            nodelay: Some(true),
            send_buffer: Some(send_buffer),
            recv_buffer: Some(7),
            congestion: Some("bbr".into()),
            quickack: Some(quickack),
            notsent_lowat: None,
            user_timeout_ms: Some(0),
            tos: Some(16),
            fastopen: None,
            changed,
        };
        let changed =
            ChangedOption { flag: "tos".into(), asked: "19".into(), actual: "16".into() };
        let runs = [run(true, 1, vec![changed.clone()]), run(false, 2, vec![changed.clone()])];
        let merged = SocketOptionsReport::merged(runs.iter()).unwrap();
        assert_eq!((merged.quickack, merged.send_buffer), (None, None));
        assert_eq!((merged.recv_buffer, merged.tos), (Some(7), Some(16)));
        assert_eq!(merged.congestion.as_deref(), Some("bbr"));
        assert_eq!(merged.changed, [changed]);
        assert_eq!(SocketOptionsReport::merged([].into_iter()), None);
    }
}

//! Runs whose results are known: [`Oracle`], with all that decides the result.

use std::time::Duration;

use super::Subject;

/// A run whose result is known, by what its server does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Oracle {
    /// Requests that are sent at once, to a server that takes its time for each.
    FixedDelay {
        /// Its time.
        delay: Duration,
        /// Requests.
        depth: u32,
    },
    /// Requests at a constant rate that the same server keeps up with.
    Arrivals {
        /// Its time.
        delay: Duration,
        /// Requests per second.
        rate_per_s: u32,
        /// Length of the measured window.
        window: Duration,
    },
    /// A closed loop with the same server.
    ClosedLoop {
        /// Its time.
        delay: Duration,
        /// Connections, or callers of a pool.
        connections: u32,
        /// Length of the measured window.
        window: Duration,
    },
    /// Requests at a constant rate, and a stall in their midst.
    Stall {
        /// When it begins.
        at: Duration,
        /// How long it takes.
        length: Duration,
        /// Requests per second.
        rate_per_s: u32,
        /// Length of the measured window.
        window: Duration,
    },
    /// A server that answers only the first connections.
    Starved {
        /// Connections.
        connections: u32,
        /// Those that are answered.
        served: u32,
        /// Length of the measured window.
        window: Duration,
    },
    /// A server that leaves out every n-th reply.
    Drop {
        /// Of how many replies one is hit.
        every: u64,
        /// Requests.
        requests: u32,
    },
    /// A server with a wrong byte in every n-th reply.
    Corrupt {
        /// Of how many replies one is hit.
        every: u64,
        /// Requests.
        requests: u32,
    },
    /// A server that sends every n-th reply twice.
    Duplicate {
        /// Of how many replies one is hit.
        every: u64,
        /// Requests.
        requests: u32,
    },
    /// A generator that is stopped in the midst of its run.
    Frozen {
        /// When it is stopped, after the first request.
        at: Duration,
        /// For how long.
        length: Duration,
        /// Requests per second.
        rate_per_s: u32,
        /// Length of the measured window.
        window: Duration,
    },
}

/// Every oracle; the quick ones take about half of the time.
pub fn oracles(quick: bool) -> Vec<Oracle> {
    let ms = Duration::from_millis;
    let times = if quick { 1 } else { 2 };
    vec![
        Oracle::FixedDelay { delay: ms(80), depth: 8 },
        Oracle::Arrivals { delay: ms(80), rate_per_s: 12, window: ms(2000) * times },
        Oracle::ClosedLoop { delay: ms(40), connections: 8, window: ms(2000) * times },
        Oracle::Stall {
            at: ms(700) * times,
            length: ms(400) * times,
            rate_per_s: 1000,
            window: ms(2000) * times,
        },
        Oracle::Starved { connections: 20, served: 8, window: ms(500) * times },
        Oracle::Drop { every: 10, requests: 400 * times },
        Oracle::Corrupt { every: 10, requests: 400 * times },
        Oracle::Duplicate { every: 10, requests: 400 * times },
        Oracle::Frozen {
            at: ms(400) * times,
            length: ms(500) * times,
            rate_per_s: 500,
            window: ms(1500) * times,
        },
    ]
}

impl Oracle {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::FixedDelay { .. } => "fixed-delay",
            Self::Arrivals { .. } => "arrivals",
            Self::ClosedLoop { .. } => "closed-loop",
            Self::Stall { .. } => "stall",
            Self::Starved { .. } => "starved",
            Self::Drop { .. } => "drop",
            Self::Corrupt { .. } => "corrupt",
            Self::Duplicate { .. } => "duplicate",
            Self::Frozen { .. } => "frozen",
        }
    }

    /// What is measured, in words.
    pub fn about(self) -> String {
        let ms = |time: Duration| format!("{} ms", time.as_millis());
        match self {
            Self::FixedDelay { delay, depth } => format!(
                "{depth} requests at once, a serial server with {} each: the j-th reply takes j \
                 times that",
                ms(delay)
            ),
            Self::Arrivals { delay, rate_per_s, .. } => format!(
                "open loop, {rate_per_s}/s, a serial server with {} each: nobody waits",
                ms(delay)
            ),
            Self::ClosedLoop { delay, connections, .. } => format!(
                "closed loop, {connections} connections, {} each: the rate is known, and so is \
                 what is in flight",
                ms(delay)
            ),
            Self::Stall { length, rate_per_s, window, .. } => format!(
                "open loop, {rate_per_s}/s for {}, the server stalls for S = {}: quantile(q) = \
                 S - (1 - q) T",
                ms(window),
                ms(length)
            ),
            Self::Starved { connections, served, .. } => {
                format!("the server answers {served} of {connections} connections")
            }
            Self::Drop { every, .. } => format!("the server drops every reply {every}"),
            Self::Corrupt { every, .. } => format!("a wrong byte in every reply {every}"),
            Self::Duplicate { every, .. } => format!("every reply {every} is sent twice"),
            Self::Frozen { length, window, .. } => format!(
                "the generator is stopped (SIGSTOP) for {} of {}",
                ms(length),
                ms(window)
            ),
        }
    }

    /// Why it does not apply, if it does not.
    pub fn skipped(self, subject: &Subject) -> Option<String> {
        if !is_framed(&subject.protocol) && !self.is_of_any_server() {
            return Some(format!("the fault server does not speak {}", subject.protocol));
        }
        match self {
            Self::Starved { .. } if subject.pool.is_some() => {
                Some("the callers of a pool have no connection of their own".into())
            }
            Self::Stall { .. } if subject.pool == Some(0) => Some(
                "what has queued is not served at once: each request connects first".into(),
            ),
            Self::Drop { .. } | Self::Corrupt { .. } | Self::Duplicate { .. }
                if subject.pool == Some(0) =>
            {
                Some("no connection has a second request".into())
            }
            Self::Duplicate { .. } if subject.protocol == "raw" => {
                Some("raw has no boundaries: a second reply shifts all that follow".into())
            }
            _ => None,
        }
    }
}

impl Oracle {
    /// Whether it is about the generator alone, so that its server may be any.
    pub fn is_of_any_server(self) -> bool {
        matches!(self, Self::Frozen { .. })
    }
}

/// Whether the fault server speaks a protocol.
fn is_framed(protocol: &str) -> bool {
    matches!(protocol, "line" | "frame" | "mux" | "raw")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selftest::fixture;

    #[test]
    fn what_does_not_apply_says_why() {
        let skipped = |protocol: &str, pool: Option<u32>| {
            let subject = Subject { protocol: protocol.into(), pool, ..fixture::subject() };
            let all = oracles(true).into_iter();
            let skipped = all.filter(|oracle| oracle.skipped(&subject).is_some());
            skipped.map(Oracle::name).collect::<Vec<_>>()
        };
        assert!(skipped("line", None).is_empty());
        assert_eq!(skipped("raw", None), ["duplicate"]);
        assert_eq!(skipped("line", Some(4)), ["starved"]);
        assert_eq!(
            skipped("line", Some(0)),
            ["stall", "starved", "drop", "corrupt", "duplicate"]
        );
        assert_eq!(skipped("chat", None).len(), oracles(true).len() - 1);
    }
}

//! The flags of a plan that several processes carry out together, as typed: [`FleetArgs`]; when
//! their load begins: [`StartAt`]; and the command line of one of them: [`RunArgs::of_part`].

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use clap::Args;

use echo_bench_engine::plan::{Part, Plan, Target};
use echo_bench_report::sweep::Flag;
use echo_client::Endpoint;
use echo_net::settings::TimeSpan;

use super::{RunArgs, RunArgsError, swept};

/// Fewest processes that share a plan.
const FEWEST: u32 = 2;

/// Flags of a server that this program starts, and those that each process is given anew.
const NOT_OF_A_PART: [&str; 8] =
    ["target", "model", "transport", "server-pid", "threads", "pin", "agents", "local"];

/// One of several processes, or all of them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several processes")]
pub(super) struct FleetArgs {
    /// Carry out only part K of N of the plan, in one of N processes that may be on N machines;
    /// `echo-bench merge` makes one report of theirs
    ///
    /// Connections keep their numbers in the whole plan, of which part K has K, K+N, K+2N ...
    /// (counted from 1), so that due instants, message sizes and streams are those of the whole.
    /// --conns, --rate and --requests are those of all parts together; --threads is of each. Every
    /// part needs the same --seed, and a --target.
    #[arg(long, value_name = "K/N", conflicts_with = "repeat")]
    pub(super) part: Option<Part>,
    /// Begin the load, after the connections are made, at this time: RFC 3339 like
    /// 2026-11-26T12:00:00Z, or +30s from now. The report has how late it began
    #[arg(long, value_name = "TIME", conflicts_with = "repeat")]
    pub(super) start_at: Option<StartAt>,
    /// Carry out the plan in N processes, each a part of it, and merge their reports
    #[arg(
        long,
        value_name = "N",
        conflicts_with_all = ["part", "repeat", "exec"],
        requires = "place"
    )]
    pub(super) agents: Option<u32>,
    /// Start the processes of --agents on this machine
    #[arg(long, requires = "agents", group = "place")]
    pub(super) local: bool,
}

/// When a load is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// At this time of day.
    Time(SystemTime),
    /// So long after the program was started.
    In(Duration),
}

impl StartAt {
    /// The time of day that is meant if it is `now`.
    pub fn from(self, now: SystemTime) -> SystemTime {
        match self {
            Self::Time(time) => time,
            // Too far for the clock is never, which the plan's limits of time refuse elsewhere.
            Self::In(delay) => now.checked_add(delay).unwrap_or(now),
        }
    }
}

impl FromStr for StartAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = |reason: &dyn fmt::Display| {
            format!("{reason}; write RFC 3339 like 2026-11-26T12:00:00Z, or +30s")
        };
        if let Some(delay) = text.strip_prefix('+') {
            let delay: TimeSpan = delay.parse().map_err(|error| invalid(&error))?;
            let too_long = delay.0 > LONGEST_WAIT;
            return if too_long { Err(TOO_LONG.into()) } else { Ok(Self::In(delay.0)) };
        }
        let time = humantime::parse_rfc3339(text)
            .map_err(|_| invalid(&format_args!("`{text}` is no time")))?;
        let wait = time.duration_since(SystemTime::now()).unwrap_or_default();
        if wait > LONGEST_WAIT { Err(TOO_LONG.into()) } else { Ok(Self::Time(time)) }
    }
}

/// Longer nobody keeps connections waiting; a date that is mistyped is told at once.
const LONGEST_WAIT: Duration = Duration::from_hours(24);
const TOO_LONG: &str = "more than 24 h from now";

impl RunArgs {
    /// A flag of a run on a command line, in one word; none of a switch that is off.
    pub fn word(flag: &str, value: &str) -> Option<String> {
        let (flag, value) = (flag.to_owned(), value.to_owned());
        Flag { flag, value }.word(&swept::CommandLine)
    }

    /// The server that was typed, if one was.
    pub fn typed_target(&self) -> Option<&Endpoint> {
        self.endpoint()
    }

    /// When the load is to begin, if a time was typed.
    pub fn start_at(&self) -> Option<StartAt> {
        self.fleet.start_at
    }

    /// In how many processes the plan is to be carried out, if in several.
    ///
    /// # Errors
    /// When they are too few, or another flag is of one process alone.
    pub fn agents(&self) -> Result<Option<u32>, RunArgsError> {
        let Some(agents) = self.fleet.agents else { return Ok(None) };
        if agents < FEWEST {
            return Err(RunArgsError::FewAgents);
        }
        let has = |flag: &str, value: &str| {
            self.flags().iter().any(|typed| typed.flag == flag && typed.value == value)
        };
        let pins = self.flags().iter().any(|typed| {
            typed.flag == "pin" && !matches!(typed.value.as_str(), "auto" | "off")
        });
        let refused = [
            (pins, "--pin with a list", "each process would use the same CPUs (use --pin off)"),
            (
                self.link.plan().is_some(),
                "--link",
                "each process would need a link of its own (leave --link out)",
            ),
            (
                self.tls.tls && self.endpoint().is_none(),
                "--tls without --target",
                "the processes can't know the certificate of the embedded server (start an \
                 echo-server, and give --target and --cacert)",
            ),
            (
                has("message-file", "-") || has("arrivals", "-") || has("size", "file:-"),
                "a file that is stdin",
                "only one process can read it (name a file)",
            ),
        ];
        match refused.into_iter().find(|(is_typed, ..)| *is_typed) {
            Some((_, flag, reason)) => Err(RunArgsError::NotOfAgents { flag, reason }),
            None => Ok(Some(agents)),
        }
    }

    /// Refuses agents that can't be, whether on this machine or on others.
    ///
    /// # Errors
    /// By flag.
    pub(super) fn check_agents(&self) -> Result<(), String> {
        #[cfg(feature = "nats")]
        if let Some(on) = self.on_agents() {
            return on.check(self).map_err(|error| error.to_string());
        }
        self.agents().map(drop).map_err(|error| error.to_string())
    }

    /// The seed and the target that every part must have in common.
    pub(super) fn check_part(&self) -> Result<(), RunArgsError> {
        match self.fleet.part {
            Some(_) if self.load.seed.is_none() => Err(RunArgsError::PartWithoutSeed),
            _ => Ok(()),
        }
    }

    /// The flags of a process that carries out a part of `plan`, which was made of these, against
    /// the server at `address`; without those that say which part it is and when it begins.
    pub fn of_part(
        &self,
        plan: &Plan,
        agents: u32,
        address: &str,
        pid: Option<u32>,
    ) -> Vec<String> {
        let flags = self.flags().iter().filter(|typed| {
            let flag = typed.flag.as_str();
            let of_server = flag.starts_with("server-") && flag != "server-name";
            let is_left_out = NOT_OF_A_PART.contains(&flag)
                || (of_server && matches!(plan.target, Target::Embedded { .. }));
            !is_left_out
        });
        let mut words: Vec<String> =
            flags.filter_map(|flag| flag.word(&swept::CommandLine)).collect();
        // All of them together have the threads that one would have, unless they were typed.
        let threads = self.load.threads.unwrap_or((plan.threads / agents.max(1)).max(1));
        words.push(format!("--target={address}"));
        words.push(format!("--threads={threads}"));
        // They would all be pinned to the same CPUs.
        words.push("--pin=off".into());
        words.push(format!("--seed={}", plan.seed));
        words.extend(pid.or(self.server_pid).map(|pid| format!("--server-pid={pid}")));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_time_of_day_and_a_delay() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let parsed: StartAt = "+30s".parse().unwrap();
        assert_eq!(parsed.from(now), now + Duration::from_secs(30));
        let past: StartAt = "1970-01-01T00:00:01.5Z".parse().unwrap();
        assert_eq!(past.from(now), SystemTime::UNIX_EPOCH + Duration::from_millis(1_500));
        for text in ["", "30s", "+", "noon", "2026-11-26", "+25h", "9999-01-01T00:00:00Z"] {
            assert!(text.parse::<StartAt>().is_err(), "{text}");
        }
    }
}

//! What an agent is asked to carry out: [`PlanDocument`], the flags of a run. It is an object in
//! the store of the bus, and an offer names its digest ([`Digest`]).
//!
//! An agent runs plans only: [`PlanDocument::read`] refuses every flag that would start a program,
//! read or write a file, or choose what is loaded by other means than an address ([`ACCEPTED`] is
//! the list of those that do none of this). An agent on the machine of the server accepts those of
//! an echo-server, too, that do none of this ([`ACCEPTED_OF_SERVER`]).

use serde::{Deserialize, Serialize};

use crate::RunId;
use crate::message::Work;
use crate::wire::{self, Unreadable, shortened};

pub use crate::digest::{Digest, InvalidDigest};

/// Version of the document.
pub const SCHEMA: &str = "echo-bench.fleet-plan/v1";

/// The largest document: a command line that a kernel takes is smaller.
pub const MOST_BYTES: usize = 128 * 1024;

/// Most flags.
const MOST_FLAGS: usize = 256;

/// The flags of a run that an agent accepts. Whatever is not listed is refused, so that a new flag
/// is one only after somebody has asked what it lets a stranger do.
pub const ACCEPTED: [&str; 42] = [
    "target",
    "conns",
    "threads",
    "duration",
    "requests",
    "pipeline",
    "rate",
    "arrival",
    "stage",
    "ramp",
    "think",
    "connect-rate",
    "reconnect-after",
    "warmup",
    "timeout",
    "drain",
    "engine",
    "idle",
    "stamps",
    "pin",
    "protocol",
    "http-host",
    "pg-simple",
    "resp3",
    "streams",
    "size",
    "message",
    "verify",
    "split-writes",
    "nodelay",
    "send-buffer",
    "recv-buffer",
    "congestion",
    "quickack",
    "notsent-lowat",
    "user-timeout",
    "tos",
    "tls",
    "insecure",
    "server-name",
    "tls-resume",
    "interval",
];

/// The flags that an agent on the machine of the server accepts beside [`ACCEPTED`]: those of the
/// server that it starts, and the process of one that is there. None opens a file or another port.
pub const ACCEPTED_OF_SERVER: [&str; 32] = [
    "model",
    "server-pid",
    "server-workers",
    "server-pin",
    "server-busy-poll",
    "server-trigger",
    "server-accept",
    "server-tokio-event-interval",
    "server-tokio-global-queue-interval",
    "server-uring-sqpoll",
    "server-max-message",
    "server-chat-queue",
    "server-chat-room-queue",
    "server-read-buffer",
    "server-write-mode",
    "server-nodelay",
    "server-send-buffer",
    "server-recv-buffer",
    "server-congestion",
    "server-quickack",
    "server-notsent-lowat",
    "server-user-timeout",
    "server-tos",
    "server-fastopen",
    "server-backlog",
    "server-reuse-port",
    "server-max-conns",
    "server-idle-timeout",
    "server-write-timeout",
    "server-drain-timeout",
    "server-message-timeout",
    "server-max-buffered",
];

/// A flag of a run: its name without dashes, and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFlag {
    /// The name, without dashes.
    pub flag: String,
    /// The value; `on` of a switch.
    pub value: String,
}

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanDocument {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of the coordinator, with the revision that it was built from, if known.
    pub version: String,
    /// The run.
    pub run: RunId,
    /// What is typed for it.
    pub flags: Vec<PlanFlag>,
    /// The seed of schedule and sizes.
    pub seed: u64,
    /// Digest of the schedule of the whole plan, if it has one.
    pub schedule_digest: Option<String>,
}

/// Why an agent refuses a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedPlan {
    /// It is not what the offer has named.
    #[error("its digest is {found}, and the offer names {offered} (offer the run again)")]
    Digest {
        /// Of the object.
        found: Digest,
        /// Of the offer.
        offered: Digest,
    },
    /// No document of a plan.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Of another run.
    #[error("it is of run {0}, which is not the one that was offered")]
    Run(RunId),
    /// Another version carries out plans in another way.
    #[error("it is of version {theirs}, and this agent is {ours} (install the same build)")]
    Version {
        /// Of the plan.
        theirs: String,
        /// Of the agent.
        ours: String,
    },
    /// Too many flags.
    #[error("it has {0} flags, and the most are {MOST_FLAGS}")]
    Flags(usize),
    /// A flag that no agent accepts.
    #[error("--{0} is not accepted by an agent, which runs plans only (leave it out)")]
    Flag(String),
    /// A value that stands for a file.
    #[error("--size {0} names a file, and an agent reads none (write a distribution)")]
    File(String),
    /// A target that is a file, or none.
    #[error("--target is to be one HOST:PORT or a URL")]
    Target,
}

impl Work {
    fn accepts(self, flag: &str) -> bool {
        let of_server = self == Self::Server {} && ACCEPTED_OF_SERVER.contains(&flag);
        of_server || ACCEPTED.contains(&flag)
    }
}

impl PlanDocument {
    /// Reads the object that an offer named, for an agent of version `ours`.
    ///
    /// # Errors
    /// Why it is not carried out.
    pub fn read(
        bytes: &[u8],
        run: &RunId,
        offered: &Digest,
        ours: &str,
        work: Work,
    ) -> Result<Self, RefusedPlan> {
        let found = Digest::of(bytes);
        if found != *offered {
            return Err(RefusedPlan::Digest { found, offered: offered.clone() });
        }
        let plan: Self = wire::read(bytes, MOST_BYTES)?;
        if plan.schema != SCHEMA {
            return Err(Unreadable::schema(&plan.schema, SCHEMA).into());
        }
        if plan.run != *run {
            return Err(RefusedPlan::Run(plan.run));
        }
        if plan.version != ours {
            let theirs = shortened(&plan.version);
            return Err(RefusedPlan::Version { theirs, ours: ours.to_owned() });
        }
        check(&plan.flags, work)?;
        Ok(plan)
    }

    /// As an object.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::written(self)
    }
}

/// Refuses flags that no agent accepts. For a coordinator, too, before it asks anybody.
///
/// # Errors
/// The first such flag.
pub fn check(flags: &[PlanFlag], work: Work) -> Result<(), RefusedPlan> {
    if flags.len() > MOST_FLAGS {
        return Err(RefusedPlan::Flags(flags.len()));
    }
    for PlanFlag { flag, value } in flags {
        if !work.accepts(flag) {
            return Err(RefusedPlan::Flag(shortened(flag)));
        }
        if flag == "size" && value.starts_with("file:") {
            return Err(RefusedPlan::File(shortened(value)));
        }
    }
    let mut targets = flags.iter().filter(|flag| flag.flag == "target");
    match (targets.next(), targets.next()) {
        // It starts one.
        (None, None) if work == Work::Server {} => Ok(()),
        (Some(target), None) if !target.value.starts_with("unix:") => Ok(()),
        _ => Err(RefusedPlan::Target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(flags: &[(&str, &str)]) -> PlanDocument {
        let flag = |(flag, value): &(&str, &str)| PlanFlag {
            flag: (*flag).into(),
            value: (*value).into(),
        };
        PlanDocument {
            schema: SCHEMA.into(),
            version: "1.2.3".into(),
            run: "run-1".parse().unwrap(),
            flags: flags.iter().map(flag).collect(),
            seed: 7,
            schedule_digest: None,
        }
    }

    const PART: Work = Work::Part { fewest_parts: 1 };

    fn read(plan: &PlanDocument) -> Result<PlanDocument, RefusedPlan> {
        read_for(plan, PART)
    }

    fn read_for(plan: &PlanDocument, work: Work) -> Result<PlanDocument, RefusedPlan> {
        let (bytes, run) = (plan.to_bytes(), "run-1".parse().unwrap());
        PlanDocument::read(&bytes, &run, &Digest::of(&bytes), "1.2.3", work)
    }

    #[test]
    fn a_plan_is_read_as_it_was_written_and_its_digest_is_checked() {
        let plan = document(&[("target", "127.0.0.1:7"), ("conns", "4")]);
        assert_eq!(read(&plan), Ok(plan.clone()));
        let other = Digest::of(b"another");
        let run = "run-1".parse().unwrap();
        let refused = PlanDocument::read(&plan.to_bytes(), &run, &other, "1.2.3", PART);
        let refused = refused.unwrap_err();
        assert!(refused.to_string().contains("offer names"), "{refused}");
        // As sha256sum prints it.
        assert!(
            String::from(Digest::of(b"abc")).starts_with("ba7816bf8f01cfea414140de5dae2223")
        );
    }

    #[test]
    fn whatever_starts_a_program_or_reaches_a_file_is_refused_by_name() {
        for (flag, value) in [
            ("exec", "sh"),
            ("prepare", "sh"),
            ("message-file", "/etc/shadow"),
            ("arrivals", "/etc/shadow"),
            ("output", "/tmp/x"),
            ("report-dir", "/tmp/x"),
            ("size", "file:/etc/shadow"),
            ("cacert", "/etc/shadow"),
            ("cert", "/x"),
            ("server-log", "x"),
            ("source-ip", "10.0.0.1"),
            ("link", "lan"),
            ("config", "/x"),
            ("", "x"),
        ] {
            for work in [PART, Work::Server {}] {
                let plan = document(&[("target", "127.0.0.1:7"), (flag, value)]);
                let said = read_for(&plan, work).unwrap_err().to_string();
                assert!(said.contains(&format!("--{flag}")), "{said}");
            }
        }
    }

    #[test]
    fn flags_of_a_server_are_for_the_agent_on_its_machine() {
        for plan in [
            document(&[("model", "epoll"), ("server-workers", "2"), ("rate", "10")]),
            document(&[("target", "127.0.0.1:7"), ("server-pid", "7")]),
        ] {
            assert_eq!(read_for(&plan, Work::Server {}), Ok(plan.clone()));
            assert!(matches!(read(&plan), Err(RefusedPlan::Flag(_))));
        }
        for flag in ["server-metrics", "server-tls-cert", "server-no-sandbox", "server-verbose"]
        {
            let refused = read_for(&document(&[(flag, "x")]), Work::Server {});
            assert_eq!(refused, Err(RefusedPlan::Flag(flag.into())));
        }
        let unix = document(&[("target", "unix:/run/x")]);
        assert_eq!(read_for(&unix, Work::Server {}), Err(RefusedPlan::Target));
    }

    #[test]
    fn a_plan_without_an_address_a_foreign_run_and_another_version_are_refused() {
        assert_eq!(read(&document(&[])), Err(RefusedPlan::Target));
        assert_eq!(read(&document(&[("target", "unix:/run/x")])), Err(RefusedPlan::Target));
        let twice = document(&[("target", "127.0.0.1:7"), ("target", "127.0.0.1:8")]);
        assert_eq!(read(&twice), Err(RefusedPlan::Target));
        let plan = document(&[("target", "127.0.0.1:7")]);
        let foreign = PlanDocument { run: "run-2".parse().unwrap(), ..plan.clone() };
        assert!(matches!(read(&foreign), Err(RefusedPlan::Run(_))));
        for version in ["9", "1.2.3 (1f2e3d4c5b6a)"] {
            let other = PlanDocument { version: version.into(), ..plan.clone() };
            let said = read(&other).unwrap_err().to_string();
            let named = said.contains(&format!("version {version}"));
            assert!(named && said.contains("agent is 1.2.3 "), "{said}");
        }
        let schema = PlanDocument { schema: "x".into(), ..plan };
        assert!(matches!(read(&schema), Err(RefusedPlan::Unreadable(_))));
    }
}

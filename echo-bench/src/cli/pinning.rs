//! `--pin` as typed: [`Pin`], and what it means on this machine.

use std::fmt;
use std::str::FromStr;

use echo_bench_engine::plan::{Pinning, ServerCpus, Target};
use echo_net::settings::{CpuList, InvalidCpuList};
use echo_server::model::ModelKind;

use super::{Inputs, RunArgsError};

/// CPU affinity, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pin {
    /// Both sides apart, where there are CPUs for both.
    Auto,
    /// None.
    Off,
    /// Generator threads on these CPUs.
    Cpus(CpuList),
}

impl FromStr for Pin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            list => list
                .parse()
                .map(Self::Cpus)
                .map_err(|error: InvalidCpuList| format!("{error}; or write auto or off")),
        }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Off => f.write_str("off"),
            Self::Cpus(list) => list.fmt(f),
        }
    }
}

impl Pin {
    /// The CPUs of the generator as they were.
    pub(super) fn of_generator(pinning: &Pinning) -> Self {
        CpuList::new(&pinning.generator).map_or(Self::Off, Self::Cpus)
    }

    /// What it means for so many generator threads. `auto` is resolved, so that the report
    /// says what was done. An emulated link `forwards` packets, which takes a CPU, too.
    pub(super) fn resolve(
        &self,
        threads: u32,
        target: &Target,
        forwards: bool,
        inputs: &Inputs,
    ) -> Result<Pinning, RunArgsError> {
        match self {
            Self::Off => Ok(Pinning::off()),
            Self::Cpus(list) => {
                let absent = |cpu: &&usize| !inputs.cpus.contains(cpu);
                if let Some(&cpu) = list.cpus().iter().find(absent) {
                    let mut available = inputs.cpus.clone();
                    available.sort_unstable();
                    return Err(RunArgsError::Cpu { cpu, available });
                }
                Ok(Pinning::on(list))
            }
            Self::Auto if needed(target, &[]) == ServerCpus::Unknown => {
                Ok(Pinning::on_nodes(&inputs.nodes, threads))
            }
            Self::Auto => {
                // A quota may allow fewer than the affinity does.
                let usable = &inputs.cpus[..inputs.cpus.len().min(inputs.cores)];
                let own = match target {
                    Target::Embedded { server } => server.pinned_to(),
                    Target::Command(_) | Target::Address { .. } => Vec::new(),
                };
                Ok(Pinning::apart(usable, threads, needed(target, &own), forwards))
            }
        }
    }
}

/// What the server needs; `own` are the CPUs of its own `--pin`.
fn needed<'a>(target: &Target, own: &'a [usize]) -> ServerCpus<'a> {
    let server = match target {
        Target::Embedded { server } => server,
        Target::Command(_) => return ServerCpus::Rest,
        Target::Address { .. } => return ServerCpus::Unknown,
    };
    match server.busy_threads() {
        _ if !own.is_empty() => ServerCpus::Given(own),
        Some(threads) if server.model != Some(ModelKind::Threads.to_string()) => {
            ServerCpus::Workers(threads)
        }
        _ => ServerCpus::Rest,
    }
}

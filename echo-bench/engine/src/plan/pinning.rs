//! On which CPUs the threads of both sides run: [`Pinning`], and how `auto` chooses them
//! ([`Pinning::apart`]). Asks the machine nothing.

use echo_net::settings::CpuList;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ServerPlan, Settings, Target};

/// CPU affinity of the generator's threads and of the server that is started for the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pinning {
    /// What was asked for.
    pub asked: PinMode,
    /// The CPU of each generator thread, in rotation; empty: not pinned.
    pub generator: Vec<usize>,
    /// The CPUs of the server that is started for the run, beside what its own `--pin` says; empty: not pinned.
    pub server: Vec<usize>,
    /// The CPU of the forwarder of an emulated link; empty: not pinned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forwarder: Vec<usize>,
    /// The CPUs of each NUMA node, where generator threads run on one node each, in rotation; empty:
    /// they do not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Vec<usize>>,
    /// Why `auto` pinned nothing; null if it did, or was not asked for.
    pub unpinned: Option<Unpinned>,
}

/// What was asked for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum PinMode {
    /// Both sides apart, where there are CPUs for both.
    Auto,
    /// Nothing.
    Off,
    /// Generator threads on given CPUs.
    Cpus,
}

/// Why `auto` pinned nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unpinned {
    /// There are fewer CPUs than threads of both sides.
    FewCpus,
    /// The server was not started for the run, so where it runs is not known.
    OtherServer,
}

/// How many CPUs the server of a run needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerCpus<'a> {
    /// One for each worker.
    Workers(u32),
    /// All that are left, at least one: it has as many threads as connections.
    Rest,
    /// These, as the user says.
    Given(&'a [usize]),
    /// Nobody knows.
    Unknown,
}

impl Default for Pinning {
    fn default() -> Self {
        Self::off()
    }
}

impl Pinning {
    /// Nothing is pinned.
    pub const fn off() -> Self {
        Self {
            asked: PinMode::Off,
            generator: Vec::new(),
            server: Vec::new(),
            forwarder: Vec::new(),
            nodes: Vec::new(),
            unpinned: None,
        }
    }

    /// Each of so many generator threads on one of these NUMA nodes, in rotation, for a server of
    /// which nobody knows where it runs: a thread that moves from node to node has its memory on
    /// another. Nothing where there is one node or one thread.
    pub fn on_nodes(nodes: &[Vec<usize>], threads: u32) -> Self {
        if nodes.len() < 2 || threads < 2 {
            return Self::left(Unpinned::OtherServer);
        }
        Self { asked: PinMode::Auto, nodes: nodes.to_vec(), ..Self::off() }
    }

    /// Generator threads on these CPUs, in rotation.
    pub fn on(cpus: &CpuList) -> Self {
        Self { asked: PinMode::Cpus, generator: cpus.cpus().to_vec(), ..Self::off() }
    }

    /// A CPU of its own, out of `cpus` (those that may be used, best first), for each of so
    /// many generator `threads` and for each worker of the server; nothing where these are
    /// too few. If an emulated link `forwards`, its forwarder gets one that is left, if one is.
    pub fn apart(cpus: &[usize], threads: u32, server: ServerCpus<'_>, forwards: bool) -> Self {
        let (taken, wanted) = match server {
            ServerCpus::Unknown => return Self::left(Unpinned::OtherServer),
            ServerCpus::Given(taken) => (taken, 0),
            ServerCpus::Workers(workers) => (&[][..], workers as usize),
            ServerCpus::Rest => (&[][..], 1),
        };
        let free: Vec<usize> =
            cpus.iter().copied().filter(|cpu| !taken.contains(cpu)).collect();
        let Some((generator, rest)) = free.split_at_checked(threads as usize) else {
            return Self::left(Unpinned::FewCpus);
        };
        if rest.len() < wanted {
            return Self::left(Unpinned::FewCpus);
        }
        let of_server = match server {
            ServerCpus::Rest if forwards => rest.len().saturating_sub(1).max(1),
            ServerCpus::Rest => rest.len(),
            _ => wanted,
        };
        let (server, left) = rest.split_at(of_server);
        let forwarder = left.first().copied().filter(|_| forwards);
        Self {
            asked: PinMode::Auto,
            generator: generator.to_vec(),
            server: server.to_vec(),
            forwarder: forwarder.into_iter().collect(),
            ..Self::off()
        }
    }

    fn left(why: Unpinned) -> Self {
        Self { asked: PinMode::Auto, unpinned: Some(why), ..Self::off() }
    }

    /// Whether so many generator threads have to share a CPU, with each other or with a server
    /// on these.
    pub fn is_crowded(&self, threads: u32, server: &[usize]) -> bool {
        let few = !self.generator.is_empty() && self.generator.len() < threads as usize;
        few || self.generator.iter().any(|cpu| server.contains(cpu))
    }

    /// The CPUs of a generator thread: one, or those of a node; none if it is not pinned.
    pub fn cpus_of(&self, thread: u32) -> &[usize] {
        let rotated = |of: usize| thread as usize % of.max(1);
        match self.generator.get(rotated(self.generator.len())) {
            Some(cpu) => std::slice::from_ref(cpu),
            None => self.nodes.get(rotated(self.nodes.len())).map_or(&[], Vec::as_slice),
        }
    }
}

impl ServerPlan {
    /// The CPUs of its own `--pin`; empty without one.
    pub fn pinned_to(&self) -> Vec<usize> {
        let value = self.flags.iter().find(|flag| flag.name == "pin");
        let value = value.and_then(|flag| flag.value.as_deref()?.parse::<CpuList>().ok());
        value.map_or_else(Vec::new, |list| list.cpus().to_vec())
    }
}

impl Settings {
    /// The CPUs that the server is pinned to; empty if it is not, or not by this run.
    pub fn server_cpus(&self) -> Vec<usize> {
        match &self.target {
            Target::Embedded { server } if self.pin.server.is_empty() => server.pinned_to(),
            Target::Embedded { .. } | Target::Command(_) => self.pin.server.clone(),
            Target::Address { .. } => Vec::new(),
        }
    }

    /// How many cores the server may keep busy: no more than it has workers, and CPUs to run on;
    /// `of_machine` is the number of those where it runs. `None` if nothing of it is known.
    pub fn server_cores(&self, of_machine: Option<usize>) -> Option<usize> {
        let workers = match &self.target {
            Target::Embedded { server } => server.workers.map(|workers| workers as usize),
            Target::Address { .. } | Target::Command(_) => None,
        };
        let pinned = Some(self.server_cpus().len()).filter(|cpus| *cpus > 0);
        [workers, pinned, of_machine].into_iter().flatten().filter(|cores| *cores > 0).min()
    }

    /// Whether both sides are pinned, no CPU is in both, and each generator thread has its own.
    pub fn is_pinned_apart(&self) -> bool {
        let (generator, server) = (&self.pin.generator, self.server_cpus());
        let both = !generator.is_empty() && !server.is_empty();
        both && !self.is_pinned_together()
    }

    /// Whether what is pinned has to share a CPU: generator threads among each other, or with
    /// the server.
    pub fn is_pinned_together(&self) -> bool {
        self.pin.is_crowded(self.threads, &self.server_cpus())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_of_both_sides_has_a_cpu_of_its_own_or_none_has() {
        use ServerCpus::{Given, Rest, Unknown, Workers};
        let few = Err(Unpinned::FewCpus);
        for (cpus, threads, server, found) in [
            (&[0, 1][..], 1, Workers(1), Ok((&[0][..], &[1][..]))),
            (&[0, 2, 1, 3], 2, Workers(2), Ok((&[0, 2], &[1, 3]))),
            (&[4, 5, 6, 7], 1, Workers(2), Ok((&[4], &[5, 6]))),
            (&[0, 1], 1, Workers(2), few),
            (&[0], 1, Workers(1), few),
            (&[0], 2, Workers(1), few),
            (&[], 1, Workers(1), few),
            (&[0, 1, 2], 1, Rest, Ok((&[0], &[1, 2]))),
            (&[0, 1], 2, Rest, few),
            (&[0, 1], 1, Given(&[0]), Ok((&[1], &[]))),
            (&[0, 1], 1, Given(&[0, 1]), few),
            (&[0, 1, 2, 3], 1, Unknown, Err(Unpinned::OtherServer)),
        ] {
            let pinned = Pinning::apart(cpus, threads, server, false);
            let case = format!("{threads} on {cpus:?}, server {server:?}");
            let outcome = pinned.unpinned.map_or(Ok(()), Err);
            assert_eq!(outcome, found.map(|_| ()), "{case}");
            let (generator, server) = found.unwrap_or_default();
            assert_eq!((&*pinned.generator, &*pinned.server), (generator, server), "{case}");
        }
    }

    #[test]
    fn a_forwarder_has_a_cpu_of_its_own_where_one_is_left() {
        use ServerCpus::{Given, Rest, Workers};
        for (cpus, server, of_server, forwarder) in [
            (&[0, 1, 2][..], Workers(1), &[1][..], &[2][..]),
            (&[0, 1], Workers(1), &[1], &[]),
            (&[0, 1, 2, 3], Rest, &[1, 2], &[3]),
            (&[0, 1], Rest, &[1], &[]),
            (&[0, 1, 2], Given(&[1]), &[], &[2]),
        ] {
            let pinned = Pinning::apart(cpus, 1, server, true);
            assert_eq!((&*pinned.server, &*pinned.forwarder), (of_server, forwarder));
            assert_eq!((pinned.generator, pinned.unpinned), (vec![0], None));
        }
    }

    #[test]
    fn threads_take_the_given_cpus_in_rotation() {
        let pinned = Pinning::on(&"3,1".parse().unwrap());
        let cpus: Vec<_> = (0..4).map(|thread| pinned.cpus_of(thread)).collect();
        assert_eq!(cpus, [[3], [1], [3], [1]]);
        assert!(Pinning::off().cpus_of(1).is_empty());
    }

    #[test]
    fn threads_run_on_one_node_each_where_there_are_several() {
        let nodes = [vec![0, 1, 4, 5], vec![2, 3, 6, 7]];
        let pinned = Pinning::on_nodes(&nodes, 3);
        let cpus: Vec<_> = (0..3).map(|thread| pinned.cpus_of(thread)).collect();
        assert_eq!(cpus, [&*nodes[0], &*nodes[1], &*nodes[0]]);
        assert_eq!((pinned.asked, pinned.unpinned), (PinMode::Auto, None));
        assert!(!pinned.is_crowded(3, &[0]), "a node is shared by plan");
        for pinned in [Pinning::on_nodes(&nodes[..1], 3), Pinning::on_nodes(&nodes, 1)] {
            assert!(pinned.cpus_of(0).is_empty());
            assert_eq!(pinned.unpinned, Some(Unpinned::OtherServer));
        }
    }
}

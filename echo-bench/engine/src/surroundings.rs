//! What happens around a run on its machine: [`Surroundings`], over the measured window. Of
//! what the kernel does not say nothing is guessed.

use std::time::Duration;

use echo_net::cgroup::CpuGroup;
use echo_net::cpu::Machine;
use echo_net::netstat::TcpCounters;
use echo_net::placement::Placement;

/// What happened around a run on its machine, over the measured window.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// What the kernel's TCP counted, over all connections of the network namespace, and of the
    /// server's where that is another one.
    pub tcp: Option<TcpCounters>,
    /// Cores that the control group of the generator may use; `None` without a limit.
    pub quota: Option<f64>,
    /// How long the threads of the control group were kept from running by a quota.
    pub throttled: Option<Duration>,
    /// What all CPUs of the machine did.
    pub machine: Option<Machine>,
    /// CPUs on which threads of the server's processes were seen to work.
    pub server_cpus: Vec<usize>,
}

/// The counters of this network namespace and of the server's, if it has another one (over an
/// emulated link).
fn tcp_of_both(server: &[u32]) -> Option<TcpCounters> {
    let own = TcpCounters::read()?;
    let other = server.iter().find_map(|pid| TcpCounters::read_beside(*pid));
    Some(other.map_or(own, |other| own.plus(&other)))
}

/// Looks at the beginning and at the end, and now and then between them.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    group: Option<CpuGroup>,
    begin: Option<Look>,
    server: Placement,
    end: Option<Look>,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    tcp: Option<TcpCounters>,
    throttled: Option<Duration>,
    machine: Option<Machine>,
}

impl Lookout {
    pub(super) fn new() -> Self {
        Self { group: CpuGroup::of_self(), ..Self::default() }
    }

    /// The first look is that of the beginning, the last one that of the end.
    pub(super) fn look(&mut self, server: &[u32]) {
        let look = Look {
            tcp: tcp_of_both(server),
            throttled: self.group.as_ref().and_then(CpuGroup::throttled),
            machine: Machine::read(),
        };
        self.begin.get_or_insert(look);
        self.end = Some(look);
        self.look_at_server(server);
    }

    /// Looks where the server's processes work.
    pub(super) fn look_at_server(&mut self, server: &[u32]) {
        self.server.look(server);
    }

    pub(super) fn conclude(self) -> Surroundings {
        let quota = self.group.as_ref().and_then(CpuGroup::quota);
        let Some((begin, end)) = self.begin.zip(self.end) else {
            return Surroundings { quota, ..Surroundings::default() };
        };
        let machine = end.machine.zip(begin.machine);
        let throttled = end.throttled.zip(begin.throttled);
        Surroundings {
            tcp: end.tcp.zip(begin.tcp).map(|(end, begin)| end.since(&begin)),
            quota,
            throttled: throttled.map(|(end, begin)| end.saturating_sub(begin)),
            machine: machine.map(|(end, begin)| Machine {
                busy: end.busy.saturating_sub(begin.busy),
                stolen: end.stolen.saturating_sub(begin.stolen),
            }),
            server_cpus: self.server.cpus().collect(),
        }
    }
}

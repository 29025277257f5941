//! Where the machines of a run on agents are: [`Site`], on the loopback or in network namespaces.

use std::net::Ipv4Addr;
use std::process::{Command, Output};

use echo_server::model::ModelKind;
use echo_test_support::bench_process::BenchProcess;
use echo_test_support::lan::Lan;
use echo_test_support::program::{own_program, run};
use echo_test_support::running_server::RunningServer;

use super::LIMIT;
use super::bus::{NatsServer, RunningAgent};

/// Agents at most, each on a host of its own, from 0.
const AGENTS: u8 = 4;
/// The host of the NATS server, where runs are typed, too.
const BUS: u8 = AGENTS;
/// The host of the server under test.
const TARGET: u8 = AGENTS + 1;
const HOSTS: u8 = AGENTS + 2;

/// A NATS server, a server under test, and room for agents.
pub(crate) struct Site {
    pub(crate) bus: NatsServer,
    pub(crate) target: RunningServer,
    /// None on the loopback. Dropped last: the others run on its hosts.
    lan: Option<Lan>,
}

/// Runs `scenario` with a network namespace for each machine; on the loopback where that can't be,
/// which is told.
pub(crate) fn on_site(test: &str, scenario: impl Fn(&mut Site)) {
    let site = match Lan::new_or_skip(test, HOSTS) {
        Some(lan) => Site::new(test, Some(lan)),
        None => Site::on_loopback(test),
    };
    if let Some(mut site) = site {
        scenario(&mut site);
    }
}

/// Does something on a host; here without one.
fn on<T: Send>(lan: Option<&Lan>, host: u8, action: impl FnOnce() -> T + Send) -> T {
    match lan {
        Some(lan) => lan.host(host).inside(action),
        None => action(),
    }
}

impl Site {
    /// None without a NATS server, which is told.
    pub(crate) fn on_loopback(test: &str) -> Option<Self> {
        Self::new(test, None)
    }

    fn new(test: &str, lan: Option<Lan>) -> Option<Self> {
        let ip = |host| lan.as_ref().map_or(Ipv4Addr::LOCALHOST, |lan| lan.ip(host));
        let bus = on(lan.as_ref(), BUS, || NatsServer::start(test, ip(BUS), ""))?;
        let target = on(lan.as_ref(), TARGET, || {
            let mut command = Command::new(own_program("echo-server"));
            let address = format!("{}:0", ip(TARGET));
            let flags = ["--log-format", "json"];
            RunningServer::start_as(command.arg(address), ModelKind::Epoll, &flags)
        });
        Some(Self { bus, target, lan })
    }

    /// An agent, from 1, started by a command that executes `echo-bench`.
    pub(crate) fn agent_as(&self, command: &mut Command, number: u8) -> RunningAgent {
        let (url, name) = (self.bus.url(), format!("load-{number}"));
        on(self.lan.as_ref(), number - 1, || RunningAgent::start_as(command, &url, &name, &[]))
    }

    pub(crate) fn agent(&self, number: u8) -> RunningAgent {
        self.agent_as(&mut Command::new(own_program("echo-bench")), number)
    }

    pub(crate) fn agents(&self, count: u8) -> Vec<RunningAgent> {
        (1..=count).map(|number| self.agent(number)).collect()
    }

    /// A run of so many agents, started.
    pub(crate) fn start(&self, agents: u8, flags: &[&str]) -> BenchProcess {
        let (url, agents) = (self.bus.url(), agents.to_string());
        let address = self.target.address().to_string();
        let common = ["run", &address, "--nats", &url, "--agents", &agents, "--seed", "7"];
        let words = [&common[..], &["-c", "16", "-w", "0"], flags].concat();
        on(self.lan.as_ref(), BUS, || BenchProcess::start(&words))
    }

    /// Merges a run that has ended.
    pub(crate) fn collect(&self, name: &str) -> Output {
        let url = self.bus.url();
        let mut command = Command::new(own_program("echo-bench"));
        command.args(["collect", name, "--nats", &url]);
        on(self.lan.as_ref(), BUS, || run(&mut command, b"", LIMIT))
    }

    pub(crate) fn restart_bus(&mut self) {
        let Self { bus, lan, .. } = self;
        on(lan.as_ref(), BUS, || bus.restart());
    }
}

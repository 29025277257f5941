//! Server, generator and network together, simulated from a seed: [`run`] draws a scenario,
//! carries it out, and checks what must hold whatever happens.
//!
//! Both programs run their real code, the server's event loops and one generator thread, on a
//! manual clock and one thread. The same seed gives the same run, but for TLS, whose keys and
//! lengths are random.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::ops::AddAssign;

use echo_bench_engine::rehearsal::{Rehearsal, rehearse};
use echo_net::Nanos;
use echo_net::clock::SECOND;
use echo_net::reactor::network::{Faults, Network, NetworkReactor};
use echo_net::stop::{Stage, Stop};
use echo_server::model::simulated::{self, SimulatedServer};

mod checks;
mod scenario;

pub use scenario::Scenario;

use scenario::{Action, START};

/// Virtual time that a server may take after its drain timeout. Connections linger in it.
const SLACK: Nanos = 60 * SECOND;

/// What happened in some runs, for a test that everything happens in some.
#[derive(Debug, Clone, Copy, Default)]
pub struct Happened {
    /// Faults of the network.
    pub faults: Faults,
    counts: [u64; COUNTED.len()],
}

/// What is counted of a run beside the faults of the network, in this order.
const COUNTED: [&str; 12] = [
    "connections",
    "requests",
    "ok",
    "refused connections",
    "connections ended by deadlines",
    "connections cut by a forced stop",
    "graceful stops",
    "forced stops",
    "interrupted runs",
    "runs inside TLS",
    "pools",
    "chats",
];

impl Happened {
    /// How often everything but the faults of the network happened.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        COUNTED.into_iter().zip(self.counts)
    }
}

impl AddAssign for Happened {
    fn add_assign(&mut self, more: Self) {
        self.faults += more.faults;
        for (sum, more) in self.counts.iter_mut().zip(more.counts) {
            *sum += more;
        }
    }
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, number) in self.counts() {
            write!(f, "{number} {name}, ")?;
        }
        self.faults.fmt(f)
    }
}

/// Both sides at the end, for the checks.
struct Ended<'a> {
    scenario: &'a Scenario,
    network: &'a Network,
    server: &'a SimulatedServer<'a>,
    rehearsal: &'a Rehearsal,
    /// When the generator had ended.
    generator_ended_at: Nanos,
    /// Bytes of each connection that had arrived at the server when it was asked to stop.
    arrived_at_stop: &'a [usize],
    /// Whether it was asked within the run.
    stopped: bool,
    forced: bool,
}

/// Carries out the scenario of `seed`.
///
/// # Errors
/// What did not hold.
pub fn run(seed: u64) -> Result<Happened, String> {
    let scenario = Scenario::draw(seed);
    let network = Network::new(START, seed ^ 0x5eed, scenario.conditions);
    let stop = Stop::new();
    let run = |server: SimulatedServer<'_>| carry_out(&scenario, &network, &stop, server);
    let simulated =
        simulated::simulate(&network, scenario.server.clone(), scenario.acceptors, &stop, run);
    let happened = simulated.map_err(|error| error.to_string()).and_then(|outcome| outcome);
    happened.map_err(|fault| format!("{fault}\n{scenario:#?}"))
}

/// The server, and what is done to it and to the generator at certain times.
struct FarEnd<'a> {
    server: SimulatedServer<'a>,
    network: &'a Network,
    actions: std::iter::Peekable<std::vec::IntoIter<(Nanos, Action)>>,
    stop: &'a Stop,
    signal: Stop,
    arrived_at_stop: Vec<usize>,
    failure: Option<io::Error>,
}

impl FarEnd<'_> {
    /// Does what is due, and returns when to come back.
    fn step(&mut self) -> Option<Nanos> {
        while let Some((_, action)) = self.actions.next_if(|(at, _)| *at <= self.network.now())
        {
            match action {
                Action::StopServer => self.stop_server(),
                Action::SignalGenerator => self.signal.ask(),
            }
        }
        let next = self.actions.peek().map(|(at, _)| *at);
        match self.server.step() {
            Ok(deadline) => [deadline, next].into_iter().flatten().min(),
            Err(error) => {
                self.failure.get_or_insert(error);
                next
            }
        }
    }

    fn stop_server(&mut self) {
        if self.stop.stage() == Stage::Running {
            self.arrived_at_stop = checks::arrived_at_server(self.network);
        }
        self.stop.ask();
    }

    /// Lets the server end.
    fn wind_up(&mut self, jumps: bool) -> Result<(), String> {
        if self.stop.stage() == Stage::Running {
            self.stop_server();
        }
        let timeout = echo_net::clock::nanos(checks::DRAIN_TIMEOUT_AT_MOST);
        let until = self.network.now() + timeout + SLACK;
        loop {
            let next = [self.step(), self.network.next_at()].into_iter().flatten().min();
            if self.server.has_ended() && self.network.next_at().is_none() {
                return Ok(());
            }
            let Some(next) = next else {
                return Err("the server neither ends nor waits for anything".into());
            };
            if self.network.now() > until && !jumps {
                return Err("the server does not end".into());
            }
            self.network.advance(next);
        }
    }
}

fn carry_out(
    scenario: &Scenario,
    network: &Network,
    stop: &Stop,
    server: SimulatedServer<'_>,
) -> Result<Happened, String> {
    let signal = Stop::new();
    let far_end = RefCell::new(FarEnd {
        server,
        network,
        actions: scenario.actions.clone().into_iter().peekable(),
        stop,
        signal: signal.clone(),
        arrived_at_stop: Vec::new(),
        failure: None,
    });
    let reactor = NetworkReactor::new(network).map_err(|error| error.to_string())?;
    let mut reactor = reactor.leading(Box::new(|| far_end.borrow_mut().step()));
    let rehearsal = rehearse(&scenario.plan, scenario.peer(), &signal, &mut reactor)
        .map_err(|error| format!("generator: {error}"))?;
    let generator_ended_at = network.now();
    let stopped = stop.stage() > Stage::Running;
    drop(reactor);
    let mut far_end = far_end.into_inner();
    far_end.wind_up(scenario.conditions.jumps > 0)?;
    if let Some(error) = far_end.failure {
        return Err(format!("server: {error}"));
    }
    let ended = Ended {
        scenario,
        network,
        server: &far_end.server,
        rehearsal: &rehearsal,
        generator_ended_at,
        arrived_at_stop: &far_end.arrived_at_stop,
        stopped,
        forced: stop.stage() == Stage::Forced,
    };
    ended.check()?;
    Ok(ended.happened(signal.stage() > Stage::Running))
}

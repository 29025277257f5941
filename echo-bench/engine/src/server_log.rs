//! What a server costs while others load it, as seen on its own machine: [`ServerLog`], looks at
//! its processes from the beginning of the measured window on. Which of them are of the window is for
//! those to say who know how long it was.

use std::time::Duration;

use echo_net::Nanos;
use echo_net::clock::{self, MILLISECOND};
use echo_net::cpu::{Machine, Usage};
use echo_net::netstat::TcpCounters;
use echo_net::placement::Placement;
use echo_net::stop::{Stage, Stop};
use serde::{Deserialize, Serialize};

use crate::server_process::start_ticks;
use crate::server_watch::ServerWatch;

/// Looks are at most so far apart, until there are too many: the end of a window that nobody knew
/// before lies between two.
const LONGEST_STEP: Nanos = 200 * MILLISECOND;

/// Most looks that are kept. Of more, every second one is left out.
const MOST_LOOKS: usize = 10_000;

/// A look is meant for an instant if it is not earlier than by this.
const EARLY: Nanos = 20 * MILLISECOND;

/// How often it is seen that nothing more is wanted.
const LOOK_EVERY: Nanos = 20 * MILLISECOND;

/// What was known at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerLook {
    /// When, from the beginning of the window on.
    pub after_ns: Nanos,
    /// What the server and the processes that it has started have used since their start; null once
    /// it has ended.
    pub server: Option<Usage>,
    /// What TCP has counted in its network namespace.
    pub tcp: Option<TcpCounters>,
    /// What all CPUs of its machine have done.
    pub machine: Option<Machine>,
}

/// What a server had used at instants of a load.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerLog {
    /// How far looks are apart.
    pub step_ns: Nanos,
    /// They, in order.
    pub looks: Vec<ServerLook>,
    /// CPUs on which the server's threads were seen to work.
    pub cpus: Vec<usize>,
}

impl ServerLog {
    /// Looks at a process, and at those that it has started by now, from `window_start` on until
    /// `stop` is asked for, a last time then. Intervals of the window begin and end with a look.
    pub fn record(pid: u32, window_start: Nanos, interval_ns: Nanos, stop: &Stop) -> Self {
        let mut server = Looked::new(pid);
        let pieces = interval_ns.div_ceil(LONGEST_STEP).max(1);
        let mut log = Self { step_ns: (interval_ns / pieces).max(1), ..Self::default() };
        let mut next = window_start;
        while stop.stage() == Stage::Running {
            let now = clock::now();
            if now < next {
                std::thread::sleep(Duration::from_nanos((next - now).min(LOOK_EVERY)));
                continue;
            }
            log.add(server.look(now - window_start));
            while next <= now {
                next = next.saturating_add(log.step_ns);
            }
        }
        if let Some(after_ns) = clock::now().checked_sub(window_start) {
            log.add(server.look(after_ns));
        }
        log.cpus = server.placement.cpus().collect();
        log
    }

    fn add(&mut self, look: ServerLook) {
        if self.looks.len() == MOST_LOOKS {
            let mut place = 0_usize;
            self.looks.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.step_ns = self.step_ns.saturating_mul(2);
        }
        self.looks.push(look);
    }

    /// The look that is meant for an instant of the window: the first one that is not before it.
    /// None where nobody looked about then.
    pub fn at(&self, after_ns: Nanos) -> Option<&ServerLook> {
        let place =
            self.looks.partition_point(|look| look.after_ns.saturating_add(EARLY) < after_ns);
        let late =
            after_ns.saturating_add(self.step_ns.saturating_mul(2)).saturating_add(EARLY);
        self.looks.get(place).filter(|look| look.after_ns <= late)
    }
}

/// A server that is looked at.
struct Looked {
    pid: u32,
    start_ticks: Option<u64>,
    watch: ServerWatch,
    placement: Placement,
}

impl Looked {
    fn new(pid: u32) -> Self {
        let (watch, placement) = (ServerWatch::of_process(pid), Placement::default());
        Self { pid, start_ticks: start_ticks(pid), watch, placement }
    }

    fn look(&mut self, after_ns: Nanos) -> ServerLook {
        self.placement.look(&self.watch.pids());
        // Another one may have its number by now.
        let lives = start_ticks(self.pid).is_some_and(|at| Some(at) == self.start_ticks);
        ServerLook {
            after_ns,
            server: self.watch.usage().filter(|_| lives),
            tcp: TcpCounters::read_beside(self.pid).or_else(TcpCounters::read),
            machine: Machine::read(),
        }
    }
}

#[cfg(test)]
mod tests {
    use echo_net::clock::SECOND;
    use echo_test_support::deadline::wait_until;

    use super::*;
    use crate::server_watch::tests::{busy_family, end_children, own_cpu};

    fn look(after_ns: Nanos) -> ServerLook {
        ServerLook { after_ns, server: None, tcp: None, machine: None }
    }

    #[test]
    fn a_process_is_looked_at_until_that_is_enough() {
        let stop = Stop::new();
        let (asking, begin) = (stop.clone(), clock::now() + 50 * MILLISECOND);
        let asked = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(700));
            asking.ask();
        });
        let log = ServerLog::record(std::process::id(), begin, SECOND, &stop);
        asked.join().unwrap();
        assert_eq!(log.step_ns, 200 * MILLISECOND);
        assert!(log.looks.len() >= 2, "{log:?}");
        assert!(log.looks.is_sorted_by_key(|look| look.after_ns));
        assert!(log.looks.iter().all(|look| look.server.is_some()), "{log:?}");
        let json = serde_json::to_string(&log).unwrap();
        assert_eq!(serde_json::from_str::<ServerLog>(&json).unwrap(), log);
    }

    /// As of a server that serves with a process per worker.
    #[test]
    fn a_server_has_used_what_the_processes_have_that_it_has_started() {
        let server = busy_family();
        let pid = server.id();
        let mut looked = Looked::new(pid);
        wait_until("the worker's time is seen", || {
            let seen = looked.look(0).server.expect("it runs").cpu;
            seen >= own_cpu(pid) + Duration::from_millis(50)
        });
        end_children(pid);
        drop(server);
        assert_eq!(looked.look(0).server, None, "it has ended");
    }

    #[test]
    fn an_instant_has_the_first_look_that_is_not_before_it() {
        let mut log = ServerLog { step_ns: 200 * MILLISECOND, ..ServerLog::default() };
        for after in [1, 201, 401, 1001] {
            log.add(look(after * MILLISECOND));
        }
        for (at, found) in [(0, Some(1)), (200, Some(201)), (215, Some(201)), (222, Some(401))]
        {
            let found = found.map(|after| after * MILLISECOND);
            assert_eq!(log.at(at * MILLISECOND).map(|look| look.after_ns), found, "{at} ms");
        }
        assert_eq!(log.at(500 * MILLISECOND), None, "half a second without a look");
        assert_eq!(log.at(2 * SECOND), None, "after the last one");
    }

    #[test]
    fn of_very_many_looks_every_second_is_kept() {
        let mut log = ServerLog { step_ns: 1, ..ServerLog::default() };
        for after in 0..3 * MOST_LOOKS as u64 {
            log.add(look(after));
        }
        assert!(log.looks.len() <= MOST_LOOKS && log.step_ns > 4, "{}", log.step_ns);
        assert_eq!(log.looks[0].after_ns, 0);
    }
}

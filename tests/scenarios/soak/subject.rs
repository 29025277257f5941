//! A server under soak: [`Subject`], and what is compared of it.

use std::fmt::{self, Display};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use echo_server::model::ModelKind;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::running_server::{Exit, RunningServer};

/// Memory that an allocator may keep beside what it had after the warm-up.
const SPARE_KIB: u64 = 4 * 1024;

/// What a process has at one time.
#[derive(Debug, Clone, Copy, Default)]
struct Vitals {
    descriptors: usize,
    threads: u64,
    resident_kib: u64,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) kind: Kind,
    pub(super) server: RunningServer,
    /// At the end of the warm-up.
    first: Vitals,
    last: Vitals,
    peak: Mutex<Vitals>,
}

/// Prints the names of the columns of [`Subject::compare`].
pub(super) fn print_heading() {
    let [descriptors, threads, memory, idle] = ["descriptors", "threads", "RSS MiB", "idle"];
    println!("{:49}{descriptors:>17}{threads:>17}{memory:>19}{idle:>7}", "");
    println!(
        "{:<12} {:<7} {:>6} {:>11} {:>9}  first peak last  first peak last  first  peak  last    CPU",
        "model", "server", "rounds", "connections", "messages"
    );
}

/// A protocol with what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Line,
    Tls,
    Chat,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Line, Self::Tls, Self::Chat];

    /// Members of a chat have to be in one process.
    fn workers(self, model: ModelKind) -> &'static [&'static str] {
        match self {
            Self::Chat if model.has_processes() => &["--workers=1"],
            _ => &["--workers=2"],
        }
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Line => &[],
            Self::Tls => &["--protocol=frame", "--tls-self-signed"],
            Self::Chat => &["--protocol=chat"],
        }
    }
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Line => "line",
            Self::Tls => "tls",
            Self::Chat => "chat",
        })
    }
}

impl Vitals {
    fn of(server: &RunningServer) -> Self {
        Self {
            descriptors: server.descriptors(),
            threads: server.threads(),
            resident_kib: server.resident_kib(),
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            descriptors: self.descriptors.max(other.descriptors),
            threads: self.threads.max(other.threads),
            resident_kib: self.resident_kib.max(other.resident_kib),
        }
    }
}

impl Subject {
    pub(super) fn of_each_kind(model: ModelKind) -> Vec<Self> {
        let common = [
            "--log-format=json",
            "--max-conns=150",
            "--idle-timeout=3s",
            "--write-timeout=2s",
            // Of io_uring the buffers of a whole ring: they are touched one by one, and 32 MiB
            // would take longer than the warm-up.
            "--read-buffer=2K",
        ];
        let start = |kind: Kind| Self {
            kind,
            server: RunningServer::start(
                model,
                &[&common[..], kind.workers(model), kind.flags()].concat(),
            ),
            first: Vitals::default(),
            last: Vitals::default(),
            peak: Mutex::default(),
        };
        Kind::ALL.into_iter().map(start).collect()
    }

    /// Waits until every connection is closed, and looks: for the state before, if it
    /// `warms_up`, else for that after.
    pub(super) fn settle(&mut self, warms_up: bool) {
        let deadline = Instant::now() + PATIENCE;
        while self.server.counters()["active"] != 0 {
            assert!(
                Instant::now() < deadline,
                "{}: still open: {}",
                self.kind,
                self.counters()
            );
            thread::sleep(Duration::from_millis(100));
        }
        self.last = Vitals::of(&self.server);
        if warms_up {
            self.first = self.last;
        }
    }

    /// Looks while the load is there.
    pub(super) fn watch(&self) {
        let mut peak = self.peak.lock().unwrap_or_else(PoisonError::into_inner);
        *peak = peak.max(Vitals::of(&self.server));
    }

    fn counters(&self) -> String {
        self.server.counters().to_string()
    }

    /// Prints a row; whether the server is as it was after the warm-up.
    pub(super) fn compare(&mut self, model: ModelKind, rounds: u32) -> bool {
        let cpu = self.server.cpu_time();
        thread::sleep(Duration::from_secs(2));
        let idle_cpu = self.server.cpu_time().saturating_sub(cpu);
        self.settle(false);
        let (first, last) = (self.first, self.last);
        let peak = *self.peak.get_mut().unwrap_or_else(PoisonError::into_inner);
        let counters = self.server.counters();
        let same = [
            ("descriptors", last.descriptors <= first.descriptors + 2),
            ("threads", last.threads <= first.threads),
            ("memory", last.resident_kib <= first.resident_kib * 11 / 10 + SPARE_KIB),
            ("idle CPU", idle_cpu <= Duration::from_millis(20)),
        ];
        let differs: Vec<_> =
            same.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect();
        let count = |name: &str| counters[name].as_u64().unwrap_or_default();
        let mib = |kib: u64| kib as f64 / 1024.0;
        println!(
            "{:<12} {:<7} {rounds:>6} {:>11} {:>9}  {:>5} {:>4} {:>4}  {:>5} {:>4} {:>4}  \
             {:>5.1} {:>5.1} {:>5.1}  {:>5.1} % {}",
            model.to_string(),
            self.kind,
            count("connections"),
            count("messages"),
            first.descriptors,
            peak.descriptors,
            last.descriptors,
            first.threads,
            peak.threads,
            last.threads,
            mib(first.resident_kib),
            mib(peak.resident_kib),
            mib(last.resident_kib),
            idle_cpu.as_secs_f64() / 2.0 * 100.0,
            if differs.is_empty() {
                "ok".to_owned()
            } else {
                format!("NOT: {}", differs.join(", "))
            },
        );
        differs.is_empty()
    }

    pub(super) fn end(&mut self, at_most: Duration) -> Exit {
        self.server.signal(rustix::process::Signal::TERM);
        self.server.wait_exit(at_most)
    }
}

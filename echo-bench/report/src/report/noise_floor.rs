//! The noise floor of a machine: [`NoiseFloors`], what `selftest` measured against a reflector.
//! A run whose latency is hardly above it says more of the machine than of the server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Environment;
use super::document::{Invalid, Stored, ensure};
use super::numbers;
use echo_bench_engine::plan::{EngineKind, IdleStrategy, Plan};

/// The name and version of the document's shape.
pub const NOISE_FLOOR_SCHEMA: &str = "echo-bench.noise-floor/1";

/// Up to so many times the noise floor a latency is mostly the machine's.
const NEAR: u64 = 2;

/// Most floors of a machine, more than there are ways to measure one.
const MOST_FLOORS: usize = 100;

/// The noise floors of a machine, one for each way in which the generator works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoiseFloors {
    /// Name and version of this shape: `echo-bench.noise-floor/1`.
    pub schema: String,
    /// The machine.
    pub machine: Machine,
    /// What was measured on it.
    pub floors: Vec<NoiseFloor>,
}

/// What tells one machine from another, and stays the same when it is started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// CPU model.
    pub cpu_model: Option<String>,
    /// Kernel name and release.
    pub kernel: Option<String>,
    /// Cores that the generator may use.
    pub cores: Option<usize>,
}

/// The response latency of a closed loop over one connection to a reflector on the loopback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoiseFloor {
    /// The generator's I/O backend.
    pub engine: EngineKind,
    /// How it waits.
    pub idle: IdleStrategy,
    /// When it was measured (RFC 3339, UTC).
    pub measured_at: String,
    /// The median in nanoseconds.
    pub p50_ns: u64,
    /// The 99th percentile in nanoseconds.
    pub p99_ns: u64,
}

impl Machine {
    /// The machine of an environment.
    pub fn of(environment: &Environment) -> Self {
        let Environment { cpu_model, kernel, cores, .. } = environment;
        Self { cpu_model: cpu_model.clone(), kernel: kernel.clone(), cores: *cores }
    }
}

impl NoiseFloors {
    /// Those of a machine, without any.
    pub fn of(machine: Machine) -> Self {
        Self { schema: NOISE_FLOOR_SCHEMA.into(), machine, floors: Vec::new() }
    }

    /// Puts one in, in the place of a higher one of the same kind: whatever else the machine did
    /// then only added to it.
    pub fn put(&mut self, floor: NoiseFloor) {
        let is_other = |old: &NoiseFloor| (old.engine, old.idle) != (floor.engine, floor.idle);
        if self.floors.iter().any(|old| !is_other(old) && old.p50_ns <= floor.p50_ns) {
            return;
        }
        self.floors.retain(is_other);
        self.floors.push(floor);
    }

    /// The one that a run of `plan` in `environment` can be held against: of the same machine,
    /// backend and way to wait.
    pub fn fitting(&self, environment: &Environment, plan: &Plan) -> Option<&NoiseFloor> {
        if self.machine != Machine::of(environment) || !environment.loopback {
            return None;
        }
        let fits = |floor: &&NoiseFloor| (floor.engine, floor.idle) == (plan.engine, plan.idle);
        self.floors.iter().find(fits)
    }
}

impl NoiseFloor {
    /// Whether a median is mostly that of the machine.
    pub(super) fn is_near(&self, p50_ns: u64) -> bool {
        p50_ns <= self.p50_ns.saturating_mul(NEAR)
    }

    /// The day on which it was measured.
    pub fn date(&self) -> &str {
        self.measured_at.split('T').next().unwrap_or_default()
    }
}

impl Stored for NoiseFloors {
    const SCHEMA: &'static str = NOISE_FLOOR_SCHEMA;

    fn validate(&self) -> Result<(), Invalid> {
        numbers::check("", self)?;
        let count = self.floors.len();
        ensure(count <= MOST_FLOORS, "floors", format_args!("{count} are too many"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::small_plan::plan_with;

    fn floor(engine: EngineKind, idle: IdleStrategy, p50_ns: u64) -> NoiseFloor {
        let measured_at = "2026-01-02T03:04:05Z".into();
        NoiseFloor { engine, idle, measured_at, p50_ns, p99_ns: p50_ns * 2 }
    }

    fn here() -> Environment {
        let cpu_model = Some("a".into());
        Environment { cpu_model, cores: Some(2), loopback: true, ..Environment::default() }
    }

    #[test]
    fn a_floor_is_that_of_the_machine_and_the_backend() {
        let mut floors = NoiseFloors::of(Machine::of(&here()));
        floors.put(floor(EngineKind::Epoll, IdleStrategy::Spin, 1));
        for p50_ns in [3, 2, 4] {
            floors.put(floor(EngineKind::Epoll, IdleStrategy::Sleep, p50_ns));
        }
        let of = |environment: &Environment, engine, idle| {
            let plan = plan_with(|plan| {
                plan.engine = engine;
                plan.idle = idle;
            });
            floors.fitting(environment, &plan).map(|floor| floor.p50_ns)
        };
        let (epoll, uring) = (EngineKind::Epoll, EngineKind::Uring);
        assert_eq!(of(&here(), epoll, IdleStrategy::Sleep), Some(2), "the quietest");
        assert_eq!(of(&here(), epoll, IdleStrategy::Hybrid), None);
        assert_eq!(of(&here(), uring, IdleStrategy::Sleep), None);
        let elsewhere = Environment { cpu_model: Some("b".into()), ..here() };
        assert_eq!(of(&elsewhere, epoll, IdleStrategy::Sleep), None);
        let over_a_network = Environment { loopback: false, ..here() };
        assert_eq!(of(&over_a_network, epoll, IdleStrategy::Sleep), None);
    }

    #[test]
    fn up_to_twice_the_floor_is_near_it() {
        let floor = floor(EngineKind::Epoll, IdleStrategy::Sleep, 28_000);
        assert!(floor.is_near(41_000) && floor.is_near(56_000) && !floor.is_near(56_001));
        assert_eq!(floor.date(), "2026-01-02");
    }
}

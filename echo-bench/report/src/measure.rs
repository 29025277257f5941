//! The whole way in one call, for programs: [`run`], from a plan to its report.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use echo_bench_engine::plan::Plan;
use echo_bench_engine::record::Interval;
use echo_bench_engine::server_process::ServerProcess;
use echo_bench_engine::{
    self as engine, Connected, EngineError, Observer, Peer, PeerError, SoFar,
};
use echo_net::Nanos;
use echo_net::address::SocketAddress;
use echo_net::stop::Stop;

use crate::describe::conclusion::Concluded;
use crate::report::{Circumstances, Environment, Report, UntilWatch, build};

/// Ends a run whose plan says so.
struct Watching(Option<UntilWatch>);

impl Observer for Watching {
    fn connected(&mut self, _connected: &Connected<'_>) {}
    fn interval(&mut self, _interval: &Interval, _lasted_ns: Option<Nanos>) {}
    fn is_enough(&mut self, so_far: &SoFar<'_>) -> bool {
        self.0.as_mut().is_some_and(|watch| watch.is_enough(so_far))
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The server can't be found.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// No load could be put on it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Carries out `plan` against the server at its address, until it ends or `stop` is asked for,
/// and reports. What goes wrong in the load is counted in the report and no error.
///
/// ```
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
/// # let address = listener.local_addr().unwrap().to_string();
/// # std::thread::spawn(move || {
/// #     for stream in listener.incoming().flatten() {
/// #         std::thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
/// #     }
/// # });
/// use echo_bench_report::{Plan, ProtocolKind, Stop, run};
///
/// let plan = Plan::builder(address).protocol(ProtocolKind::Raw).connections(2).requests(100);
/// let report = run(&plan.build()?, &Stop::new())?;
/// assert_eq!(report.summary.requests.ok, 100);
/// println!("p50 {} ns", report.summary.latency.response.expect("it answered").p50_ns);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the server is not found, or no load could be put on it at all.
pub fn run(plan: &Plan, stop: &Stop) -> Result<Report, RunError> {
    let peer = Peer::find(plan)?;
    let loopback = peer.addresses.iter().all(SocketAddress::is_loopback);
    let circumstances = Circumstances {
        command: Vec::new(),
        started_at: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        window_started_at: None,
        labels: BTreeMap::new(),
        environment: Environment::read(loopback),
        server: peer.pid.and_then(ServerProcess::of),
        slos: Vec::new(),
        // Of a server that is already there one worker is known to exist.
        server_workers: peer.pid.map(|_| 1),
        server_killed: false,
        server_ended: None,
        ended_early: None,
        link: None,
        start: None,
        server_side: None,
        noise_floor: None,
        live_view_busy: None,
    };
    let mut watch = Watching(UntilWatch::new(plan));
    let record = engine::run(&Arc::new(plan.clone()), &peer, stop, &mut watch)?;
    let ended_early = watch.0.and_then(|watch| watch.ended());
    Ok(build(plan, &record, Circumstances { ended_early, ..circumstances }).concluded())
}

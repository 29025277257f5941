//! The generator does not allocate per request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use echo_bench_engine::plan::{EngineKind, Plan, PlanBuilder};
use echo_bench_engine::record::Interval;
use echo_bench_engine::{self as engine, Connected, Observer, Peer};
use echo_net::Nanos;
use echo_net::stop::Stop;
use echo_proto::ProtocolKind;
use echo_server::model::ModelKind;
use echo_test_support::running_server::RunningServer;
use echo_test_support::turn::turn;
use strum::VariantArray;

use crate::{MOST_PER_MESSAGE, allocations};

/// Discards progress.
struct Silent;

impl Observer for Silent {
    fn connected(&mut self, _: &Connected<'_>) {}
    fn interval(&mut self, _: &Interval, _: Option<Nanos>) {}
}

/// Allocations of a run with this many requests.
fn of_run(server: SocketAddr, requests: u64, plan: PlanBuilder) -> usize {
    // A single interval, since each interval allocates its histograms.
    let hour = Duration::from_hours(1);
    let plan = plan.requests(requests).warmup(Duration::ZERO).interval(hour);
    let plan = Arc::new(plan.build().expect("a valid plan"));
    let peer = Peer { addresses: vec![server.into()], ..Peer::default() };
    let before = allocations();
    let record = engine::run(&plan, &peer, &Stop::new(), &mut Silent).expect("a run");
    let after = allocations();
    assert_eq!(record.total.tally.ok, requests, "{plan:?}");
    after - before
}

#[test]
fn a_request_allocates_nothing() {
    let _turn = turn();
    for &engine in EngineKind::VARIANTS {
        for &protocol in ProtocolKind::VARIANTS {
            let protocol_flag = format!("--protocol={protocol}");
            let server = RunningServer::start(ModelKind::Epoll, &[&protocol_flag]);
            let plan = Plan::builder(server.address().to_string()).protocol(protocol);
            let plan = plan.engine(engine);
            for load in [plan.clone().pipeline(1), plan.clone().pipeline(16), plan.rate(20e3)] {
                let (few, many) = (2_000, 12_000);
                let run = |requests| of_run(server.address(), requests, load.clone());
                let (base, more) = (run(few), run(many));
                let each = (more as f64 - base as f64) / (many - few) as f64;
                assert!(each < MOST_PER_MESSAGE, "{load:?}: {each} a message");
            }
        }
    }
}

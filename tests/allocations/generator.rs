//! The generator does not allocate per request.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Parser;
use echo_bench::cli::Cli;
use echo_bench_engine::plan::EngineKind;
use echo_bench_engine::record::Interval;
use echo_bench_engine::{self as engine, Connected, Observer, Peer};
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
    fn interval(&mut self, _: &Interval) {}
}

/// Allocations of a run with this many requests.
fn of_run(server: SocketAddr, requests: u64, flags: &[String]) -> usize {
    let (address, requests_flag) = (server.to_string(), format!("--requests={requests}"));
    // A single interval, since each interval allocates its histograms.
    let fixed = ["echo-bench", &address, &requests_flag, "--warmup=0", "--interval=1h"];
    let typed = fixed.into_iter().chain(flags.iter().map(String::as_str));
    let typed = Cli::try_parse_from(typed).expect("a valid command line");
    let plan = Arc::new(typed.run.plan().expect("a valid plan"));
    let peer = Peer { addresses: vec![server], ..Peer::default() };
    let before = allocations();
    let record = engine::run(&plan, &peer, &Stop::new(), &mut Silent).expect("a run");
    let after = allocations();
    assert_eq!(record.total.tally.ok, requests, "{flags:?}");
    after - before
}

#[test]
fn a_request_allocates_nothing() {
    let _turn = turn();
    for &engine in EngineKind::VARIANTS {
        for &protocol in ProtocolKind::VARIANTS {
            let protocol_flag = format!("--protocol={protocol}");
            let server = RunningServer::start(ModelKind::Epoll, &[&protocol_flag]);
            for load in ["--pipeline=1", "--pipeline=16", "--rate=20k"] {
                let mut flags = vec![protocol_flag.clone(), load.to_owned()];
                flags.push(format!("--engine={engine}"));
                let (few, many) = (2_000, 12_000);
                let run = |requests| of_run(server.address(), requests, &flags);
                let (base, more) = (run(few), run(many));
                let each = (more as f64 - base as f64) / (many - few) as f64;
                assert!(each < MOST_PER_MESSAGE, "{flags:?}: {each} a message");
            }
        }
    }
}

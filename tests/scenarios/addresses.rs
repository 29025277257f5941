//! A server with several addresses: all reachable ones are used in rotation and reported.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use echo_bench_engine::plan::{Plan, PlanBuilder};
use echo_bench_engine::{self as engine, Peer, RunRecord};
use echo_net::stop::Stop;

use crate::scripted_server::ScriptedServer;
use crate::third_party_server::free_address;

fn plan() -> PlanBuilder {
    Plan::builder("server.example:1").warmup(Duration::ZERO)
}

fn run(addresses: &[SocketAddr], plan: PlanBuilder) -> RunRecord {
    let plan = plan.build().expect("a plan");
    let peer = Peer {
        addresses: addresses.iter().map(|&address| address.into()).collect(),
        ..Peer::default()
    };
    engine::run(&Arc::new(plan), &peer, &Stop::new(), &mut ()).expect("a run")
}

fn line_server(address: &str) -> ScriptedServer {
    use std::io::{BufRead, BufReader, Write};
    ScriptedServer::start_on(address, |stream| {
        for line in BufReader::new(stream).lines() {
            (&mut &*stream).write_all(format!("ECHO: {}\n", line?).as_bytes())?;
        }
        Ok(())
    })
}

#[test]
fn connections_go_to_every_address_that_answers_and_none_is_made_beside_them() {
    let eight = plan().connections(8).requests(800);
    for plan in [eight.clone(), eight.clone().threads(2), eight.pool(8)] {
        let servers = [line_server("127.0.0.1:0"), line_server("[::1]:0")];
        let dead = free_address();
        let addresses = [dead, servers[0].address(), servers[1].address()];
        let record = run(&addresses, plan.clone());
        assert_eq!(record.total.tally.ok, 800, "{plan:?}");
        assert_eq!(record.total.errors.total(), 0, "{plan:?}");
        let made: BTreeMap<_, _> = record
            .destinations
            .iter()
            .map(|one| (one.address.as_tcp().unwrap(), one.made))
            .collect();
        assert_eq!(made[&dead], 0);
        for server in &servers {
            assert_eq!(made[&server.address()], server.accepted() as u64, "{plan:?}");
            assert!((3..=5).contains(&server.accepted()), "{plan:?}: {made:?}");
        }
        let unanswered = &record.destinations[0];
        assert!(unanswered.failed > 0 && unanswered.failure.is_some(), "{unanswered:?}");
    }
}

#[test]
fn a_connection_for_each_request_goes_to_each_address_in_turn() {
    let two = plan().connections(2).requests(40);
    for plan in [two.clone().pool(0), two.reconnect_after(1)] {
        let servers = [line_server("127.0.0.1:0"), line_server("[::1]:0")];
        let addresses = [servers[0].address(), servers[1].address()];
        let record = run(&addresses, plan.clone());
        assert_eq!(record.total.tally.ok, 40, "{plan:?}");
        for server in &servers {
            assert!((18..=24).contains(&server.accepted()), "{}", server.accepted());
        }
    }
}

#[test]
fn a_source_connects_to_addresses_of_its_family() {
    let servers = [line_server("[::1]:0"), line_server("127.0.0.1:0")];
    let addresses = [servers[0].address(), servers[1].address()];
    let plan = plan().connections(4).requests(40);
    let sources = ["127.0.0.2", "::1"].map(|source| source.parse().expect("an address"));
    let record = run(&addresses, plan.with(|plan| plan.socket.sources = sources.to_vec()));
    assert_eq!((record.total.tally.ok, record.total.errors.total()), (40, 0));
    assert_eq!(servers.map(|server| server.accepted()), [2, 2]);
}

#[test]
fn a_chat_s_members_are_spread_too() {
    let rooms = ["127.0.0.1:0", "[::1]:0"].map(|address| {
        ScriptedServer::start_on(address, |stream| {
            use std::io::{BufRead, BufReader, Write};
            for line in BufReader::new(stream).lines() {
                if let Some(name) = line?.strip_prefix("/nick ") {
                    (&mut &*stream).write_all(format!("* 1 online: {name}\n").as_bytes())?;
                }
            }
            Ok(())
        })
    });
    let addresses = [free_address(), rooms[0].address(), rooms[1].address()];
    let (duration, drain) = (Duration::from_millis(100), Duration::from_millis(10));
    let chat = plan().chat(0).rate(10.0).connections(4).duration(duration).drain(drain);
    let record = run(&addresses, chat);
    assert_eq!(record.established, 4);
    assert_eq!(rooms.map(|room| room.accepted()), [2, 2]);
}

//! A server with several addresses: all reachable ones are used in rotation and reported.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use clap::Parser;
use echo_bench::cli::Cli;
use echo_bench_engine::{self as engine, Peer, RunRecord};
use echo_net::stop::Stop;

use crate::scripted_server::ScriptedServer;
use crate::third_party_server::free_address;

fn run(addresses: &[SocketAddr], flags: &[&str]) -> RunRecord {
    let typed = [&["echo-bench", "server.example:1", "--warmup=0"][..], flags].concat();
    let plan = Cli::try_parse_from(typed).expect("a command line").run.plan().expect("a plan");
    let peer = Peer { addresses: addresses.to_vec(), ..Peer::default() };
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
    for flags in [&["--conns=8"][..], &["--conns=8", "--threads=2"], &["--conns=8", "--pool=8"]]
    {
        let servers = [line_server("127.0.0.1:0"), line_server("[::1]:0")];
        let dead = free_address();
        let addresses = [dead, servers[0].address(), servers[1].address()];
        let record = run(&addresses, &[flags, &["--requests=800"]].concat());
        assert_eq!(record.total.tally.ok, 800, "{flags:?}");
        assert_eq!(record.total.errors.total(), 0, "{flags:?}");
        let made: BTreeMap<_, _> =
            record.destinations.iter().map(|one| (one.address, one.made)).collect();
        assert_eq!(made[&dead], 0);
        for server in &servers {
            assert_eq!(made[&server.address()], server.accepted() as u64, "{flags:?}");
            assert!((3..=5).contains(&server.accepted()), "{flags:?}: {made:?}");
        }
        let unanswered = &record.destinations[0];
        assert!(unanswered.failed > 0 && unanswered.failure.is_some(), "{unanswered:?}");
    }
}

#[test]
fn a_connection_for_each_request_goes_to_each_address_in_turn() {
    for flags in [&["--pool=0"][..], &["--reconnect-after=1"]] {
        let servers = [line_server("127.0.0.1:0"), line_server("[::1]:0")];
        let addresses = [servers[0].address(), servers[1].address()];
        let record = run(&addresses, &[flags, &["--conns=2", "--requests=40"]].concat());
        assert_eq!(record.total.tally.ok, 40, "{flags:?}");
        for server in &servers {
            assert!((18..=24).contains(&server.accepted()), "{}", server.accepted());
        }
    }
}

#[test]
fn a_source_connects_to_addresses_of_its_family() {
    let servers = [line_server("[::1]:0"), line_server("127.0.0.1:0")];
    let addresses = [servers[0].address(), servers[1].address()];
    let flags = ["--conns=4", "--requests=40", "--source-ip=127.0.0.2", "--source-ip=::1"];
    let record = run(&addresses, &flags);
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
    let chat =
        ["--protocol=chat", "--rate=10", "--conns=4", "--duration=100ms", "--drain=10ms"];
    let record = run(&addresses, &chat);
    assert_eq!(record.established, 4);
    assert_eq!(rooms.map(|room| room.accepted()), [2, 2]);
}

//! The server does not allocate per message.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::SystemTime;

use echo_net::socket::{self, SocketOptions};
use echo_net::stop::Stop;
use echo_proto::{ProtocolKind, Replies, Request, Respond, WriteMode};
use echo_server::Config;
use echo_server::model::{self, ModelKind};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::turn::turn;
use strum::VariantArray;

use crate::{MOST_PER_MESSAGE, allocations};

const PIPELINE: u64 = 16;

/// A batch of requests, and its replies.
fn batch(protocol: ProtocolKind, limit: usize) -> (Vec<u8>, usize) {
    let mut requester = protocol.requester(limit);
    let mut wire = Vec::new();
    for number in 0..PIPELINE {
        requester.encode(number, &[b'x'; 64], &mut wire);
    }
    let mut replies = Replies::new(WriteMode::Whole);
    let _ = protocol.responder(limit, SystemTime::now).receive(&wire, &mut replies);
    (wire, replies.bytes().len())
}

/// Allocations per message of a client in steady state.
fn of_message(server: SocketAddr, protocol: ProtocolKind, limit: usize) -> f64 {
    let (wire, length) = batch(protocol, limit);
    let mut replies = vec![0; length];
    let mut client = TcpStream::connect(server).expect("the server listens");
    client.set_read_timeout(Some(PATIENCE)).expect("a fit timeout");
    client.set_nodelay(true).expect("a socket option");
    let mut rounds = |rounds: u64| {
        for _ in 0..rounds {
            client.write_all(&wire).expect("the server reads");
            client.read_exact(&mut replies).expect("the server answers");
        }
    };
    rounds(100);
    let before = allocations();
    rounds(500);
    (allocations() - before) as f64 / (500 * PIPELINE) as f64
}

#[test]
fn a_reply_allocates_nothing() {
    let _turn = turn();
    for &model in ModelKind::VARIANTS {
        if let Err(reason) = model::check(model) {
            let test = "a_reply_allocates_nothing";
            let _ = writeln!(std::io::stderr(), "skipped: {test}: --model {model}: {reason}");
            continue;
        }
        for &protocol in ProtocolKind::VARIANTS {
            let config =
                Config { model, protocol: protocol.into(), workers: 1, ..Config::default() };
            let limit = config.max_message;
            let address = SocketAddr::from(([127, 0, 0, 1], 0));
            let listener = socket::listen(address, 16, false, &SocketOptions::default());
            let listener = listener.expect("a free port");
            let address = listener.local_addr().expect("bound");
            let stop = Stop::new();
            std::thread::scope(|scope| {
                let server =
                    scope.spawn(|| echo_server::run(vec![vec![listener]], config, &stop));
                let each = of_message(address, protocol, limit);
                stop.ask();
                server.join().expect("no panic").expect("served");
                assert!(each < MOST_PER_MESSAGE, "{model}, {protocol}: {each} a message");
            });
        }
    }
}

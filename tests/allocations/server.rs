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

/// Requests, and the size of their replies.
type Batch = (Vec<u8>, usize);

/// The first request of a connection, with what comes before it, and a batch after it.
fn batches(protocol: ProtocolKind, limit: usize) -> [Batch; 2] {
    let mut requester = protocol.requester(limit);
    let mut responder = protocol.responder(limit, SystemTime::now);
    [0..1, 1..1 + PIPELINE].map(|numbers| {
        let (mut wire, mut replies) = (Vec::new(), Replies::new(WriteMode::Whole));
        for number in numbers {
            requester.encode(number, &[b'x'; 64], &mut wire);
        }
        let _ = responder.receive(&wire, &mut replies);
        (wire, replies.bytes().len())
    })
}

/// The same of a PostgreSQL's queries for a number.
fn queries(limit: usize) -> [Batch; 2] {
    const QUERY: &[u8] = b"Q\0\0\0\x11SELECT -1234\0";
    let [opening, _] = batches(ProtocolKind::Postgres, limit);
    let mut responder = ProtocolKind::Postgres.responder(limit, SystemTime::now);
    let wire = QUERY.repeat(PIPELINE as usize);
    let mut replies = Replies::new(WriteMode::Whole);
    let _ = responder.receive(&opening.0, &mut replies);
    replies.clear();
    let _ = responder.receive(&wire, &mut replies);
    assert_eq!(replies.messages(), PIPELINE);
    [opening, (wire, replies.bytes().len())]
}

/// Allocations per message of a client in steady state.
fn of_message(server: SocketAddr, batches: [Batch; 2]) -> f64 {
    let [(first, first_reply), (wire, length)] = batches;
    let mut replies = vec![0; length.max(first_reply)];
    let mut client = TcpStream::connect(server).expect("the server listens");
    client.set_read_timeout(Some(PATIENCE)).expect("a fit timeout");
    client.set_nodelay(true).expect("a socket option");
    let mut ask = |wire: &[u8], length: usize| {
        client.write_all(wire).expect("the server reads");
        client.read_exact(&mut replies[..length]).expect("the server answers");
    };
    ask(&first, first_reply);
    let mut rounds = |rounds: u64| (0..rounds).for_each(|_| ask(&wire, length));
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
                let each = of_message(address, batches(protocol, limit));
                let is_postgres = protocol == ProtocolKind::Postgres;
                let of_numbers = if is_postgres {
                    of_message(address, queries(limit))
                } else {
                    Default::default()
                };
                stop.ask();
                server.join().expect("no panic").expect("served");
                assert!(each < MOST_PER_MESSAGE, "{model}, {protocol}: {each} a message");
                assert!(of_numbers < MOST_PER_MESSAGE, "{model}: {of_numbers} a number");
            });
        }
    }
}

//! One connection of a server on a simulated network: session and driver with any input, any
//! cut of it, half-closes, resets, pauses of the peer, time that passes, and stops.

use std::time::Duration;

use echo_net::clock::{MILLISECOND, SECOND};
use echo_net::reactor::network::{Conditions, Network, NetworkReactor, Side};
use echo_net::reactor::{Event, Handler, Key, Reactor};
use echo_net::socket::{ConnectOptions, SocketOptions};
use echo_net::stop::Stop;
use echo_proto::{ProtocolKind, Service, WriteMode};
use echo_server::Config;
use echo_server::model::simulated::{SimulatedServer, simulate};
use strum::VariantArray;

use super::input::Input;
use crate::answers::answers;

/// A client that does only what it is told.
#[derive(Default)]
struct Client {
    gone: bool,
}

impl<'a> Handler<NetworkReactor<'a>> for Client {
    fn event(&mut self, _reactor: &mut NetworkReactor<'a>, _key: Key, event: Event<'_>) {
        self.gone |= matches!(event, Event::Failed(_));
    }
}

pub(super) fn connection(data: &[u8]) {
    let mut input = Input::new(data);
    let chat = input.byte() % 8 == 7;
    let protocol = input.pick(ProtocolKind::VARIANTS);
    let config = Config {
        protocol: if chat { Service::Chat } else { protocol.into() },
        workers: 1,
        max_message: input.pick(&[0, 16, 1000, 65_536]),
        chat_queue: 2000,
        write_mode: input.pick(WriteMode::VARIANTS),
        idle_timeout: Some(Duration::from_millis(u64::from(input.byte()) * 20 + 1)),
        write_timeout: Duration::from_millis(u64::from(input.byte()) * 20 + 1),
        max_buffered: Some(1 << 20),
        drain_timeout: Duration::from_millis(500),
        ..Config::default()
    };
    let conditions = Conditions {
        segment: input.pick(&[1, 5, 1460, usize::MAX]),
        send_buffer: input.pick(&[1, 100, 1 << 20]),
        receive_buffer: input.pick(&[10, 100, 1 << 20]),
        ..Conditions::FAIR
    };
    let network = Network::new(SECOND, 1, conditions);
    let stop = Stop::new();
    let max_message = config.max_message;
    simulate(&network, config, 1, &stop, |mut server| {
        converse(&network, &stop, &mut server, input.rest());
        assert_eq!(server.active(), 0, "every connection was given back");
    })
    .expect("descriptors are left");
    network.inspect(|links| {
        for link in links.iter().filter(|_| !chat) {
            let input = &link.received[Side::Server][..];
            let ended = link.ended[Side::Server];
            let due = answers(protocol, max_message, [input], ended);
            let said = &link.sent[Side::Server];
            assert!(due.bytes.starts_with(said), "the output differs from the answers");
            assert!(link.most_unsent[Side::Server] <= 64 * 1024 + 24 * data.len() + 64 * 1024);
        }
    });
}

/// Each instruction is a byte and what it says.
fn converse(network: &Network, stop: &Stop, server: &mut SimulatedServer<'_>, script: &[u8]) {
    let Ok(mut reactor) = NetworkReactor::new(network) else { return };
    let options = ConnectOptions {
        target: std::net::SocketAddr::from(([127, 0, 0, 1], 1)).into(),
        source: None,
        socket: SocketOptions::default(),
        stamps: false,
    };
    let mut client = Client::default();
    let Ok(key) = reactor.connect(&options) else { return };
    let mut rest = script;
    while let Some((&instruction, after)) = rest.split_first() {
        rest = after;
        match instruction >> 5 {
            0..=3 => {
                let (bytes, after) = rest.split_at(rest.len().min(instruction.into()));
                rest = after;
                if !client.gone {
                    reactor.send(key, bytes);
                }
            }
            4 => reactor.pause(key),
            5 => reactor.resume(key),
            6 => match instruction & 0x1f {
                0..4 => reactor.finish(key),
                4..6 => reactor.close(key),
                6..8 => stop.ask(),
                _ => {}
            },
            _ => {
                let until = network.now() + u64::from(instruction & 0x1f) * 10 * MILLISECOND;
                pass(network, server, &mut reactor, &mut client, until);
            }
        }
        let until = network.now() + MILLISECOND;
        pass(network, server, &mut reactor, &mut client, until);
    }
    reactor.close(key);
    stop.ask();
    let until = network.now() + 120 * SECOND;
    pass(network, server, &mut reactor, &mut client, until);
    assert!(server.has_ended(), "a stopped server ends");
}

/// Lets time pass until `until`, or the end of the server.
fn pass(
    network: &Network,
    server: &mut SimulatedServer<'_>,
    reactor: &mut NetworkReactor<'_>,
    client: &mut Client,
    until: u64,
) {
    while !server.has_ended() {
        let deadline = server.step().expect("its workers come to rest");
        // It does not lead: it only hands out what has arrived.
        reactor.turn(None, client).expect("nothing is waited for");
        let next = [deadline, network.next_at(), Some(until)].into_iter().flatten().min();
        let next = next.unwrap_or(until);
        if network.now() >= until {
            break;
        }
        network.advance(next);
    }
}

//! TLS on a worker's connections: the handshake, and the bytes after it.

use std::io;

use echo_net::Nanos;
use echo_net::reactor::{Key, Reactor};
use echo_net::tls::Fault;

use super::Worker;
use crate::engine::connection::State;
use crate::engine::loss::Loss;
use crate::engine::unsealing::{failure_of_handshake, unseal};

impl Worker {
    /// TCP is connected: says hello.
    pub(super) fn shake_hands<R: Reactor>(
        &mut self,
        reactor: &mut R,
        index: u32,
        dialled: Nanos,
        now: Nanos,
    ) {
        let begun = self.peer.tls.as_ref().map(super::super::PeerTls::begin);
        let connection = &mut self.connections[index as usize];
        connection.state = State::Handshaking { dialled, since: now };
        let Some(key) = connection.key else { return };
        match begun {
            Some(Ok(mut tls)) => {
                self.wire.clear();
                tls.take_output(&mut self.wire);
                connection.tls = Some(Box::new(tls));
                self.post(reactor, key, now);
            }
            Some(Err(fault)) => self.broken(reactor, key, index, fault),
            None => {}
        }
    }

    /// Ciphertext has arrived: what it holds is settled at the instant at which it was
    /// decrypted.
    pub(super) fn unseal<R: Reactor>(
        &mut self,
        reactor: &mut R,
        key: Key,
        index: u32,
        mut ciphertext: &[u8],
    ) {
        let mut plaintext = std::mem::take(&mut self.plaintext);
        while !ciphertext.is_empty() {
            let connection = &mut self.connections[index as usize];
            // It may have been lost since the last piece.
            let Some(tls) = connection.tls.as_mut().filter(|_| connection.key == Some(key))
            else {
                break;
            };
            let unsealed = unseal(tls, &mut ciphertext, &mut plaintext, &mut self.wire);
            let at = reactor.now();
            if !self.wire.is_empty() {
                self.post(reactor, key, at);
            }
            if unsealed.agreed {
                self.agreed(reactor, index, at);
            }
            if !plaintext.is_empty() {
                self.settle(reactor, key, index, Some(&plaintext), at);
            }
            match unsealed.outcome {
                Ok(()) if unsealed.over => self.ended(reactor, key, index, at),
                Ok(()) => {}
                Err(fault) => self.broken(reactor, key, index, fault),
            }
        }
        self.plaintext = plaintext;
    }

    /// Sends what TLS has to say for itself, which is on the wire like all else.
    pub(super) fn post<R: Reactor>(&mut self, reactor: &mut R, key: Key, now: Nanos) {
        if self.window().contains(&now) {
            self.interval.tally.bytes_sent += self.wire.len() as u64;
        }
        reactor.send(key, &self.wire);
    }

    /// The handshake is over, if it was not before.
    fn agreed<R: Reactor>(&mut self, reactor: &mut R, index: u32, now: Nanos) {
        let connection = &self.connections[index as usize];
        let State::Handshaking { since, .. } = connection.state else { return };
        if let Some(tls) = &connection.tls {
            self.handshakes.record(tls, now - since);
        }
        self.established(reactor, index, now);
    }

    /// TLS is not possible any more on a connection.
    fn broken<R: Reactor>(&mut self, reactor: &mut R, key: Key, index: u32, fault: Fault) {
        if !matches!(self.connections[index as usize].state, State::Handshaking { .. }) {
            return self.lost(reactor, key, Loss::Broken(io::Error::other(fault)));
        }
        let kind = failure_of_handshake(&fault);
        reactor.close(key);
        self.places.remove(key);
        self.dialling -= 1;
        let now = reactor.now();
        self.connect_failed(index, kind, io::Error::other(fault), now);
    }

    /// Tells the servers that nothing follows, which keeps their books in order.
    pub(super) fn end_streams<R: Reactor>(&mut self, reactor: &mut R) {
        for connection in &mut self.connections {
            if let (Some(tls), Some(key)) = (&mut connection.tls, connection.key) {
                self.wire.clear();
                tls.close(&mut self.wire);
                reactor.send(key, &self.wire);
            }
        }
    }
}

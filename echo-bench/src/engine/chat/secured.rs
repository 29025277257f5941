//! TLS on the connections of members: the handshake, and the bytes after it.

use std::io;

use echo_net::reactor::{Key, Reactor};

use super::ChatWorker;
use super::member::State;
use crate::engine::handshakes::PeerTls;
use crate::engine::loss::Loss;
use crate::engine::unsealing::unseal;

impl ChatWorker {
    /// TCP is connected: says hello.
    pub(super) fn shake_hands<R: Reactor>(&mut self, reactor: &mut R, key: Key, number: u32) {
        let member = &mut self.members[number as usize];
        member.state = State::Handshaking;
        match self.peer.tls.as_ref().map(PeerTls::begin) {
            Some(Ok(mut tls)) => {
                self.wire.clear();
                tls.take_output(&mut self.wire);
                member.tls = Some(Box::new(tls));
                reactor.send(key, &self.wire);
            }
            Some(Err(fault)) => self.lost(reactor, key, Loss::Broken(io::Error::other(fault))),
            None => {}
        }
    }

    /// Ciphertext has arrived: what it holds is heard at the instant at which it was
    /// decrypted.
    pub(super) fn unseal<R: Reactor>(
        &mut self,
        reactor: &mut R,
        key: Key,
        number: u32,
        mut ciphertext: &[u8],
    ) {
        let mut plaintext = std::mem::take(&mut self.plaintext);
        while !ciphertext.is_empty() {
            let member = &mut self.members[number as usize];
            // It may have been lost since the last piece.
            let Some(tls) = &mut member.tls else { break };
            let unsealed = unseal(tls, &mut ciphertext, &mut plaintext, &mut self.wire);
            if !self.wire.is_empty() {
                reactor.send(key, &self.wire);
            }
            let at = reactor.now();
            if unsealed.agreed && member.state == State::Handshaking {
                self.handshakes.record(tls, at - member.connected_at);
                self.introduce(reactor, key, number);
            }
            if !plaintext.is_empty() {
                self.hear(reactor, key, number, &plaintext, at);
            }
            match unsealed.outcome {
                Ok(()) if unsealed.over => self.lost(reactor, key, Loss::Closed),
                Ok(()) => {}
                Err(fault) => self.lost(reactor, key, Loss::Broken(io::Error::other(fault))),
            }
        }
        self.plaintext = plaintext;
    }

    /// Tells the server that nothing follows, which keeps its books in order.
    pub(super) fn end_streams<R: Reactor>(&mut self, reactor: &mut R) {
        for member in &mut self.members {
            if let (Some(tls), Some(key)) = (&mut member.tls, member.key) {
                self.wire.clear();
                tls.close(&mut self.wire);
                reactor.send(key, &self.wire);
            }
        }
    }
}

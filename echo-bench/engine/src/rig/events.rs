//! What a rig does when something happens on a link: it is connected, bytes arrive, it ends.

use std::io;

use echo_net::Nanos;
use echo_net::reactor::{Event, Handler, Key, Reactor};

use super::wire::Gone;
use super::{Loss, Misdirected, Opening, Parts, Rig, Workload};

impl<R: Reactor, W: Workload<R>> Handler<R> for Rig<R, W> {
    fn event(&mut self, reactor: &mut R, key: Key, event: Event<'_>) {
        self.events += 1;
        let Some(link) = self.wire.find(key) else { return };
        match event {
            Event::Connected => self.connected(reactor, link),
            Event::Received(bytes) => self.received(reactor, key, link, bytes),
            Event::EndOfInput => match self.wire.end_of_input(link) {
                Loss::Closed => self.ended(reactor, key, link),
                loss => self.lost(reactor, link, loss),
            },
            // What was given up while the peer did not read has left slots to be filled.
            Event::Sent => {
                let now = reactor.now();
                self.workload.writable(lend!(self, reactor, now), link);
            }
            Event::Failed(error) => self.lost(reactor, link, Loss::Broken(error)),
        }
        self.dial_queued(reactor);
    }

    fn reads_before_failure(&self) -> bool {
        self.wire.is_secured()
    }
}

impl<R: Reactor, W: Workload<R>> Rig<R, W> {
    /// TCP is connected.
    fn connected(&mut self, reactor: &mut R, link: u32) {
        let now = reactor.now();
        match self.wire.connected(reactor, &mut self.ledger, link, now) {
            Ok(true) => self.opened(reactor, link, now),
            Ok(false) => {}
            Err(loss) => self.lost(reactor, link, loss),
        }
    }

    /// Bytes can be exchanged: the workload says what comes first.
    fn opened(&mut self, reactor: &mut R, link: u32, now: Nanos) {
        match self.workload.opened(lend!(self, reactor, now), link) {
            Opening::Ready => self.ready(reactor, link, now),
            Opening::Introduced => self.wire.introduces(link, now),
        }
    }

    fn ready(&mut self, reactor: &mut R, link: u32, now: Nanos) {
        self.wire.comes_up(&self.ledger, link, now, self.window.contains(now));
        if self.wire.is_stamped(link) && W::ACTOR_PER_LINK {
            self.ledger.has_stamps(link);
        }
        self.workload.ready(lend!(self, reactor, now), link);
    }

    fn received(&mut self, reactor: &mut R, key: Key, link: u32, bytes: &[u8]) {
        let at = reactor.now();
        self.ledger.received(bytes.len(), at);
        self.ledger.arrives(reactor.arrival());
        if self.wire.is_secured() {
            self.unseal(reactor, key, link, bytes);
        } else {
            self.arrived(reactor, link, bytes, at);
        }
        self.ledger.arrives(None);
    }

    /// Ciphertext has arrived: what it holds arrives at the instant at which it was decrypted.
    fn unseal(&mut self, reactor: &mut R, key: Key, link: u32, mut bytes: &[u8]) {
        let mut plaintext = std::mem::take(self.wire.plaintext());
        while !bytes.is_empty() {
            // The link may have been lost since the last piece.
            let place = (key, link);
            let ledger = &mut self.ledger;
            let unsealed = self.wire.unseal(reactor, ledger, place, &mut bytes, &mut plaintext);
            let Some(unsealed) = unsealed else { break };
            if unsealed.agreed {
                self.opened(reactor, link, unsealed.at);
            }
            if !plaintext.is_empty() {
                self.arrived(reactor, link, &plaintext, unsealed.at);
            }
            // What arrived may have been the last that was wanted of it.
            if self.wire.find(key) != Some(link) {
                break;
            }
            match unsealed.outcome {
                Ok(()) if unsealed.over => self.ended(reactor, key, link),
                Ok(()) => {}
                Err(fault) => {
                    self.lost(reactor, link, Loss::Broken(io::Error::other(fault)));
                }
            }
        }
        *self.wire.plaintext() = plaintext;
    }

    /// Bytes of the protocol, the last of which came `at` this instant.
    #[inline]
    fn arrived(&mut self, reactor: &mut R, link: u32, bytes: &[u8], at: Nanos) {
        self.wire.hear(link, bytes);
        let arrived = self.workload.arrived(lend!(self, reactor, at), link, bytes);
        if let Some(seen) = self.wire.judge(link) {
            self.misdirect(seen);
        }
        if let Err(loss) = arrived {
            return self.lost(reactor, link, loss);
        }
        if self.wire.is_introducing(link) && self.workload.is_introduced(link) {
            self.ready(reactor, link, at);
        }
        // A long batch of events must not make what falls due meanwhile late.
        if self.pace.next_due().is_some_and(|due| due <= at) {
            self.workload.due(lend!(self, reactor, at));
        }
    }

    /// The server speaks something else: nothing would be measured.
    #[cold]
    fn misdirect(&mut self, seen: Misdirected) {
        self.misdirected = Some(seen);
        self.window.abort();
    }

    /// The server has ended a link gracefully: its last reply may end thereby.
    fn ended(&mut self, reactor: &mut R, key: Key, link: u32) {
        let now = reactor.now();
        if self.wire.is_up(link)
            && let Err(loss) = self.workload.ended(lend!(self, reactor, now), link)
        {
            return self.lost(reactor, link, loss);
        }
        if self.wire.find(key) == Some(link) {
            self.lost(reactor, link, Loss::Closed);
        }
    }

    /// A link is of no more use.
    fn lost(&mut self, reactor: &mut R, link: u32, loss: Loss) {
        let mut loss = self.wire.diagnosed(link, loss);
        if let Some(seen) = self.wire.judge_loss(link, &loss) {
            self.misdirect(seen);
        }
        let gone = self.wire.lose(reactor, &mut self.ledger, link, &mut loss);
        let now = reactor.now();
        match gone {
            Gone::Redialled => {}
            Gone::Up => self.workload.lost(lend!(self, reactor, now), link, &loss),
            Gone::Unmade => self.workload.unmade(lend!(self, reactor, now), link),
        }
    }
}

//! One event loop per worker, on any reactor. Each worker owns its connections and shares
//! nothing with the others while it serves.
//!
//! With one group of listeners the first worker accepts and deals the sockets out in turn; with
//! one per worker each accepts for itself.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use echo_net::Nanos;
use echo_net::reactor::{Event, Handler, Key, ServingReactor};
use echo_net::stop::Stage;
use echo_proto::Replies;
use slotmap::SecondaryMap;

use super::crew::Crew;
use super::mail_list::MailList;
use crate::admission::Permit;
use crate::connection::Connection;
use crate::context::Context;
use crate::counters::Served;
use crate::session::{NEVER, Next};
use crate::sweep::Sweep;

/// Serves on one reactor per worker, each made on the thread that uses it.
pub(super) fn serve<R: ServingReactor>(
    listeners: Vec<Vec<TcpListener>>,
    context: &Context,
    make: impl Fn() -> io::Result<R> + Sync,
) -> io::Result<()> {
    super::check_listeners(&listeners, context.config.workers)?;
    let crew = Crew::new(context.config.workers, listeners.len());
    let mut listeners = listeners.into_iter();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..context.config.workers)
            .map(|number| {
                let (crew, make, group) = (&crew, &make, listeners.next().unwrap_or_default());
                let name = format!("worker-{number}");
                std::thread::Builder::new().name(name).spawn_scoped(scope, move || {
                    context.force_on_error(Worker::run(number, group, crew, context, make))
                })
            })
            .map(|thread| context.force_on_error(thread))
            .collect();
        super::join_all(threads)
    })
}

struct Worker<'a> {
    number: usize,
    crew: &'a Crew,
    context: &'a Context,
    connections: SecondaryMap<Key, Connection>,
    replies: Replies,
    served: Served,
    sweep: Sweep,
    /// Connections that have mail.
    mail: Arc<MailList<Key>>,
    /// The worker that gets the next socket.
    turn: usize,
    listening: bool,
    draining: bool,
    /// The instant of this turn's first event; asking the clock once a turn is enough.
    now: Option<Nanos>,
}

impl<'a> Worker<'a> {
    fn run<R: ServingReactor>(
        number: usize,
        listeners: Vec<TcpListener>,
        crew: &'a Crew,
        context: &'a Context,
        make: impl Fn() -> io::Result<R>,
    ) -> io::Result<()> {
        context.pin_worker(number);
        let mut reactor = make()?;
        let waker = reactor.waker();
        crew.inboxes[number].open(waker.clone());
        context.stop.on_advance(move |_| waker.wake());
        let mut worker = Self {
            number,
            crew,
            context,
            connections: SecondaryMap::new(),
            replies: context.config.replies(),
            served: Served::default(),
            sweep: Sweep::new(),
            mail: MailList::new(reactor.waker()),
            turn: number,
            listening: !listeners.is_empty(),
            draining: false,
            now: None,
        };
        for listener in listeners {
            reactor.listen(listener)?;
        }
        worker.woken(&mut reactor);
        let outcome = worker.serve(&mut reactor);
        // Of the last turn.
        context.counters.worker(number).add(worker.served);
        outcome
    }

    fn serve<R: ServingReactor>(&mut self, reactor: &mut R) -> io::Result<()> {
        let counters = self.context.counters.worker(self.number);
        loop {
            self.now = None;
            let until = self.sweep.at();
            let spins = self.context.config.busy_poll && !self.connections.is_empty();
            let wait = if spins { Some(0) } else { (until != NEVER).then_some(until) };
            reactor.turn(wait, self)?;
            if self.served != Served::default() {
                counters.add(std::mem::take(&mut self.served));
            }
            if until != NEVER {
                self.look_after_deadlines(reactor);
            }
            match self.context.stop.stage() {
                Stage::Draining if !self.draining => {
                    // What the kernel has accepted is received: closing the listener would
                    // reset it.
                    reactor.turn(Some(0), self)?;
                    self.begin_draining(reactor);
                }
                Stage::Running | Stage::Draining => {}
                Stage::Forced => return Ok(()),
            }
            if self.draining && self.has_ended() {
                return Ok(());
            }
        }
    }

    fn now<R: ServingReactor>(&mut self, reactor: &R) -> Nanos {
        *self.now.get_or_insert_with(|| reactor.now())
    }

    /// Nothing is open here, and nothing more can come from another worker.
    fn has_ended(&self) -> bool {
        // In this order: who stops accepting has put everything into the inboxes before.
        self.connections.is_empty()
            && self.crew.accepting.load(Ordering::Acquire) == 0
            && self.crew.inboxes[self.number].is_empty()
    }

    fn begin_draining<R: ServingReactor>(&mut self, reactor: &mut R) {
        self.draining = true;
        if std::mem::take(&mut self.listening) {
            reactor.stop_listening();
            self.crew.accepting.fetch_sub(1, Ordering::Release);
            for inbox in &self.crew.inboxes {
                inbox.wake();
            }
        }
        let open: Vec<Key> = self.connections.keys().collect();
        for key in open {
            self.stop_connection(reactor, key);
        }
    }

    fn stop_connection<R: ServingReactor>(&mut self, reactor: &mut R, key: Key) {
        let now = self.now(reactor);
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.stop(now, reactor.unread(key), &mut self.replies);
        self.served += Served::by(0, &self.replies);
        self.answer(reactor, key, now);
    }

    fn open<R: ServingReactor>(&mut self, reactor: &mut R, socket: OwnedFd, permit: Permit) {
        match reactor.adopt(socket) {
            Ok(key) => {
                let connection = self.context.connection(permit);
                self.sweep.expect(connection.deadline());
                let gets_mail = connection.gets_mail();
                if gets_mail {
                    connection.wake_for_mail(&self.mail.waker(key));
                }
                self.connections.insert(key, connection);
                if self.draining {
                    self.stop_connection(reactor, key);
                } else if gets_mail {
                    // There may be some before the peer says a word.
                    let now = self.now(reactor);
                    self.go_on(reactor, key, now);
                }
            }
            Err(error) => self.context.admission.accept_failed(&error),
        }
    }

    /// Sends the replies of the last step and does what the session wants next.
    #[inline]
    fn answer<R: ServingReactor>(&mut self, reactor: &mut R, key: Key, now: Nanos) {
        for write in self.replies.writes() {
            reactor.send(key, write);
        }
        self.go_on(reactor, key, now);
    }

    #[inline]
    fn go_on<R: ServingReactor>(&mut self, reactor: &mut R, key: Key, now: Nanos) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        while connection.gets_mail()
            && connection.mail(now, reactor.unsent(key), &mut self.replies)
        {
            self.served += Served::by(0, &self.replies);
            for write in self.replies.writes() {
                reactor.send(key, write);
            }
        }
        let unsent = reactor.unsent(key);
        match connection.next(now, unsent) {
            Next::Read => reactor.resume(key),
            Next::Hold => {
                reactor.pause(key);
                self.sweep.expect(connection.deadline());
            }
            Next::HalfClose => {
                reactor.resume(key);
                reactor.finish(key);
                self.sweep.expect(connection.deadline());
            }
            Next::Close => {
                reactor.close(key);
                self.connections.remove(key);
                return;
            }
        }
        if unsent > 0 {
            self.sweep.expect(connection.deadline());
        }
    }

    fn look_after_deadlines<R: ServingReactor>(&mut self, reactor: &mut R) {
        let now = self.now(reactor);
        if !self.sweep.is_due(now) {
            return;
        }
        let mut expired = Vec::new();
        for (key, connection) in &mut self.connections {
            if connection.deadline() <= now {
                expired.push(key);
            } else {
                self.sweep.expect(connection.deadline());
            }
        }
        for key in expired {
            // First told what was taken meanwhile, which may move the deadline.
            self.go_on(reactor, key, now);
            let Some(connection) = self.connections.get_mut(key) else { continue };
            // Without a kernel to ask, what is sent has arrived.
            connection.expire(now, &mut self.replies, || {
                reactor.tcp_info(key).is_none_or(|info| !info.end_unacknowledged)
            });
            self.sweep.expect(connection.deadline());
            self.served += Served::by(0, &self.replies);
            self.answer(reactor, key, now);
        }
    }
}

impl<R: ServingReactor> Handler<R> for Worker<'_> {
    fn event(&mut self, reactor: &mut R, key: Key, event: Event<'_>) {
        let now = self.now(reactor);
        let Some(connection) = self.connections.get_mut(key) else { return };
        match event {
            Event::Received(bytes) => {
                connection.received(now, bytes, &mut self.replies);
                self.served += Served::by(bytes.len(), &self.replies);
                self.answer(reactor, key, now);
            }
            Event::EndOfInput => {
                connection.end_of_input(now, &mut self.replies);
                self.served += Served::by(0, &self.replies);
                self.answer(reactor, key, now);
            }
            Event::Sent => self.go_on(reactor, key, now),
            Event::Connected => {}
            Event::Failed(error) => {
                connection.broke(&error);
                self.connections.remove(key);
            }
        }
    }

    fn accepted(&mut self, reactor: &mut R, socket: OwnedFd, peer: SocketAddr) {
        let Some(permit) = self.context.admission.admit(socket.as_fd(), peer) else { return };
        let owner = if self.crew.keep_own { self.number } else { self.turn };
        self.turn = (self.turn + 1) % self.crew.inboxes.len();
        if owner == self.number {
            self.open(reactor, socket, permit);
        } else {
            self.crew.inboxes[owner].put(socket, permit);
        }
    }

    fn accept_failed(&mut self, _reactor: &mut R, error: io::Error) {
        self.context.admission.accept_failed(&error);
    }

    fn woken(&mut self, reactor: &mut R) {
        for (socket, permit) in self.crew.inboxes[self.number].take() {
            self.open(reactor, socket, permit);
        }
        for key in self.mail.take() {
            let now = self.now(reactor);
            self.go_on(reactor, key, now);
        }
    }
}

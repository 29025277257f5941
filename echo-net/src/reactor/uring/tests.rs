//! Tests specific to this backend, without and with a kernel thread; the shared contract is tested
//! for all backends.

use std::io::{Read as _, Write as _};

use std::net::SocketAddr;

use super::*;
use crate::clock::MILLISECOND;
use crate::reactor::tests::{Backend, Log, PolledUring, connect, listening, turn_until};
use crate::socket::SocketOptions;

/// A backend that is a ring.
trait Uring: Backend<Reactor = UringReactor> {}
impl<B: Backend<Reactor = UringReactor>> Uring for B {}

/// Expands each test for both ways to serve a ring.
macro_rules! for_each_uring {
    ($($test:ident),* $(,)?) => {
        mod called {
            $(#[test] fn $test() { super::$test::<super::UringReactor>(); })*
        }
        mod polled {
            $(#[test] fn $test() { super::$test::<super::PolledUring>(); })*
        }
    };
}

for_each_uring!(
    buffers_that_run_out_delay_but_lose_nothing,
    connections_of_a_reactor_that_goes_are_closed_when_it_is_gone,
    buffers_of_requests_whose_end_is_not_confirmed_are_never_freed,
    an_accept_that_fails_pauses_and_is_made_again_once,
    an_accept_that_fails_by_the_fault_of_a_peer_is_made_again_without_a_pause,
    completions_that_do_not_fit_into_the_queue_are_all_taken,
    connections_and_bytes_that_do_not_fit_into_the_queue_are_not_lost,
);

fn buffers_that_run_out_delay_but_lose_nothing<B: Uring>() {
    // Reads so large that there are only a few buffers.
    let Some((mut reactor, address)) = listening::<B>(16 << 20) else { return };
    let mut log = Log::default();
    let mut peers: Vec<_> = (0..100).map(|_| connect(address)).collect();
    turn_until(&mut reactor, &mut log, |log| log.keys.len() == 100);
    reactor.turn(Some(0), &mut log).unwrap();
    for round in 1..=20 {
        for peer in &mut peers {
            peer.write_all(b"x").unwrap();
        }
        turn_until(&mut reactor, &mut log, |log| log.bytes.len() == round * 100);
    }
    assert!(reactor.starved > 0, "there were enough buffers, and nothing was tested");
}

fn connections_of_a_reactor_that_goes_are_closed_when_it_is_gone<B: Uring>() {
    const MANY: usize = 300;
    let Some((mut reactor, address)) = listening::<B>(4096) else { return };
    let mut log = Log::default();
    let peers: Vec<_> = (0..MANY).map(|_| connect(address)).collect();
    turn_until(&mut reactor, &mut log, |log| log.keys.len() == MANY);
    drop(reactor);
    // Not later: nothing completes in the background of this thread, and a kernel thread has let
    // go of all.
    for mut peer in peers {
        peer.set_nonblocking(true).unwrap();
        let end = peer.read(&mut [0]);
        assert!(matches!(end, Ok(0)), "{end:?}");
    }
}

/// The kernel may still write into them.
fn buffers_of_requests_whose_end_is_not_confirmed_are_never_freed<B: Uring>() {
    const MANY: usize = 20;
    for patience in [clock::SECOND, 0] {
        let Some((mut reactor, address)) = listening::<B>(4096) else { return };
        let mut log = Log::default();
        let mut peers: Vec<_> = (0..MANY).map(|_| connect(address)).collect();
        turn_until(&mut reactor, &mut log, |log| log.keys.len() == MANY);
        // Receives are armed.
        reactor.turn(Some(0), &mut log).unwrap();
        let exist = reactor.ring.buffers.witness();
        reactor.ring.patience = patience;
        drop(reactor);
        assert_eq!(exist(), patience == 0, "{patience}");
        for peer in &mut peers {
            // Where the kernel still receives, it does so into memory that is still ours.
            let _ = peer.write_all(b"too late");
        }
    }
}

/// A reactor whose first accept has failed so.
fn with_failed_accept<B: Uring>(
    error: i32,
    log: &mut Log,
) -> Option<(UringReactor, SocketAddr)> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = socket::listen(any, 1024, false, &SocketOptions::default()).unwrap();
    let address = listener.local_addr().unwrap();
    let mut reactor = B::make(4096)?;
    let error = io::Error::from_raw_os_error(error);
    reactor.add_failing(listener.into(), error, log);
    Some((reactor, address))
}

fn an_accept_that_fails_pauses_and_is_made_again_once<B: Uring>() {
    for error in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
        let mut log = Log::default();
        let Some((mut reactor, address)) = with_failed_accept::<B>(error, &mut log) else {
            return;
        };
        assert!(reactor.acceptors[0].paused_until().is_some(), "error {error}");
        let mut peers: Vec<_> = (0..3).map(|_| connect(address)).collect();
        turn_until(&mut reactor, &mut log, |log| log.keys.len() == 3);
        for peer in &mut peers {
            peer.write_all(b"x").unwrap();
        }
        turn_until(&mut reactor, &mut log, |log| log.bytes == b"xxx");
        // A second request would accept on when the first one has ended.
        reactor.stop_listening();
        assert!(std::net::TcpStream::connect(address).is_err(), "error {error}");
    }
}

fn an_accept_that_fails_by_the_fault_of_a_peer_is_made_again_without_a_pause<B: Uring>() {
    for error in [libc::ECONNABORTED, libc::EPROTO] {
        let mut log = Log::default();
        let Some((mut reactor, address)) = with_failed_accept::<B>(error, &mut log) else {
            return;
        };
        assert_eq!(reactor.acceptors[0].paused_until(), None, "error {error}");
        let _peer = connect(address);
        turn_until(&mut reactor, &mut log, |log| log.keys.len() == 1);
    }
}

/// A ring whose queues are so small.
fn small_ring<B: Uring>(queues: Queues) -> Option<Ring> {
    // Unavailable ones are told of there.
    B::make(1)?;
    let thread = (!B::IS_PROMPT).then(|| KernelThread::start(None).unwrap());
    Some(Ring::new(64, thread.as_ref(), queues).unwrap())
}

/// The kernel keeps them, in order (`IORING_FEAT_NODROP`), until there is room.
fn completions_that_do_not_fit_into_the_queue_are_all_taken<B: Uring>() {
    const MANY: usize = 500;
    let small = Queues { submissions: 8, completions: 8 };
    let Some(mut ring) = small_ring::<B>(small) else { return };
    let mut places: SlotMap<Key, ()> = SlotMap::with_key();
    let keys: Vec<Key> = (0..MANY).map(|_| places.insert(())).collect();
    let event = Waker::new().unwrap();
    for round in 1..=3 {
        for &key in &keys {
            ring.watch(Subject::Watch(key), event.as_fd(), PollFlags::IN, false);
        }
        // Until the kernel has all of them: they are submitted in many parts.
        let deadline = clock::now() + 5 * clock::SECOND;
        while ring.requests() > 0 {
            assert!(clock::now() < deadline, "{} were not submitted", ring.requests());
            ring.enter(Some(0)).unwrap();
        }
        assert!(ring.next().is_none(), "nothing has happened so far");
        event.wake();
        let mut left: std::collections::HashSet<Key> = keys.iter().copied().collect();
        while !left.is_empty() {
            assert!(clock::now() < deadline, "{} of {MANY} are lost", left.len());
            ring.enter(Some(MILLISECOND)).unwrap();
            while let Some(completion) = ring.next() {
                let Completion::Watched { key, result, more } = completion else {
                    panic!("{completion:?}")
                };
                assert!(result.unwrap().contains(PollFlags::IN) && !more);
                assert!(left.remove(&key), "completed twice");
            }
        }
        assert!(ring.overflows >= round, "the queue was large enough, and nothing was tested");
        event.reset();
    }
}

/// Multishot requests end when a completion does not fit, and are submitted again.
fn connections_and_bytes_that_do_not_fit_into_the_queue_are_not_lost<B: Uring>() {
    const MANY: usize = 200;
    let small = Queues { submissions: 8, completions: 8 };
    let Some(ring) = small_ring::<B>(small) else { return };
    let mut reactor = UringReactor::on(ring).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = socket::listen(any, 1024, false, &SocketOptions::default()).unwrap();
    let address = listener.local_addr().unwrap();
    reactor.listen(listener).unwrap();
    let mut log = Log::echoing();
    let mut peers: Vec<_> = (0..MANY).map(|_| connect(address)).collect();
    turn_until(&mut reactor, &mut log, |log| log.keys.len() == MANY);
    for round in 1..=10 {
        for peer in &mut peers {
            peer.write_all(b"x").unwrap();
        }
        reactor.settle(&mut log).unwrap();
        let unread: usize = log.keys.iter().map(|key| reactor.unread(*key).bytes).sum();
        assert_eq!(log.bytes.len() + unread, round * MANY, "what the kernel keeps counts, too");
        turn_until(&mut reactor, &mut log, |log| log.bytes.len() == round * MANY);
    }
    for peer in &mut peers {
        let mut echoed = [0; 10];
        peer.read_exact(&mut echoed).unwrap();
        assert_eq!(echoed, *b"xxxxxxxxxx");
        peer.shutdown(std::net::Shutdown::Write).unwrap();
    }
    turn_until(&mut reactor, &mut log, |log| log.ended == MANY);
    assert!(reactor.ring.overflows > 0, "the queue was large enough, and nothing was tested");
}

/// What a kernel thread serves is served from several threads of ours, each with its ring.
#[test]
fn one_kernel_thread_serves_several_rings_and_ends_after_the_last() {
    const RINGS: usize = 3;
    const PEERS: usize = 50;
    let Some(_available) = PolledUring::make(1) else { return };
    let polling = KernelThread::start(None).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..RINGS {
            let polling = &polling;
            scope.spawn(move || {
                let mut reactor = UringReactor::served_by(polling, 4096).unwrap();
                let any = SocketAddr::from(([127, 0, 0, 1], 0));
                let listener =
                    socket::listen(any, 1024, false, &SocketOptions::default()).unwrap();
                let address = listener.local_addr().unwrap();
                reactor.listen(listener).unwrap();
                let mut log = Log::echoing();
                let mut peers: Vec<_> = (0..PEERS).map(|_| connect(address)).collect();
                for round in 1..=5 {
                    for peer in &mut peers {
                        peer.write_all(b"x").unwrap();
                    }
                    turn_until(&mut reactor, &mut log, |log| log.bytes.len() == round * PEERS);
                }
            });
        }
    });
    let task = std::path::PathBuf::from(format!("/proc/self/task/{}", polling.id().unwrap()));
    assert!(task.exists());
    let last = UringReactor::served_by(&polling, 4096).unwrap();
    drop(polling);
    std::thread::sleep(2 * kernel_thread::IDLE);
    assert!(task.exists(), "it ends while a ring is left");
    drop(last);
    let deadline = clock::now() + 20 * clock::SECOND;
    while task.exists() {
        assert!(clock::now() < deadline, "it is still there");
        std::thread::yield_now();
    }
}

/// Whoever sends while nobody looks, and the kernel thread sleeps, wakes it.
#[test]
fn a_kernel_thread_that_sleeps_is_woken_by_what_arrives_and_by_requests() {
    let Some((mut reactor, address)) = listening::<PolledUring>(4096) else { return };
    let mut log = Log::echoing();
    let mut peer = connect(address);
    turn_until(&mut reactor, &mut log, |log| log.keys.len() == 1);
    for round in 1..=3 {
        std::thread::sleep(2 * kernel_thread::IDLE);
        peer.write_all(b"x").unwrap();
        turn_until(&mut reactor, &mut log, |log| log.bytes.len() == round);
        std::thread::sleep(2 * kernel_thread::IDLE);
        // A request: its receive is cancelled, and submitted again.
        reactor.pause(log.keys[0]);
        reactor.turn(Some(clock::now() + 20 * MILLISECOND), &mut log).unwrap();
        reactor.resume(log.keys[0]);
    }
}

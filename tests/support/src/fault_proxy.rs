//! A TCP proxy on the loopback that injects network faults: [`FaultProxy`], each direction of
//! each connection with its own [`Fault`]s.
//!
//! It replaces netem, which needs root and a kernel module, and it injects what netem can't:
//! faults at an exact byte of a stream.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;

mod lane;
mod passage;

pub use lane::Fault;
use passage::Passage;

/// Maximum time until a thread notices the end of its proxy.
const NOTICE_STOP: Duration = Duration::from_millis(20);

/// The faults of one connection.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Of what the client sends.
    pub to_server: Vec<Fault>,
    /// Of what the server sends.
    pub to_client: Vec<Fault>,
}

impl Faults {
    /// Faults of requests.
    pub fn to_server(faults: &[Fault]) -> Self {
        Self { to_server: faults.to_vec(), to_client: Vec::new() }
    }

    /// Faults of replies.
    pub fn to_client(faults: &[Fault]) -> Self {
        Self { to_server: Vec::new(), to_client: faults.to_vec() }
    }

    /// The same faults in both directions.
    pub fn both(faults: &[Fault]) -> Self {
        Self { to_server: faults.to_vec(), to_client: faults.to_vec() }
    }
}

/// See the [module](self). Its connections end when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    accepted: AtomicUsize,
    injected: AtomicU64,
    /// Of connections that may still be open.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl FaultProxy {
    /// Starts a proxy in front of `server` on a free port of 127.0.0.1.
    pub fn start(server: SocketAddr, faults: &Faults) -> Self {
        let faults = faults.clone();
        Self::start_with(server, move |_| faults.clone())
    }

    /// The same with the faults of the n-th connection, counted from 0.
    pub fn start_with(
        server: SocketAddr,
        faults: impl Fn(usize) -> Faults + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("the socket is open");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::<Shared>::default();
        let accepting = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || accept(&listener, server, &faults, &shared))
        };
        Self { address, shared, accepting: Some(accepting) }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Faults injected so far that happen at one byte: resets, half-closes, blackholes and
    /// corrupted bytes.
    pub fn injected(&self) -> u64 {
        self.shared.injected.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        let threads = &self.shared.threads;
        let threads =
            std::mem::take(&mut *threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

fn accept(
    listener: &TcpListener,
    server: SocketAddr,
    faults: &impl Fn(usize) -> Faults,
    shared: &Arc<Shared>,
) {
    while !shared.stop.load(Ordering::SeqCst) {
        wait(&mut [PollFd::new(listener, PollFlags::IN)], NOTICE_STOP);
        let Ok((client, _)) = listener.accept() else { continue };
        let faults = faults(shared.accepted.fetch_add(1, Ordering::SeqCst));
        let told = Arc::clone(shared);
        let passing = thread::spawn(move || pass(client, server, &faults, &told));
        let mut threads = shared.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| !thread.is_finished());
        threads.push(passing);
    }
}

fn pass(client: TcpStream, server: SocketAddr, faults: &Faults, shared: &Shared) {
    match TcpStream::connect(server).and_then(|server| Passage::new(client, server, faults)) {
        Ok(passage) => passage.run(&shared.stop, &shared.injected),
        // The client is disconnected, as by a host that refuses.
        Err(error) => eprintln!("fault proxy: connecting to {server}: {error}"),
    }
}

/// Waits for one of `ends`, at most `time`. An error shows at the next read or write.
fn wait(ends: &mut [PollFd<'_>], time: Duration) {
    let _ = poll(ends, Timespec::try_from(time).ok().as_ref());
}

/// The next close of this socket sends a reset.
fn reset_at_close(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_linger(Some(Duration::ZERO))
}

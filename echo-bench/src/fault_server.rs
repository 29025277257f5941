//! An echo server with fault injection: [`FaultServer`]. It counts the injected faults, to
//! compare with a report. A thread per connection; it listens on the loopback only. Its framing
//! is its own, independent of the protocols that the generator speaks.

mod exchange;
mod fault;
mod framing;
mod process;
mod service;

use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use exchange::Exchange;
pub use fault::{Fault, InvalidFault};
use framing::Message;
pub use framing::{Framing, InvalidFraming};
pub use process::{FaultProcess, Injection};
pub use service::{ServiceOptions, serve};

/// Most connections at a time; more are closed at once.
const MOST_CONNECTIONS: usize = 4096;

/// See the [module](self). Its threads end with their connections.
#[derive(Debug)]
pub struct FaultServer {
    address: SocketAddr,
    listener: TcpListener,
    shared: Arc<FaultServerState>,
}

#[derive(Debug, Default)]
struct FaultServerState {
    committed: AtomicU64,
    connections: AtomicUsize,
    exchange: Exchange,
    /// Time of the first message.
    first_message: OnceLock<Instant>,
    /// Who waits for it.
    waiting: Mutex<Option<Sender<()>>>,
}

impl FaultServer {
    /// A line echo that injects this fault on every connection.
    ///
    /// # Errors
    /// When no socket or thread is left.
    pub fn start(fault: Fault) -> io::Result<Self> {
        Self::start_with(Framing::Line, fault, |_| true)
    }

    /// An echo that injects this fault on the connections for which `errs` is true, numbered
    /// from 0 in the order of their arrival.
    ///
    /// # Errors
    /// When no socket or thread is left.
    pub fn start_with(
        framing: Framing,
        fault: Fault,
        errs: impl Fn(usize) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::<FaultServerState>::default();
        let accepting = listener.try_clone()?;
        let of_threads = Arc::clone(&shared);
        thread::Builder::new().name("accepting".into()).spawn(move || {
            for (number, stream) in accepting.incoming().map_while(Result::ok).enumerate() {
                let fault = errs(number).then_some(fault);
                let shared = Arc::clone(&of_threads);
                if shared.connections.fetch_add(1, Ordering::SeqCst) >= MOST_CONNECTIONS {
                    shared.connections.fetch_sub(1, Ordering::SeqCst);
                    continue;
                }
                let mut peer = Peer { number, stream, framing, fault, held: None, shared };
                // Some of these faults break the connection; without a thread left it is closed.
                let _ = thread::Builder::new().spawn(move || drop(peer.serve()));
            }
        })?;
        Ok(Self { address, listener, shared })
    }

    /// Where it listens, as `HOST:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The listening socket.
    pub fn listener(&self) -> &TcpListener {
        &self.listener
    }

    /// How many faults were injected so far.
    pub fn committed(&self) -> u64 {
        self.shared.committed.load(Ordering::SeqCst)
    }

    /// Receives something when the first message arrives. The last one that asks is told.
    pub fn first_message(&self) -> Receiver<()> {
        let (sender, receiver) = channel();
        let mut waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shared.first_message.get().is_some() {
            // The receiver is at hand.
            let _ = sender.send(());
        }
        *waiting = Some(sender);
        receiver
    }
}

impl FaultServerState {
    /// The time of the first message, if there was none before `now`.
    fn began(&self, now: Instant) -> Instant {
        *self.first_message.get_or_init(|| {
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(waiting) = &*waiting {
                // Nobody may wait any more.
                let _ = waiting.send(());
            }
            now
        })
    }
}

/// The server's end of a connection.
struct Peer {
    number: usize,
    stream: TcpStream,
    framing: Framing,
    fault: Option<Fault>,
    /// A reply to be sent after the next one.
    held: Option<Vec<u8>>,
    shared: Arc<FaultServerState>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shared.connections.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Peer {
    fn serve(&mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        let mut input = BufReader::new(self.stream.try_clone()?);
        // When the previous message was finished, and when this one was read.
        let mut done = Instant::now();
        let mut arrived = done;
        for number in 1_u64.. {
            let is_there = !input.buffer().is_empty();
            let message = self.framing.read(&mut input)?;
            // Of a batch all have arrived with the first: by absolute time the errors of sleeps
            // do not add up.
            arrived = if is_there { arrived } else { Instant::now() };
            let begin = self.shared.began(arrived);
            match self.fault {
                Some(Fault::Delay(time)) => {
                    done = done.max(arrived) + time;
                    sleep_until(done);
                }
                Some(Fault::Serve(time)) => {
                    done = done.max(arrived) + time;
                    spin_until(done);
                }
                Some(Fault::Stall { at, length })
                    if (at..at + length).contains(&begin.elapsed()) =>
                {
                    sleep_until(begin + at + length);
                }
                _ => {}
            }
            match self.reply(number, &message) {
                Some(bytes) => self.stream.write_all(&bytes)?,
                None => {
                    return rustix::net::sockopt::set_socket_linger(
                        &self.stream,
                        Some(Duration::ZERO),
                    )
                    .map_err(io::Error::from);
                }
            }
        }
        Ok(())
    }

    /// The reply to message `number`; `None` resets the connection.
    fn reply(&mut self, number: u64, message: &Message) -> Option<Vec<u8>> {
        let right = self.framing.reply(message, &message.text);
        let Some(fault) = self.fault.filter(|fault| fault.hits(number)) else {
            let held = self.held.take().unwrap_or_default();
            return Some([right, held].concat());
        };
        self.shared.committed.fetch_add(1, Ordering::SeqCst);
        Some(match fault {
            Fault::Reset(_) => return None,
            Fault::Drop(_) | Fault::Mute(_) => Vec::new(),
            Fault::Duplicate(_) => [right.clone(), right].concat(),
            Fault::Reorder(_) => {
                self.held = Some(right);
                Vec::new()
            }
            Fault::Babble(_) => [&right[..], b"by the way\n"].concat(),
            Fault::Corrupt { offset, .. } => {
                let mut text = message.text.clone();
                if let Some(byte) = text.get_mut(offset) {
                    *byte = b'?';
                }
                self.framing.reply(message, &text)
            }
            Fault::Truncate { length, .. } => {
                let length = length.min(message.text.len());
                self.framing.reply(message, &message.text[..length])
            }
            Fault::Swap(_) => {
                let text = self.shared.exchange.swap(self.number, number, &message.text);
                self.framing.reply(message, &text)
            }
            Fault::Delay(_) | Fault::Serve(_) | Fault::Stall { .. } | Fault::None => right,
        })
    }
}

/// Sleeps for most of the time, since a sleep ends late.
fn spin_until(instant: Instant) {
    const LATE: Duration = Duration::from_micros(300);
    thread::sleep(instant.saturating_duration_since(Instant::now()).saturating_sub(LATE));
    while Instant::now() < instant {
        std::hint::spin_loop();
    }
}

fn sleep_until(instant: Instant) {
    thread::sleep(instant.saturating_duration_since(Instant::now()));
}

//! An echo server with fault injection: [`FaultServer`]. It counts the injected faults, to
//! compare with a report. A thread per connection.

mod exchange;
mod fault;
mod framing;

use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use exchange::Exchange;
pub(crate) use fault::Fault;
pub(crate) use framing::Framing;
use framing::Message;

/// See the [module](self). Its threads end with their connections.
#[derive(Debug)]
pub(crate) struct FaultServer {
    address: SocketAddr,
    listener: TcpListener,
    shared: Arc<FaultServerState>,
}

#[derive(Debug, Default)]
struct FaultServerState {
    committed: AtomicU64,
    exchange: Exchange,
    /// Time of the first message.
    first_message: OnceLock<Instant>,
}

impl FaultServer {
    /// A line echo that injects this fault on every connection.
    pub(crate) fn start(fault: Fault) -> Self {
        Self::start_with(Framing::Line, fault, |_| true)
    }

    /// An echo that injects this fault on the connections for which `errs` is true, numbered
    /// from 0 in the order of their arrival.
    pub(crate) fn start_with(
        framing: Framing,
        fault: Fault,
        errs: impl Fn(usize) -> bool + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::<FaultServerState>::default();
        let accepting = listener.try_clone().expect("descriptors are left");
        let of_threads = Arc::clone(&shared);
        thread::spawn(move || {
            for (number, stream) in accepting.incoming().map_while(Result::ok).enumerate() {
                let fault = errs(number).then_some(fault);
                let shared = Arc::clone(&of_threads);
                let mut peer = Peer { number, stream, framing, fault, held: None, shared };
                // Some of these faults break the connection.
                thread::spawn(move || drop(peer.serve()));
            }
        });
        Self { address, listener, shared }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// The listening socket.
    pub(crate) fn listener(&self) -> &TcpListener {
        &self.listener
    }

    /// How many faults were injected so far.
    pub(crate) fn committed(&self) -> u64 {
        self.shared.committed.load(Ordering::SeqCst)
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

impl Peer {
    fn serve(&mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        let mut input = BufReader::new(self.stream.try_clone()?);
        // When the previous message was finished.
        let mut done = Instant::now();
        for number in 1_u64.. {
            let message = self.framing.read(&mut input)?;
            let now = Instant::now();
            let begin = *self.shared.first_message.get_or_init(|| now);
            match self.fault {
                Some(Fault::Delay(time)) => {
                    // By absolute time, so that sleep errors do not accumulate.
                    done = done.max(now) + time;
                    sleep_until(done);
                }
                Some(Fault::Serve(time)) => {
                    done = done.max(now) + time;
                    spin_until(done);
                }
                Some(Fault::Stall { at, length })
                    if (at..at + length).contains(&(now - begin)) =>
                {
                    sleep_until(begin + at + length);
                }
                _ => {}
            }
            match self.reply(number, &message) {
                Some(bytes) => self.stream.write_all(&bytes)?,
                None => {
                    return socket2::SockRef::from(&self.stream)
                        .set_linger(Some(Duration::ZERO));
                }
            }
        }
        Ok(())
    }

    /// The reply to message `number`; `None` resets the connection.
    fn reply(&mut self, number: u64, message: &Message) -> Option<Vec<u8>> {
        let right = self.framing.reply(message, &message.text);
        let hit = match self.fault {
            Some(Fault::Reset(last)) => number == last,
            Some(Fault::Mute(last)) => number > last,
            Some(
                Fault::Drop(every)
                | Fault::Duplicate(every)
                | Fault::Reorder(every)
                | Fault::Swap(every)
                | Fault::Babble(every)
                | Fault::Corrupt { every, .. }
                | Fault::Truncate { every, .. },
            ) => number.is_multiple_of(every),
            Some(Fault::Delay(_) | Fault::Serve(_) | Fault::Stall { .. }) | None => false,
        };
        let Some(fault) = self.fault.filter(|_| hit) else {
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
                text[offset] = b'?';
                self.framing.reply(message, &text)
            }
            Fault::Truncate { length, .. } => {
                self.framing.reply(message, &message.text[..length])
            }
            Fault::Swap(_) => {
                let text = self.shared.exchange.swap(self.number, number, &message.text);
                self.framing.reply(message, &text)
            }
            Fault::Delay(_) | Fault::Serve(_) | Fault::Stall { .. } => right,
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

//! A line echo that errs on purpose, exactly as it is told: [`FaultServer`]. It counts what it
//! does wrong, so that a report can be held against it. A thread per connection.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What the server does wrong, or how it takes its time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Serves one message after the other, each for this long.
    Delay(Duration),
    /// Every n-th message of a connection gets no reply.
    Drop(u64),
    /// One byte of every n-th reply, at this place of the text, is another.
    Corrupt { every: u64, offset: usize },
    /// Every n-th reply comes twice.
    Duplicate(u64),
    /// Every n-th reply has only so many bytes of the text.
    Truncate { every: u64, length: usize },
    /// Two connections get each other's reply to every n-th message.
    Swap(u64),
    /// The connection is reset instead of the n-th reply.
    Reset(u64),
    /// After n replies nothing more is answered.
    Mute(u64),
    /// A line that nobody asked for after every n-th reply.
    Babble(u64),
}

/// See the [module](self). Its threads end with their connections.
#[derive(Debug)]
pub(crate) struct FaultServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    done: AtomicU64,
    /// The texts that two connections are about to swap, by message: (connection, text).
    swap: Mutex<Vec<(u64, usize, Vec<u8>)>>,
    swapped: Condvar,
}

impl FaultServer {
    pub(crate) fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::<Shared>::default();
        let of_threads = Arc::clone(&shared);
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                let shared = Arc::clone(&of_threads);
                // A connection that breaks is what some of these faults are about.
                thread::spawn(move || drop(serve(&stream, connection, fault, &shared)));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// How often the fault was committed so far.
    pub(crate) fn committed(&self) -> u64 {
        self.shared.done.load(Ordering::SeqCst)
    }
}

fn serve(
    stream: &TcpStream,
    connection: usize,
    fault: Fault,
    shared: &Shared,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::new(stream);
    for number in 1_u64.. {
        let mut line = Vec::new();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let reply = [b"ECHO: ".as_slice(), &line].concat();
        let hits = |every: u64| number.is_multiple_of(every);
        let commit = || shared.done.fetch_add(1, Ordering::SeqCst);
        let send = |bytes: &[u8]| (&*stream).write_all(bytes);
        match fault {
            Fault::Delay(time) => {
                thread::sleep(time);
                send(&reply)?;
            }
            Fault::Drop(every) if hits(every) => {
                commit();
            }
            Fault::Corrupt { every, offset } if hits(every) => {
                commit();
                let mut wrong = reply;
                wrong["ECHO: ".len() + offset] = b'?';
                send(&wrong)?;
            }
            Fault::Duplicate(every) if hits(every) => {
                commit();
                send(&[reply.clone(), reply].concat())?;
            }
            Fault::Truncate { every, length } if hits(every) => {
                commit();
                send(&[&reply[.."ECHO: ".len() + length], b"\n"].concat())?;
            }
            Fault::Swap(every) if hits(every) => {
                commit();
                send(
                    &[b"ECHO: ".as_slice(), &exchange(shared, number, connection, line)]
                        .concat(),
                )?;
            }
            Fault::Reset(last) if number == last => {
                commit();
                return socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
            }
            Fault::Mute(last) if number > last => {
                commit();
            }
            Fault::Babble(every) if hits(every) => {
                commit();
                send(&[reply.as_slice(), b"by the way\n"].concat())?;
            }
            _ => send(&reply)?,
        }
    }
    Ok(())
}

/// Waits for the other connection's message of the same number, and takes it.
fn exchange(shared: &Shared, number: u64, connection: usize, own: Vec<u8>) -> Vec<u8> {
    let mut swap = shared.swap.lock().unwrap_or_else(PoisonError::into_inner);
    swap.push((number, connection, own));
    shared.swapped.notify_all();
    loop {
        let of_other = swap.iter().position(|(n, c, _)| *n == number && *c != connection);
        if let Some(place) = of_other {
            shared.swapped.notify_all();
            return swap[place].2.clone();
        }
        swap = shared.swapped.wait(swap).unwrap_or_else(PoisonError::into_inner);
    }
}

//! A server with scripted behaviour: [`ScriptedServer`], a thread per connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use echo_test_support::deadline::PATIENCE;

/// See the [module](self). Its threads end with their connections.
#[derive(Debug)]
pub(crate) struct ScriptedServer {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl ScriptedServer {
    /// Serves each connection to `address` with `serve`.
    pub(crate) fn start_on(
        address: &str,
        serve: impl Fn(&TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (accepted, serve) = (Arc::<AtomicUsize>::default(), Arc::new(serve));
        let counted = Arc::clone(&accepted);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                // A peer that disconnects is not an error of the script.
                thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(PATIENCE));
                    let _ = serve(&stream);
                    let _ = stream.shutdown(Shutdown::Write);
                    // A close with unread input would be a reset.
                    let _ = io::copy(&mut &stream, &mut io::sink());
                });
            }
        });
        Self { address, accepted }
    }

    /// The same on a port of 127.0.0.1.
    pub(crate) fn start(
        serve: impl Fn(&TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::start_on("127.0.0.1:0", serve)
    }

    /// Replies to each line with the result of `reply`.
    pub(crate) fn of_lines(reply: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::start(move |stream| {
            for line in BufReader::new(stream).lines() {
                let reply = reply(&line?);
                (&mut &*stream).write_all(reply.as_bytes())?;
            }
            Ok(())
        })
    }

    /// Replies to each HTTP request, whose head is passed to `reply`; closes the connection
    /// after a reply if `closes`.
    pub(crate) fn of_http(
        address: &str,
        closes: bool,
        reply: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self::start_on(address, move |stream| {
            let mut input = BufReader::new(stream);
            while let Some((head, length)) = read_head(&mut input)? {
                io::copy(&mut (&mut input).take(length), &mut io::sink())?;
                (&mut &*stream).write_all(&reply(&head))?;
                if closes {
                    break;
                }
            }
            Ok(())
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// The head of a request and the length of its body; `None` at the end of input.
fn read_head(input: &mut impl BufRead) -> io::Result<Option<(String, u64)>> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        if input.read_line(&mut head)? == 0 {
            return Ok(None);
        }
        let line = &head[start..];
        if line == "\r\n" {
            return Ok(Some((head, length)));
        }
        if let Some(told) = line.strip_prefix("Content-Length: ") {
            length = told.trim().parse().unwrap_or(0);
        }
    }
}

/// The path of a request.
pub(crate) fn path_in(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}

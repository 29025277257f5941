//! The socket of a task as a driver uses it: [`RingSocket`], with at most one receive and one send
//! in the ring.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use compio::BufResult;
use compio::buf::{IntoInner, IoBuf, Slice};
use compio::driver::op::Send;
use compio::driver::{BufferRef, SharedFd, ToSharedFd as _};
use compio::io::AsyncReadManaged as _;
use compio::net::{TcpStream, UnixStream};
use compio::runtime::{Submit, submit};
use echo_net::address::Transport as Kind;
use echo_net::socket::reset_on_close;
use echo_net::unread::{self, Unread};
use rustix::net::{SendFlags, Shutdown};

use crate::driver::{Transport, acknowledged};
use crate::session::Acknowledged;

/// Waiting writes stay apart, as the socket is to get them, up to this number: a peer that does
/// not read makes them wait, and then they are queued as one.
const MOST_WRITES: usize = 64;

type Socket = SharedFd<socket2::Socket>;

/// A receive into a buffer of the runtime: none at the end of input.
type Receive = Pin<Box<dyn Future<Output = io::Result<Option<BufferRef>>>>>;

/// A socket of the runtime, which receives into its buffers.
#[derive(Clone)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Receives at most `most` bytes.
    fn receive(&self, most: usize) -> Receive {
        match self.clone() {
            Self::Tcp(stream) => Box::pin(async move { (&stream).read_managed(most).await }),
            Self::Unix(stream) => Box::pin(async move { (&stream).read_managed(most).await }),
        }
    }

    fn shared(&self) -> Socket {
        match self {
            Self::Tcp(stream) => stream.to_shared_fd(),
            Self::Unix(stream) => stream.to_shared_fd(),
        }
    }
}

/// See the [module](self).
pub(super) struct RingSocket {
    socket: Socket,
    stream: Stream,
    /// Bytes of one receive.
    most: usize,
    receiving: Option<Receive>,
    /// Input that came when none was wanted; empty: its end.
    held_back: Option<io::Result<Vec<u8>>>,
    sending: Option<Submit<Send<Slice<Vec<u8>>, Socket>>>,
    /// Writes after the one in the ring.
    writes: VecDeque<Vec<u8>>,
    /// Bytes of all of them, and of the one in the ring.
    unsent: usize,
}

impl RingSocket {
    /// Receives at most `most` bytes at a time.
    ///
    /// # Errors
    /// When the socket can't be made a blocking one: the ring does not wait for others.
    pub(super) fn new(socket: OwnedFd, kind: Kind, most: usize) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, false)?;
        let stream = match kind {
            Kind::Tcp => Stream::Tcp(TcpStream::from_std(socket.into())?),
            Kind::Unix => Stream::Unix(UnixStream::from_std(socket.into())?),
        };
        Ok(Self {
            socket: stream.shared(),
            stream,
            most,
            receiving: None,
            held_back: None,
            sending: None,
            writes: VecDeque::new(),
            unsent: 0,
        })
    }

    /// Cancels what is in the ring, and closes the socket once the kernel has let go of it.
    pub(super) async fn close(self) {
        let Self { socket, stream, receiving, sending, .. } = self;
        drop((stream, receiving, sending));
        drop(socket.take().await);
    }

    /// The next input, if it is wanted; empty at its end. An error is reported in any case.
    pub(super) fn poll_receive(
        &mut self,
        wanted: bool,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Input>> {
        if let Some(held_back) = self.held_back.take_if(|input| wanted || input.is_err()) {
            return Poll::Ready(held_back.map(Input::HeldBack));
        }
        if self.held_back.is_some() || (self.receiving.is_none() && !wanted) {
            return Poll::Pending;
        }
        let input = ready!(self.poll_completion(context))?;
        if wanted {
            return Poll::Ready(Ok(Input::Received(input)));
        }
        self.held_back = Some(Ok(input.map_or_else(Vec::new, |input| input.to_vec())));
        Poll::Pending
    }

    /// Holds back what was received already.
    pub(super) fn catch_up(&mut self, context: &mut Context<'_>) {
        if self.receiving.is_some()
            && self.held_back.is_none()
            && let Poll::Ready(input) = self.poll_completion(context)
        {
            self.held_back =
                Some(input.map(|input| input.map_or_else(Vec::new, |input| input.to_vec())));
        }
    }

    fn poll_completion(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Option<BufferRef>>> {
        loop {
            let receiving =
                self.receiving.get_or_insert_with(|| self.stream.receive(self.most));
            let received = ready!(receiving.as_mut().poll(context));
            self.receiving = None;
            match received {
                // All buffers are in use, by tasks that will run before the ring is asked again.
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy || again(&error) => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Whether more of the output was sent; pending if there is none.
    pub(super) fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let sending = match &mut self.sending {
                Some(sending) => sending,
                none => match self.writes.pop_front() {
                    Some(bytes) => none.insert(send(&self.socket, bytes, 0)),
                    None => return Poll::Pending,
                },
            };
            let BufResult(sent, operation) = ready!(Pin::new(sending).poll(context));
            self.sending = None;
            let bytes = operation.into_inner();
            let (begin, bytes) = (bytes.begin(), bytes.into_inner());
            let taken = match sent {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(sent) => sent,
                Err(error) if again(&error) => 0,
                Err(error) => return Poll::Ready(Err(error)),
            };
            self.unsent -= taken;
            if begin + taken < bytes.len() {
                self.sending = Some(send(&self.socket, bytes, begin + taken));
            }
            if taken > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

fn again(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

fn send(socket: &Socket, bytes: Vec<u8>, from: usize) -> Submit<Send<Slice<Vec<u8>>, Socket>> {
    submit(Send::new(socket.clone(), bytes.slice(from..), SendFlags::NOSIGNAL))
}

/// Bytes from the socket; empty at the end of input.
pub(super) enum Input {
    Received(Option<BufferRef>),
    HeldBack(Vec<u8>),
}

impl Input {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Received(buffer) => buffer.as_deref().unwrap_or_default(),
            Self::HeldBack(bytes) => bytes,
        }
    }
}

impl Transport for RingSocket {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.unsent += bytes.len();
        let is_full = self.writes.len() >= MOST_WRITES;
        match self.writes.back_mut().filter(|_| is_full) {
            Some(last) => last.extend_from_slice(bytes),
            None => self.writes.push_back(bytes.to_vec()),
        }
        Ok(())
    }

    fn unsent(&self) -> usize {
        self.unsent
    }

    fn held(&self) -> usize {
        let held_back = self.held_back.as_ref().and_then(|input| input.as_ref().ok());
        self.unsent + held_back.map_or(0, Vec::capacity)
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.socket, Shutdown::Write)?)
    }

    fn unread(&self) -> Unread {
        // If the query fails the socket is broken and holds nothing to serve.
        let mut unread = unread::read(self.socket.as_fd()).unwrap_or_default();
        if let Some(Ok(input)) = &self.held_back {
            unread.bytes = unread.bytes.saturating_add(input.len());
            unread.ended |= input.is_empty();
        }
        unread
    }

    fn acknowledged(&self) -> Acknowledged {
        acknowledged(self.socket.as_fd())
    }

    fn reset_on_close(&mut self) {
        // Fails only for what is no socket.
        let _ = reset_on_close(self.socket.as_fd());
    }
}

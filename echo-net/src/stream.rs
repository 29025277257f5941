//! Connections of both kinds on tokio: [`Stream`], and its halves. Each call is one match more than
//! on the socket itself.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

use crate::address::Transport;

/// A connected socket.
#[derive(Debug)]
pub enum Stream {
    /// Of TCP.
    Tcp(TcpStream),
    /// A unix-domain socket.
    Unix(UnixStream),
}

/// One of no runtime, to be passed to another.
#[derive(Debug)]
pub enum DetachedStream {
    /// Of TCP.
    Tcp(std::net::TcpStream),
    /// A unix-domain socket.
    Unix(std::os::unix::net::UnixStream),
}

impl Stream {
    /// Registers a connected, non-blocking socket with the current runtime.
    ///
    /// # Errors
    /// When the runtime can't register it.
    pub fn new(socket: OwnedFd, transport: Transport) -> io::Result<Self> {
        Self::attach(match transport {
            Transport::Tcp => DetachedStream::Tcp(socket.into()),
            Transport::Unix => DetachedStream::Unix(socket.into()),
        })
    }

    /// The same for one that was [detached](Self::detach).
    ///
    /// # Errors
    /// When the runtime can't register it.
    pub fn attach(stream: DetachedStream) -> io::Result<Self> {
        Ok(match stream {
            DetachedStream::Tcp(stream) => Self::Tcp(TcpStream::from_std(stream)?),
            DetachedStream::Unix(stream) => Self::Unix(UnixStream::from_std(stream)?),
        })
    }

    /// Takes it from its runtime.
    ///
    /// # Errors
    /// When the runtime does not let go of it.
    pub fn detach(self) -> io::Result<DetachedStream> {
        Ok(match self {
            Self::Tcp(stream) => DetachedStream::Tcp(stream.into_std()?),
            Self::Unix(stream) => DetachedStream::Unix(stream.into_std()?),
        })
    }

    /// Its kind.
    pub fn transport(&self) -> Transport {
        match self {
            Self::Tcp(_) => Transport::Tcp,
            Self::Unix(_) => Transport::Unix,
        }
    }

    /// Waits until there may be something to read.
    ///
    /// # Errors
    /// When the runtime has ended.
    pub async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Unix(stream) => stream.readable().await,
        }
    }

    /// Reads what there is now.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Unix(stream) => stream.try_read(buffer),
        }
    }

    /// Waits until it may be written to.
    ///
    /// # Errors
    /// When the runtime has ended.
    pub async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.writable().await,
            Self::Unix(stream) => stream.writable().await,
        }
    }

    /// The same for a task that polls.
    pub fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(context),
            Self::Unix(stream) => stream.poll_write_ready(context),
        }
    }

    /// Writes what the kernel takes now.
    ///
    /// # Errors
    /// `WouldBlock` if it takes nothing.
    #[inline]
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }

    /// Its two directions.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        match self {
            Self::Tcp(stream) => {
                let (read, write) = stream.split();
                (ReadHalf::Tcp(read), WriteHalf::Tcp(write))
            }
            Self::Unix(stream) => {
                let (read, write) = stream.split();
                (ReadHalf::Unix(read), WriteHalf::Unix(write))
            }
        }
    }

    /// The same for two tasks.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        match self {
            Self::Tcp(stream) => {
                let (read, write) = stream.into_split();
                (OwnedReadHalf::Tcp(read), OwnedWriteHalf::Tcp(write))
            }
            Self::Unix(stream) => {
                let (read, write) = stream.into_split();
                (OwnedReadHalf::Unix(read), OwnedWriteHalf::Unix(write))
            }
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

/// The reading direction of a [`Stream`].
#[derive(Debug)]
pub enum ReadHalf<'a> {
    /// Of TCP.
    Tcp(tcp::ReadHalf<'a>),
    /// Of a unix-domain socket.
    Unix(unix::ReadHalf<'a>),
}

/// The writing direction of a [`Stream`].
#[derive(Debug)]
pub enum WriteHalf<'a> {
    /// Of TCP.
    Tcp(tcp::WriteHalf<'a>),
    /// Of a unix-domain socket.
    Unix(unix::WriteHalf<'a>),
}

/// The reading direction of a [`Stream`], for a task of its own.
#[derive(Debug)]
pub enum OwnedReadHalf {
    /// Of TCP.
    Tcp(tcp::OwnedReadHalf),
    /// Of a unix-domain socket.
    Unix(unix::OwnedReadHalf),
}

/// The writing direction of a [`Stream`], for a task of its own. Dropping it half-closes.
#[derive(Debug)]
pub enum OwnedWriteHalf {
    /// Of TCP.
    Tcp(tcp::OwnedWriteHalf),
    /// Of a unix-domain socket.
    Unix(unix::OwnedWriteHalf),
}

impl ReadHalf<'_> {
    /// Waits for one of these states.
    ///
    /// # Errors
    /// When the runtime has ended.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match self {
            Self::Tcp(half) => half.ready(interest).await,
            Self::Unix(half) => half.ready(interest).await,
        }
    }

    /// The pending error of the socket (`SO_ERROR`), which is taken.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Self::Tcp(half) => half.as_ref().take_error(),
            Self::Unix(half) => half.as_ref().take_error(),
        }
    }
}

impl OwnedWriteHalf {
    /// Writes what the kernel takes now.
    ///
    /// # Errors
    /// `WouldBlock` if it takes nothing.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(half) => half.try_write(bytes),
            Self::Unix(half) => half.try_write(bytes),
        }
    }
}

/// Access to the socket of a half.
macro_rules! socket_of_half {
    ($($half:ty),*) => {$(
        impl AsFd for $half {
            fn as_fd(&self) -> BorrowedFd<'_> {
                match self {
                    Self::Tcp(half) => half.as_ref().as_fd(),
                    Self::Unix(half) => half.as_ref().as_fd(),
                }
            }
        }
    )*};
}

socket_of_half!(ReadHalf<'_>, WriteHalf<'_>, OwnedReadHalf, OwnedWriteHalf);

/// Reading, as the socket does it.
macro_rules! reads {
    ($($of:ty),*) => {$(
        impl AsyncRead for $of {
            #[inline]
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::Tcp(socket) => Pin::new(socket).poll_read(context, buffer),
                    Self::Unix(socket) => Pin::new(socket).poll_read(context, buffer),
                }
            }
        }
    )*};
}

reads!(Stream, ReadHalf<'_>, OwnedReadHalf);

/// Writing, as the socket does it.
macro_rules! writes {
    ($($of:ty),*) => {$(
        impl AsyncWrite for $of {
            #[inline]
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    Self::Tcp(socket) => Pin::new(socket).poll_write(context, bytes),
                    Self::Unix(socket) => Pin::new(socket).poll_write(context, bytes),
                }
            }

            fn poll_flush(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::Tcp(socket) => Pin::new(socket).poll_flush(context),
                    Self::Unix(socket) => Pin::new(socket).poll_flush(context),
                }
            }

            fn poll_shutdown(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::Tcp(socket) => Pin::new(socket).poll_shutdown(context),
                    Self::Unix(socket) => Pin::new(socket).poll_shutdown(context),
                }
            }
        }
    )*};
}

writes!(Stream, WriteHalf<'_>, OwnedWriteHalf);

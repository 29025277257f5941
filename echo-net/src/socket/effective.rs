//! What the kernel has made of the options of a socket: [`EffectiveOptions`], and where that is
//! not what was asked: [`Changed`].

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::net::sockopt;
use socket2::SockRef;

use super::{CongestionControl, SocketOptions};

/// The options of a connection as the kernel says they are. `None`: the kernel does not say, or a
/// unix-domain socket, which has none of TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EffectiveOptions {
    /// Whether Nagle's algorithm is disabled.
    pub nodelay: Option<bool>,
    /// Send buffer in bytes: twice what was asked (socket(7)).
    pub send_buffer: usize,
    /// Receive buffer in bytes: twice what was asked.
    pub recv_buffer: usize,
    /// Congestion control.
    pub congestion: Option<CongestionControl>,
    /// Whether segments are acknowledged at once, at this moment.
    pub quickack: Option<bool>,
    /// Limit of unsent bytes; zero: the system's.
    pub notsent_lowat: Option<u32>,
    /// TCP user timeout in milliseconds; zero: by the number of retransmissions.
    pub user_timeout_ms: Option<u32>,
    /// Type of service (IPv4) or traffic class (IPv6).
    pub tos: Option<u8>,
    /// Whether TCP Fast Open works. No socket says so: it is added by those who know it of the
    /// listener, or of all connections.
    pub fastopen: Option<bool>,
}

/// An option that the kernel did not take as it was asked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Changed {
    /// The flag, without dashes.
    pub flag: &'static str,
    /// What was asked.
    pub asked: String,
    /// What it is.
    pub actual: String,
}

impl EffectiveOptions {
    /// Those of `socket`.
    ///
    /// # Errors
    /// When it is no socket.
    pub fn read(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let options = SockRef::from(&socket);
        Ok(Self {
            nodelay: options.tcp_nodelay().ok(),
            send_buffer: options.send_buffer_size()?,
            recv_buffer: options.recv_buffer_size()?,
            congestion: CongestionControl::of(socket),
            quickack: sockopt::tcp_quickack(socket).ok(),
            notsent_lowat: options.tcp_notsent_lowat().ok(),
            user_timeout_ms: sockopt::tcp_user_timeout(socket).ok(),
            tos: super::tos_of(socket).ok(),
            fastopen: None,
        })
    }

    /// Where this is not what was `asked`. What the kernel does not say is left out.
    pub fn changed_from(&self, asked: &SocketOptions) -> Vec<Changed> {
        let mut changed = Vec::new();
        let mut compare = |flag, asked: String, actual: String| {
            if asked != actual {
                changed.push(Changed { flag, asked, actual });
            }
        };
        let on_off = |on: bool| if on { "on" } else { "off" }.to_owned();
        let bytes = |count: usize| count.to_string();
        if let Some(nodelay) = self.nodelay {
            compare("nodelay", on_off(asked.nodelay), on_off(nodelay));
        }
        // Half of an odd size is what it was before it was doubled.
        if let Some(asked) = asked.send_buffer {
            compare("send-buffer", bytes(asked), bytes(self.send_buffer / 2));
        }
        if let Some(asked) = asked.recv_buffer {
            compare("recv-buffer", bytes(asked), bytes(self.recv_buffer / 2));
        }
        let tcp = &asked.tcp;
        if let (Some(asked), Some(actual)) = (tcp.congestion, self.congestion) {
            compare("congestion", asked.to_string(), actual.to_string());
        }
        if let (Some(asked), Some(actual)) = (tcp.quickack, self.quickack) {
            compare("quickack", on_off(asked), on_off(actual));
        }
        if let (Some(asked), Some(actual)) = (tcp.notsent_lowat, self.notsent_lowat) {
            compare("notsent-lowat", asked.to_string(), actual.to_string());
        }
        if let (Some(asked), Some(actual)) = (tcp.user_timeout, self.user_timeout_ms) {
            let actual = Duration::from_millis(actual.into());
            compare("user-timeout", format!("{asked:?}"), format!("{actual:?}"));
        }
        if let (Some(asked), Some(actual)) = (tcp.tos, self.tos) {
            compare("tos", asked.to_string(), actual.to_string());
        }
        if let (Some(asked), Some(actual)) = (tcp.fastopen, self.fastopen) {
            compare("fastopen", on_off(asked), on_off(actual));
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::super::TcpOptions;
    use super::*;
    use crate::address::Transport;

    fn pair(address: &str) -> Option<(TcpStream, TcpStream)> {
        let listener = TcpListener::bind(address).ok()?;
        let near = TcpStream::connect(listener.local_addr().ok()?).ok()?;
        Some((near, listener.accept().ok()?.0))
    }

    #[test]
    fn every_option_that_is_set_is_read_back() {
        let asked = SocketOptions {
            nodelay: false,
            send_buffer: Some(40_000),
            tcp: TcpOptions {
                congestion: Some("reno".parse().unwrap()),
                quickack: Some(false),
                notsent_lowat: Some(16_384),
                user_timeout: Some(Duration::from_millis(1_500)),
                tos: Some(0x10),
                fastopen: None,
            },
            ..SocketOptions::default()
        };
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Some((near, _far)) = pair(address) else { continue };
            asked.apply(near.as_fd(), Transport::Tcp).unwrap();
            let read = EffectiveOptions::read(near.as_fd()).unwrap();
            assert_eq!(read.changed_from(&asked), [], "{address}");
            assert_eq!((read.nodelay, read.send_buffer), (Some(false), 80_000));
            assert_eq!(read.congestion, asked.tcp.congestion);
            assert_eq!((read.quickack, read.tos), (Some(false), Some(0x10)));
            assert_eq!(read.user_timeout_ms, Some(1_500));
        }
    }

    /// So nothing needs to be set again for each connection.
    #[test]
    fn a_connection_inherits_every_option_of_its_listener_but_quick_acknowledgements() {
        let asked = SocketOptions {
            nodelay: true,
            send_buffer: Some(40_000),
            recv_buffer: Some(50_000),
            keepalive: Some(Duration::from_mins(1)),
            tcp: TcpOptions {
                congestion: Some("reno".parse().unwrap()),
                quickack: None,
                notsent_lowat: Some(16_384),
                user_timeout: Some(Duration::from_millis(1_500)),
                tos: Some(0x10),
                fastopen: Some(true),
            },
        };
        // An IPv6 listener may have IPv4 peers.
        for (any, own) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1")] {
            let any = std::net::SocketAddr::new(any.parse().unwrap(), 0);
            let Ok(listener) = super::super::listen(any, 16, false, &asked) else { continue };
            let port = listener.local_addr().unwrap().port();
            listener.set_nonblocking(false).unwrap();
            let _near = TcpStream::connect((own, port)).unwrap();
            let (accepted, _) = listener.accept().unwrap();
            let read = EffectiveOptions::read(accepted.as_fd()).unwrap();
            assert_eq!(read.changed_from(&asked), [], "{any} from {own}");
            assert_eq!((read.send_buffer, read.recv_buffer), (80_000, 100_000));
            let socket = SockRef::from(&accepted);
            assert!(socket.keepalive().unwrap(), "{any}");
            let [idle, interval] = [60, 10].map(Duration::from_secs);
            assert_eq!(socket.tcp_keepalive_time().unwrap(), idle);
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), interval);
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
        }
    }

    #[test]
    fn what_the_kernel_changed_is_said() {
        let (near, _far) = pair("127.0.0.1:0").unwrap();
        // The two lowest bits are the kernel's (ECN, RFC 3168).
        let tcp = TcpOptions { tos: Some(0x13), ..TcpOptions::default() };
        let asked = SocketOptions { recv_buffer: Some(1), tcp, ..SocketOptions::default() };
        asked.apply(near.as_fd(), Transport::Tcp).unwrap();
        let changed = EffectiveOptions::read(near.as_fd()).unwrap().changed_from(&asked);
        let flags: Vec<&str> = changed.iter().map(|one| one.flag).collect();
        assert_eq!(flags, ["recv-buffer", "tos"]);
        assert_eq!((changed[1].asked.as_str(), changed[1].actual.as_str()), ("19", "16"));
    }

    #[test]
    fn what_is_not_asked_is_left_as_it_is() {
        let (near, _far) = pair("127.0.0.1:0").unwrap();
        let before = EffectiveOptions::read(near.as_fd()).unwrap();
        let asked =
            SocketOptions { nodelay: before.nodelay.unwrap(), ..SocketOptions::default() };
        asked.apply(near.as_fd(), Transport::Tcp).unwrap();
        assert_eq!(EffectiveOptions::read(near.as_fd()).unwrap(), before);
    }

    #[test]
    fn a_unix_socket_has_buffers_and_nothing_else() {
        let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
        let tcp = TcpOptions { quickack: Some(true), ..TcpOptions::default() };
        let asked = SocketOptions { send_buffer: Some(40_000), tcp, ..Default::default() };
        asked.apply(near.as_fd(), Transport::Unix).unwrap();
        let read = EffectiveOptions::read(near.as_fd()).unwrap();
        assert_eq!((read.send_buffer, read.nodelay, read.quickack), (80_000, None, None));
        assert_eq!(read.changed_from(&asked), []);
    }
}

//! A third-party server for one scenario: [`ThirdPartyServer`], on a free port of the loopback.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use echo_test_support::deadline::wait_until;

/// A server process; killed when dropped.
#[derive(Debug)]
pub(crate) struct ThirdPartyServer {
    child: Child,
    address: SocketAddr,
}

/// A loopback address without a listener, for programs that can't choose a free port
/// themselves.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("ports are left");
    listener.local_addr().expect("it is bound")
}

impl ThirdPartyServer {
    /// Starts a server that will listen at `address`, and waits until it does.
    pub(crate) fn start(command: &mut Command, address: SocketAddr) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
        let mut server = Self { child, address };
        wait_until("the server takes connections", || {
            let ended = server.child.try_wait().expect("it was started");
            assert!(ended.is_none(), "{command:?} ended: {ended:?}");
            TcpStream::connect(address).is_ok()
        });
        server
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for ThirdPartyServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! A blocking TLS client: [`SecureClient`]. Every wait has a deadline, and a truncated stream
//! fails the test.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use echo_net::tls::{ClientTls, ServerTrust, Transform};
use echo_test_support::client::{Client, Text};
use echo_test_support::running_server::RunningServer;

/// A connection to a TLS server.
pub(crate) struct SecureClient {
    client: Client,
    transform: Transform,
    plaintext: Vec<u8>,
}

impl SecureClient {
    /// A connection after the handshake; the server's own certificate is trusted.
    #[track_caller]
    pub(crate) fn connect(server: &RunningServer) -> Self {
        let fingerprint = server.ready()["tls"]["fingerprint"].as_str().expect("it speaks TLS");
        let trust = ServerTrust::Certificate(fingerprint.parse().expect("a fingerprint"));
        let tls = ClientTls::new(&trust, false).expect("no file is read");
        let transform = tls.connect("localhost").expect("a good name");
        let client = Client::connect(server.address());
        let mut secure = Self { client, transform, plaintext: Vec::new() };
        secure.flush();
        while secure.transform.is_handshaking() {
            assert!(secure.receive(), "the server ended the connection in the handshake");
            secure.flush();
        }
        secure
    }

    fn flush(&mut self) {
        let mut output = Vec::new();
        self.transform.take_output(&mut output);
        self.client.send(&output);
    }

    /// One read; whether the connection continues.
    fn receive(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        let length = match self.client.stream().read(&mut buffer) {
            Ok(length) => length,
            Err(error) => panic!("{error} after {:?}", Text(&self.plaintext)),
        };
        let Self { transform, plaintext, .. } = self;
        transform
            .receive_all(&buffer[..length], |piece| plaintext.extend_from_slice(piece))
            .unwrap_or_else(|fault| panic!("{fault}"));
        length > 0
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let mut output = Vec::new();
        assert_eq!(self.transform.send(bytes, &mut output), bytes.len());
        self.client.send(&output);
    }

    /// Waits until the server has read all that was sent.
    pub(crate) fn wait_until_read(&self) {
        self.client.wait_until_read();
    }

    /// Sends close_notify and leaves the TCP stream open: that alone must suffice.
    pub(crate) fn half_close(&mut self) {
        let mut output = Vec::new();
        self.transform.close(&mut output);
        self.client.send(&output);
    }

    /// Sends `request` and reads exactly `reply`.
    #[track_caller]
    pub(crate) fn exchange(&mut self, request: &[u8], reply: &[u8]) {
        self.send(request);
        while self.plaintext.len() < reply.len() {
            assert!(self.receive(), "the end came after {:?}", Text(&self.plaintext));
        }
        assert_eq!(Text(&std::mem::take(&mut self.plaintext)), Text(reply));
    }

    /// Ends the TCP stream without close_notify, as an attacker could.
    pub(crate) fn cut_off(&mut self) {
        self.client.half_close();
    }

    /// Sends zeros, and reads nothing, until the server takes no more.
    pub(crate) fn send_until_stuck(&mut self) {
        const MOST: usize = 32 << 20;
        let mut output = Vec::new();
        assert_eq!(self.transform.send(&vec![0; MOST], &mut output), MOST);
        let still = Duration::from_millis(300);
        let sent = self.client.send_until_stuck(&output, still, output.len());
        assert!(sent < output.len(), "the server takes everything");
    }

    /// Whether the stream, after what is read here, ends with a reset and without close_notify.
    pub(crate) fn is_reset(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.client.stream().read(&mut buffer) {
                Ok(0) => return false,
                Ok(length) => self
                    .transform
                    .receive_all(&buffer[..length], |_| ())
                    .unwrap_or_else(|fault| panic!("{fault}")),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    return self.transform.end_of_input().is_err();
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Everything up to the server's close_notify.
    #[track_caller]
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        while self.receive() {}
        assert_eq!(self.transform.end_of_input(), Ok(()), "the server's stream is cut off");
        std::mem::take(&mut self.plaintext)
    }

    /// Sends all of `stream` in records of at most `record` bytes, half-closes, and returns
    /// everything received, reading while sending.
    #[track_caller]
    pub(crate) fn converse(&mut self, stream: &[u8], record: usize) -> Vec<u8> {
        let mut output = Vec::new();
        for piece in stream.chunks(record) {
            assert_eq!(self.transform.send(piece, &mut output), piece.len());
        }
        self.transform.close(&mut output);
        let mut sending = self.client.sender();
        thread::scope(|scope| {
            let sender = scope.spawn(move || {
                sending.write_all(&output)?;
                sending.shutdown(Shutdown::Write)
            });
            let seen = self.read_to_end();
            let sent = sender.join().expect("sending does not panic");
            sent.unwrap_or_else(|error| panic!("sending: {error}"));
            seen
        })
    }
}

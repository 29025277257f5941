//! A TLS connection without its socket: [`Transform`]. Ciphertext in, plaintext out, and vice
//! versa; any fragmentation of the ciphertext gives the same plaintext.
//!
//! Built on rustls' buffered connection, whose buffers are bounded (a record, or 64 KiB of
//! handshake). The unbuffered one would save a copy, but leaves discarding, ordering and
//! growing buffers to the caller, which is error-prone (rustls issue 2121).

use std::io::{BufRead, ErrorKind};
use std::sync::Arc;

use rustls::{
    ClientConnection, Connection, Error, HandshakeKind, ProtocolVersion, ServerConnection,
};

use super::client_certificate::{ClientFault, OwnCertificate};
use super::fault::Fault;
use super::records::Records;

/// First bytes of TLS records: change cipher spec, alert, handshake, application data (RFC 8446
/// section 5.1).
const RECORD_TYPES: std::ops::RangeInclusive<u8> = 20..=23;

/// The fatal alert "decode error", for a peer that does not speak TLS. Not "unexpected
/// message", which ends in a newline and would be a reply to clients of line protocols.
const DECODE_ERROR: [u8; 7] = [21, 3, 3, 0, 2, 2, 50];

/// A TLS connection without its socket: ciphertext in, plaintext out, and vice versa.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, no state")]
pub struct Transform {
    connection: Connection,
    /// That of this side, if it is the client.
    own: Option<Arc<OwnCertificate>>,
    /// Whether plaintext has arrived.
    heard: bool,
    /// Whether a first byte has arrived that may begin a record.
    begun: bool,
    records: Records,
    /// Whether the peer has sent close_notify.
    input_over: bool,
    closed: bool,
    /// An alert to send that rustls does not generate.
    alert: Option<[u8; 7]>,
}

impl Transform {
    pub(super) fn of_server(connection: ServerConnection) -> Self {
        Self::new(connection.into(), None)
    }

    pub(super) fn of_client(connection: ClientConnection, own: Arc<OwnCertificate>) -> Self {
        Self::new(connection.into(), Some(own))
    }

    fn new(connection: Connection, own: Option<Arc<OwnCertificate>>) -> Self {
        Self {
            connection,
            own,
            heard: false,
            begun: false,
            records: Records::default(),
            input_over: false,
            closed: false,
            alert: None,
        }
    }

    /// Decrypts all of `ciphertext` and passes the plaintext to `each`, piece by piece.
    ///
    /// Afterwards there may be [output](Self::take_output): the next handshake message, or an
    /// alert.
    ///
    /// # Errors
    /// The connection is unusable. The plaintext before the error has been passed on.
    pub fn receive_all(
        &mut self,
        mut ciphertext: &[u8],
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), Fault> {
        while !ciphertext.is_empty() {
            self.receive(&mut ciphertext, &mut each)?;
        }
        Ok(())
    }

    /// Like [`receive_all`](Self::receive_all), for a part of `ciphertext`, at least a byte,
    /// which is removed from it. For callers that act between records.
    ///
    /// # Errors
    /// Those of [`receive_all`](Self::receive_all).
    pub fn receive(
        &mut self,
        ciphertext: &mut &[u8],
        each: impl FnMut(&[u8]),
    ) -> Result<(), Fault> {
        let received = self.take_some(ciphertext, each);
        // Nothing follows an alert.
        self.closed |= received.is_err();
        received
    }

    fn take_some(
        &mut self,
        ciphertext: &mut &[u8],
        each: impl FnMut(&[u8]),
    ) -> Result<(), Fault> {
        let Some(first) = ciphertext.first() else { return Ok(()) };
        // Decided on the first byte: the rest of a record header may never come.
        if !self.begun && !RECORD_TYPES.contains(first) {
            self.alert = Some(DECODE_ERROR);
            return Err(Fault::NotTls);
        }
        self.begun = true;
        if self.input_over {
            // Data after a close_notify is ignored (RFC 8446 section 6.1).
            *ciphertext = &[];
            return Ok(());
        }
        let before = *ciphertext;
        let taken = self.connection.read_tls(ciphertext);
        self.records.follow(&before[..before.len() - ciphertext.len()]);
        let processed = self.connection.process_new_packets();
        self.hand_on(each);
        let state = processed.map_err(|error| self.fault(error))?;
        self.input_over = state.peer_has_closed();
        match taken {
            // rustls buffers no more than this of a handshake.
            Ok(0) | Err(_) if self.connection.is_handshaking() && !self.input_over => {
                Err(Fault::TooLong)
            }
            Ok(0) if !self.input_over => Err(Fault::Broken("record too long".into())),
            Ok(_) => Ok(()),
            Err(error) => Err(Fault::Broken(error.to_string())),
        }
    }

    /// What an error means on this side.
    #[cold]
    fn fault(&self, error: Error) -> Fault {
        match (&self.own, error) {
            (None, Error::NoCertificatesPresented) => ClientFault::Missing.into(),
            (None, Error::InvalidCertificate(reason)) => ClientFault::from(reason).into(),
            (Some(own), Error::AlertReceived(alert)) => {
                let refusal = own.refused(alert).filter(|_| !self.heard);
                refusal.map_or_else(|| Error::AlertReceived(alert).into(), Fault::ClientRefused)
            }
            (_, other) => other.into(),
        }
    }

    fn hand_on(&mut self, mut each: impl FnMut(&[u8])) {
        let mut reader = self.connection.reader();
        // Ends with an error if there is no more now, and with 0 bytes at the end of the
        // stream.
        while let Ok(piece) = reader.fill_buf() {
            let length = piece.len();
            if length == 0 {
                break;
            }
            self.heard = true;
            each(piece);
            reader.consume(length);
        }
    }

    /// Bytes of a record that has begun and is not complete; 0 between records.
    pub fn unfinished_record(&self) -> usize {
        self.records.unfinished()
    }

    /// The peer has closed or half-closed the TCP connection.
    ///
    /// # Errors
    /// It did so without close_notify, so data may be missing.
    pub fn end_of_input(&mut self) -> Result<(), Fault> {
        if self.input_over {
            Ok(())
        } else if self.is_handshaking() {
            Err(Fault::Unfinished)
        } else {
            Err(Fault::Truncated)
        }
    }

    /// Encrypts `plaintext` and appends it to `output`, after everything pending. Returns how
    /// much was accepted: all, once the [handshake](Self::is_handshaking) is complete; during
    /// it, some is buffered until then. Nothing after [`close`](Self::close).
    pub fn send(&mut self, plaintext: &[u8], output: &mut Vec<u8>) -> usize {
        let mut taken = 0;
        while taken < plaintext.len() && !self.closed {
            use std::io::Write;
            match self.connection.writer().write(&plaintext[taken..]) {
                Ok(0) | Err(_) => break,
                Ok(length) => taken += length,
            }
            self.take_output(output);
        }
        taken
    }

    /// Appends pending output to `output`.
    pub fn take_output(&mut self, output: &mut Vec<u8>) {
        if let Some(alert) = self.alert.take() {
            output.extend_from_slice(&alert);
        }
        while self.connection.wants_write() {
            // Writing to memory can't fail.
            match self.connection.write_tls(output) {
                Ok(1..) => {}
                Ok(0) => break,
                Err(error) => debug_assert_eq!(error.kind(), ErrorKind::Interrupted),
            }
        }
    }

    /// Appends a `close_notify`, once. Data of the peer can still be received.
    pub fn close(&mut self, output: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.closed, true) {
            self.connection.send_close_notify();
        }
        self.take_output(output);
    }

    /// Whether the handshake is in progress.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether the peer has sent anything.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether the peer has sent close_notify.
    pub fn is_input_over(&self) -> bool {
        self.input_over
    }

    /// The protocol that was selected by name (ALPN), if any was.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.connection.alpn_protocol()
    }

    /// Whether the handshake resumed an earlier session, which avoids sending the certificate.
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The negotiated TLS version, like `TLSv1.3`.
    pub fn version(&self) -> Option<&'static str> {
        self.connection.protocol_version().map(|version| match version {
            ProtocolVersion::TLSv1_2 => "TLSv1.2",
            _ => "TLSv1.3",
        })
    }
}

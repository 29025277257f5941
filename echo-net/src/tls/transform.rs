//! One TLS connection without its socket: [`Transform`]. Ciphertext in, plaintext out, and
//! the other way round; any split of the ciphertext gives the same plaintext.
//!
//! Built on rustls' buffered connection, whose buffers are bounded (a record, or 64 KiB of
//! handshake). Its unbuffered one would save a copy, and leaves discarding, ordering and
//! growing buffers to the caller, each of them a way to get it wrong (rustls issue 2121).

use std::io::{BufRead, ErrorKind};

use rustls::{Connection, HandshakeKind, ProtocolVersion};

use super::fault::Fault;

/// First bytes of a TLS record: change cipher spec, alert, handshake, application data
/// (RFC 8446 section 5.1).
const RECORD_TYPES: std::ops::RangeInclusive<u8> = 20..=23;

/// The alert "decode error", fatal, for a peer that does not speak TLS. "Unexpected message"
/// would do as well, but that one ends in a newline and is a reply to clients of lines.
const DECODE_ERROR: [u8; 7] = [21, 3, 3, 0, 2, 2, 50];

/// One TLS connection without its socket: ciphertext in, plaintext out, and back.
#[derive(Debug)]
pub struct Transform {
    connection: Connection,
    /// The first byte has arrived, and may begin a record.
    begun: bool,
    /// The peer has said that no more plaintext follows.
    input_over: bool,
    closed: bool,
    /// What is to be sent and does not come from the connection.
    alert: Option<[u8; 7]>,
}

impl Transform {
    pub(super) fn new(connection: impl Into<Connection>) -> Self {
        Self {
            connection: connection.into(),
            begun: false,
            input_over: false,
            closed: false,
            alert: None,
        }
    }

    /// Takes some of `ciphertext`, at least a byte, and hands the plaintext that it
    /// completes to `each`, piece by piece. To be repeated until nothing is left.
    ///
    /// Afterwards there may be [output](Self::take_output): the handshake's next step, or
    /// the alert that tells the peer of a fault.
    ///
    /// # Errors
    /// The connection is of no more use. What had arrived before has been handed on.
    pub fn receive(
        &mut self,
        ciphertext: &mut &[u8],
        each: impl FnMut(&[u8]),
    ) -> Result<(), Fault> {
        let received = self.take_some(ciphertext, each);
        // After the alert, nothing.
        self.closed |= received.is_err();
        received
    }

    fn take_some(
        &mut self,
        ciphertext: &mut &[u8],
        each: impl FnMut(&[u8]),
    ) -> Result<(), Fault> {
        let Some(first) = ciphertext.first() else { return Ok(()) };
        // Without waiting for the rest of a record's header: it may never come.
        if !self.begun && !RECORD_TYPES.contains(first) {
            self.alert = Some(DECODE_ERROR);
            return Err(Fault::NotTls);
        }
        self.begun = true;
        if self.input_over {
            // RFC 8446 section 6.1: whatever follows a close_notify is ignored.
            *ciphertext = &[];
            return Ok(());
        }
        let taken = self.connection.read_tls(ciphertext);
        let processed = self.connection.process_new_packets();
        self.hand_on(each);
        self.input_over = processed?.peer_has_closed();
        match taken {
            Ok(0) if !self.input_over => Err(Fault::Broken("a record is too long".into())),
            Ok(_) => Ok(()),
            Err(error) => Err(Fault::Broken(error.to_string())),
        }
    }

    fn hand_on(&mut self, mut each: impl FnMut(&[u8])) {
        let mut reader = self.connection.reader();
        // Ends with an error if there is no more now, and with nothing if there never will be.
        while let Ok(piece) = reader.fill_buf() {
            let length = piece.len();
            if length == 0 {
                break;
            }
            each(piece);
            reader.consume(length);
        }
    }

    /// The peer has ended the connection, or its half of it.
    ///
    /// # Errors
    /// It did so without a word, and not all that it sent may have arrived.
    pub fn end_of_input(&mut self) -> Result<(), Fault> {
        if self.input_over {
            Ok(())
        } else if self.is_handshaking() {
            Err(Fault::Unfinished)
        } else {
            Err(Fault::Truncated)
        }
    }

    /// Appends `plaintext`, encrypted, to `output`, after everything else that is to be
    /// sent. How much of it was taken: all, once the [handshake](Self::is_handshaking) is
    /// over; before, some waits inside until then. Nothing after [`close`](Self::close).
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

    /// Appends what is to be sent now to `output`.
    pub fn take_output(&mut self, output: &mut Vec<u8>) {
        if let Some(alert) = self.alert.take() {
            output.extend_from_slice(&alert);
        }
        while self.connection.wants_write() {
            // Memory takes everything.
            match self.connection.write_tls(output) {
                Ok(1..) => {}
                Ok(0) => break,
                Err(error) => debug_assert_eq!(error.kind(), ErrorKind::Interrupted),
            }
        }
    }

    /// Appends the word that no more plaintext follows (`close_notify`), once. What the peer
    /// sends can still be received.
    pub fn close(&mut self, output: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.closed, true) {
            self.connection.send_close_notify();
        }
        self.take_output(output);
    }

    /// Whether the handshake is still under way.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether a byte of the peer has arrived.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether the peer has said that no more plaintext follows.
    pub fn is_input_over(&self) -> bool {
        self.input_over
    }

    /// Whether the handshake took up an earlier session, which spares both sides the
    /// certificate.
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The version of TLS, once it is agreed on, like `TLSv1.3`.
    pub fn version(&self) -> Option<&'static str> {
        self.connection.protocol_version().map(|version| match version {
            ProtocolVersion::TLSv1_2 => "TLSv1.2",
            _ => "TLSv1.3",
        })
    }
}

//! Ciphertext that arrives on a generator's connection: [`unseal`] takes it piece by piece.
//! What a piece means for the connection is its worker's business.

use std::io;

use echo_net::tls::{Fault, Transform};

use crate::record::FailureKind;

/// What a piece of ciphertext has brought.
#[derive(Debug)]
pub(super) struct Unsealed {
    /// The handshake is over, with this piece or before.
    pub(super) agreed: bool,
    /// The peer has said that nothing follows.
    pub(super) over: bool,
    /// Whether the connection is still of use.
    pub(super) outcome: Result<(), Fault>,
}

/// Takes some of `ciphertext`, at least a byte. Afterwards `plaintext` holds what it held,
/// and `wire` what is to be sent now.
pub(super) fn unseal(
    tls: &mut Transform,
    ciphertext: &mut &[u8],
    plaintext: &mut Vec<u8>,
    wire: &mut Vec<u8>,
) -> Unsealed {
    plaintext.clear();
    wire.clear();
    let outcome = tls.receive(ciphertext, |piece| plaintext.extend_from_slice(piece));
    tls.take_output(wire);
    let agreed = outcome.is_ok() && !tls.is_handshaking();
    Unsealed { agreed, over: tls.is_input_over(), outcome }
}

/// Why the input of a connection ended, where the peer did not say that nothing follows;
/// `None` where it did, or where TLS is not spoken.
pub(super) fn cut_off(tls: Option<&mut Box<Transform>>) -> Option<io::Error> {
    tls.and_then(|tls| tls.end_of_input().err()).map(io::Error::other)
}

/// How a handshake that failed is counted.
pub(super) fn failure_of_handshake(fault: &Fault) -> FailureKind {
    if fault.is_about_certificate() {
        FailureKind::TlsCertificate
    } else {
        FailureKind::TlsHandshake
    }
}

//! TLS on a link's bytes: [`seal`] what is sent, [`unseal`] what arrives, piece by piece.

use echo_net::Nanos;
use echo_net::tls::{Fault, Transform};

/// Room that is used again and again.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// What TLS says for itself.
    pub(super) wire: Vec<u8>,
    pub(super) sealed: Vec<u8>,
    pub(super) plaintext: Vec<u8>,
}

/// What a piece of ciphertext has brought.
#[derive(Debug)]
pub(super) struct Unsealed {
    /// When it was decrypted.
    pub(super) at: Nanos,
    /// The handshake is over.
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
    Unsealed { at: 0, agreed, over: tls.is_input_over(), outcome }
}

/// Encrypts each write of `bytes`, which end at `cuts` and at its end; `sealed` is room for it.
pub(super) fn seal(
    tls: &mut Transform,
    bytes: &mut Vec<u8>,
    cuts: &mut [usize],
    sealed: &mut Vec<u8>,
) {
    sealed.clear();
    let mut start = 0;
    for cut in cuts {
        tls.send(&bytes[start..*cut], sealed);
        start = std::mem::replace(cut, sealed.len());
    }
    tls.send(&bytes[start..], sealed);
    std::mem::swap(bytes, sealed);
}

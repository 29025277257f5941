//! How a server that speaks TLS answers a client that does not: [`is_alert`].

/// Bytes of an alert that nothing seals: those before any key is agreed on.
const ALERT_BYTES: usize = 7;

/// Whether `bytes`, the first that arrived on a connection without TLS, are alerts of TLS and
/// nothing else: the other side seems to speak it, and did not understand what it got.
///
/// An alert is a record of type 21 and version 3.x that holds two bytes, its level (1 or 2)
/// and what it says (RFC 8446 sections 5.1 and 6).
pub fn is_alert(bytes: &[u8]) -> bool {
    let (alerts, rest) = bytes.as_chunks::<ALERT_BYTES>();
    let whole = !alerts.is_empty() && rest.is_empty();
    whole && alerts.iter().all(|alert| matches!(alert, [21, 3, 0..=4, 0, 2, 1 | 2, _]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{ServerTls, Transform};

    fn answer_to(plaintext: &[u8]) -> Vec<u8> {
        let tls = ServerTls::self_signed().unwrap();
        let mut transform: Transform = tls.accept().unwrap();
        let (mut input, mut output) = (plaintext, Vec::new());
        transform.receive(&mut input, |_| {}).unwrap_err();
        transform.take_output(&mut output);
        output
    }

    #[test]
    fn what_our_server_says_to_plaintext_is_an_alert() {
        for plaintext in ["hello you\n", "GET / HTTP/1.1\r\n\r\n", "\0\0\0\x05hello"] {
            let answer = answer_to(plaintext.as_bytes());
            assert!(is_alert(&answer), "{answer:02x?}");
        }
    }

    #[test]
    fn one_alert_or_several_and_nothing_else() {
        const FATAL: [u8; 7] = [21, 3, 1, 0, 2, 2, 70];
        const CLOSE: [u8; 7] = [21, 3, 3, 0, 2, 1, 0];
        assert!(is_alert(&FATAL));
        assert!(is_alert(&[FATAL, CLOSE].concat()));
        for bytes in [
            &b""[..],
            &FATAL[..6],
            &[&FATAL[..], b"\n"].concat(),
            &[&FATAL[..], b"hello\n\n"].concat(),
            b"ECHO: a",
            // Of a handshake, of no version, longer, of no level.
            &[22, 3, 1, 0, 2, 2, 70],
            &[21, 2, 1, 0, 2, 2, 70],
            &[21, 3, 1, 0, 3, 2, 70],
            &[21, 3, 1, 0, 2, 3, 70],
        ] {
            assert!(!is_alert(bytes), "{bytes:02x?}");
        }
    }
}

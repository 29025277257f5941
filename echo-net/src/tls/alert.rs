//! Detects that a server requires TLS from its answer to plaintext: [`is_alert`].

/// Size of an unencrypted alert record.
const ALERT_BYTES: usize = 7;

/// Whether `bytes`, the first that arrived on a plaintext connection, are TLS alerts and
/// nothing else: the other side probably speaks TLS and did not understand the request.
///
/// An alert is a record of type 21 and version 3.x that holds two bytes, level (1 or 2) and
/// description (RFC 8446 sections 5.1 and 6).
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
        let mut output = Vec::new();
        transform.receive_all(plaintext, |_| {}).unwrap_err();
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
            // A handshake record, invalid version, wrong length, invalid level.
            &[22, 3, 1, 0, 2, 2, 70],
            &[21, 2, 1, 0, 2, 2, 70],
            &[21, 3, 1, 0, 3, 2, 70],
            &[21, 3, 1, 0, 2, 3, 70],
        ] {
            assert!(!is_alert(bytes), "{bytes:02x?}");
        }
    }
}

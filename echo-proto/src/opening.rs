//! Detects what a server speaks from its first bytes: [`Opening`]. For a client of another
//! protocol, which would otherwise wait for replies in vain.

use std::fmt;

use crate::{ProtocolKind, Service, terminal};

/// Bytes that are inspected.
const LENGTH: usize = 32;

/// The first bytes of a server on one connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Opening {
    bytes: [u8; LENGTH],
    length: u8,
}

impl Opening {
    /// Records more bytes, up to the number that is inspected.
    #[inline]
    pub fn hear(&mut self, input: &[u8]) {
        let known = usize::from(self.length);
        if known < LENGTH {
            let more = input.len().min(LENGTH - known);
            self.bytes[known..known + more].copy_from_slice(&input[..more]);
            self.length += more as u8;
        }
    }

    /// The recorded bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The protocol that the server appears to speak, if it is unambiguous and not `expected`.
    pub fn unlike(&self, expected: Service) -> Option<Service> {
        let bytes = self.bytes();
        let begins = |with: &[u8]| bytes.starts_with(with);
        let markup = [&b"<html"[..], b"<!doctype html"];
        let is_page = markup.iter().any(|tag| {
            bytes.get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag))
        });
        let speaks = if begins(b"HTTP/1.") || is_page {
            // A web server may omit the head if it saw no HTTP version.
            ProtocolKind::Http.into()
        } else if begins(b"+OK\r\n")
            || begins(b"+PONG\r\n")
            || is_resp_error(bytes)
            || is_resp_bulk(bytes)
        {
            ProtocolKind::Resp.into()
        } else if is_postgres_error(bytes) {
            ProtocolKind::Postgres.into()
        } else if begins(b"ECHO: ") {
            ProtocolKind::Line.into()
        } else if begins(b"* Welcome. ") {
            Service::Chat
        } else {
            return None;
        };
        // A command reply may look like a line reply.
        let is_expected = speaks == expected
            || (speaks == ProtocolKind::Line.into()
                && expected == ProtocolKind::Command.into());
        (!is_expected).then_some(speaks)
    }
}

/// A minus, an upper-case code and a space: `-ERR `, `-NOAUTH `, `-DENIED `.
fn is_resp_error(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(b"-") else { return false };
    let capitals = rest.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    capitals >= 3 && rest.get(capitals) == Some(&b' ')
}

/// A dollar sign, a length and CRLF: how Redis answers an `ECHO`.
fn is_resp_bulk(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(b"$") else { return false };
    let rest = rest.strip_prefix(b"-").unwrap_or(rest);
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && rest[digits..].starts_with(b"\r\n")
}

/// An error with a length and the severity `FATAL`: how PostgreSQL answers another protocol.
fn is_postgres_error(bytes: &[u8]) -> bool {
    bytes.starts_with(b"E\0\0")
        && bytes.get(5..).is_some_and(|rest| rest.starts_with(b"SFATAL\0"))
}

/// Escaped for a terminal.
impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = String::new();
        let line = self.bytes().split(|byte| *byte == b'\n').next().unwrap_or_default();
        terminal::escape(line.trim_ascii_end(), &mut shown);
        f.write_str(&shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_is_told_by_its_first_bytes_however_they_come() {
        let (line, http) = (ProtocolKind::Line.into(), ProtocolKind::Http.into());
        let (resp, command) = (ProtocolKind::Resp.into(), ProtocolKind::Command.into());
        let postgres = ProtocolKind::Postgres.into();
        for (said, expected, speaks) in [
            ("HTTP/1.1 400 Bad Request\r\n", line, Some(http)),
            ("HTTP/1.0 400 Bad Request\r\n", resp, Some(http)),
            ("<!DOCTYPE HTML PUBLIC", line, Some(http)),
            ("<html>\r\n<head>", line, Some(http)),
            ("-ERR unknown command", line, Some(resp)),
            ("-NOAUTH Authentication required.", line, Some(resp)),
            ("-DENIED Redis is running", http, Some(resp)),
            ("+PONG\r\n", line, Some(resp)),
            ("$64\r\n000000", command, Some(resp)),
            ("$-1\r\n", command, Some(resp)),
            ("$5 a piece\n", line, None),
            ("$\r\n", line, None),
            ("$64\r\n", resp, None),
            ("ECHO: POST / HTTP/1.1", http, Some(line)),
            ("* Welcome. Choose a name", line, Some(Service::Chat)),
            ("E\0\0\0\x29SFATAL\0VFATAL\0C08P01\0", line, Some(postgres)),
            ("E\0\0\0\x29SFATAL\0VFATAL\0C08P01\0", postgres, None),
            ("E\0\0\0\x29SERROR\0", line, None),
            ("ECHO: HTTP/1.1", line, None),
            ("ERROR: Unknown command", command, None),
            ("ECHO: a", command, None),
            ("ECHO: /nick a", Service::Chat, Some(line)),
            ("HTTP/1.1 200 OK", http, None),
            ("-ERR no", resp, None),
            ("hello", line, None),
            ("-e text", line, None),
            ("", line, None),
        ] {
            for piece in 1..=said.len().max(1) {
                let mut opening = Opening::default();
                for piece in said.as_bytes().chunks(piece) {
                    opening.hear(piece);
                }
                assert_eq!(opening.unlike(expected), speaks, "{said} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn what_is_shown_is_one_safe_line() {
        let mut opening = Opening::default();
        opening.hear(b"-ERR \x1b[2J\r\nand more");
        assert_eq!(opening.to_string(), "-ERR \\x1b[2J");
    }
}

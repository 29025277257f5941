//! Message framing of the fault server: [`Framing`]. Independent of our protocol code, so that
//! the two can't share a bug.

use std::fmt;
use std::io::{self, BufRead, Read as _};
use std::str::FromStr;

/// Longest message; a longer one ends the connection.
const LONGEST: usize = 1 << 20;

/// A protocol, as far as an echo needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Lines, and a prefix before each reply.
    Line,
    /// A length of four bytes before each message.
    Frame,
    /// The same after a stream number of four bytes.
    Mux,
    /// Messages of exactly this many bytes.
    Raw(usize),
}

/// What is no framing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid framing `{0}` (line, frame, mux or raw:SIZE with a size from 1 to {LONGEST})")]
pub struct InvalidFraming(String);

/// A message; the text is without framing.
#[derive(Debug, Clone)]
pub(super) struct Message {
    stream: [u8; 4],
    pub(super) text: Vec<u8>,
}

impl Framing {
    /// The next message; an error at the end of input, or where a message is too long.
    pub(super) fn read(self, input: &mut impl BufRead) -> io::Result<Message> {
        let (mut stream, mut text) = ([0; 4], Vec::new());
        match self {
            Self::Line => {
                input.by_ref().take(LONGEST as u64).read_until(b'\n', &mut text)?;
                if text.pop() != Some(b'\n') {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Self::Frame | Self::Mux => {
                let mut length = [0; 4];
                if self == Self::Mux {
                    input.read_exact(&mut stream)?;
                }
                input.read_exact(&mut length)?;
                let length = u32::from_be_bytes(length) as usize;
                if length > LONGEST {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                text.resize(length, 0);
                input.read_exact(&mut text)?;
            }
            Self::Raw(size) => {
                text.resize(size.min(LONGEST), 0);
                input.read_exact(&mut text)?;
            }
        }
        Ok(Message { stream, text })
    }

    /// The reply to `message` with this text.
    pub(super) fn reply(self, message: &Message, text: &[u8]) -> Vec<u8> {
        // No message that is read is longer than fits.
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        match self {
            Self::Line => [b"ECHO: ", text, b"\n"].concat(),
            Self::Frame => [&length.to_be_bytes(), text].concat(),
            Self::Mux => [&message.stream, &length.to_be_bytes()[..], text].concat(),
            Self::Raw(_) => text.to_vec(),
        }
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line => f.write_str("line"),
            Self::Frame => f.write_str("frame"),
            Self::Mux => f.write_str("mux"),
            Self::Raw(size) => write!(f, "raw:{size}"),
        }
    }
}

impl FromStr for Framing {
    type Err = InvalidFraming;

    fn from_str(text: &str) -> Result<Self, InvalidFraming> {
        let size = |size: &str| size.parse().ok().filter(|size| (1..=LONGEST).contains(size));
        let framing = match text {
            "line" => Some(Self::Line),
            "frame" => Some(Self::Frame),
            "mux" => Some(Self::Mux),
            other => other.strip_prefix("raw:").and_then(size).map(Self::Raw),
        };
        framing.ok_or_else(|| InvalidFraming(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_input_ends_the_connection() {
        let endless = vec![b'x'; LONGEST + 10];
        assert!(Framing::Line.read(&mut &endless[..]).is_err());
        assert!(Framing::Line.read(&mut &b"no end"[..]).is_err());
        assert!(Framing::Frame.read(&mut &u32::MAX.to_be_bytes()[..]).is_err());
        assert!(Framing::Mux.read(&mut &[0, 0, 0, 1, 0xff, 0, 0, 0][..]).is_err());
        for text in ["raw:0", "raw:9999999999", "raw", "http"] {
            assert!(text.parse::<Framing>().is_err(), "{text}");
        }
        assert_eq!("raw:64".parse(), Ok(Framing::Raw(64)));
    }
}

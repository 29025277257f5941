//! Message framing of the fault server: [`Framing`]. Independent of our protocol code, so that
//! the two can't share a bug.

use std::io::{self, BufRead};

/// A protocol, as far as an echo needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Line,
    Frame,
    Mux,
    /// Messages of exactly this many bytes.
    Raw(usize),
}

/// A message; the text is without framing.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    stream: [u8; 4],
    pub(crate) text: Vec<u8>,
}

impl Framing {
    /// The next message; an error at the end of input.
    pub(super) fn read(self, input: &mut impl BufRead) -> io::Result<Message> {
        let (mut stream, mut text) = ([0; 4], Vec::new());
        match self {
            Self::Line => {
                input.read_until(b'\n', &mut text)?;
                if text.pop().is_none() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Self::Frame | Self::Mux => {
                let mut length = [0; 4];
                if self == Self::Mux {
                    input.read_exact(&mut stream)?;
                }
                input.read_exact(&mut length)?;
                text.resize(u32::from_be_bytes(length) as usize, 0);
                input.read_exact(&mut text)?;
            }
            Self::Raw(size) => {
                text.resize(size, 0);
                input.read_exact(&mut text)?;
            }
        }
        Ok(Message { stream, text })
    }

    /// The reply to `message` with this text.
    pub(super) fn reply(self, message: &Message, text: &[u8]) -> Vec<u8> {
        let length = u32::try_from(text.len()).expect("messages of tests are short");
        match self {
            Self::Line => [b"ECHO: ", text, b"\n"].concat(),
            Self::Frame => [&length.to_be_bytes(), text].concat(),
            Self::Mux => [&message.stream, &length.to_be_bytes()[..], text].concat(),
            Self::Raw(_) => text.to_vec(),
        }
    }
}

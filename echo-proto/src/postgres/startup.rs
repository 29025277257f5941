//! The first packets of a client: [`Packet`]. They have no type byte.

use super::fields::Fields;

/// Most bytes of a packet, as in PostgreSQL.
pub(super) const MOST: usize = 10_000;

/// Length and code.
const LEAST: usize = 8;

/// Major version 3; the minor version is in the lower half.
pub(super) const VERSION_3: u32 = 3 << 16;

const CANCEL: u32 = (1234 << 16) + 5678;
const SSL: u32 = (1234 << 16) + 5679;
const GSS_ENCRYPTION: u32 = (1234 << 16) + 5680;

/// What PostgreSQL says to a second request for encryption: it is no version.
pub(super) const REPEATED_SSL: InvalidPacket = InvalidPacket::Version(SSL);
/// See [`REPEATED_SSL`].
pub(super) const REPEATED_GSS: InvalidPacket = InvalidPacket::Version(GSS_ENCRYPTION);

/// One packet before the connection is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    /// May TLS begin here?
    Ssl,
    /// May encryption by Kerberos begin here?
    GssEncryption,
    /// Another connection's query is to be cancelled.
    Cancel,
    /// A connection is wanted.
    Startup {
        /// The minor version that is asked for.
        minor: u32,
        /// Names and values.
        settings: &'a [u8],
    },
}

/// Why a packet is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidPacket {
    #[error("invalid length of startup packet")]
    Length,
    #[error(
        "unsupported frontend protocol {}.{}: server supports 3.0 to 3.0",
        .0 >> 16,
        .0 & 0xffff
    )]
    Version(u32),
    #[error("invalid startup packet layout: expected terminator as last byte")]
    Layout,
    #[error("no PostgreSQL user name specified in startup packet")]
    NoUser,
}

impl InvalidPacket {
    pub(super) fn sqlstate(self) -> &'static str {
        match self {
            Self::Length | Self::Layout => "08P01",
            Self::Version(_) => "0A000",
            Self::NoUser => "28000",
        }
    }
}

/// The packet at the start of `bytes`, if it is complete, and its length.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Packet<'_>, usize)>, InvalidPacket> {
    let Some(length) = Fields(bytes).number() else { return Ok(None) };
    let length = usize::try_from(length).map_err(|_| InvalidPacket::Length)?;
    if !(LEAST..=MOST).contains(&length) {
        return Err(InvalidPacket::Length);
    }
    let Some(packet) = bytes.get(4..length) else { return Ok(None) };
    let mut fields = Fields(packet);
    let code = fields.number().ok_or(InvalidPacket::Length)?;
    let packet = match code {
        CANCEL => Packet::Cancel,
        SSL => Packet::Ssl,
        GSS_ENCRYPTION => Packet::GssEncryption,
        _ if code & 0xffff_0000 == VERSION_3 => {
            check(fields)?;
            Packet::Startup { minor: code & 0xffff, settings: fields.0 }
        }
        _ => return Err(InvalidPacket::Version(code)),
    };
    Ok(Some((packet, length)))
}

/// Checks the settings of a connection: pairs of names and values up to an empty name.
fn check(mut fields: Fields<'_>) -> Result<(), InvalidPacket> {
    let mut has_user = false;
    loop {
        match fields.string() {
            Some(b"") if fields.is_over() => break,
            None | Some(b"") => return Err(InvalidPacket::Layout),
            Some(name) => {
                let value = fields.string().ok_or(InvalidPacket::Layout)?;
                has_user |= name == b"user" && !value.is_empty();
            }
        }
    }
    has_user.then_some(()).ok_or(InvalidPacket::NoUser)
}

/// The names of the options of the protocol among valid settings, each with the zero byte after
/// it.
pub(super) fn options(settings: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let texts = settings.split_inclusive(|byte| *byte == 0);
    texts.step_by(2).filter(|name| name.starts_with(b"_pq_."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(code: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(8 + body.len()).unwrap();
        [&length.to_be_bytes()[..], &code.to_be_bytes(), body].concat()
    }

    #[test]
    fn packets_are_told_by_their_code() {
        let startup = |minor, settings| Packet::Startup { minor, settings };
        for (bytes, seen) in [
            (packet(SSL, b""), Packet::Ssl),
            (packet(GSS_ENCRYPTION, b""), Packet::GssEncryption),
            (packet(CANCEL, &[0; 8]), Packet::Cancel),
            (packet(VERSION_3, b"user\0me\0\0"), startup(0, b"user\0me\0\0")),
            (
                packet(VERSION_3, b"database\0d\0user\0me\0\0"),
                startup(0, b"database\0d\0user\0me\0\0"),
            ),
            (packet(VERSION_3 + 2, b"user\0me\0\0"), startup(2, b"user\0me\0\0")),
        ] {
            assert_eq!(read(&bytes), Ok(Some((seen, bytes.len()))));
            for length in 0..bytes.len() {
                assert_eq!(read(&bytes[..length]), Ok(None));
            }
        }
    }

    #[test]
    fn what_is_no_packet_is_refused_by_its_cause() {
        for (bytes, refused, sqlstate) in [
            (7_u32.to_be_bytes().to_vec(), InvalidPacket::Length, "08P01"),
            (10_001_u32.to_be_bytes().to_vec(), InvalidPacket::Length, "08P01"),
            (b"GET / HTTP/1.1".to_vec(), InvalidPacket::Length, "08P01"),
            (packet(2 << 16, b""), InvalidPacket::Version(2 << 16), "0A000"),
            (packet(VERSION_3, b""), InvalidPacket::Layout, "08P01"),
            (packet(VERSION_3, b"user\0me\0"), InvalidPacket::Layout, "08P01"),
            (packet(VERSION_3, b"user\0me\0\0x"), InvalidPacket::Layout, "08P01"),
            (packet(VERSION_3, b"user\0\0\0"), InvalidPacket::NoUser, "28000"),
            (packet(VERSION_3, b"\0"), InvalidPacket::NoUser, "28000"),
        ] {
            assert_eq!(read(&bytes), Err(refused));
            assert_eq!(refused.sqlstate(), sqlstate);
        }
    }
}

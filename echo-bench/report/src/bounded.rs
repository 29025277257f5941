//! Files of unknown origin, read with a limit: [`read`]. A file that never ends, as a device
//! may not, is refused when the limit is reached.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use echo_net::settings::ByteSize;

/// Largest stored document, or page that holds one: the report of a day in intervals of a
/// second has half of it.
pub const DOCUMENT: usize = 512 << 20;

/// Largest file of messages. Its texts become part of the report.
pub const MESSAGES: usize = 64 << 20;

/// Largest file of recorded instants.
pub const ARRIVALS: usize = 256 << 20;

/// Largest histogram of message sizes.
pub const SIZES: usize = 1 << 20;

/// Largest plan of a sweep.
pub const PLAN: usize = 1 << 20;

/// The text in `path`.
///
/// # Errors
/// When it can't be read, is larger than `limit`, or is not UTF-8.
pub fn read(path: &Path, limit: usize) -> io::Result<String> {
    read_from(File::open(path)?, limit)
}

/// The rest of `source`.
///
/// # Errors
/// As those of [`read`].
pub fn read_from(source: impl Read, limit: usize) -> io::Result<String> {
    String::from_utf8(read_bytes(source, limit)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
}

/// The rest of `source`, which need not be text.
///
/// # Errors
/// When it can't be read, or is larger than `limit`.
pub fn read_bytes(source: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(too_large(limit));
    }
    Ok(bytes)
}

/// The error of a file that is larger than `limit`.
pub fn too_large(limit: usize) -> io::Error {
    let reason = format!("larger than {}", ByteSize(limit));
    io::Error::new(io::ErrorKind::FileTooLarge, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_larger_or_never_ends_is_refused() {
        assert_eq!(read_from(&b"1234"[..], 4).unwrap(), "1234");
        let endless = read(Path::new("/dev/zero"), 1 << 20).unwrap_err();
        assert_eq!(endless.to_string(), "larger than 1MiB");
        assert_eq!(read_from(&b"12345"[..], 4).unwrap_err().to_string(), "larger than 4");
    }
}

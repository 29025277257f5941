//! The name of a unix-domain socket: [`UnixAddress`], a path or a name in Linux's abstract
//! namespace (unix(7)).

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::str::FromStr;

use socket2::SockAddr;

/// What a unix address begins with.
pub(super) const PREFIX: &str = "unix:";

/// What a name in the abstract namespace begins with, as ss(8) and systemd show it.
const ABSTRACT: u8 = b'@';

/// The kernel's 108 bytes (`sun_path`) without the zero at the end of a path, or at the beginning
/// of a name.
const LONGEST: usize = 107;

/// A path, or a name in the abstract namespace, which has no file and vanishes with its last
/// socket. The empty name `unix:@` stands for a free one, as port 0 does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixAddress {
    is_abstract: bool,
    length: u8,
    // In place, so that it is copied as a socket address is. Zeros follow.
    bytes: [u8; LONGEST],
}

/// A name that no socket can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUnixAddress {
    /// Nothing after the prefix.
    #[error("`unix:` names no socket (use unix:/PATH, or unix:@NAME for an abstract name)")]
    Empty,
    /// Longer than the kernel takes.
    #[error(
        "the path or name of a unix-domain socket has at most {LONGEST} bytes, and `{0}` has {1} \
         (use a shorter path, or a relative one)"
    )]
    TooLong(String, usize),
    /// A byte that ends every path.
    #[error("the path of a unix-domain socket can't hold a zero byte")]
    Zero,
    /// No `unix:` at its beginning.
    #[error("`{0}` is not a unix-domain socket (use unix:/PATH or unix:@NAME)")]
    NoPrefix(String),
}

impl UnixAddress {
    /// The socket at a path.
    ///
    /// # Errors
    /// When it is empty, too long or has a zero byte.
    pub fn at(path: &Path) -> Result<Self, InvalidUnixAddress> {
        let bytes = path.as_os_str().as_bytes();
        if bytes.is_empty() {
            return Err(InvalidUnixAddress::Empty);
        }
        if bytes.contains(&0) {
            return Err(InvalidUnixAddress::Zero);
        }
        // Otherwise it would be displayed as an abstract name.
        if bytes[0] == ABSTRACT {
            return Self::new(false, &[b"./", bytes].concat());
        }
        Self::new(false, bytes)
    }

    /// The socket with a name in the abstract namespace; an empty one is a free name.
    ///
    /// # Errors
    /// When it is too long.
    pub fn named(name: &[u8]) -> Result<Self, InvalidUnixAddress> {
        Self::new(true, name)
    }

    fn new(is_abstract: bool, text: &[u8]) -> Result<Self, InvalidUnixAddress> {
        let mut bytes = [0; LONGEST];
        let Some(place) = bytes.get_mut(..text.len()) else {
            let shown = String::from_utf8_lossy(text).into_owned();
            return Err(InvalidUnixAddress::TooLong(shown, text.len()));
        };
        place.copy_from_slice(text);
        Ok(Self { is_abstract, length: text.len() as u8, bytes })
    }

    /// That of a socket, as the kernel says it; `None` if it is of another family. A socket
    /// without a name has the empty one.
    pub(super) fn of(address: &SockAddr) -> Option<Self> {
        if !address.is_unix() {
            return None;
        }
        if let Some(path) = address.as_pathname() {
            return Self::at(path).ok();
        }
        Self::named(address.as_abstract_namespace().unwrap_or_default()).ok()
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..self.length.into()]
    }

    /// The path; `None` of an abstract name.
    pub fn path(&self) -> Option<&Path> {
        (!self.is_abstract).then(|| Path::new(OsStr::from_bytes(self.text())))
    }

    /// Whether it stands for a free name: nobody can be reached there.
    pub fn is_any(&self) -> bool {
        self.is_abstract && self.length == 0
    }

    /// The same for the kernel.
    pub(super) fn to_kernel(self) -> std::io::Result<SockAddr> {
        if !self.is_abstract {
            return SockAddr::unix(OsStr::from_bytes(self.text()));
        }
        if self.is_any() {
            // The kernel chooses a name for a socket that is bound to none.
            return SockAddr::unix("");
        }
        SockAddr::unix(OsStr::from_bytes(&[&[0], self.text()].concat()))
    }
}

impl FromStr for UnixAddress {
    type Err = InvalidUnixAddress;

    fn from_str(text: &str) -> Result<Self, InvalidUnixAddress> {
        let Some(name) = text.strip_prefix(PREFIX) else {
            return Err(InvalidUnixAddress::NoPrefix(text.to_owned()));
        };
        match name.strip_prefix(char::from(ABSTRACT)) {
            Some(name) => Self::named(name.as_bytes()),
            None => Self::at(Path::new(name)),
        }
    }
}

impl fmt::Display for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_abstract { "@" } else { "" };
        write!(f, "{PREFIX}{mark}{}", String::from_utf8_lossy(self.text()))
    }
}

impl fmt::Debug for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_reads_back_every_name() {
        let longest = format!("unix:/{}", "x".repeat(LONGEST - 1));
        for text in ["unix:/run/x.sock", "unix:x", "unix:@x", "unix:@", "unix:./@x", &longest] {
            let address: UnixAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            let known = address.to_kernel().unwrap();
            assert_eq!(UnixAddress::of(&known), Some(address), "{text}");
        }
        assert_eq!(UnixAddress::at(Path::new("@x")).unwrap().to_string(), "unix:./@x");
        let name = UnixAddress::named(b"\0x").unwrap();
        assert_eq!(UnixAddress::of(&name.to_kernel().unwrap()), Some(name));
    }

    #[test]
    fn one_that_does_not_fit_is_refused_with_the_limit() {
        for (text, why) in [
            (format!("unix:/{}", "x".repeat(LONGEST)), "at most 107 bytes"),
            (format!("unix:@{}", "x".repeat(LONGEST + 1)), "has 108"),
            ("unix:".to_owned(), "names no socket"),
            ("unix:/a\0b".to_owned(), "zero byte"),
            ("/a".to_owned(), "not a unix-domain socket"),
        ] {
            let told = text.parse::<UnixAddress>().unwrap_err().to_string();
            assert!(told.contains(why), "{text:?}: {told}");
        }
    }
}

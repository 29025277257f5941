//! The name of a congestion control algorithm: [`CongestionControl`], and whether a program may
//! use it here.

use std::fmt;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};
use std::str::FromStr;

use rustix::net::sockopt;
use socket2::{Domain, Socket, Type};

/// The kernel's limit (`TCP_CA_NAME_MAX`), without the final zero.
const LONGEST: usize = 15;

/// A congestion control algorithm by its name, as the kernel spells it: `reno`, `cubic`, `bbr`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CongestionControl {
    // In place, so that options of a socket are copied without an allocation.
    bytes: [u8; LONGEST],
    length: u8,
}

/// Text that can't be the name of a congestion control.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid congestion control `{0}` (a name of 1 to {LONGEST} characters, like cubic)")]
pub struct InvalidCongestionControl(String);

/// A congestion control that this process can't use.
#[derive(Debug, thiserror::Error)]
pub enum CongestionError {
    /// The kernel has no such algorithm, or its module is not loaded.
    #[error(
        "this kernel has no congestion control `{name}` (available: {available}; others are \
         kernel modules: modprobe tcp_{name})"
    )]
    Unavailable {
        /// As asked.
        name: CongestionControl,
        /// Those that the kernel has.
        available: String,
    },
    /// It is reserved for root.
    #[error(
        "congestion control `{name}` needs CAP_NET_ADMIN (allowed for others: {allowed}; see \
         sysctl net.ipv4.tcp_allowed_congestion_control)"
    )]
    NotAllowed {
        /// As asked.
        name: CongestionControl,
        /// Those that any process may use.
        allowed: String,
    },
    /// The kernel could not be asked.
    #[error("trying congestion control `{name}`: {reason}")]
    Unknown {
        /// As asked.
        name: CongestionControl,
        /// The kernel's error.
        reason: io::Error,
    },
}

impl CongestionControl {
    /// Its name.
    pub fn name(&self) -> &str {
        // Made of text, and cut nowhere.
        str::from_utf8(&self.bytes[..self.length.into()]).unwrap_or_default()
    }

    /// Whether a socket of this process may use it, found by trying.
    ///
    /// # Errors
    /// Why not, and which there are.
    pub fn check(self) -> Result<(), CongestionError> {
        let tried = Socket::new(
            Domain::for_address((Ipv4Addr::LOCALHOST, 0).into()),
            Type::STREAM,
            None,
        );
        let Err(reason) = tried.and_then(|socket| self.set_on(socket.as_fd())) else {
            return Ok(());
        };
        Err(match reason.raw_os_error() {
            Some(libc::ENOENT) => {
                CongestionError::Unavailable { name: self, available: listed("available") }
            }
            Some(libc::EPERM) => {
                CongestionError::NotAllowed { name: self, allowed: listed("allowed") }
            }
            _ => CongestionError::Unknown { name: self, reason },
        })
    }

    pub(super) fn set_on(self, socket: BorrowedFd<'_>) -> io::Result<()> {
        Ok(sockopt::set_tcp_congestion(socket, self.name())?)
    }

    /// That of a socket; `None` if the kernel does not say.
    pub(super) fn of(socket: BorrowedFd<'_>) -> Option<Self> {
        sockopt::tcp_congestion(socket).ok()?.parse().ok()
    }
}

/// The algorithms in one of the kernel's two lists.
fn listed(which: &str) -> String {
    let path = format!("/proc/sys/net/ipv4/tcp_{which}_congestion_control");
    let list = fs::read_to_string(path).unwrap_or_default();
    let names: Vec<&str> = list.split_whitespace().collect();
    if names.is_empty() { "unknown".to_owned() } else { names.join(", ") }
}

impl FromStr for CongestionControl {
    type Err = InvalidCongestionControl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !(1..=LONGEST).contains(&text.len()) || !text.bytes().all(is_name) {
            return Err(InvalidCongestionControl(text.to_owned()));
        }
        let mut bytes = [0; LONGEST];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self { bytes, length: text.len() as u8 })
    }
}

impl serde::Serialize for CongestionControl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for CongestionControl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for CongestionControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for CongestionControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CongestionControl({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_as_it_was_typed() {
        for name in ["reno", "bbr", "dctcp-reno", "a23456789_12345"] {
            assert_eq!(name.parse::<CongestionControl>().unwrap().to_string(), name);
        }
        for odd in ["", "two words", "0123456789abcdef", "tcp\u{e9}", "a\0"] {
            assert!(odd.parse::<CongestionControl>().is_err(), "{odd:?}");
        }
    }

    #[test]
    fn one_that_the_kernel_lacks_is_refused_with_those_that_it_has() {
        // Every kernel has it, and allows it to everyone.
        "reno".parse::<CongestionControl>().unwrap().check().unwrap();
        let told = "nosuch".parse::<CongestionControl>().unwrap().check().unwrap_err();
        let told = told.to_string();
        assert!(told.contains("`nosuch`") && told.contains("reno"), "{told}");
    }
}

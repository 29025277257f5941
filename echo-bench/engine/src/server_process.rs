//! Whose a listening socket is, [`listener_owner`], and what tells that process from another
//! that takes its place, [`ServerProcess`]: both from `/proc`, of servers of this machine.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::Read;
use std::net::{IpAddr, SocketAddr};

use echo_net::address::Address;
use ring::digest::{Context, SHA256};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// State of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// A server's process. Two are the same one exactly where all of this is equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerProcess {
    /// Its process number.
    pub pid: u32,
    /// When it started, in clock ticks after the boot.
    pub start_ticks: u64,
    /// Which boot that was; null if it can't be read.
    pub boot_id: Option<String>,
    /// SHA-256 of its program; null if it can't be read, as that of another user.
    pub program_sha256: Option<String>,
}

impl ServerProcess {
    /// The process `pid` as it is now; `None` if there is none.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before may hold anything. Field 22 of proc_pid_stat(5) is the 20th after it.
        let (_, fields) = stat.rsplit_once(')')?;
        let start_ticks = fields.split_whitespace().nth(19)?.parse().ok()?;
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        let boot_id = boot_id.map(|id| id.trim().to_owned());
        Some(Self { pid, start_ticks, boot_id, program_sha256: program_sha256(pid) })
    }

    /// The one process that listens at an address of this machine; `None` of other machines,
    /// or if it can't be seen.
    pub fn at(address: &str) -> Option<Self> {
        let found = address.parse::<Address>().ok()?.resolve().ok()?;
        let mut local = found.into_iter().filter(|address| address.ip().is_loopback());
        Self::of(local.find_map(listener_owner)?)
    }
}

/// The digest of the program that a process runs, even if its file was replaced since.
pub fn program_sha256(pid: u32) -> Option<String> {
    let mut program = File::open(format!("/proc/{pid}/exe")).ok()?;
    let mut digest = Context::new(&SHA256);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match program.read(&mut buffer).ok()? {
            0 => break,
            count => digest.update(&buffer[..count]),
        }
    }
    Some(digest.finish().as_ref().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string can't fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

/// Whether there is such a process on this machine.
pub fn exists(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}/stat")).unwrap_or(false)
}

/// The process that listens at `address` on this machine; `None` if nobody does, or if it
/// can't be seen (another user's, another network namespace), or if several do.
pub fn listener_owner(address: SocketAddr) -> Option<u32> {
    let inodes: Vec<_> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listeners(&table, address))
        .collect();
    let mut owners: Vec<u32> = inodes.iter().flat_map(|inode| holders(inode)).collect();
    owners.sort_unstable();
    owners.dedup();
    match owners[..] {
        [owner] => Some(owner),
        _ => None,
    }
}

/// Inodes of the sockets of a `/proc/net/tcp` table that listen at `address`.
fn listeners(table: &str, address: SocketAddr) -> Vec<String> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            let (ip, port) = local.split_once(':')?;
            let port = u16::from_str_radix(port, 16).ok()?;
            let serves = *state == LISTEN && port == address.port() && covers(ip, address.ip());
            serves.then(|| (*inode).to_owned())
        })
        .collect()
}

/// Whether a listener at the address `hex` of the table takes connections to `ip`.
fn covers(hex: &str, ip: IpAddr) -> bool {
    let unspecified = hex.bytes().all(|digit| digit == b'0');
    let same = match ip {
        IpAddr::V4(ip) => {
            // The kernel prints the word of the address in its own byte order.
            let word = format!("{:08X}", u32::from_ne_bytes(ip.octets()));
            hex == word || hex.ends_with(&format!("FFFF0000{word}"))
        }
        IpAddr::V6(ip) => {
            let octets = ip.octets();
            let (words, _) = octets.as_chunks::<4>();
            let word = |word: &[u8; 4]| format!("{:08X}", u32::from_ne_bytes(*word));
            words.iter().map(word).collect::<Vec<_>>().concat() == hex
        }
    };
    unspecified || same
}

/// Processes that hold the socket with this inode open.
fn holders(inode: &str) -> Vec<u32> {
    let link = format!("socket:[{inode}]");
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .flatten()
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
            descriptors
                .flatten()
                .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
                .any(|target| target.as_os_str() == link.as_str())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_process_is_known_by_more_than_its_number() {
        let own = ServerProcess::of(std::process::id()).unwrap();
        assert_eq!(own.pid, std::process::id());
        assert_eq!(ServerProcess::of(own.pid), Some(own.clone()), "it stays the same");
        assert!(own.start_ticks > 0 && own.boot_id.is_some());
        assert_eq!(own.program_sha256.unwrap().len(), 64);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert_eq!(ServerProcess::at(&address).map(|server| server.pid), Some(own.pid));
        drop(listener);
        assert_eq!(ServerProcess::at(&address), None);
        assert_eq!(ServerProcess::at("192.0.2.1:80"), None, "of another machine");
    }

    #[test]
    fn finds_this_process_by_its_listener() {
        for bound in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(bound) else {
                continue; // No IPv6 here.
            };
            let mut address = listener.local_addr().unwrap();
            if address.ip().is_unspecified() {
                address.set_ip(IpAddr::from([127, 0, 0, 1]));
            }
            assert_eq!(listener_owner(address), Some(std::process::id()), "{bound}");
            drop(listener);
            assert_eq!(listener_owner(address), None, "{bound}");
        }
    }
}

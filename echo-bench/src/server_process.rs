//! Whose a listening socket is: [`listener_owner`], from `/proc`. For the CPU cost of a
//! server of this machine that the generator did not start.

use std::fs;
use std::net::{IpAddr, SocketAddr};

/// State of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

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

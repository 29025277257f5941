//! The process that owns a listening socket, or has started its owners, found by its port, and its
//! identity,
//! [`ServerProcess`], which distinguishes it from another process in its place: both from
//! `/proc`, for servers on this machine.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;

use echo_net::address::{Address, SocketAddress, UnixAddress, canonical};
use echo_net::process_tree::descendants;
use procfs::net::{TcpNetEntry, TcpState, UnixNetEntry, UnixState};
use procfs::process::{FDTarget, Process, all_processes};
use procfs::sys::kernel::random;
use ring::digest::{Context, SHA256};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
        let start_ticks = start_ticks(pid)?;
        let boot_id = random::boot_id().ok();
        Some(Self { pid, start_ticks, boot_id, program_sha256: program_sha256(pid) })
    }

    /// The process that listens at an address of this machine (see [`listener_owner`]); `None` of
    /// other machines, or if it can't be seen.
    pub fn at(address: &str) -> Option<Self> {
        let found = address.parse::<Address>().ok()?.resolve().ok()?;
        let mut local = found.into_iter().filter(SocketAddress::is_loopback);
        Self::of(local.find_map(listener_owner)?)
    }
}

/// When a process started, in clock ticks after the boot.
pub(crate) fn start_ticks(pid: u32) -> Option<u64> {
    Some(process(pid)?.stat().ok()?.starttime)
}

/// The process that listens at one of these addresses of this machine, as other machines know it
/// (see [`listener_owner`]); where none of them is its own, as behind a translation of addresses, the one that
/// listens at their port.
pub fn served_by(addresses: &[SocketAddress]) -> Option<u32> {
    let mut owners = addresses.iter().filter_map(|address| listener_owner(*address));
    if let Some(first) = owners.next() {
        return owners.all(|owner| owner == first).then_some(first);
    }
    let port = addresses.iter().find_map(SocketAddress::as_tcp)?.port();
    let sockets = tcp_sockets()?.filter(|socket| {
        socket.state == TcpState::Listen && socket.local_address.port() == port
    });
    only_holder(&sockets.map(|socket| socket.inode).collect::<Vec<_>>())
}

/// The digest of the program that a process runs, even if its file was replaced since.
pub fn program_sha256(pid: u32) -> Option<String> {
    file_sha256(Path::new(&format!("/proc/{pid}/exe")))
}

/// The digest of a file; `None` if it can't be read.
pub fn file_sha256(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let mut digest = Context::new(&SHA256);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer).ok()? {
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

/// The process that listens at `address` on this machine, or of several that have started each
/// other the first; `None` if there is none, if it is not visible (another user's, another network
/// namespace), or if there are several servers.
pub fn listener_owner(address: impl Into<SocketAddress>) -> Option<u32> {
    only_holder(&listening_sockets(address.into())?)
}

/// The process that has any of these sockets open, or has started those that have.
fn only_holder(sockets: &[u64]) -> Option<u32> {
    let holders = all_processes()
        .ok()?
        .flatten()
        .filter(|process| holds_any(process, sockets))
        .filter_map(|process| u32::try_from(process.pid).ok());
    first_of_family(&holders.collect::<Vec<_>>())
}

/// The one that all others descend from. It may hold none of their sockets itself, but be the same
/// program then: what has started a server, as a shell, is no part of it.
fn first_of_family(pids: &[u32]) -> Option<u32> {
    let [first, others @ ..] = pids else { return None };
    if others.is_empty() {
        return Some(*first);
    }
    let has_started_all = |pid: &u32| {
        let started = descendants(*pid);
        pids.iter().all(|other| other == pid || started.contains(other))
    };
    let parent = || {
        let first = process(*first)?;
        let parent = u32::try_from(first.stat().ok()?.ppid).ok()?;
        (process(parent)?.exe().ok()? == first.exe().ok()?).then_some(parent)
    };
    pids.iter().copied().find(has_started_all).or_else(|| parent().filter(has_started_all))
}

/// All sockets of TCP; `None` if the kernel does not say.
fn tcp_sockets() -> Option<impl Iterator<Item = TcpNetEntry>> {
    // A kernel without IPv6 has no table of it.
    let tables = [procfs::net::tcp().ok()?, procfs::net::tcp6().unwrap_or_default()];
    Some(tables.into_iter().flatten())
}

/// Whether any socket listens at `address` on this machine; `None` if the kernel does not say.
pub fn is_listened_at(address: impl Into<SocketAddress>) -> Option<bool> {
    listening_sockets(address.into()).map(|sockets| !sockets.is_empty())
}

/// The first of `pids` that listens at `address`.
pub fn listener_among(address: impl Into<SocketAddress>, pids: &[u32]) -> Option<u32> {
    let sockets = listening_sockets(address.into())?;
    let holds = |pid: &u32| process(*pid).is_some_and(|found| holds_any(&found, &sockets));
    pids.iter().copied().find(holds)
}

/// The sockets that listen at `address`, by inode; `None` if the kernel does not say.
fn listening_sockets(address: SocketAddress) -> Option<Vec<u64>> {
    let address = match address {
        SocketAddress::Tcp(address) => address,
        SocketAddress::Unix(address) => {
            let sockets = procfs::net::unix().ok()?.into_iter();
            let sockets = sockets.filter(|socket| is_bound_to(socket, address));
            return Some(sockets.map(|socket| socket.inode).collect());
        }
    };
    let sockets = tcp_sockets()?.filter(|socket| serves(socket, address));
    Some(sockets.map(|socket| socket.inode).collect())
}

/// Whether a socket has this name and no peer: those that it has accepted have the name, too.
fn is_bound_to(socket: &UnixNetEntry, address: UnixAddress) -> bool {
    let shown = address.to_string();
    let name = shown.strip_prefix("unix:").unwrap_or(&shown);
    socket.state == UnixState::UNCONNECTED
        && socket.path.as_deref().is_some_and(|path| path == Path::new(name))
}

/// Whether a socket listens and accepts connections to `address`.
fn serves(socket: &TcpNetEntry, address: SocketAddr) -> bool {
    let local = socket.local_address;
    socket.state == TcpState::Listen
        && local.port() == address.port()
        && (local.ip().is_unspecified() || canonical(local).ip() == canonical(address).ip())
}

/// Whether a process has one of these sockets open, given by inode.
fn holds_any(process: &Process, sockets: &[u64]) -> bool {
    process.fd().is_ok_and(|mut descriptors| {
        descriptors.any(|descriptor| match descriptor.map(|descriptor| descriptor.target) {
            Ok(FDTarget::Socket(inode)) => sockets.contains(&inode),
            _ => false,
        })
    })
}

fn process(pid: u32) -> Option<Process> {
    Process::new(i32::try_from(pid).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, TcpListener};
    use std::os::fd::OwnedFd;
    use std::process::{Command, Stdio};

    use echo_test_support::deadline::wait_until;
    use echo_test_support::program::Killed;

    use crate::server_watch::tests::end_children;

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
    fn a_server_is_found_by_its_port_where_its_address_is_anothers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = Some(std::process::id());
        for ip in ["127.0.0.1", "192.0.2.1"] {
            let address: SocketAddr = format!("{ip}:{port}").parse().unwrap();
            assert_eq!(served_by(&[address.into()]), own, "{ip}");
        }
        drop(listener);
        assert_eq!(served_by(&[SocketAddr::from(([192, 0, 2, 1], port)).into()]), None);
        assert_eq!(served_by(&[]), None);
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

    /// A shell that has the listener as its stdin, which this process gives away with it.
    fn shell(script: &str, listener: TcpListener) -> Killed {
        let listener = Stdio::from(OwnedFd::from(listener));
        Killed::start(Command::new("sh").args(["-c", script]).stdin(listener))
    }

    #[test]
    fn a_server_of_several_processes_is_the_first_of_them() {
        let both_listen = "sleep 60 | sleep 60";
        let workers_listen = "exec 3<&0 </dev/null; worker() { sh -c 'sleep 60; exit' <&3; }; \
                              worker & worker & exec 3<&-; wait";
        for (script, started) in [(both_listen, 2), (workers_listen, 4)] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = shell(script, listener);
            wait_until("all have been started", || descendants(server.id()).len() >= started);
            assert_eq!(listener_owner(address), Some(server.id()), "{script}");
            end_children(server.id());
        }
    }

    #[test]
    fn servers_that_share_a_port_are_none() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let _others = [(); 2].map(|()| shell("exec sleep 60", listener.try_clone().unwrap()));
        drop(listener);
        assert_eq!(listener_owner(address), None);
    }
}

//! The kernel's view of both ends of loopback connections: a condition to wait for where the
//! server gives no sign, as after reading an incomplete line.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpStream};

use crate::client::Client;
use crate::deadline::wait_until;

/// One end of a connection.
struct KernelSocket {
    to_send: u64,
    to_read: u64,
    /// No process has it open any more.
    is_closed: bool,
}

/// By local and remote port.
type Table = HashMap<(u16, u16), KernelSocket>;

/// Waits until everything that `clients` sent is in the server's kernel.
pub fn wait_until_arrived(clients: &[Client]) {
    wait_until("all that was sent is acknowledged", || {
        let table = read_table();
        clients.iter().all(|client| {
            let (local, remote) = ports(client.stream());
            table.get(&(local, remote)).is_some_and(|near| near.to_send == 0)
        })
    });
}

/// Waits until the server has read everything that `clients` sent, so that what is sent next is
/// a separate read.
pub fn wait_until_read(clients: &[Client]) {
    wait_until("the server has read what was sent", || {
        let table = read_table();
        clients.iter().all(|client| {
            let (local, remote) = ports(client.stream());
            let near = table.get(&(local, remote));
            let far = table.get(&(remote, local));
            near.is_some_and(|near| near.to_send == 0)
                && far.is_some_and(|far| far.to_read == 0)
        })
    });
}

/// Waits until the server has closed its socket, whatever is left in its send buffer.
pub fn wait_until_closed_by_server(client: &Client) {
    let (local, remote) = ports(client.stream());
    wait_until("the server has closed its socket", || {
        read_table().get(&(remote, local)).is_none_or(|far| far.is_closed)
    });
}

/// How many connections a server has in its kernel, whether it has accepted them or not.
pub fn connections_to(server: SocketAddr) -> usize {
    let ends = read_table().into_keys();
    ends.filter(|(local, remote)| *local == server.port() && *remote != 0).count()
}

fn ports(stream: &TcpStream) -> (u16, u16) {
    let local = stream.local_addr().expect("connected").port();
    (local, stream.peer_addr().expect("connected").port())
}

fn read_table() -> Table {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux has it");
    table.lines().skip(1).filter_map(parse_row).collect()
}

fn parse_row(row: &str) -> Option<((u16, u16), KernelSocket)> {
    let columns: Vec<&str> = row.split_whitespace().collect();
    let [_, local, remote, _state, queues, _, _, _, _, inode, ..] = columns[..] else {
        return None;
    };
    let port = |end: &str| u16::from_str_radix(end.rsplit_once(':')?.1, 16).ok();
    let (to_send, to_read) = queues.split_once(':')?;
    let socket = KernelSocket {
        to_send: u64::from_str_radix(to_send, 16).ok()?,
        to_read: u64::from_str_radix(to_read, 16).ok()?,
        is_closed: inode == "0",
    };
    Some(((port(local)?, port(remote)?), socket))
}

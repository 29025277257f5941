//! Two hosts on one machine, and what is between them: [`Cable`]. Each host is a network namespace
//! with one Ethernet device; the far ends of both devices are in a third one, where two packet
//! sockets hear what each host sends. Nothing crosses before somebody moves it.
//!
//! Virtual Ethernet devices, and not TUN: an ordinary user may make them in a namespace of his
//! own, whereas `/dev/net/tun` is missing in many containers, or root's. What a host sends is one
//! packet each (MTU 1500): offloads are off.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::netdevice::name_to_index;

use crate::host_settings::HostSettings;
use crate::netlink::{Device, Route};
use crate::netns::{Namespace, NamespaceError, leave_the_network};
use crate::{offload, packet_socket};

/// Bytes of an IP packet, as on most of the Internet.
const MTU: u32 = 1500;

/// The loopback device, the first of each namespace.
const LOOPBACK: u32 = 1;

/// The device of either host.
const DEVICE: &str = "link0";

/// See the [module](self).
#[derive(Debug)]
pub struct Cable {
    /// The server's host.
    pub server: Namespace,
    /// Where it listens.
    pub server_ip: IpAddr,
    /// Settings of this machine's network that a host could not take over, in words.
    pub unlike: Vec<String>,
    /// What the generator's host sends and receives, and what the server's does: descriptors of
    /// [packet sockets](packet_socket).
    pub ends: [OwnedFd; 2],
}

/// A host: the addresses of its device.
#[derive(Debug, Clone, Copy)]
struct Host {
    ip: IpAddr,
    mac: [u8; 6],
    /// The name of the far end of its device.
    far: &'static str,
    /// The Ethernet address of that, which nobody sends to.
    far_mac: [u8; 6],
}

impl Host {
    fn new(number: u8, ipv6: bool, far: &'static str) -> Self {
        let ip = if ipv6 {
            Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, number.into()).into()
        } else {
            Ipv4Addr::new(10, 99, 0, number).into()
        };
        // Locally administered (IEEE 802).
        Self { ip, mac: [2, 0, 0, 0, 0, number], far, far_mac: [2, 0, 0, 0, 1, number] }
    }
}

impl Cable {
    /// Makes both hosts, which allow TCP Fast Open if it is asked for. This process, which must have
    /// one thread, is in the generator's from now on.
    ///
    /// # Errors
    /// When namespaces or devices are not allowed here, with the remedy.
    pub fn lay(ipv6: bool, fast_open: bool) -> Result<Self, NamespaceError> {
        let settings = HostSettings::read();
        let settings = if fast_open { settings.with_fast_open() } else { settings };
        leave_the_network()?;
        let failed = |reason| NamespaceError::new("setting up the emulated link", reason);
        Self::lay_here(ipv6, &settings).map_err(failed)
    }

    fn lay_here(ipv6: bool, settings: &HostSettings) -> io::Result<Self> {
        let generator_host = Host::new(1, ipv6, "generator");
        let server_host = Host::new(2, ipv6, "server");
        let middle = Namespace::create()?;
        let server = Namespace::create()?;
        // What one host can't take over the other can't either.
        let unlike = settings.apply();
        let server_end = connect(&server, server_host, generator_host, &middle)?;
        let generator = Namespace::create()?;
        settings.apply();
        let generator_end = connect(&generator, generator_host, server_host, &middle)?;
        Ok(Self {
            server,
            server_ip: server_host.ip,
            unlike,
            ends: [generator_end, server_end],
        })
    }
}

/// Makes the device of a host, in whose namespace this thread is; its far end.
fn connect(own: &Namespace, host: Host, peer: Host, middle: &Namespace) -> io::Result<OwnedFd> {
    let route = Route::open()?;
    let near = Device { name: DEVICE, mac: host.mac, namespace: own.as_fd() };
    let far = Device { name: host.far, mac: host.far_mac, namespace: middle.as_fd() };
    route.add_pair(&near, &far, MTU)?;
    offload::turn_off(&route, DEVICE)?;
    let device = name_to_index(&route, DEVICE)?;
    // First, so that the device has a carrier when it is put up.
    let far_end = middle.within(|| far_end(host)).flatten()?;
    route.put_up(LOOPBACK)?;
    route.put_up(device)?;
    let bits = if host.ip.is_ipv4() { 24 } else { 64 };
    route.add_address(device, host.ip, bits)?;
    route.add_neighbour(device, peer.ip, peer.mac)?;
    Ok(far_end)
}

/// Opens the far end of a host's device, in whose namespace this thread is.
fn far_end(host: Host) -> io::Result<OwnedFd> {
    let route = Route::open()?;
    let device = name_to_index(&route, host.far)?;
    route.put_up(device)?;
    packet_socket::open(device)
}

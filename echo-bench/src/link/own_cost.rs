//! What the machinery of an emulated link costs by itself: [`own_rtt`], by datagrams that go from
//! one host to the other and back, and the same over the loopback.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::Context;

use echo_net::Nanos;
use echo_net::clock::nanos;
use echo_net::netns::Namespace;

/// Round trips that are timed.
const ROUND_TRIPS: usize = 100;

/// Round trips before those, in which devices and caches settle.
const BEFORE: usize = 10;

/// How long one may take, and how long it may take until the first one comes through.
const LIMIT: Duration = Duration::from_secs(5);

/// How long is waited for one of those that are sent until one comes through.
const FIRST_LIMIT: Duration = Duration::from_millis(5);

/// The median of what a link without delay adds to a round trip, while it is forwarding.
///
/// # Errors
/// When a datagram does not come through.
pub(super) fn own_rtt(server: &Namespace, server_ip: IpAddr) -> anyhow::Result<Nanos> {
    let far = server.within(|| UdpSocket::bind((server_ip, 0)))??;
    let any: IpAddr = match server_ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let near = UdpSocket::bind((any, 0))?;
    let over_link = round_trip(&near, &far).context("a datagram did not cross the link")?;
    let loopback: IpAddr = match server_ip {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let (one, other) = (UdpSocket::bind((loopback, 0))?, UdpSocket::bind((loopback, 0))?);
    let over_loopback = round_trip(&one, &other).context("timing the loopback")?;
    Ok(nanos(over_link.saturating_sub(over_loopback)))
}

/// The median time of a datagram from `near` to `far` and back.
fn round_trip(near: &UdpSocket, far: &UdpSocket) -> io::Result<Duration> {
    near.connect(far.local_addr()?)?;
    let mut number = settle(near, far)?;
    near.set_read_timeout(Some(LIMIT))?;
    far.set_read_timeout(Some(LIMIT))?;
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..BEFORE + ROUND_TRIPS {
        number += 1;
        let begin = Instant::now();
        cross(near, far, number)?;
        times.push(begin.elapsed());
    }
    let mut times = times.split_off(BEFORE);
    times.sort_unstable();
    Ok(times[ROUND_TRIPS / 2])
}

/// Waits until datagrams come through: the kernel puts new devices to work in the background. The
/// number of the last one.
fn settle(near: &UdpSocket, far: &UdpSocket) -> io::Result<u32> {
    near.set_read_timeout(Some(FIRST_LIMIT))?;
    far.set_read_timeout(Some(FIRST_LIMIT))?;
    let deadline = Instant::now() + LIMIT;
    for number in 1.. {
        match cross(near, far, number) {
            Ok(()) => return Ok(number),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => {}
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// Sends a datagram with this number there and back. Others, which were late, are ignored.
fn cross(near: &UdpSocket, far: &UdpSocket, number: u32) -> io::Result<()> {
    let sent = number.to_ne_bytes();
    let mut received = [0; 4];
    near.send(&sent)?;
    let from = loop {
        let (_, from) = far.recv_from(&mut received)?;
        if received == sent {
            break from;
        }
    };
    far.send_to(&sent, from)?;
    loop {
        near.recv(&mut received)?;
        if received == sent {
            return Ok(());
        }
    }
}

//! Raw packets of a network device: [`PacketSocket`] (`packet(7)`), for whoever moves them
//! between two devices. Needs `CAP_NET_RAW` in the device's network namespace.

#![expect(unsafe_code, reason = "no safe crate binds a packet socket to a device")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{SendFlags, SocketType, send, sockopt};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::clock::{self, Nanos};
use crate::socket::set_int_option;
use crate::stamps::{self, StampClock};

/// Room for packets that wait to be read, in bytes as the kernel counts them: some 10,000.
const RECEIVE_BUFFER: i32 = 32 << 20;

/// All protocols, in the order of bytes of the network.
const ALL_PROTOCOLS: u16 = (libc::ETH_P_ALL as u16).to_be();

/// A device's packets: frames with their Ethernet header.
#[derive(Debug)]
pub struct PacketSocket {
    descriptor: OwnedFd,
    clock: StampClock,
}

/// Opens a non-blocking packet socket of a device, by its index in this network namespace. It
/// hears what others send over it, and not what it sends itself.
///
/// # Errors
/// When that is not allowed, or there is no such device.
pub fn open(index: u32) -> io::Result<OwnedFd> {
    // Without a protocol it hears of no device before it is bound to the one.
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
    socket.set_nonblocking(true)?;
    let descriptor = OwnedFd::from(socket);
    let fd = descriptor.as_fd();
    stamps::ask(fd)?;
    set_int_option(fd, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1)?;
    // For an ordinary user sysctl net.core.rmem_max is the limit.
    if set_int_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, RECEIVE_BUFFER).is_err() {
        set_int_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, RECEIVE_BUFFER)?;
    }
    bind(fd, index)?;
    Ok(descriptor)
}

fn bind(socket: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    let index =
        i32::try_from(index).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: `storage` is zeroed memory, large and aligned enough for any address, and a
    // `sockaddr_ll` is plain numbers; its length is what is given back.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let link = storage.cast::<libc::sockaddr_ll>();
            (*link).sll_family = libc::AF_PACKET as u16;
            (*link).sll_protocol = ALL_PROTOCOLS;
            (*link).sll_ifindex = index;
            *length = size_of::<libc::sockaddr_ll>() as _;
            Ok(())
        })
    }?;
    // SAFETY: the descriptor is open, and the address is as long as it says; both outlive the
    // call.
    let bound =
        unsafe { libc::bind(socket.as_raw_fd(), address.as_ptr().cast(), address.len()) };
    if bound == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl PacketSocket {
    /// One that [`open`] has opened, here or in another process.
    ///
    /// # Errors
    /// When it is no packet socket.
    pub fn adopt(descriptor: OwnedFd) -> io::Result<Self> {
        let is_raw = sockopt::socket_type(&descriptor)? == SocketType::RAW;
        let domain = sockopt::socket_domain(&descriptor)?;
        if !is_raw || i32::from(domain.as_raw()) != libc::AF_PACKET {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a packet socket"));
        }
        Ok(Self { descriptor, clock: StampClock::default() })
    }

    /// Reads a packet: its length, cut to that of the buffer, and when the kernel received it.
    ///
    /// # Errors
    /// `WouldBlock` if there is none.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Nanos)> {
        let (length, stamp) = stamps::receive(self.descriptor.as_fd(), buffer)?;
        let at = stamp.and_then(|stamp| self.clock.instant(stamp));
        Ok((length, at.unwrap_or_else(clock::now)))
    }

    /// Sends a packet over the device.
    ///
    /// # Errors
    /// When the device is down, or the packet is too long.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        send(&self.descriptor, packet, SendFlags::empty())?;
        Ok(())
    }

    /// Packets that were lost since the last call because nobody read in time.
    pub fn overrun(&self) -> u64 {
        // SAFETY: plain numbers, for which zeros are a valid value.
        let mut counted: libc::tpacket_stats = unsafe { std::mem::zeroed() };
        let mut length = size_of_val(&counted) as libc::socklen_t;
        // SAFETY: the descriptor is open; the kernel writes at most `length` bytes into
        // `counted`, which has that many and outlives the call.
        let read = unsafe {
            libc::getsockopt(
                self.descriptor.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut counted).cast(),
                &raw mut length,
            )
        };
        if read == 0 { counted.tp_drops.into() } else { 0 }
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

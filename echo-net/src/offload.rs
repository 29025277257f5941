//! Has the kernel cut a device's stream into packets and sum them up itself: [`turn_off`].

#![expect(unsafe_code, reason = "no safe crate speaks SIOCETHTOOL")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// `ETHTOOL_STXCSUM` of linux/ethtool.h.
const SET_CHECKSUMS_OF_SENT: u32 = 0x17;

/// Turns off what a device would do for the kernel when it sends: checksums, and with them
/// segments that are longer than a packet, which depend on those. `socket` is any of the device's
/// network namespace.
///
/// # Errors
/// When the device is not there, or can't be changed.
pub(crate) fn turn_off(socket: impl AsFd, device: &str) -> io::Result<()> {
    let mut value = Value { command: SET_CHECKSUMS_OF_SENT, data: 0 };
    // SAFETY: `ifreq` is plain numbers and pointers, for which all zeros is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // One byte is left for the end of the name.
    let room = request.ifr_name.len() - 1;
    if device.len() > room {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(device.bytes()) {
        *place = libc::c_char::from_ne_bytes([byte]);
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the request names the device and a value of this command, which the kernel reads;
    // both and the descriptor outlive the call.
    let done = unsafe { libc::ioctl(fd, libc::SIOCETHTOOL as _, &raw mut request) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

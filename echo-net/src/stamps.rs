//! When the kernel received what is read from a socket: `receive` reads bytes with their
//! receive stamp (`SO_TIMESTAMPING`, Documentation/networking/timestamping.rst), and
//! `StampClock` puts stamps on the clock of every measurement.
//!
//! The stamp of a read is that of the segment which holds its last byte, so it is an upper
//! bound for the bytes before. It needs no privileges. On a connection that does not ask for
//! stamps nothing here is ever called.

#![expect(unsafe_code, reason = "no safe crate reads SCM_TIMESTAMPING")]

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use crate::clock::{self, MILLISECOND, Nanos, SECOND};
use crate::socket;

/// An instant of `CLOCK_REALTIME` in nanoseconds, as the kernel stamps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(Nanos);

/// The header of a control message, in the kernel's words.
const HEADER: usize = size_of::<libc::cmsghdr>().next_multiple_of(size_of::<usize>());

/// Room for the one control message: its header and three timestamps (`scm_timestamping`).
pub(crate) const CONTROL: usize = HEADER + 3 * TIMESPEC;

/// The kernel's `__kernel_old_timespec`: two words.
const TIMESPEC: usize = 2 * size_of::<libc::c_long>();

/// Asks the kernel for receive stamps of a socket.
pub(crate) fn ask(socket: BorrowedFd<'_>) -> io::Result<()> {
    let flags = libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
    socket::set_int_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, flags.cast_signed())
}

/// Whether this kernel stamps what is received over TCP: tries it on the loopback.
///
/// # Errors
/// What is missing.
pub fn probe() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut sender = TcpStream::connect(listener.local_addr()?)?;
    let (receiver, _) = listener.accept()?;
    ask(receiver.as_fd())?;
    receiver.set_read_timeout(Some(Duration::from_secs(1)))?;
    // The first stamps may be missing: the kernel begins to take them in the background.
    for _ in 0..20 {
        sender.write_all(b"?")?;
        if let (1, Some(_)) = receive(receiver.as_fd(), &mut [0])? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(io::Error::other("the kernel sends no receive timestamps (SO_TIMESTAMPING)"))
}

/// One read of what has arrived at a socket, with the stamp of its last byte if there is one.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> Result<(usize, Option<Stamp>), Errno> {
    let mut control = [0_usize; CONTROL.div_ceil(size_of::<usize>())];
    let mut piece = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: `msghdr` is plain numbers and pointers, for which all zeros is a valid value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: the message names one piece of memory and one of control data with their
    // lengths; both and the descriptor outlive the call.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let length = usize::try_from(length).map_err(|_| last_error())?;
    // SAFETY: an array of numbers is readable as bytes, and its memory is initialised.
    let bytes = unsafe {
        std::slice::from_raw_parts(control.as_ptr().cast::<u8>(), size_of_val(&control))
    };
    let filled = (message.msg_controllen as usize).min(bytes.len());
    Ok((length, of_control(&bytes[..filled])))
}

fn last_error() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// The stamp in control data that came with bytes.
pub(crate) fn of_control(control: &[u8]) -> Option<Stamp> {
    let number = |at: usize| -> Option<i32> {
        Some(i32::from_ne_bytes(control.get(at..at + 4)?.try_into().ok()?))
    };
    // Length, level, type: the first of these is a `size_t`. No other message is asked for.
    let (level, kind) = (number(size_of::<usize>())?, number(size_of::<usize>() + 4)?);
    if (level, kind) != (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) {
        return None;
    }
    let word = |at: usize| -> Option<u64> {
        let bytes = control.get(at..at + size_of::<libc::c_long>())?;
        u64::try_from(libc::c_long::from_ne_bytes(bytes.try_into().ok()?)).ok()
    };
    let seconds = word(HEADER)?;
    let nanos = word(HEADER + TIMESPEC / 2)?;
    // The first of the three is the software's; zero where there is none.
    let at = seconds.checked_mul(SECOND)?.checked_add(nanos)?;
    (at > 0).then_some(Stamp(at))
}

/// How long a look at both clocks is good for.
const LOOK_EVERY: Nanos = 10 * MILLISECOND;

/// The fastest that `CLOCK_REALTIME` is moved against `CLOCK_MONOTONIC` without a step: both
/// follow the same adjustments (`clock_gettime(2)`), so they differ by steps alone, and by what
/// reading them one after the other costs.
const SLACK: Nanos = 2_000;

/// Puts stamps on the clock of [`clock::now`].
#[derive(Debug, Default)]
pub(crate) struct StampClock {
    /// By how much `CLOCK_REALTIME` is ahead, and when that was seen.
    seen: Option<(i128, Nanos)>,
}

impl StampClock {
    /// The instant of a stamp that was read just now; `None` if `CLOCK_REALTIME` has been set
    /// since the stamp may have been taken, or the stamp lies in the future.
    pub(crate) fn instant(&mut self, stamp: Stamp) -> Option<Nanos> {
        let now = clock::now();
        let ahead = match self.seen {
            Some((ahead, at)) if now < at + LOOK_EVERY => ahead,
            before => {
                let ahead = offset();
                self.seen = Some((ahead, now));
                if before.is_some_and(|(old, _)| ahead.abs_diff(old) > u128::from(SLACK)) {
                    return None;
                }
                ahead
            }
        };
        let at = u64::try_from(i128::from(stamp.0) - ahead).ok()?;
        (at <= now + SLACK).then_some(at.min(now))
    }
}

/// By how much `CLOCK_REALTIME` is ahead of `CLOCK_MONOTONIC`: of three looks the one during
/// which the least time passed.
fn offset() -> i128 {
    let look = || {
        let before = clock::now();
        let time = clock_gettime(ClockId::Realtime);
        let after = clock::now();
        let real = i128::from(time.tv_sec) * i128::from(SECOND) + i128::from(time.tv_nsec);
        (after - before, real - i128::from(before.midpoint(after)))
    };
    let looks = [look(), look(), look()];
    looks.into_iter().min().map_or(0, |(_, ahead)| ahead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_of_a_read_lies_between_its_write_and_the_read() {
        if let Err(reason) = probe() {
            return eprintln!("skipped: {reason}");
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (receiver, _) = listener.accept().unwrap();
        ask(receiver.as_fd()).unwrap();
        let mut clock = StampClock::default();
        let mut waited = 0;
        for _ in 0..20 {
            let before = clock::now();
            sender.write_all(b"hello").unwrap();
            let written = clock::now();
            // What is left unread ages, and its stamp does not.
            std::thread::sleep(Duration::from_millis(2));
            let (length, stamp) = receive(receiver.as_fd(), &mut [0; 9]).unwrap();
            assert_eq!(length, 5);
            let Some(at) = stamp.and_then(|stamp| clock.instant(stamp)) else { continue };
            assert!(at + SLACK >= before && at <= written + SLACK, "{before} {at} {written}");
            waited += 1;
        }
        assert!(waited >= 15, "{waited} stamps of 20");
    }

    #[test]
    fn control_data_that_is_no_stamp_is_none() {
        assert_eq!(of_control(&[]), None);
        assert_eq!(of_control(&[0; CONTROL]), None);
        assert_eq!(of_control(&[255; CONTROL]), None);
        assert_eq!(of_control(&[255; 17]), None);
    }

    #[test]
    fn a_stamp_from_the_future_is_none() {
        let mut clock = StampClock::default();
        let real = Stamp((i128::from(clock::now()) + offset()) as u64);
        assert!(clock.instant(real).is_some());
        assert_eq!(clock.instant(Stamp(real.0 + SECOND)), None);
        assert_eq!(clock.instant(Stamp(0)), None, "before the machine was started");
    }
}

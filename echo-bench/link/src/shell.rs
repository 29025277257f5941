//! The [forwarder](mod@crate::forwarder) on the machine: packet sockets, the kernel's clock, and
//! a pipe whose end ends it.

use std::fs::File;
use std::io::{self, Read as _};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};

use echo_net::Nanos;
use echo_net::clock::{self, SECOND};
use echo_net::cpu::Usage;
use echo_net::packet_socket::PacketSocket;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::counts::LinkCounts;
use crate::forwarder::{PacketEnd, Wait, forward};
use crate::spec::LinkSpec;

/// Forwards between two packet sockets, the generator's and the server's, until nobody holds the
/// other end of `control`, or a byte comes out of it.
///
/// # Errors
/// When a socket is none, or can't be read.
pub fn forward_until_closed(
    spec: LinkSpec,
    seed: u64,
    ends: [OwnedFd; 2],
    control: OwnedFd,
) -> io::Result<LinkCounts> {
    let [generator, server] = ends;
    let ends = [PacketSocket::adopt(generator)?, PacketSocket::adopt(server)?];
    // Else the kernel may wake it 50 us late.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
    let before = Usage::of_self()?;
    let mut kernel = Kernel(control.into());
    let counts = forward(spec, seed, ends, &mut kernel)?;
    let cpu = Usage::of_self()?.since(&before).cpu;
    Ok(LinkCounts { cpu_us: u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX), ..counts })
}

impl PacketEnd for PacketSocket {
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Nanos)> {
        PacketSocket::receive(self, buffer)
    }

    fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        PacketSocket::send(self, packet)
    }

    fn overrun(&mut self) -> u64 {
        PacketSocket::overrun(self)
    }
}

/// The kernel's clock, and the pipe.
struct Kernel(File);

impl Wait<PacketSocket> for Kernel {
    fn now(&mut self) -> Nanos {
        clock::now()
    }

    fn wait(&mut self, ends: [&PacketSocket; 2], until: Option<Nanos>) -> io::Result<bool> {
        let left = until.map(|until| until.saturating_sub(clock::now()));
        let left = left.map(|left| Timespec {
            tv_sec: (left / SECOND).cast_signed(),
            tv_nsec: (left % SECOND).cast_signed() as _,
        });
        let mut polled = [
            PollFd::from_borrowed_fd(ends[0].as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(ends[1].as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN),
        ];
        match poll(&mut polled, left.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_over = !polled[2].revents().is_empty();
        if is_over {
            // Whatever it says means the end.
            let _ = self.0.read(&mut [0; 1]);
        }
        Ok(!is_over)
    }
}

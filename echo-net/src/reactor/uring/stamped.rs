//! Receiving with a stamp of the kernel in front of the bytes: [`StampedMessage`].

#![expect(unsafe_code, reason = "libc's msghdr has no constructor")]

use std::io;

use io_uring::opcode::RecvMsgMulti;
use io_uring::squeue::Entry;
use io_uring::types::{Fd, RecvMsgOut};

use super::buffers::{GROUP, Lease};
use crate::stamps::{self, Stamp};

/// Smallest buffers that stamped bytes are received into.
pub(super) const LEAST: usize = 1024;

/// What requests for stamped bytes refer to: no name and room for a stamp, which is all that the
/// kernel looks at. In a box, since it is read at its address.
#[derive(Debug)]
pub(super) struct StampedMessage(Box<libc::msghdr>);

impl StampedMessage {
    pub(super) fn new() -> Self {
        // SAFETY: `msghdr` is plain numbers and pointers, for which all zeros is a valid value.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_controllen = stamps::CONTROL as _;
        Self(Box::new(message))
    }

    /// Receives from a socket until cancelled, ended or failed, or until no buffer is left. The
    /// message must exist until the request has completed.
    pub(super) fn receive(&self, socket: Fd) -> Entry {
        RecvMsgMulti::new(socket, &raw const *self.0, GROUP).build()
    }

    /// Takes what was received apart: its bytes, none at the end of the input, and their stamp.
    pub(super) fn unpack(
        &self,
        received: Option<Lease>,
    ) -> io::Result<(Option<Lease>, Option<Stamp>)> {
        let Some(mut lease) = received else { return Ok((None, None)) };
        let parts = RecvMsgOut::parse(&lease, &self.0).map_err(|()| {
            io::Error::other("the kernel gave less than the header of a message")
        })?;
        let stamp = stamps::of_control(parts.control_data());
        let bytes = lease.len() - parts.payload_data().len()..lease.len();
        if bytes.is_empty() {
            return Ok((None, None));
        }
        lease.narrow(bytes);
        Ok((Some(lease), stamp))
    }
}

//! A connection's membership in the room: [`Seat`], the responder of a chat session. Its output
//! is not a reply to its input: everything, including its own error replies, is queued in a
//! mailbox and [taken](Seat::take) from it, so that a member sees all lines in the room's
//! order.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use echo_net::Nanos;
use echo_proto::chat::{ChatLines, MemberId, Stay};
use echo_proto::{Flow, Replies, Respond};

use super::hub::Hub;
use super::mailbox::{Mailbox, Taken};

/// Bytes that a member may send while mailboxes are above half full without waiting: normal
/// conversation is not slowed down by fast senders.
const FREE: usize = 4096;

/// A connection's membership. Dropping it leaves the room.
#[derive(Debug)]
pub(crate) struct Seat {
    member: MemberId,
    hub: Arc<Hub>,
    lines: ChatLines,
    mailbox: Arc<Mailbox>,
    /// Bytes sent into mailboxes above half full since the last pause.
    pressing: usize,
    left: bool,
}

impl Seat {
    pub(super) fn new(
        member: MemberId,
        hub: Arc<Hub>,
        mailbox: Arc<Mailbox>,
        max_message: usize,
    ) -> Self {
        let lines = ChatLines::new(max_message);
        Self { member, hub, lines, mailbox, pressing: 0, left: false }
    }

    /// Appends queued lines to `replies` while less than `room` bytes were appended.
    pub(crate) fn take(&self, room: usize, replies: &mut Replies) -> Taken {
        self.mailbox.take(room, replies)
    }

    /// Until when this member's input must not be read, if it has filled the mailboxes of
    /// others. Must be called after all its input, and again when woken.
    pub(crate) fn waits_until(&self, now: Nanos) -> Option<Nanos> {
        match self.pressing {
            0 => None,
            // Only records the time.
            1..=FREE => self.hub.wait(now, None).and(None),
            _ => self.hub.wait(now, self.mailbox.waker().as_ref()),
        }
    }

    /// From now on `waker` is called when there is something new to [take](Self::take).
    pub(crate) fn wake(&self, waker: &Waker) {
        self.mailbox.wake(waker);
    }

    /// Leaves the room; queued lines can still be taken.
    pub(crate) fn leave(&mut self) {
        if !std::mem::replace(&mut self.left, true) {
            self.hub.leave(self.member);
        }
    }

    /// The server is stopping: from now on members leave without announcement.
    pub(crate) fn close_room(&self) {
        self.hub.close();
    }

    /// Sends the error before disconnecting.
    fn refuse(&self, reason: impl fmt::Display, replies: &mut Replies) {
        replies.count_error();
        // The caller takes it.
        let _woken_already = self.mailbox.push(self.hub.line(&format!("ERROR: {reason}\n")));
    }
}

impl Respond for Seat {
    fn receive(&mut self, input: &[u8], replies: &mut Replies) -> Flow {
        let Self { member, hub, lines, pressing, .. } = self;
        let fed = lines.feed(input, |line| {
            let (stay, pressed) = hub.say(*member, line);
            *pressing = if pressed == 0 { 0 } else { *pressing + pressed };
            stay
        });
        match fed {
            Ok(Stay::In) => Flow::Open,
            Ok(Stay::Out) => Flow::Finish,
            Err(reason) => {
                self.refuse(reason, replies);
                Flow::Finish
            }
        }
    }

    fn end_of_input(&mut self, replies: &mut Replies) {
        match self.lines.end_of_input() {
            // It leaves in any case.
            Ok(Some(line)) => {
                let _ = self.hub.say(self.member, &line);
            }
            Ok(None) => {}
            Err(reason) => self.refuse(reason, replies),
        }
    }

    fn unfinished(&self) -> usize {
        self.lines.unfinished()
    }

    fn time_out(&mut self, replies: &mut Replies) {
        self.refuse("line not completed in time", replies);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

//! One connection's place in the room: [`Seat`], the responder of a session that chats. What
//! it has to say is not a reply to what it hears: it waits in a mailbox, own answers too, so
//! that a member sees everything in the order of the room, and is [taken](Seat::take).

use std::sync::Arc;
use std::task::Waker;

use echo_net::Nanos;
use echo_proto::chat::{ChatLines, MemberId, Stay};
use echo_proto::{Flow, LineTooLong, Replies, Respond};

use super::hub::Hub;
use super::mailbox::{Mailbox, Taken};

/// What a member may say while mailboxes are rather full without waiting for their readers:
/// a talk goes on beside those who pour out files.
const FREE: usize = 4096;

/// A place in the room, of one connection. Dropping it leaves the room.
#[derive(Debug)]
pub struct Seat {
    member: MemberId,
    hub: Arc<Hub>,
    lines: ChatLines,
    mailbox: Arc<Mailbox>,
    /// Bytes that it has said without a pause into mailboxes that were rather full.
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

    /// Appends what waits for this member to `replies`, as long as less than `room` bytes
    /// of it were appended.
    pub fn take(&self, room: usize, replies: &mut Replies) -> Taken {
        self.mailbox.take(room, replies)
    }

    /// Until when this member is not to be heard, if it has filled the mailboxes of others:
    /// they get a moment to read. To be asked after everything that it said, and again when
    /// woken.
    pub fn waits_until(&self, now: Nanos) -> Option<Nanos> {
        match self.pressing {
            0 => None,
            // Only tells what time it is.
            1..=FREE => self.hub.wait(now, None).and(None),
            _ => self.hub.wait(now, self.mailbox.waker().as_ref()),
        }
    }

    /// From now on `waker` is used when there is something new to [take](Self::take).
    pub fn wake(&self, waker: &Waker) {
        self.mailbox.wake(waker);
    }

    /// Leaves the room; what waits can still be taken.
    pub fn leave(&mut self) {
        if !std::mem::replace(&mut self.left, true) {
            self.hub.leave(self.member);
        }
    }

    /// The server is stopping: from now on nobody is told who leaves.
    pub fn close_room(&self) {
        self.hub.close();
    }

    /// Tells a member that it is let go.
    fn refuse(&self, reason: LineTooLong, replies: &mut Replies) {
        replies.count_error();
        // The caller takes it.
        let _woken_already = self.mailbox.push(format!("ERROR: {reason}\n").into());
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
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

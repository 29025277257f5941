//! One connection's place in the room: [`Seat`], the responder of a session that chats. What
//! it has to say is not a reply to what it hears: it waits in a mailbox, own answers too, so
//! that a member sees everything in the order of the room, and is [taken](Seat::take).

use std::sync::Arc;
use std::task::Waker;

use echo_proto::chat::{ChatLines, MemberId, Stay};
use echo_proto::{Flow, LineTooLong, Replies, Respond};

use super::hub::Hub;
use super::mailbox::{Mailbox, Taken};

/// A place in the room, of one connection. Dropping it leaves the room.
#[derive(Debug)]
pub struct Seat {
    member: MemberId,
    hub: Arc<Hub>,
    lines: ChatLines,
    mailbox: Arc<Mailbox>,
    left: bool,
}

impl Seat {
    pub(super) fn new(
        member: MemberId,
        hub: Arc<Hub>,
        mailbox: Arc<Mailbox>,
        max_message: usize,
    ) -> Self {
        Self { member, hub, lines: ChatLines::new(max_message), mailbox, left: false }
    }

    /// Appends what waits for this member to `replies`, as long as less than `room` bytes
    /// of it were appended.
    pub fn take(&self, room: usize, replies: &mut Replies) -> Taken {
        self.mailbox.take(room, replies)
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
        let Self { member, hub, lines, .. } = self;
        match lines.feed(input, |line| hub.say(*member, line)) {
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

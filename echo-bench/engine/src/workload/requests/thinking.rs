//! The pauses of a closed loop with a think time: a slot whose request has ended, however it
//! ended, rests before it asks again. It rests on while its connection is made anew.

use echo_net::Nanos;
use echo_net::reactor::Reactor;

use super::Requests;
use crate::rig::Parts;

impl Requests {
    /// So many slots of a link begin to rest.
    pub(super) fn rest(&mut self, link: u32, slots: u32, now: Nanos) {
        if !self.thinking.is_on() {
            return;
        }
        self.places[link as usize].resting += slots;
        for _ in 0..slots {
            let until = now.saturating_add(self.thinking.pause(link));
            self.thinking.until(until, link);
        }
    }

    /// The load begins: every slot rests for its own part of a think time, so that they do not
    /// all ask at once.
    pub(super) fn rest_at_first(&mut self, now: Nanos) {
        let slots = self.plan.load.pipeline();
        let connections = u64::from(self.plan.connections);
        for link in 0..self.places.len() {
            self.places[link].resting = slots;
            for slot in 0..slots {
                let index = u64::from(slot) * connections + u64::from(self.numbers[link]);
                let users = connections * u64::from(slots);
                let pause = self.thinking.first_pause(link as u32, index, users);
                self.thinking.until(now.saturating_add(pause), link as u32);
            }
        }
    }

    /// Has those ask again who have rested by now.
    pub(super) fn wake<R: Reactor>(&mut self, parts: &mut Parts<'_, R>) {
        while let Some(link) = self.thinking.pop(parts.now) {
            self.places[link as usize].resting -= 1;
            self.feed(parts, link);
        }
    }
}

//! How much of a latency is the generator's own: [`Stamped`], the clocks of requests whose
//! replies the kernel stamped on arrival.

use std::ops::AddAssign;

use echo_net::Nanos;

use super::Latency;

/// Clocks of the measured requests on connections with receive stamps, all over the same
/// requests, so that their percentiles can be held against each other.
///
/// Request by request, path + pickup = service.
#[derive(Debug, Clone, Default)]
pub struct Stamped {
    /// From the intended instant to the read, as on the response clock.
    pub response: Latency,
    /// The response without the generator's own part: without the time that the request was
    /// late by our fault, and without the wait of its reply in our receive queue.
    pub corrected: Latency,
    /// From the write to the arrival of the reply in our kernel: network and server.
    pub path: Latency,
    /// From the arrival of the reply in our kernel to its read.
    pub pickup: Latency,
    /// Reads that had replies. The stamp is that of the last byte of a read, so it is exact
    /// for one reply each; for those before it in the same read it is an upper bound.
    pub exact: u64,
    /// Replies whose stamp was before their request or after their read: it was not used.
    pub implausible: u64,
}

impl Stamped {
    /// Records so many successful replies with the same clocks; `late` is how long their
    /// requests were held up by us alone. How much of their response was our own, if the stamp
    /// could be used.
    pub fn record(
        &mut self,
        (intended, late, written): (Nanos, Nanos, Nanos),
        arrived: Nanos,
        read: Nanos,
        count: u64,
    ) -> Option<Nanos> {
        if arrived < written || arrived > read {
            self.implausible += count;
            return None;
        }
        let (response, corrected) =
            (read - intended, (arrived - intended).saturating_sub(late));
        self.response.record_many(response, count);
        self.corrected.record_many(corrected, count);
        self.path.record_many(arrived - written, count);
        self.pickup.record_many(read - arrived, count);
        Some(response - corrected)
    }

    /// Records a request that was given up at the age of `least` on the response clock.
    pub fn record_censored(&mut self, least: Nanos, late: Nanos) {
        self.response.record_censored(least);
        self.corrected.record_censored(least.saturating_sub(late));
    }
}

impl AddAssign<&Self> for Stamped {
    fn add_assign(&mut self, other: &Self) {
        let Self { response, corrected, path, pickup, exact, implausible } = other;
        self.response += response;
        self.corrected += corrected;
        self.path += path;
        self.pickup += pickup;
        self.exact += exact;
        self.implausible += implausible;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_request_add_up_and_a_stamp_that_cannot_be_is_not_used() {
        let mut stamped = Stamped::default();
        assert_eq!(stamped.record((100, 20, 130), 530, 930, 1), Some(420));
        let max = |latency: &Latency| latency.histogram().max();
        assert_eq!((max(&stamped.path), max(&stamped.pickup)), (400, 400));
        assert_eq!((max(&stamped.response), max(&stamped.corrected)), (830, 410));
        assert_eq!(stamped.record((100, 0, 130), 129, 930, 1), None);
        stamped.record((100, 0, 130), 931, 930, 1);
        assert_eq!((stamped.implausible, stamped.response.count()), (2, 1));
        stamped.record_censored(1000, 100);
        assert_eq!((stamped.response.censored(), stamped.corrected.censored()), (1, 1));
    }
}

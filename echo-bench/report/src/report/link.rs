//! The emulated link of a run: [`LinkReport`], what was asked for and what it did.

use echo_bench_engine::plan::Plan;
use echo_bench_link::{Lateness, LinkCounts, LinkSpec};
use echo_net::Nanos;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Bytes;
use super::verdict::LinkFault;

/// Packets are too late if one in a hundred is by more than this part of the delay.
const LATE: f64 = 0.05;

/// Less is no fault, however short the delay is, in nanoseconds: waking up takes that.
const LATE_AT_LEAST: f64 = 100e3;

/// What was seen of a link beside its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LinkSeen {
    /// Overhead of the link in a round trip without delay: measured before the run without delay,
    /// loss and rate, less the same round trip over loopback. With a delay it is less, since packets
    /// are delayed from their arrival: see `counts.lateness`.
    pub own_rtt_ns: Option<Nanos>,
    /// What it did; none if its forwarder ended before the run.
    pub counts: Option<LinkCounts>,
}

/// An emulated link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LinkReport {
    /// As it is typed, every setting resolved.
    pub spec: LinkSpec,
    /// The preset that has these settings, if one does.
    pub preset: Option<String>,
    /// The round trip that was asked for; half of it is the delay of a direction.
    pub rtt_ns: Nanos,
    /// By how much the delay of a packet differs at most, more or less.
    pub jitter_ns: Nanos,
    /// The share of the packets of a direction that is lost by chance, from 0 to 1.
    pub loss: f64,
    /// Bits per second of a direction; null: no limit.
    pub rate_bits_per_s: Option<u64>,
    /// What may wait for a direction; null without a rate.
    pub queue_bytes: Option<u64>,
    /// Overhead of the link in a round trip without delay: measured before the run without delay,
    /// loss and rate, less the same round trip over loopback. With a delay it is less, since packets
    /// are delayed from their arrival: see `counts.lateness`.
    /// Null if it could not be measured, and of merged reports.
    pub own_rtt_ns: Option<Nanos>,
    /// What it did, from its set-up to the end of the run; null if its forwarder ended before, and
    /// of merged reports.
    pub counts: Option<LinkCounts>,
}

impl LinkReport {
    /// That of a run; `None` without one. Of a run that was cut off nothing was seen.
    pub(super) fn new(plan: &Plan, seen: Option<LinkSeen>) -> Option<Self> {
        let spec = plan.link?;
        let seen = seen.unwrap_or_default();
        Some(Self {
            spec,
            preset: spec.preset().map(|preset| preset.to_string()),
            rtt_ns: spec.rtt_ns(),
            jitter_ns: spec.jitter_ns(),
            loss: spec.loss().share(),
            rate_bits_per_s: spec.rate().map(echo_net::settings::BitRate::per_second),
            queue_bytes: spec.queue_bytes(),
            own_rtt_ns: seen.own_rtt_ns,
            counts: seen.counts,
        })
    }

    /// Without what belongs to one run.
    pub(crate) fn of_several(&self) -> Self {
        Self { own_rtt_ns: None, counts: None, ..self.clone() }
    }

    /// How late packets left it.
    pub fn lateness(&self) -> Option<Lateness> {
        self.counts.and_then(|counts| counts.lateness)
    }

    /// The share of a core that its forwarder kept busy.
    pub fn busy(&self) -> Option<f64> {
        let counts = self.counts?;
        (counts.elapsed_ns > 0).then(|| counts.cpu_us as f64 * 1e3 / counts.elapsed_ns as f64)
    }

    /// How much of its rate was used, from 0 to 1, in the direction with more, where these bytes
    /// of payload moved within a window of so many seconds; `None` without a rate. Both what
    /// the link saw and the payload are less than it was in the window: one counts the time
    /// around that, too, and the other no headers.
    pub(crate) fn rate_used(&self, payload: &Bytes, window_s: f64) -> Option<f64> {
        let rate = self.rate_bits_per_s.filter(|rate| *rate > 0)? as f64;
        let share =
            |bytes: u64, s: f64| if s > 0.0 { bytes as f64 * 8.0 / s / rate } else { 0.0 };
        let mut used = share(payload.sent.max(payload.received), window_s);
        if let Some(LinkCounts { to_server, to_generator, elapsed_ns, .. }) = self.counts {
            let bytes = to_server.bytes.max(to_generator.bytes);
            used = used.max(share(bytes, elapsed_ns as f64 / 1e9));
        }
        Some(used.min(1.0))
    }

    /// What it did other than it was asked to.
    pub(super) fn faults(&self) -> Vec<LinkFault> {
        let Some(counts) = self.counts else { return Vec::new() };
        let mut faults = Vec::new();
        let delay_ns = self.spec.delay_ns();
        let most = (LATE * delay_ns as f64).max(LATE_AT_LEAST);
        if let Some(late) = counts.lateness.filter(|late| late.p99_ns as f64 > most) {
            faults.push(LinkFault::Late { p99_ns: late.p99_ns, delay_ns });
        }
        if counts.lost_by_forwarder > 0 {
            let (lost, packets) = (counts.lost_by_forwarder, counts.delivered());
            faults.push(LinkFault::Overrun { lost, packets });
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::small_plan::plan_with;

    fn faults(spec: &str, p99_ns: u64, lost_by_forwarder: u64) -> Vec<LinkFault> {
        let server = echo_bench_engine::plan::ServerPlan::default();
        let plan = plan_with(|plan| {
            plan.target = echo_bench_engine::plan::Target::Embedded { server };
            plan.link = Some(spec.parse().unwrap());
        });
        let lateness = Some(Lateness { p50_ns: 1, p99_ns, max_ns: p99_ns });
        let counts = Some(LinkCounts { lateness, lost_by_forwarder, ..LinkCounts::default() });
        LinkReport::new(&plan, Some(LinkSeen { counts, own_rtt_ns: None })).unwrap().faults()
    }

    #[test]
    fn packets_later_than_a_twentieth_of_the_delay_are_a_fault() {
        assert_eq!(faults("rtt=20ms", 500_000, 0), []);
        let late = LinkFault::Late { p99_ns: 500_001, delay_ns: 10_000_000 };
        assert_eq!(faults("rtt=20ms", 500_001, 0), [late]);
        assert_eq!(faults("lan", 100_000, 0), []);
        assert_eq!(faults("rate=1G", 100_001, 0).len(), 1);
        let lost = LinkFault::Overrun { lost: 2, packets: 0 };
        assert_eq!(faults("rtt=20ms", 1, 2), [lost]);
    }
}

//! What one worker, or all, measured in one interval: [`Interval`]. Intervals add up to the
//! whole run exactly, for every count and every histogram.

use std::borrow::Cow;
use std::ops::AddAssign;

use echo_net::Nanos;

use super::{Errors, Latency, StagePart, Tally};

/// The clocks of MEASUREMENT: wait + service = response, request by request.
#[derive(Debug, Clone, Default)]
pub struct Latencies {
    /// From the intended instant to the last byte of the reply.
    pub response: Latency,
    /// The same of requests that ended after the window, in the drain, which are no part of its
    /// time series; `None` without any.
    pub drained: Option<Box<Latency>>,
    /// The clocks that only differ under open load; `None` in a closed loop, where a
    /// request is intended when it is written, so that service is response and wait is 0.
    pub open: Option<Box<OpenClocks>>,
}

/// The clocks of an open loop.
#[derive(Debug, Clone, Default)]
pub struct OpenClocks {
    /// From the intended instant to the write.
    pub wait: Latency,
    /// From the write to the last byte of the reply.
    pub service: Latency,
    /// How late requests were written by the generator's own fault: of requests that found
    /// a free slot, the write minus the intended instant.
    pub lateness: Latency,
}

impl Latencies {
    /// Empty ones for a load model.
    pub fn new(open: bool) -> Self {
        Self { response: Latency::default(), drained: None, open: open.then(Box::default) }
    }

    /// Records so many answered requests that were due, written and answered together, within
    /// the window or, `in_drain`, after it.
    #[inline]
    pub fn record(
        &mut self,
        (intended, written, answered): (Nanos, Nanos, Nanos),
        count: u64,
        in_drain: bool,
    ) {
        self.clock(in_drain).record_many(answered - intended, count);
        if let Some(open) = &mut self.open {
            open.wait.record_many(written - intended, count);
            open.service.record_many(answered - written, count);
        }
    }

    /// Records a request that was given up, and was written at all only if `written` is.
    pub fn record_censored(
        &mut self,
        (intended, written, until): (Nanos, Option<Nanos>, Nanos),
        in_drain: bool,
    ) {
        self.clock(in_drain).record_censored(until.saturating_sub(intended));
        if let Some(open) = &mut self.open {
            match written {
                Some(written) => {
                    open.wait.record(written.saturating_sub(intended));
                    open.service.record_censored(until.saturating_sub(written));
                }
                None => open.wait.record_censored(until.saturating_sub(intended)),
            }
        }
    }
}

impl Latencies {
    fn clock(&mut self, in_drain: bool) -> &mut Latency {
        if in_drain { self.drained.get_or_insert_default() } else { &mut self.response }
    }

    /// The response of all requests, those that ended in the drain included.
    pub fn whole(&self) -> Cow<'_, Latency> {
        match &self.drained {
            None => Cow::Borrowed(&self.response),
            Some(drained) => {
                let mut whole = self.response.clone();
                whole += drained;
                Cow::Owned(whole)
            }
        }
    }

    /// Adds what ended in the drain to the rest, and returns it.
    pub fn take_drained(&mut self) -> Option<Box<Latency>> {
        let drained = self.drained.take();
        if let Some(drained) = &drained {
            self.response += drained;
        }
        drained
    }
}

impl AddAssign<&Self> for Latencies {
    fn add_assign(&mut self, other: &Self) {
        self.response += &other.response;
        if let Some(theirs) = &other.drained {
            **self.drained.get_or_insert_default() += theirs;
        }
        if let Some(theirs) = &other.open {
            let ours = self.open.get_or_insert_default();
            ours.wait += &theirs.wait;
            ours.service += &theirs.service;
            ours.lateness += &theirs.lateness;
        }
    }
}

/// One interval of the measured window.
#[derive(Debug, Clone, Default)]
pub struct Interval {
    /// Its place in the series, from 0.
    pub index: u64,
    /// How requests ended that ended in it.
    pub tally: Tally,
    /// What went wrong in it.
    pub errors: Errors,
    /// Latencies of requests that ended in it.
    pub latencies: Latencies,
    /// The same by the stage of the load that a request belongs to; empty where the rate does
    /// not change.
    pub stages: Vec<StagePart>,
}

impl Interval {
    /// An empty interval.
    pub fn new(index: u64, open: bool) -> Self {
        Self { index, latencies: Latencies::new(open), ..Self::default() }
    }
}

impl AddAssign<&Self> for Interval {
    fn add_assign(&mut self, other: &Self) {
        self.tally += &other.tally;
        self.errors += &other.errors;
        self.latencies += &other.latencies;
        for part in &other.stages {
            *StagePart::of(&mut self.stages, part.stage, false) += part;
        }
    }
}

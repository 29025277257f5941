//! Latencies that stand at a timer of the kernel, where its counters prove it: [`explained`].
//! Nothing is guessed from a latency alone.

use echo_net::address::Transport;
use hdrhistogram::Histogram;

use crate::report::verdict::{Explained, Finding};
use crate::report::{Summary, SurroundingsReport};
use echo_bench_engine::RunRecord;
use echo_bench_engine::plan::Plan;

const MILLISECOND: u64 = 1_000_000;

/// Latencies that a delayed acknowledgement explains: Linux waits for 40 ms at least
/// (`TCP_DELACK_MIN`), in ticks of 1 to 10 ms.
const DELAYED_ACK: [u64; 2] = [38 * MILLISECOND, 55 * MILLISECOND];

/// Those of a retransmission timer: 200 ms at least (`TCP_RTO_MIN`), and twice that the next time.
const TIMEOUT: [u64; 2] = [200 * MILLISECOND, 1000 * MILLISECOND];

/// Connections that needed a second SYN, after 1 s.
const SECOND_SYN: u64 = 1000 * MILLISECOND;

/// A smaller part of the replies moves no percentile that is shown.
const LEAST_PART: f64 = 0.001;

/// So many times as many latencies as on either side of a timer's length are more than a tail.
const STANDS_OUT: u64 = 4;

/// The kernel must have counted so much of what it is to explain.
const PROOF: f64 = 0.5;

/// What the kernel's counters explain of the latencies of a run.
pub(super) fn explained(
    plan: &Plan,
    record: &RunRecord,
    summary: &Summary,
    around: &SurroundingsReport,
) -> Vec<Finding> {
    let tcp = around.tcp.filter(|_| plan.transport == Transport::Tcp);
    let Some(tcp) = tcp else { return Vec::new() };
    let response = record.total.latencies.response.histogram();
    let mut findings = Vec::new();
    // What is in flight together waits for one timer.
    let together = u64::from(plan.load.pipeline().max(1));
    let delayed = between(response, DELAYED_ACK);
    let proven = proves(tcp.delayed_acks, delayed / together);
    if proven && is_part(delayed, response.len()) && stands_out(response, DELAYED_ACK) {
        let share = delayed as f64 / response.len() as f64;
        findings.push(Explained::DelayedAcks { share, count: tcp.delayed_acks });
    }
    let waited = between(response, TIMEOUT);
    let retransmits = summary.tcp.map_or(tcp.timeouts, |of_run| of_run.retransmits);
    if is_part(waited, response.len())
        && tcp.timeouts > 0
        && proves(retransmits, waited / together)
    {
        let share = waited as f64 / response.len() as f64;
        findings.push(Explained::Timeouts { share, count: tcp.timeouts });
    }
    let late: u64 = [&record.set_up_connect, &record.connect]
        .map(|clock| between(clock.histogram(), [SECOND_SYN, u64::MAX]))
        .iter()
        .sum();
    if late > 0 && tcp.syn_retransmits > 0 {
        findings.push(Explained::SynRetries {
            late,
            retries: tcp.syn_retransmits,
            overflows: tcp.listen_overflows,
        });
    }
    findings.into_iter().map(Finding::Kernel).collect()
}

fn between(histogram: &Histogram<u64>, [low, high]: [u64; 2]) -> u64 {
    histogram.count_between(low, high.min(histogram.high()))
}

/// Whether far more latencies lie between these than on either side: a tail that merely reaches
/// over a timer's length is no sign of the timer.
fn stands_out(histogram: &Histogram<u64>, [low, high]: [u64; 2]) -> bool {
    let inside = between(histogram, [low, high]);
    let beside =
        [[low / 2, low - 1], [high + 1, high * 2]].map(|side| between(histogram, side));
    beside.iter().all(|&count| inside >= STANDS_OUT * count)
}

fn is_part(count: u64, all: u64) -> bool {
    count > 0 && count as f64 >= LEAST_PART * all as f64
}

fn proves(counted: u64, seen: u64) -> bool {
    counted as f64 >= PROOF * seen as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_that_reaches_over_40_ms_is_no_delayed_acknowledgement() {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
        for ms in 1..170 {
            histogram.record_n(ms * MILLISECOND, 100).unwrap();
        }
        assert!(!stands_out(&histogram, DELAYED_ACK));
        histogram.record_n(41 * MILLISECOND, 50_000).unwrap();
        assert!(stands_out(&histogram, DELAYED_ACK));
    }

    #[test]
    fn a_count_that_is_too_small_proves_nothing() {
        assert!(proves(50, 100) && !proves(49, 100));
        assert!(is_part(1, 1000) && !is_part(1, 1001) && !is_part(0, 0));
    }
}

//! How evenly the connections were served: [`Fairness`]. A few fast connections that hide many
//! starved ones are the commonest way in which a good median misleads.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::server_side::jain;
use echo_bench_engine::record::Served;

/// Below a median of so many replies a connection may have few by chance.
const LEAST_MEDIAN: u64 = 20;

/// Points of the stored spread.
const POINTS: usize = 101;

/// What each connection got within the measured window; of a pool each caller, in a chat each
/// member that listens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fairness {
    /// Connections that asked for anything.
    pub connections: u64,
    /// Those of them that got no successful reply, and had requests without one.
    pub starved: u64,
    /// Those that got less than a tenth of the median, the starved ones included; where the
    /// median is below 20 replies, only the starved ones.
    pub below_tenth: u64,
    /// Successful replies of the connection that got the fewest.
    pub min: u64,
    /// The median over the connections.
    pub median: u64,
    /// Successful replies of the connection that got the most.
    pub max: u64,
    /// Jain's index (Jain, Chiu, Hawe 1984) of the successful replies: 1 where all got the same,
    /// 1/n where one of n got all.
    pub jain: f64,
    /// Mean response latency of the connections with any reply in nanoseconds: least, median
    /// and greatest.
    pub mean_latency_ns: Option<[u64; 3]>,
    /// Successful replies per connection, in ascending order: of more than 101 connections the
    /// percentiles 0, 1, ... 100.
    pub spread: Vec<u64>,
}

impl Fairness {
    /// Of the connections of a run; `None` if none asked for anything.
    pub(super) fn new(served: &[Served]) -> Option<Self> {
        let took_part = || served.iter().filter(|served| served.took_part());
        let mut answered: Vec<u64> = took_part().map(|served| served.answered).collect();
        answered.sort_unstable();
        let (min, max) = (*answered.first()?, *answered.last()?);
        let median = answered[answered.len() / 2];
        let starved = took_part().filter(|served| served.answered == 0).count() as u64;
        let slow = answered.iter().filter(|&&count| count < median.div_ceil(10)).count() as u64;
        let connections = answered.len();
        Some(Self {
            connections: connections as u64,
            starved,
            below_tenth: if median < LEAST_MEDIAN { starved } else { slow.max(starved) },
            min,
            median,
            max,
            jain: jain(&answered),
            mean_latency_ns: mean_latencies(took_part()),
            spread: thinned(&answered),
        })
    }
}

impl Fairness {
    /// Of connections that are each of another part; `None` if none asked for anything. Exact where
    /// every part has stored each of its connections; of more the percentiles stand for them.
    pub(crate) fn of_parts(parts: &[&Self]) -> Option<Self> {
        // Each stored value, and how many connections it stands for.
        let mut stored: Vec<(u64, f64)> = Vec::new();
        for part in parts {
            let weight = part.connections as f64 / part.spread.len().max(1) as f64;
            stored.extend(part.spread.iter().map(|&count| (count, weight)));
        }
        stored.sort_unstable_by_key(|(count, _)| *count);
        let connections: u64 = parts.iter().map(|part| part.connections).sum();
        let at = |rank: f64| {
            let mut passed = 0.0;
            let reached = stored.iter().find(|(_, weight)| {
                passed += weight;
                passed > rank
            });
            reached.or(stored.last()).map(|(count, _)| *count)
        };
        let median = at((connections / 2) as f64)?;
        let starved = parts.iter().map(|part| part.starved).sum();
        let few = stored.iter().filter(|(count, _)| *count < median.div_ceil(10));
        let few = few.map(|(_, weight)| weight).sum::<f64>().round() as u64;
        // Sums of the counts and of their squares, which each part's index tells.
        let (mut sum, mut squares) = (0.0, 0.0);
        for part in parts.iter().filter(|part| part.jain > 0.0) {
            let stored: f64 = part.spread.iter().map(|&count| count as f64).sum();
            let of_part = stored * part.connections as f64 / part.spread.len().max(1) as f64;
            sum += of_part;
            squares += of_part * of_part / (part.connections as f64 * part.jain);
        }
        let points = connections.min(POINTS as u64);
        let last = connections.saturating_sub(1);
        let point = |point: u64| at((point * last / points.saturating_sub(1).max(1)) as f64);
        let latencies = || parts.iter().filter_map(|part| part.mean_latency_ns);
        let mut medians: Vec<u64> = latencies().map(|[_, median, _]| median).collect();
        medians.sort_unstable();
        let ends = latencies().reduce(|[a, _, b], [c, _, d]| [a.min(c), 0, b.max(d)]);
        Some(Self {
            connections,
            starved,
            below_tenth: if median < LEAST_MEDIAN { starved } else { few.max(starved) },
            min: parts.iter().map(|part| part.min).min()?,
            median,
            max: parts.iter().map(|part| part.max).max()?,
            jain: if squares > 0.0 {
                (sum * sum / (connections as f64 * squares)).min(1.0)
            } else {
                1.0
            },
            mean_latency_ns: ends
                .map(|[least, _, most]| [least, medians[medians.len() / 2], most]),
            spread: (0..points).filter_map(point).collect(),
        })
    }
}

fn mean_latencies<'a>(served: impl Iterator<Item = &'a Served>) -> Option<[u64; 3]> {
    let mut means: Vec<u64> =
        served.filter_map(|served| served.latency_ns.checked_div(served.answered)).collect();
    means.sort_unstable();
    Some([*means.first()?, means[means.len() / 2], *means.last()?])
}

/// All values, or so many evenly among them, both ends included.
fn thinned(sorted: &[u64]) -> Vec<u64> {
    if sorted.len() <= POINTS {
        return sorted.to_vec();
    }
    let last = sorted.len() - 1;
    (0..POINTS).map(|point| sorted[point * last / (POINTS - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(counts: impl IntoIterator<Item = u64>) -> Vec<Served> {
        let one = |answered| Served { answered, unanswered: 1, latency_ns: answered * 50 };
        counts.into_iter().map(one).collect()
    }

    #[test]
    fn all_alike_are_fair_and_one_of_many_is_not() {
        let fair = Fairness::new(&served([1000; 50])).unwrap();
        assert!((fair.jain - 1.0).abs() < 1e-9);
        assert_eq!((fair.starved, fair.below_tenth, fair.spread.len()), (0, 0, 50));
        assert_eq!(fair.mean_latency_ns, Some([50, 50, 50]));
        let one = Fairness::new(&served([1000, 0, 0, 0])).unwrap();
        assert!((one.jain - 0.25).abs() < 1e-9);
        assert_eq!((one.starved, one.median, one.max), (3, 0, 1000));
    }

    #[test]
    fn starved_connections_are_counted_whatever_the_others_got() {
        let counts = (0..1000).map(|number| if number < 64 { 1264 } else { 0 });
        let fairness = Fairness::new(&served(counts)).unwrap();
        assert_eq!((fairness.starved, fairness.connections), (936, 1000));
        assert_eq!(fairness.spread.len(), POINTS);
        assert_eq!(fairness.spread[POINTS - 1], 1264);
    }

    #[test]
    fn a_tenth_of_the_median_is_the_line_where_chance_is_no_excuse() {
        let slow = Fairness::new(&served([99, 100, 1000, 1000, 1000])).unwrap();
        assert_eq!((slow.below_tenth, slow.starved), (1, 0));
        let few = Fairness::new(&served([1, 15, 16, 17])).unwrap();
        assert_eq!(few.below_tenth, 0, "so few replies differ by chance");
    }

    #[test]
    fn the_connections_of_parts_are_those_of_the_whole() {
        let counts: Vec<u64> = (0..40).map(|number| 100 + number * 7919 % 50).collect();
        let whole = Fairness::new(&served(counts.iter().copied())).unwrap();
        let part = |number: usize| {
            let own = counts.iter().copied().skip(number).step_by(3);
            Fairness::new(&served(own)).unwrap()
        };
        let parts = [part(0), part(1), part(2)];
        let merged = Fairness::of_parts(&parts.iter().collect::<Vec<_>>()).unwrap();
        assert!((merged.jain - whole.jain).abs() < 1e-9);
        assert_eq!(Fairness { jain: whole.jain, ..merged }, whole);
        assert_eq!(Fairness::of_parts(&[]), None);
    }

    #[test]
    fn who_asked_for_nothing_is_no_part_of_it() {
        assert_eq!(Fairness::new(&[Served::default()]), None);
        let mut with_idle = served([10, 10]);
        with_idle.push(Served::default());
        assert_eq!(Fairness::new(&with_idle).unwrap().connections, 2);
    }
}

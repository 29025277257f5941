use super::*;
use proptest::prelude::*;

const MS: Nanos = 1_000_000;
const SECOND: Nanos = 1_000 * MS;

fn direction(spec: &str, seed: u64) -> Direction<u64> {
    Direction::new(spec.parse().unwrap(), seed)
}

/// Instants and packets in the order in which they leave.
fn all(direction: &mut Direction<u64>) -> Vec<(Nanos, u64)> {
    std::iter::from_fn(|| direction.take(Nanos::MAX).map(|(packet, due)| (due, packet)))
        .collect()
}

#[test]
fn a_packet_is_due_after_the_delay_and_not_before() {
    let mut link = direction("rtt=20ms", 1);
    assert_eq!(link.offer(5, 100, 7), Ok(10 * MS + 5));
    assert_eq!((link.next_due(), link.take(10 * MS + 4)), (Some(10 * MS + 5), None));
    assert_eq!(link.take(10 * MS + 5), Some((7, 10 * MS + 5)));
    assert_eq!((link.next_due(), link.counts().delivered), (None, 1));
}

#[test]
fn the_rate_is_exact_over_many_packets() {
    for (spec, size, packets, expected) in [
        // 8 x 1480 bits at 100 Mbit/s are 118.4 us.
        ("rate=100M,queue=256M", 1480, 1000, 118_400 * 1000),
        // 3 bits a second: no multiple of a nanosecond.
        ("rate=3,queue=256M", 3, 10, 80 * SECOND),
        ("rate=7G,queue=256M", 1480, 7000, 11_840_000),
    ] {
        let mut link = direction(spec, 1);
        let mut last = 0;
        for packet in 0..packets {
            last = link.offer(0, size, packet).unwrap();
        }
        assert!(last.abs_diff(expected) <= 8, "{spec}: {last} {expected}");
    }
}

#[test]
fn a_queue_that_is_full_drops_what_comes_last() {
    let mut link = direction("rate=8K,queue=3000", 1);
    // A packet of 1000 bytes takes a second.
    for packet in 0..3 {
        assert_eq!(link.offer(0, 1000, packet), Ok((packet + 1) * SECOND));
    }
    assert_eq!(link.offer(0, 1000, 3), Err(Dropped::Full(3)));
    assert_eq!(link.offer(SECOND - 1, 1000, 4), Err(Dropped::Full(4)));
    assert_eq!(link.offer(SECOND, 1000, 5), Ok(4 * SECOND));
    let counts = link.counts();
    assert_eq!((counts.packets, counts.dropped_queue_full, counts.bytes), (6, 2, 6000));
}

#[test]
fn an_idle_link_takes_a_packet_that_is_larger_than_its_queue() {
    let mut link = direction("rate=8K,queue=1500", 1);
    assert_eq!(link.offer(0, 2000, 1), Ok(2 * SECOND));
    assert_eq!(link.offer(1, 1, 2), Err(Dropped::Full(2)));
}

#[test]
fn losses_are_as_asked_and_those_of_the_seed() {
    let lost = |seed: u64, step: Nanos| {
        let mut link = direction("rtt=2ms,loss=1%", seed);
        (0..20_000)
            .filter(|packet| link.offer(packet * step, 100, *packet).is_err())
            .collect::<Vec<u64>>()
    };
    for seed in 1..20 {
        let lost = lost(seed, 10).len() as f64;
        // Three standard deviations of 20,000 x 1 %.
        assert!((lost - 200.0).abs() <= 42.2, "seed {seed}: {lost}");
    }
    assert_eq!(lost(1, 10), lost(1, 7777), "whenever they come");
    assert_ne!(lost(1, 10), lost(2, 10));
}

#[test]
fn a_lost_packet_takes_its_time_on_the_link() {
    let mut link = direction("rate=8K,loss=99.9999999%", 1);
    assert_eq!(link.offer(0, 1000, 1), Err(Dropped::Lost(1)));
    assert_eq!(link.free_ps, u128::from(SECOND) * PICOS);
}

#[test]
fn what_is_on_the_way_is_bounded() {
    let mut link = direction("rtt=60s", 1);
    let size = 64 << 20;
    let taken = (0..10).filter(|packet| link.offer(0, size, *packet).is_ok()).count();
    assert_eq!((taken, link.counts().dropped_queue_full), (4, 6));
}

proptest! {
    #[test]
    fn packets_keep_their_order_and_their_bounds(
        rtt_us in 0_u64..100_000,
        jitter in 0_u64..=100,
        rate in proptest::option::of(1_000_u64..10_000_000_000),
        loss in 0_u32..50,
        seed: u64,
        arrivals in proptest::collection::vec((0_u64..2 * MS, 1_u32..1500), 1..200),
    ) {
        let jitter_ns = rtt_us * 500 * jitter / 100;
        let limit = rate.map_or(String::new(), |rate| format!(",rate={rate},queue=20000"));
        let typed = format!("rtt={rtt_us}us,jitter={jitter_ns}ns,loss={loss}%{limit}");
        let mut link = direction(&typed, seed);
        let (mut now, mut expected) = (0, Vec::new());
        for (number, (pause, size)) in arrivals.iter().enumerate() {
            now += pause;
            if let Ok(due) = link.offer(now, *size, number as u64) {
                prop_assert!(due + jitter_ns >= now + rtt_us * 500);
                // What waits fits into the queue, and takes that long at most.
                let longest = rate.map_or(0, |rate| 20_000 * 8 * SECOND / rate + 1);
                let own = rate.map_or(0, |rate| u64::from(*size) * 8 * SECOND / rate + 2);
                let most = now + rtt_us * 500 + jitter_ns + longest + own;
                prop_assert!(due <= most + 1, "{due} {most}");
                expected.push((due, number as u64));
            }
        }
        let left = all(&mut link);
        prop_assert!(left.is_sorted());
        prop_assert_eq!(&left, &expected);
        let counts = link.counts();
        prop_assert_eq!(
            counts.packets,
            counts.delivered + counts.lost + counts.dropped_queue_full
        );
        prop_assert_eq!(link.bytes_on_the_way, 0);
    }
}

//! Books balance and clocks agree whatever the network and the server do.

use super::*;

#[derive(Debug, Clone, Copy)]
struct Weather {
    delay: Nanos,
    jitter: Nanos,
    serial: bool,
    piece: usize,
    skip_every: Option<u64>,
    ending: Option<(u64, Ending)>,
    /// Bytes that the kernel takes at once, and when it takes more.
    window: Option<(usize, Nanos)>,
    refused: bool,
}

/// An echo behind a narrow send window.
struct Narrow {
    echo: EchoPeer,
    window: Option<(usize, Nanos)>,
}

impl Peer for Narrow {
    fn connect(&mut self, now: Nanos) -> ConnectOutcome {
        self.echo.connect(now)
    }
    fn connected(&mut self, now: Nanos, script: &mut Script) {
        self.echo.connected(now, script);
    }
    fn window(&mut self, _now: Nanos, _offered: usize) -> Window {
        self.window
            .map_or(Window::OPEN, |(bytes, after)| Window { bytes, reopens_after: Some(after) })
    }
    fn receive(&mut self, now: Nanos, bytes: &[u8], script: &mut Script) {
        self.echo.receive(now, bytes, script);
    }
    fn end_of_input(&mut self, now: Nanos, script: &mut Script) {
        self.echo.end_of_input(now, script);
    }
}

fn weather() -> impl Strategy<Value = Weather> {
    let ending = prop_oneof![
        3 => Just(None),
        1 => (0_u64..200, prop_oneof![
            Just(Ending::Mute), Just(Ending::HalfClose), Just(Ending::Reset)
        ]).prop_map(Some),
    ];
    let window = proptest::option::weighted(0.3, (1_usize..100, 1_u64..3 * MILLISECOND));
    (
        (0..20 * MILLISECOND, 0..50 * MILLISECOND, any::<bool>(), 1_usize..80),
        proptest::option::weighted(0.3, 2_u64..50),
        ending,
        window,
        proptest::bool::weighted(0.1),
    )
        .prop_map(
            |((delay, jitter, serial, piece), skip_every, ending, window, refused)| Weather {
                delay,
                jitter,
                serial,
                piece,
                skip_every,
                ending,
                window,
                refused,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn books_balance_and_clocks_agree_in_any_weather(
        weather in proptest::collection::vec(weather(), 1..4),
        closed in any::<bool>(),
        poisson in any::<bool>(),
        rate in 1.0_f64..3000.0,
        pipeline in 1_u32..20,
        seed in any::<u64>(),
    ) {
        let load = if closed {
            Load::Closed { pipeline }
        } else {
            let arrival = if poisson { Arrival::Poisson } else { Arrival::Constant };
            open(rate, arrival, pipeline)
        };
        let connections = weather.len() as u32;
        let mut plan = raw_plan(load, connections, SECOND / 2);
        plan.seed = seed;
        plan.timeout_ns = 100 * MILLISECOND;
        plan.drain_ns = 300 * MILLISECOND;
        let duration_ns = SECOND / 2;
        let run = simulate(plan, move |number| {
            let w = weather[number as usize % weather.len()];
            let connect = if w.refused {
                let kind = ErrorKind::ConnectionRefused;
                ConnectOutcome::Failed { after: 1000, kind }
            } else {
                ConnectOutcome::Made { after: 1000 }
            };
            Box::new(Narrow {
                echo: EchoPeer::new(EchoOptions {
                    connect,
                    message: Some(SIZE),
                    delay: w.delay,
                    jitter: w.jitter,
                    seed: number,
                    serial: w.serial,
                    piece: w.piece,
                    skip_every: w.skip_every,
                    ending: w.ending,
                }),
                window: w.window,
            })
        });
        let total = &run.total;
        prop_assert!(total.tally.is_conserved(), "{:?}", total.tally);
        let (begin, end) = run.times;
        prop_assert!(end - begin <= duration_ns + 300 * MILLISECOND + 60 * MILLISECOND);
        // Wrong answers have no latency; everything else has one, exact or a lower bound.
        let response = &total.latencies.response;
        let dropped = total.errors.of(FailureKind::Dropped);
        let timed = total.tally.scheduled - (total.tally.mismatch + total.tally.error);
        prop_assert!(response.count() >= timed && response.count() <= timed + dropped);
        if let Some(clocks) = &total.latencies.open {
            let in_slots = clocks.wait.count() - total.tally.unsent - total.tally.refused;
            prop_assert_eq!(clocks.service.count(), in_slots);
            // wait + service = response, summed over the requests (to HDR precision).
            if total.tally.unsent + total.tally.refused == 0 && response.count() > 0 {
                let sum = |latency: &crate::record::Latency| {
                    latency.histogram().mean() * latency.count() as f64
                };
                let (whole, parts) =
                    (sum(response), sum(&clocks.wait) + sum(&clocks.service));
                prop_assert!((whole - parts).abs() <= whole * 0.002 + 2.0 * response.count() as f64);
            }
        }
    }
}

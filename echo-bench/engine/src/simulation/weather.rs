//! Counts add up and clocks agree whatever the network and the server do, for every workload,
//! in plaintext and inside TLS.

use echo_net::tls::{ClientTls, ServerTls, ServerTrust, Transform};

use super::pooled::{pool, pool_load};
use super::room::{Room, RoomPeer, Treatment, chat_plan};
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

/// A peer inside TLS.
struct Sealed {
    inner: Box<dyn Peer>,
    tls: Transform,
}

impl Sealed {
    fn seal(&mut self, plain: Script, script: &mut Script) {
        script.append_sealed(plain, |bytes| {
            let mut sealed = Vec::new();
            self.tls.send(bytes, &mut sealed);
            sealed
        });
    }
}

impl Peer for Sealed {
    fn connect(&mut self, now: Nanos) -> ConnectOutcome {
        self.inner.connect(now)
    }
    fn connected(&mut self, now: Nanos, script: &mut Script) {
        let mut plain = Script::default();
        self.inner.connected(now, &mut plain);
        // What is sealed now goes out once there are keys.
        self.seal(plain, script);
    }
    fn window(&mut self, now: Nanos, offered: usize) -> Window {
        self.inner.window(now, offered)
    }
    fn receive(&mut self, now: Nanos, bytes: &[u8], script: &mut Script) {
        let mut plaintext = Vec::new();
        let received = self.tls.receive_all(bytes, |piece| plaintext.extend_from_slice(piece));
        received.expect("the client speaks TLS");
        let mut output = Vec::new();
        self.tls.take_output(&mut output);
        script.deliver(0, &output);
        let mut plain = Script::default();
        self.inner.receive(now, &plaintext, &mut plain);
        self.seal(plain, script);
    }
    fn end_of_input(&mut self, now: Nanos, script: &mut Script) {
        self.inner.end_of_input(now, script);
    }
    fn told(&mut self, now: Nanos, bytes: &[u8], script: &mut Script) {
        let mut plain = Script::default();
        self.inner.told(now, bytes, &mut plain);
        self.seal(plain, script);
    }
}

/// What is put on.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Requests,
    Pool(u32),
    Chat { deaf: bool },
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        2 => Just(Kind::Requests),
        2 => (0_u32..4).prop_map(Kind::Pool),
        1 => any::<bool>().prop_map(|deaf| Kind::Chat { deaf }),
    ]
}

impl Weather {
    fn connect(&self) -> ConnectOutcome {
        if self.refused {
            ConnectOutcome::Failed { after: 1000, kind: ErrorKind::ConnectionRefused }
        } else {
            ConnectOutcome::Made { after: 1000 }
        }
    }

    fn echo(&self, number: u64) -> Box<dyn Peer> {
        let echo = EchoPeer::new(EchoOptions {
            connect: self.connect(),
            message: Some(SIZE),
            delay: self.delay,
            jitter: self.jitter,
            seed: number,
            serial: self.serial,
            piece: self.piece,
            skip_every: self.skip_every,
            ending: self.ending,
        });
        Box::new(Narrow { echo, window: self.window })
    }

    fn room(&self, number: u64, room: &Room) -> Box<dyn Peer> {
        Box::new(RoomPeer::new(
            number,
            room,
            Treatment {
                connect: self.connect(),
                delay: self.delay,
                piece: self.piece,
                skip_every: self.skip_every,
                ending: self.ending,
            },
        ))
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

/// What is listed of the window is what is counted, kind by kind.
fn list_adds_up(total: &Interval) -> Result<(), TestCaseError> {
    use FailureKind as Kind;
    let (tally, errors) = (&total.tally, &total.errors);
    let listed = |kinds: &[Kind]| -> u64 {
        let of_window = errors.iter().filter(|one| one.phase == Phase::Window);
        of_window.filter(|one| kinds.contains(&one.kind)).map(|one| one.requests).sum()
    };
    for (kinds, counted) in [
        (&[Kind::Timeout][..], tally.timeout),
        (&[Kind::ErrorReply], tally.error),
        (&[Kind::Reset], tally.reset),
        (&[Kind::Closed], tally.closed),
        (&[Kind::Unsent, Kind::NoSocket], tally.unsent),
        (&[Kind::InFlight], tally.in_flight),
        (
            &[Kind::Refused, Kind::ConnectTimeout, Kind::TlsHandshake, Kind::TlsCertificate],
            tally.refused,
        ),
        (
            &[
                Kind::Corrupt,
                Kind::Truncated,
                Kind::Extended,
                Kind::Foreign,
                Kind::Dropped,
                Kind::Reordered,
                Kind::Malformed,
                Kind::TooLong,
            ],
            tally.mismatch,
        ),
    ] {
        prop_assert_eq!(listed(kinds), counted, "{:?}: {:?}", kinds, errors);
    }
    let outside = |one: &Failures| one.phase != Phase::Window && one.requests > 0;
    prop_assert!(!errors.iter().any(outside), "{:?}", errors);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn counts_add_up_and_clocks_agree_in_any_weather(
        weather in proptest::collection::vec(weather(), 1..5),
        kind in kind(),
        secured in proptest::bool::weighted(0.3),
        closed in any::<bool>(),
        poisson in any::<bool>(),
        warms in any::<bool>(),
        rate in 1.0_f64..3000.0,
        pipeline in 1_u32..20,
        seed in any::<u64>(),
    ) {
        let duration_ns = SECOND / 2;
        let pipeline = if let Kind::Requests = kind { pipeline } else { 1 };
        let load = if closed {
            Load::Closed { pipeline }
        } else {
            let arrival = if poisson { Arrival::Poisson } else { Arrival::Constant };
            open(rate, arrival, pipeline)
        };
        let connections = weather.len() as u32;
        let mut plan = match kind {
            Kind::Requests | Kind::Pool(_) => raw_plan(load, connections, duration_ns),
            Kind::Chat { deaf } => {
                let deaf = u32::from(deaf && connections > 2);
                chat_plan(connections.max(2), deaf, rate / 10.0, duration_ns)
            }
        };
        plan.seed = seed;
        plan.warmup_ns = if warms { 100 * MILLISECOND } else { 0 };
        plan.timeout_ns = 100 * MILLISECOND;
        plan.drain_ns = 300 * MILLISECOND;
        if let Kind::Pool(size) = kind {
            plan.workload = pool(size);
        }
        let plan = Arc::new(Plan::new(plan).unwrap());
        let server = secured.then(|| ServerTls::self_signed().unwrap());
        let tls = server.as_ref().map(|server| {
            let trust = ServerTrust::Certificate(server.fingerprint());
            PeerTls::new(ClientTls::new(&trust, false).unwrap(), "localhost").unwrap()
        });
        let room = Room::default();
        let peers = move |number: u64| {
            let weather = &weather[number as usize % weather.len()];
            let inner = match kind {
                Kind::Chat { .. } => weather.room(number, &room),
                _ => weather.echo(number),
            };
            match &server {
                None => inner,
                Some(server) => Box::new(Sealed { inner, tls: server.accept().unwrap() }),
            }
        };
        let run = match kind {
            Kind::Requests => {
                let load = Requests::new(&plan, 0..connections);
                simulate_load(tls, &plan, load, connections, peers)
            }
            Kind::Pool(size) => {
                let (load, links) = pool_load(&plan, size);
                simulate_load(tls, &plan, load, links, peers)
            }
            Kind::Chat { .. } => {
                simulate_load(tls, &plan, Chat::new(&plan), plan.connections, peers)
            }
        };
        let total = &run.total;
        prop_assert!(total.tally.is_conserved(), "{:?}", total.tally);
        let (begin, end) = run.times;
        prop_assert!(end - begin <= plan.warmup_ns + duration_ns + 300 * MILLISECOND + 60 * MILLISECOND);
        list_adds_up(total)?;
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

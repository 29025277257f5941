//! A chat server whose members' connections are as bad as it is said: [`RoomPeer`]. Chats
//! measured to the digit.

use super::*;

/// How one member is treated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Treatment {
    pub(super) connect: ConnectOutcome,
    /// From a line to what it causes.
    pub(super) delay: Nanos,
    /// Lines arrive in pieces of at most so many bytes.
    pub(super) piece: usize,
    /// Every n-th text for this member is lost.
    pub(super) skip_every: Option<u64>,
    /// After so many texts its connection goes on in this way.
    pub(super) ending: Option<(u64, Ending)>,
}

impl Treatment {
    pub(super) const fn after(delay: Nanos) -> Self {
        let connect = ConnectOutcome::Made { after: 1000 };
        Self { connect, delay, piece: usize::MAX, skip_every: None, ending: None }
    }
}

/// The names of those who have joined, by the number of their connection.
pub(super) type Room = Rc<RefCell<Vec<Option<String>>>>;

/// See the [module](self).
pub(super) struct RoomPeer {
    number: usize,
    room: Room,
    treatment: Treatment,
    partial: Vec<u8>,
    told: u64,
}

impl RoomPeer {
    pub(super) fn new(number: u64, room: &Room, treatment: Treatment) -> Self {
        let number = number as usize;
        room.borrow_mut().resize(number + 1, None);
        Self { number, room: Rc::clone(room), treatment, partial: Vec::new(), told: 0 }
    }

    fn has_ended(&self) -> bool {
        self.treatment.ending.is_some_and(|(last, _)| self.told >= last)
    }
}

impl Peer for RoomPeer {
    fn connect(&mut self, _now: Nanos) -> ConnectOutcome {
        self.treatment.connect
    }

    fn connected(&mut self, _now: Nanos, script: &mut Script) {
        script.deliver(0, b"* Welcome. Choose a name with /nick <name>\n");
    }

    fn receive(&mut self, _now: Nanos, bytes: &[u8], script: &mut Script) {
        self.partial.extend_from_slice(bytes);
        let partial = std::mem::take(&mut self.partial);
        let lines = partial.split_inclusive(|&byte| byte == b'\n');
        let mut room = self.room.borrow_mut();
        for line in lines {
            if !line.ends_with(b"\n") {
                self.partial = line.to_vec();
            } else if let Some(name) = line.strip_prefix(b"/nick ") {
                let name = String::from_utf8(name.trim_ascii_end().to_vec()).unwrap();
                let online = format!("* 1 online: {name}\n");
                room[self.number] = Some(name);
                script.deliver_in_pieces(
                    self.treatment.delay,
                    online.as_bytes(),
                    self.treatment.piece,
                );
            } else if let Some(name) = &room[self.number] {
                let said = [name.as_bytes(), b": ", line].concat();
                let others = room.iter().enumerate().filter(|(_, name)| name.is_some());
                for (other, _) in others.filter(|(other, _)| *other != self.number) {
                    script.tell(0, other as u64, &said);
                }
            }
        }
    }

    fn told(&mut self, _now: Nanos, bytes: &[u8], script: &mut Script) {
        if self.has_ended() {
            return;
        }
        self.told += 1;
        let Treatment { delay, piece, skip_every, ending, .. } = self.treatment;
        if skip_every.is_none_or(|every| !self.told.is_multiple_of(every)) {
            script.deliver_in_pieces(delay, bytes, piece);
        }
        match ending {
            Some((last, Ending::HalfClose)) if self.told == last => script.half_close(delay),
            Some((last, Ending::Reset)) if self.told == last => script.reset(delay),
            _ => {}
        }
    }
}

pub(super) fn chat_plan(members: u32, deaf: u32, rate: f64, duration_ns: Nanos) -> Settings {
    Settings {
        workload: WorkloadPlan::Chat { deaf },
        ..raw_plan(open(rate, Arrival::Constant, 64), members, duration_ns)
    }
}

pub(super) fn chat(plan: Settings, treat: impl Fn(u64) -> Treatment + 'static) -> Simulated {
    let plan = Arc::new(Plan::new(plan).unwrap());
    let room = Room::default();
    simulate_load(None, &plan, Chat::new(&plan), plan.connections, move |number| {
        Box::new(RoomPeer::new(number, &room, treat(number)))
    })
}

#[test]
fn each_delivery_is_timed_from_the_instant_its_message_was_due() {
    let plan = chat_plan(5, 1, 100.0, 2 * SECOND);
    let run = chat(plan, |number| Treatment::after((number + 1) * MILLISECOND));
    let tally = &run.total.tally;
    // Four speak, and each is heard by three: the deaf one hears nothing.
    assert_eq!((tally.scheduled, tally.ok), (600, 600), "{tally:?}");
    let response = run.total.latencies.response.histogram();
    for member in 1..5 {
        assert_eq!(response.count_at((member + 1) * MILLISECOND), 150, "member {member}");
    }
    assert_eq!((run.record.alive_at_end, run.record.reconnects), (5, 0));
    let little = run.record.ledger.outstanding_area as f64 / (response.mean() * 600.0);
    assert!((little - 1.0).abs() < 0.02, "{little}");
}

#[test]
fn what_a_lost_member_would_have_said_and_heard_is_in_the_percentiles() {
    let plan = chat_plan(4, 0, 100.0, 4 * SECOND);
    let run = chat(plan, |number| Treatment {
        ending: (number == 2).then_some((30, Ending::Reset)),
        ..Treatment::after(30 * MILLISECOND)
    });
    let Interval { tally, latencies, errors, .. } = &run.total;
    assert!(tally.is_conserved() && tally.unsent > 0 && tally.reset > 0, "{tally:?}");
    assert_eq!(tally.scheduled, 400 * 3, "as many as without the loss: {tally:?}");
    let given_up = tally.unsent + tally.reset + tally.in_flight;
    assert_eq!(latencies.response.censored(), given_up, "{tally:?}");
    assert!(latencies.response.is_lower_bound(1.0));
    assert_eq!(errors.of(FailureKind::Reset), 1, "{errors:?}");
    assert_eq!(run.record.alive_at_end, 3);
}

#[test]
fn a_wrong_delivery_has_no_latency() {
    /// A room that says something else to everyone.
    struct Garbling(RoomPeer);
    impl Peer for Garbling {
        fn connected(&mut self, now: Nanos, script: &mut Script) {
            self.0.connected(now, script);
        }
        fn receive(&mut self, now: Nanos, bytes: &[u8], script: &mut Script) {
            self.0.receive(now, bytes, script);
        }
        fn told(&mut self, now: Nanos, bytes: &[u8], script: &mut Script) {
            let mut bytes = bytes.to_vec();
            let last = bytes.len() - 2;
            bytes[last] ^= 1;
            self.0.told(now, &bytes, script);
        }
    }
    let plan = Arc::new(Plan::new(chat_plan(3, 0, 50.0, SECOND)).unwrap());
    let room = Room::default();
    let run = simulate_load(None, &plan, Chat::new(&plan), 3, move |number| {
        Box::new(Garbling(RoomPeer::new(number, &room, Treatment::after(MILLISECOND))))
    });
    let tally = &run.total.tally;
    assert_eq!((tally.mismatch, tally.scheduled), (100, 100), "{tally:?}");
    assert_eq!(run.total.latencies.response.count(), 0);
}

#[test]
fn of_a_server_that_does_not_read_a_bounded_number_of_messages_waits() {
    /// A room that reads no more than the name of each member.
    struct Deaf(RoomPeer);
    impl Peer for Deaf {
        fn connected(&mut self, now: Nanos, script: &mut Script) {
            self.0.connected(now, script);
        }
        fn window(&mut self, _now: Nanos, _offered: usize) -> Window {
            let joined = self.0.room.borrow()[self.0.number].is_some();
            if joined { Window::SHUT } else { Window::OPEN }
        }
        fn receive(&mut self, now: Nanos, bytes: &[u8], script: &mut Script) {
            self.0.receive(now, bytes, script);
        }
    }
    let plan = Arc::new(Plan::new(chat_plan(2, 0, 20_000.0, 4 * SECOND)).unwrap());
    let room = Room::default();
    let run = simulate_load(None, &plan, Chat::new(&plan), 2, move |number| {
        Box::new(Deaf(RoomPeer::new(number, &room, Treatment::after(MILLISECOND))))
    });
    let tally = &run.total.tally;
    assert!(tally.is_conserved() && tally.scheduled == 80_000, "{tally:?}");
    // And a message in flight, and one beyond it.
    let most = 2 * (MOST_UNSENT + 2 * 2048) as u64;
    assert!(tally.ok == 0 && tally.unsent > 0 && tally.bytes_sent <= most, "{tally:?}");
}

#[test]
fn a_server_that_does_not_let_anyone_in_or_speaks_tls_is_named() {
    struct Silent;
    impl Peer for Silent {
        fn receive(&mut self, _now: Nanos, _bytes: &[u8], _script: &mut Script) {}
    }
    struct SpeaksTls;
    impl Peer for SpeaksTls {
        fn receive(&mut self, _now: Nanos, _bytes: &[u8], script: &mut Script) {
            script.deliver(0, &[21, 3, 3, 0, 2, 2, 10]);
            script.half_close(0);
        }
    }
    let silent: fn(u64) -> Box<dyn Peer> = |_| Box::new(Silent);
    let tls: fn(u64) -> Box<dyn Peer> = |_| Box::new(SpeaksTls);
    for (peers, cause) in [(silent, "is it a chat server?"), (tls, "try --tls")] {
        let plan = Arc::new(Plan::new(chat_plan(3, 0, 50.0, SECOND)).unwrap());
        let run = simulate_load(None, &plan, Chat::new(&plan), 3, peers);
        assert_eq!(run.setup.established, 0);
        let failure = run.setup.failure.expect("nobody was let in").to_string();
        assert!(failure.contains(cause), "{failure}");
        assert!(run.total.tally.is_conserved());
    }
}

use super::*;
use crate::messages::Verify;

struct Hall {
    deliveries: Deliveries,
    messages: Messages,
    ledger: Ledger,
}

impl Hall {
    fn new() -> Self {
        let mut deliveries = Deliveries::new(3);
        (0..3).for_each(|member| deliveries.listen(member));
        let messages = Messages::generated(20, 20, 1, Verify::Full);
        Self { deliveries, messages, ledger: Ledger::of_test(true) }
    }

    fn say(&mut self, speaker: u32, at: Nanos) {
        self.deliveries.said(speaker, (at, at + 1), true, &mut self.ledger);
    }

    /// Whether it was a right delivery.
    fn hear(&mut self, listener: u32, speaker: u32, number: u64, at: Nanos) -> bool {
        let mut text = Vec::new();
        self.messages.write(speaker, number, &mut text);
        self.hear_text(listener, speaker, &text, at)
    }

    fn hear_text(&mut self, listener: u32, speaker: u32, text: &[u8], at: Nanos) -> bool {
        let Self { deliveries, messages, ledger } = self;
        let before = ledger.interval().tally.ok;
        deliveries.heard(listener, speaker, text, messages, at, ledger);
        ledger.interval().tally.ok > before
    }
}

#[test]
fn every_delivery_ends_once_and_is_timed_from_its_intended_instant() {
    let mut hall = Hall::new();
    hall.say(0, 100);
    hall.say(0, 200);
    hall.say(1, 300);
    assert_eq!(hall.ledger.interval().tally.scheduled, 6);
    for (listener, speaker, number) in
        [(1, 0, 0), (1, 0, 1), (2, 1, 0), (2, 0, 0), (2, 0, 1), (0, 1, 0)]
    {
        assert!(hall.hear(listener, speaker, number, 1000));
    }
    assert_eq!((hall.ledger.interval().tally.ok, hall.deliveries.outstanding()), (6, 0));
    assert!(hall.ledger.interval().tally.is_conserved());
    let response = hall.ledger.interval().latencies.response.histogram();
    assert_eq!((response.min(), response.max()), (700, 900));
}

#[test]
fn loss_doubles_disorder_and_damage_are_told_apart() {
    let mut hall = Hall::new();
    (0..5).for_each(|n| hall.say(0, n * 100));
    assert!(hall.hear(1, 0, 0, 900));
    assert!(!hall.hear(1, 0, 0, 900), "a second time");
    assert!(hall.hear(1, 0, 2, 900), "1 is passed over");
    assert!(!hall.hear(1, 0, 1, 900), "and comes late");
    assert!(!hall.hear_text(1, 0, b"ABCDEFGHIJKLMNOPQRST", 900));
    assert!(!hall.hear(1, 0, 7, 900), "never said");
    assert!(!hall.hear(1, 2, 0, 900), "never said by anyone");
    let counts = [
        FailureKind::Duplicated,
        FailureKind::Dropped,
        FailureKind::Reordered,
        FailureKind::Corrupt,
        FailureKind::Unsolicited,
    ]
    .map(|kind| hall.ledger.interval().errors.of(kind));
    assert_eq!(counts, [1, 0, 1, 1, 2], "late, and not lost");
    let lost = {
        let Hall { deliveries, ledger, .. } = &mut hall;
        deliveries.deafen(1, 1000, ledger, Ending::Closed)
            + deliveries.deafen(2, 1000, ledger, Ending::InFlight)
    };
    assert_eq!(lost, 1 + 5);
    let tally = hall.ledger.interval().tally;
    assert_eq!((tally.ok, tally.mismatch, tally.closed, tally.in_flight), (2, 2, 1, 5));
    assert!(tally.is_conserved());
}

#[test]
fn a_text_under_another_name_fails_the_delivery_of_its_stamp_and_no_other() {
    let mut hall = Hall::new();
    (0..2).for_each(|speaker| hall.say(speaker, 100));
    let mut text = Vec::new();
    hall.messages.write(1, 0, &mut text);
    assert!(!hall.hear_text(2, 0, &text, 900));
    assert!(hall.hear(2, 0, 0, 901));
    let Hall { deliveries, ledger, .. } = &mut hall;
    assert_eq!(deliveries.deafen(2, 1000, ledger, Ending::InFlight), 0);
    let errors = &ledger.interval().errors;
    let kinds: Vec<_> = errors.iter().map(|one| (one.kind, one.count)).collect();
    assert_eq!(kinds, [(FailureKind::Foreign, 1)]);
    assert_eq!((ledger.interval().tally.ok, ledger.interval().tally.mismatch), (1, 1));
}

#[test]
fn a_delivery_that_never_comes_is_dropped_once_nothing_more_is_heard() {
    let mut hall = Hall::new();
    (0..2).for_each(|n| hall.say(0, n * 100));
    assert!(hall.hear(1, 0, 1, 900));
    assert_eq!(hall.deliveries.outstanding(), 3);
    let Hall { deliveries, ledger, .. } = &mut hall;
    assert_eq!(deliveries.deafen(1, 1000, ledger, Ending::InFlight), 0);
    assert_eq!(ledger.interval().errors.of(FailureKind::Dropped), 1);
    assert_eq!((ledger.interval().tally.mismatch, deliveries.outstanding()), (1, 2));
}

#[test]
fn a_wrong_delivery_has_no_latency_and_a_missing_one_a_lower_bound() {
    let mut hall = Hall::new();
    (0..3).for_each(|n| hall.say(0, n * 100));
    assert!(!hall.hear_text(1, 0, b"ABCDEFGHIJKLMNOPQRST", 900));
    assert!(!hall.hear_text(1, 0, b"too short", 900));
    let response = |hall: &mut Hall| {
        let response = &hall.ledger.interval().latencies.response;
        (response.count(), response.censored())
    };
    assert_eq!((hall.ledger.interval().tally.mismatch, response(&mut hall)), (2, (0, 0)));
    let Hall { deliveries, ledger, .. } = &mut hall;
    deliveries.deafen(1, 1000, ledger, Ending::Closed);
    assert_eq!((hall.ledger.interval().tally.closed, response(&mut hall)), (1, (1, 1)));
}

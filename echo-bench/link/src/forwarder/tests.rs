use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::*;

const MS: Nanos = 1_000_000;

/// Packets as they arrive, and what left the link, when and where.
#[derive(Default)]
struct Script {
    now: Nanos,
    arrivals: [VecDeque<(Nanos, Vec<u8>)>; 2],
    left: Vec<(Nanos, usize, Vec<u8>)>,
    end: Nanos,
}

struct End(usize, Rc<RefCell<Script>>);

struct Manual(Rc<RefCell<Script>>);

impl PacketEnd for End {
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Nanos)> {
        let mut script = self.1.borrow_mut();
        let now = script.now;
        let arrived = script.arrivals[self.0].pop_front_if(|(at, _)| *at <= now);
        let (at, packet) = arrived.ok_or(io::ErrorKind::WouldBlock)?;
        buffer[..packet.len()].copy_from_slice(&packet);
        Ok((packet.len(), at))
    }

    fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        let mut script = self.1.borrow_mut();
        let now = script.now;
        script.left.push((now, self.0, packet.to_vec()));
        Ok(())
    }

    fn overrun(&mut self) -> u64 {
        self.0 as u64
    }
}

impl Wait<End> for Manual {
    fn now(&mut self) -> Nanos {
        self.0.borrow().now
    }

    fn wait(&mut self, _: [&End; 2], until: Option<Nanos>) -> io::Result<bool> {
        let mut script = self.0.borrow_mut();
        let arrivals = script.arrivals.iter().filter_map(|all| all.front().map(|(at, _)| *at));
        let next = arrivals.chain(until).min().unwrap_or(script.end);
        script.now = script.now.max(next).min(script.end);
        Ok(script.now < script.end)
    }
}

/// A frame with so many bytes under IPv4.
fn frame(number: u8, size: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, number, 2, 0, 0, 0, 0, 9, 0x08, 0x00, 0x45];
    frame.resize(14 + 20 + size, number);
    frame
}

fn run(spec: &str, script: Script) -> (LinkCounts, Vec<(Nanos, usize, Vec<u8>)>) {
    let script = Rc::new(RefCell::new(script));
    let ends = [End(0, script.clone()), End(1, script.clone())];
    let spec = spec.parse().unwrap();
    let counts = forward(spec, 1, ends, &mut Manual(script.clone())).unwrap();
    let left = std::mem::take(&mut script.borrow_mut().left);
    (counts, left)
}

#[test]
fn packets_leave_at_the_other_end_after_the_delay_unchanged() {
    let mut script = Script { end: 100 * MS, ..Script::default() };
    script.arrivals[0].extend([(0, frame(1, 100)), (MS, frame(2, 1480))]);
    script.arrivals[1].extend([(2 * MS, frame(3, 0))]);
    let (counts, left) = run("rtt=20ms", script);
    let expected =
        [(10 * MS, 1, frame(1, 100)), (11 * MS, 1, frame(2, 1480)), (12 * MS, 0, frame(3, 0))];
    assert_eq!(left, expected);
    assert_eq!((counts.to_server.bytes, counts.to_generator.packets), (1580, 1));
    assert_eq!(counts.lateness, Some(Lateness::default()));
    assert_eq!((counts.delivered(), counts.lost_by_forwarder), (3, 1));
    assert_eq!(counts.elapsed_ns, 100 * MS);
}

#[test]
fn a_burst_shares_the_rate_of_its_direction_alone() {
    let mut script = Script { end: 100 * MS, ..Script::default() };
    script.arrivals[0].extend((0..100).map(|number| (0, frame(number, 1250))));
    script.arrivals[1].extend([(0, frame(200, 1250))]);
    let (_, left) = run("rate=10M", script);
    let to = |end| left.iter().filter(move |(_, to, _)| *to == end).map(|(at, _, _)| *at);
    assert_eq!(to(1).collect::<Vec<_>>(), (1..100).map(|n| n * MS).collect::<Vec<_>>());
    assert_eq!(to(0).collect::<Vec<_>>(), [MS]);
}

#[test]
fn what_is_no_packet_between_the_ends_is_ignored() {
    let six = |size: usize| [&frame(1, 0)[..12], &[0x86, 0xdd, 0x60], &vec![0; size]].concat();
    assert_eq!(counted_bytes(&frame(1, 1480)), Some(1480));
    assert_eq!(counted_bytes(&six(39 + 1460)), Some(1460));
    let mut multicast = six(100);
    multicast[0] = 0x33;
    let arp = [&frame(1, 0)[..12], &[0x08, 0x06], &[0; 28]].concat();
    for other in [&multicast[..], &arp, &frame(1, 0)[..20], &frame(1, 0)[..13], &six(3), &[]] {
        assert_eq!(counted_bytes(other), None, "{other:?}");
    }
}

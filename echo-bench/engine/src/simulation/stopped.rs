//! A run that is ended before its time, since enough is known.

use super::*;

#[test]
fn a_window_that_is_cut_at_an_interval_is_as_whole_as_any() {
    let settings = raw_plan(open(1000.0, Arrival::Constant, 1), 2, 16 * SECOND);
    let plan = Arc::new(Plan::new(settings).unwrap());
    let load = Requests::new(&plan, 0..2);
    let mut reactor = SimulatedReactor::new(START, echo(EchoOptions::after(MILLISECOND / 10)));
    let known = Arc::new(Mutex::new((Interval::new(0, true), None::<Timeline>)));
    let shared = Arc::clone(&known);
    let finished = Box::new(move |piece: Interval| {
        let (total, timeline) = &mut *shared.lock().unwrap();
        *total += &piece;
        if let Some(timeline) = timeline {
            timeline.finish(timeline.window_start + 3 * SECOND);
        }
    });
    let mut rig = Rig::new(assignment(None, &plan), load, 0..2, finished);
    rig.connect_all(&mut reactor).unwrap();
    let timeline = Timeline::new(&plan, reactor.now() + MILLISECOND);
    known.lock().unwrap().1 = Some(timeline.clone());
    let record = rig.run(&mut reactor, timeline.clone()).unwrap();
    let tally = known.lock().unwrap().0.tally;
    assert_eq!((tally.scheduled, tally.ok), (3000, 3000), "{tally:?}");
    assert!(tally.is_conserved() && !timeline.is_interrupted());
    assert_eq!(timeline.window_end(), timeline.window_start + 3 * SECOND);
    let last = record.ledger.due.last().unwrap();
    assert!(last < timeline.window_end(), "{last}");
}

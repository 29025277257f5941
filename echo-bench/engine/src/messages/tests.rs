use super::*;
use proptest::prelude::*;

fn text(messages: &Messages, connection: u32, request: u64) -> Vec<u8> {
    let mut text = Vec::new();
    messages.write(connection, request, &mut text);
    text
}

#[test]
fn each_deviation_is_told_apart() {
    let messages = Messages::generated(64, 64, 0, Verify::Full);
    let right = text(&messages, 3, 70);
    assert_eq!(messages.check(3, 70, &right), Ok(()));
    assert_eq!(messages.check(3, 70, &right[..20]), Err(Deviation::Truncated));
    assert_eq!(messages.check(3, 70, b""), Err(Deviation::Truncated));
    let longer = [&right[..], b"x"].concat();
    assert_eq!(messages.check(3, 70, &longer), Err(Deviation::Extended));
    let foreign = text(&messages, 4, 70);
    let of_other = Err(Deviation::Foreign { connection: 4, request: 70 });
    assert_eq!(messages.check(3, 70, &foreign), of_other);
    let next = text(&messages, 3, 71);
    assert_eq!(messages.check(3, 70, &next), Err(Deviation::Elsewhere { request: 71 }));
}

proptest! {
    #[test]
    fn a_run_of_messages_is_each_of_them_in_turn(
        (size, first, count) in (0usize..80, 0u64..100_000, 0u64..70),
    ) {
        let messages = Messages::generated(size, size, 0, Verify::Full);
        let (mut run, mut each) = (b"before".to_vec(), b"before".to_vec());
        let requests = first..first + count;
        let found = messages.append_run(9, requests.clone(), &mut run);
        prop_assert_eq!(found.is_some(), size >= STAMP && count > 0);
        if found.is_some() {
            requests.for_each(|request| messages.append(9, request, &mut each));
        }
        prop_assert_eq!(run, each);
    }
}

#[test]
fn one_wrong_byte_anywhere_is_corrupt() {
    let messages = Messages::generated(40, 40, 0, Verify::Full);
    for place in 0..40 {
        let mut wrong = text(&messages, 1, 5);
        wrong[place] = if wrong[place] == b'B' { b'C' } else { b'B' };
        assert_eq!(messages.check(1, 5, &wrong), Err(Deviation::Corrupt), "byte {place}");
    }
}

#[test]
fn an_answer_without_or_with_a_wrong_prefix_is_told_from_chatter() {
    let messages = Messages::generated(64, 64, 0, Verify::Full);
    let right = text(&messages, 1, 5);
    assert!(messages.resembles(1, 5, &right));
    assert!(messages.resembles(1, 5, &[b"ECXO: ", &right[..]].concat()));
    assert!(!messages.resembles(1, 5, b"hello there"));
}

#[test]
fn given_texts_take_turns() {
    let messages = Messages::given(vec![b"a".to_vec(), b"bc".to_vec()], Verify::Full);
    assert_eq!(text(&messages, 0, 3), b"bc");
    assert_eq!(messages.check(0, 2, b"a"), Ok(()));
    assert_eq!(messages.check(0, 2, b"b"), Err(Deviation::Corrupt));
}

#[test]
fn weaker_checks_see_less() {
    let length = Messages::generated(4, 4, 0, Verify::Length);
    assert_eq!(length.check(0, 0, b"????"), Ok(()));
    assert!(length.check(0, 0, b"???").is_err());
    let off = Messages::generated(4, 4, 0, Verify::Off);
    assert_eq!(off.check(0, 0, b""), Ok(()));
}

proptest! {
    #[test]
    fn texts_are_equal_as_slices_are(
        text in prop::collection::vec(any::<u8>(), 0..300), place: prop::sample::Index, flip: u8,
    ) {
        let mut other = text.clone();
        prop_assert!(equal(&text, &other));
        if !text.is_empty() && flip > 0 {
            other[place.index(text.len())] ^= flip;
            prop_assert!(!equal(&text, &other));
        }
    }

    #[test]
    fn what_is_written_is_accepted(
        min in 1usize..40, more in 0usize..40, seed: u64, connection in 0u32..1 << 24, request in 0u64..1 << 36,
    ) {
        let messages = Messages::generated(min, min + more, seed, Verify::Full);
        let text = text(&messages, connection, request);
        prop_assert!((min..=min + more).contains(&text.len()));
        prop_assert_eq!(messages.check(connection, request, &text), Ok(()));
        prop_assert!(!text.contains(&b'\n'));
    }
}

#[test]
fn messages_of_drawn_sizes_are_accepted_and_their_deviations_told_apart() {
    let spread: Spread = "lognormal:median=60,p99=2000".parse().unwrap();
    let messages =
        Messages::drawn(SizeTable::of_spread(&spread, 1, 3000, 4), 3000, Verify::Full);
    for request in 0..500 {
        let right = text(&messages, 3, request);
        assert_eq!(messages.check(3, request, &right), Ok(()));
        assert!(messages.check(3, request, &right[1..]).is_err());
        let longer = [&right[..], b"x"].concat();
        assert_eq!(messages.check(3, request, &longer), Err(Deviation::Extended));
        let other = text(&messages, 4, request);
        if right.len() >= STAMP && other.len() >= STAMP {
            let foreign = Deviation::Foreign { connection: 4, request };
            assert_eq!(messages.check(3, request, &other), Err(foreign));
        }
    }
    assert_eq!(messages.append_run(3, 0..8, &mut Vec::new()), None);
}

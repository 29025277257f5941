//! A chat room with any lines: each member reads whole lines of known kinds, private ones reach
//! only their two ends, and names are unique.

use std::collections::BTreeMap;

use echo_proto::chat::{Audience, ChatLines, MemberId, Room, Stay};

use super::input::{Input, pieces};

/// Members at most.
const MEMBERS: usize = 4;

#[derive(Default)]
struct Heard {
    lines: BTreeMap<MemberId, Vec<String>>,
}

impl Heard {
    fn post(&mut self, room: &[MemberId], to: Audience, line: &str) {
        assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line:?}");
        assert!(!line.trim_end_matches('\n').contains(is_control), "{line:?}");
        match to {
            Audience::Only(member) => self.put(member, line),
            Audience::Others(but) => {
                for &member in room.iter().filter(|member| **member != but) {
                    self.put(member, line);
                }
            }
        }
    }

    fn put(&mut self, member: MemberId, line: &str) {
        self.lines.entry(member).or_default().push(line.to_owned());
    }
}

fn is_control(character: char) -> bool {
    character.is_control() && character != '\t'
}

/// The input is what the members say, line by line in turn.
pub(super) fn room(data: &[u8]) {
    let mut input = Input::new(data);
    let max_message = input.pick(&[8, 100, 65_536]);
    let lengths = input.lengths();
    let leaving = usize::from(input.byte());
    let text = input.rest();
    let mut room = Room::default();
    let members: Vec<_> = (0..MEMBERS).map(|_| room.enter()).collect();
    let mut present = members.clone();
    let mut heard = Heard::default();
    for (turn, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let member = members[turn % MEMBERS];
        let named: Vec<_> = room.named().collect();
        let stay = room.say(member, line, &mut |to, line| heard.post(&named, to, line));
        if stay == Stay::Out || turn == leaving {
            room.leave(member, &mut |to, line| heard.post(&named, to, line));
            present.retain(|one| *one != member);
        }
        assert!(room.named().all(|member| present.contains(&member)));
    }
    for member in present {
        room.leave(member, &mut |_, _| {});
    }
    assert_eq!(room.named().count(), 0);
    cut(text, max_message, &lengths);
}

/// Any cut of a member's bytes gives the same lines.
fn cut(text: &[u8], max_message: usize, lengths: &[usize]) {
    let read = |pieces: Vec<&[u8]>| {
        let mut lines = ChatLines::new(max_message);
        let mut seen = Vec::new();
        for piece in pieces {
            let fed = lines.feed(piece, |line| {
                seen.push(line.to_vec());
                if line == b"/quit" { Stay::Out } else { Stay::In }
            });
            if !matches!(fed, Ok(Stay::In)) {
                return (seen, fed.is_ok());
            }
        }
        let last = lines.end_of_input();
        let fits = last.is_ok();
        seen.extend(last.ok().flatten());
        (seen, fits)
    };
    let whole = read(vec![text]);
    assert_eq!(whole, read(pieces(text, lengths)));
    assert_eq!(whole, read(text.chunks(1).collect()));
}

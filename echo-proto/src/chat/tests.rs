use super::*;
use proptest::prelude::*;

/// A room and what everyone in it has seen.
#[derive(Default)]
struct Party {
    room: Room,
    seen: HashMap<MemberId, Vec<String>>,
}

impl Party {
    fn enter(&mut self) -> MemberId {
        let member = self.room.enter();
        self.seen.insert(member, Vec::new());
        member
    }

    fn named(&mut self, name: &str) -> MemberId {
        let member = self.enter();
        assert_eq!(self.say(member, format!("/nick {name}")), Stay::In);
        member
    }

    fn say(&mut self, member: MemberId, line: impl AsRef<[u8]>) -> Stay {
        let mut posted = Vec::new();
        let stay = self.room.say(member, line.as_ref(), &mut |to, line| {
            posted.push((to, line.to_owned()));
        });
        self.deliver(posted);
        stay
    }

    fn leave(&mut self, member: MemberId) {
        let mut posted = Vec::new();
        self.room.leave(member, &mut |to, line| posted.push((to, line.to_owned())));
        self.deliver(posted);
    }

    fn deliver(&mut self, posted: Vec<(Audience, String)>) {
        for (to, line) in posted {
            assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line:?}");
            let to: Vec<MemberId> = match to {
                Audience::Only(member) => vec![member],
                Audience::Others(but) => {
                    self.room.named().filter(|member| *member != but).collect()
                }
            };
            for member in to {
                self.seen
                    .entry(member)
                    .or_default()
                    .push(line.trim_end_matches('\n').to_owned());
            }
        }
    }

    /// What a member has seen since it was last asked.
    fn seen(&mut self, member: MemberId) -> Vec<String> {
        std::mem::take(self.seen.entry(member).or_default())
    }
}

#[test]
fn names_are_told_and_unique_without_regard_to_case() {
    let mut party = Party::default();
    let anna = party.named("Anna");
    assert_eq!(party.seen(anna), ["* 1 online: Anna"]);
    let bob = party.enter();
    for (name, reply) in [
        ("ANNA", "ERROR: Name is taken"),
        ("", "ERROR: A name has 1 to 32 letters, digits, _ or -"),
        ("a b", "ERROR: A name has 1 to 32 letters, digits, _ or -"),
        ("*", "ERROR: A name has 1 to 32 letters, digits, _ or -"),
        (&"x".repeat(33), "ERROR: A name has 1 to 32 letters, digits, _ or -"),
    ] {
        assert_eq!(party.say(bob, format!("/nick {name}")), Stay::In);
        assert_eq!(party.seen(bob), [reply], "{name}");
    }
    assert_eq!(party.say(bob, "/nick Bob"), Stay::In);
    assert_eq!(party.seen(bob), ["* 2 online: Anna, Bob"]);
    assert_eq!(party.seen(anna), ["* Bob joined"]);
    assert_eq!(party.say(bob, "/nick bob"), Stay::In);
    assert_eq!(party.seen(bob), ["* Bob is now bob"]);
    assert_eq!(party.seen(anna), ["* Bob is now bob"]);
    assert_eq!(party.say(bob, "/nick bob"), Stay::In);
    assert_eq!(party.seen(bob), ["ERROR: You have that name already"]);
    assert_eq!(party.seen(anna), Vec::<String>::new(), "nothing has changed");
    party.leave(bob);
    party.leave(bob);
    assert_eq!(party.seen(anna), ["* bob left"], "once");
    let other = party.named("BOB");
    assert_eq!(party.seen(other), ["* 2 online: Anna, BOB"], "the name is free again");
}

#[test]
fn who_has_no_name_neither_speaks_nor_hears() {
    let mut party = Party::default();
    let (anna, mute) = (party.named("anna"), party.enter());
    party.seen(anna);
    for line in ["hello", "/msg anna hello"] {
        assert_eq!(party.say(mute, line), Stay::In);
        assert_eq!(party.seen(mute), ["ERROR: Choose a name first"], "{line}");
    }
    assert_eq!(party.say(anna, "secret"), Stay::In);
    assert_eq!((party.seen(anna), party.seen(mute)), (vec![], vec![]));
    party.leave(mute);
    assert_eq!(party.seen(anna), Vec::<String>::new(), "nobody knew it");
}

#[test]
fn text_goes_to_the_others_and_private_text_to_one() {
    let mut party = Party::default();
    let [anna, bob, cleo] = ["anna", "bob", "cleo"].map(|name| party.named(name));
    for member in [anna, bob, cleo] {
        party.seen(member);
    }
    assert_eq!(party.say(anna, "hi  all"), Stay::In);
    assert_eq!(party.say(anna, "/msg BOB psst, you"), Stay::In);
    assert_eq!(party.say(anna, "/msg nobody x"), Stay::In);
    assert_eq!(party.seen(bob), ["anna: hi  all", "anna (private): psst, you"]);
    assert_eq!(party.seen(cleo), ["anna: hi  all"]);
    assert_eq!(party.seen(anna), ["ERROR: No such user"]);
    for nothing in ["/msg bob", "/msg bob ", "/msg", "/msg nobody"] {
        assert_eq!(party.say(anna, nothing), Stay::In);
        let told = "ERROR: Say what to send: /msg <name> <text>";
        assert_eq!(party.seen(anna), [told], "{nothing}");
    }
    assert_eq!(party.seen(bob), Vec::<String>::new());
    assert_eq!(party.say(anna, "/who"), Stay::In);
    assert_eq!(party.say(anna, "/frob"), Stay::In);
    assert_eq!(party.say(anna, b"\xff"), Stay::In);
    let told = ["* 3 online: anna, bob, cleo", "ERROR: Unknown command, see /help"];
    assert_eq!(party.seen(anna), [told[0], told[1], "ERROR: Invalid UTF-8"]);
    assert_eq!(party.say(anna, "/quit"), Stay::Out);
}

proptest! {
    #[test]
    fn no_text_can_drive_a_terminal_or_pass_for_a_line_of_the_server(text in ".{0,40}") {
        prop_assume!(!text.starts_with('/') && !text.contains('\n'));
        let mut party = Party::default();
        let (anna, bob) = (party.named("anna"), party.named("bob"));
        party.seen(bob);
        prop_assert_eq!(party.say(anna, &text), Stay::In);
        let seen = party.seen(bob);
        prop_assert_eq!(seen.len(), 1);
        prop_assert!(seen[0].starts_with("anna: "));
        prop_assert!(seen[0].chars().all(|c| c == '\t' || !c.is_control()), "{:?}", seen[0]);
    }

    #[test]
    fn everyone_gets_every_line_of_the_others_once_and_in_order(
        turns in prop::collection::vec((0usize..5, any::<bool>()), 0..80),
    ) {
        let mut party = Party::default();
        let members: Vec<MemberId> =
            (0..5).map(|number| party.named(&format!("m{number}"))).collect();
        for &member in &members {
            party.seen(member);
        }
        let mut gone = [false; 5];
        let mut expected: Vec<Vec<String>> = vec![Vec::new(); 5];
        for (turn, (who, leaves)) in turns.into_iter().enumerate() {
            let leaves = leaves && turn % 7 == 0;
            let line = if leaves {
                party.leave(members[who]);
                format!("* m{who} left")
            } else {
                let _ = party.say(members[who], format!("line {turn}"));
                format!("m{who}: line {turn}")
            };
            if gone[who] {
                continue;
            }
            gone[who] = leaves;
            for other in (0..5).filter(|&other| other != who && !gone[other]) {
                expected[other].push(line.clone());
            }
        }
        for (member, expected) in members.iter().zip(expected) {
            prop_assert_eq!(party.seen(*member), expected);
        }
    }
}

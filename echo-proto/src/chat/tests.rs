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

/// What a newcomer sees who asks for `name` where `taken` are there.
fn answer_to(name: &str, taken: &[&str]) -> String {
    let mut party = Party::default();
    for name in taken {
        party.named(name);
    }
    let newcomer = party.enter();
    assert_eq!(party.say(newcomer, format!("/nick {name}")), Stay::In);
    party.seen(newcomer).concat()
}

/// Names that are often alike: few letters, in all their forms.
const NAME: &str = "[sSſßẞσςΣοОoOﬁｉiIİ]{1,3}";

/// By the standard library's tables: of these letters, case folding levels what upper case
/// of lower case does.
fn identity_of(name: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    let plain: String = name.nfkd().collect();
    plain.to_lowercase().to_uppercase().nfkd().collect()
}

const UNFIT: &str = "ERROR: A name has 1 to 32 letters, digits, _ or -";

#[test]
fn one_identity_has_one_name() {
    for (taken, same) in [
        ("οδοσ", "ΟΔΟΣ"),
        ("οδος", "οδοσ"),
        ("STRASSE", "straße"),
        ("Anna", "ａｎｎａ"),
        ("x2", "x２"),
        ("file", "ﬁle"),
        ("é", "e\u{301}"),
        ("ἀδελφός", "ἈΔΕΛΦΌΣ"),
    ] {
        assert_eq!(answer_to(same, &[taken]), "ERROR: Name is taken", "{taken} {same}");
        assert_eq!(answer_to(taken, &[same]), "ERROR: Name is taken", "{same} {taken}");
    }
    let mut party = Party::default();
    let (road, other) = (party.named("οδος"), party.named("other"));
    party.seen(road);
    let _ = party.say(other, "/msg ΟΔΟΣ hello");
    assert_eq!(party.seen(road), ["other (private): hello"]);
    party.leave(road);
    assert_eq!(party.named("ΟΔΟΣ"), MemberId(2), "the name is free again");
}

#[test]
fn a_name_in_any_script_will_do_and_an_invisible_one_will_not() {
    for name in
        ["हिन्दी", "น้ำ", "မြန်မာ", "עִבְרִית", "Zoë", "Zoe\u{308}", "二〇二四", "a_-9", "한국어"]
    {
        assert_eq!(answer_to(name, &[]), format!("* 1 online: {name}"));
    }
    for name in [
        "\u{3164}",
        "\u{115f}",
        "\u{ffa0}",
        "an\u{3164}na",
        "an\u{200d}na",
        "anna\u{fe0f}",
        "anna\u{e0041}",
        "\u{301}anna",
        "9\u{20e3}",
        "_\u{301}",
        "a:b",
        "* a",
    ] {
        assert_eq!(answer_to(name, &[]), UNFIT, "{}", name.escape_unicode());
    }
    // Letters are counted as people count them, and marks do not pile up.
    assert_eq!(answer_to(&"नि".repeat(32), &[]), format!("* 1 online: {}", "नि".repeat(32)));
    for name in ["नि".repeat(33), format!("a{}", "\u{301}\u{302}".repeat(3)), "क्".repeat(100)]
    {
        assert_eq!(answer_to(&name, &[]), UNFIT, "{name}");
    }
}

#[test]
fn a_name_that_looks_like_a_taken_one_is_refused() {
    let alike = "ERROR: Name looks like one that is taken";
    for (taken, wanted) in [
        ("anna", "аnnа"),   // Two letters are Cyrillic.
        ("apple", "аррӏе"), // All are.
        ("HOB", "НОВ"),     // Alike in upper case alone.
        ("hob", "НОВ"),
        ("НОВ", "hob"),
        ("bob", "bοb"),   // A Greek omicron.
        ("Anna", "ΑNNA"), // A Greek capital.
    ] {
        assert_eq!(answer_to(wanted, &[taken]), alike, "{taken} {wanted}");
    }
    // In one script, a reader has to look twice: these are other names.
    for (taken, wanted) in [("user1", "userl"), ("Amold", "Arnold"), ("anna", "анна")] {
        let seen = answer_to(wanted, &[taken]);
        assert!(seen.starts_with("* 2 online: "), "{taken} {wanted}: {seen}");
    }
    let mut party = Party::default();
    let anna = party.named("anna");
    party.seen(anna);
    let _ = party.say(anna, "/nick аnnа");
    assert_eq!(party.seen(anna), ["* anna is now аnnа"], "like its own name only");
    party.leave(anna);
    let other = party.named("anna");
    assert_eq!(party.seen(other), ["* 1 online: anna"], "the look is free again");
}

#[test]
fn nobody_can_be_called_what_a_line_of_the_server_begins_with() {
    let reserved = "ERROR: Name is reserved";
    for name in [
        "ERROR",
        "error",
        "Error",
        "ＥＲＲＯＲ",
        "ERR0R",
        "ЕRRОR",
        "server",
        "Server",
        "ѕеrvеr",
        "system",
        "ADMIN",
        "admіn",
        "_ERROR_",
        "ERROR-",
        "ERRORː",
    ] {
        assert_eq!(answer_to(name, &[]), reserved, "{name}");
    }
    for name in ["errors", "adminka", "observer"] {
        assert_eq!(answer_to(name, &[]), format!("* 1 online: {name}"));
    }
}

#[test]
fn what_hides_or_turns_text_is_replaced_and_emoji_stay_whole() {
    let mut party = Party::default();
    let (anna, bob) = (party.named("anna"), party.named("bob"));
    party.seen(bob);
    for (said, heard) in [
        ("a\u{200e}b\u{61c}c\u{e0041}d", "anna: a\u{fffd}b\u{fffd}c\u{fffd}d"),
        ("\u{3164}\u{ad}", "anna: \u{fffd}\u{fffd}"),
        ("👩‍💻 ❤️ می‌خواهم", "anna: 👩‍💻 ❤️ می‌خواهم"),
    ] {
        let _ = party.say(anna, said);
        let _ = party.say(anna, format!("/msg bob {said}"));
        let private = heard.replace("anna: ", "anna (private): ");
        assert_eq!(party.seen(bob), [heard.to_owned(), private]);
    }
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
    fn no_two_members_share_an_identity(
        first in NAME,
        second in NAME,
    ) {
        let same = identity_of(&first) == identity_of(&second);
        let seen = answer_to(&second, &[&first]);
        prop_assume!(seen != UNFIT && !answer_to(&first, &[]).starts_with("ERROR"));
        prop_assert_eq!(seen == "ERROR: Name is taken", same, "{} {}", first, second);
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

//! Who is called what: [`Names`]. One identity has one name, and no name can be taken for
//! another member's or for the server's.
//!
//! Names are compared by their compatibility case fold (Unicode 3.13, D146), and by what they
//! look like (UTS 39, section 4). Names that look alike within one script (`user1`, `userl`)
//! are two names; of those whose likeness needs a second script one is refused.

use std::collections::BTreeMap;

use icu_casemap::CaseMapper;
use icu_properties::props::{
    BinaryProperty as _, DefaultIgnorableCodePoint, EnumeratedProperty as _, GeneralCategory,
    GeneralCategoryGroup,
};
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;
use unicode_security::mixed_script::AugmentedScriptSet;
use unicode_segmentation::UnicodeSegmentation as _;

use super::MemberId;

/// Most letters of a name, as people count them: grapheme clusters.
const LONGEST_NAME: usize = 32;

/// Most characters of a name: letters may be made of several.
const MOST_CHARACTERS: usize = 4 * LONGEST_NAME;

/// Most nonspacing marks in a row (UTS 39, section 5.4).
const MOST_MARKS: usize = 4;

/// What a line of the server begins with, and who is taken for the server.
const RESERVED: [&str; 4] = ["ERROR", "server", "system", "admin"];

/// Why somebody can't have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("A name has 1 to {LONGEST_NAME} letters, digits, _ or -")]
    Unfit,
    #[error("Name is reserved")]
    Reserved,
    #[error("Name is taken")]
    Taken,
    #[error("Name looks like one that is taken")]
    Alike,
}

/// The names of a room's members.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// By identity, in which order `/who` shows them.
    holders: BTreeMap<String, MemberId>,
    /// What the names look like, and the scripts that each is wholly written in.
    looks: BTreeMap<(String, MemberId), AugmentedScriptSet>,
}

impl Names {
    /// Gives `member` the name `wanted` in place of the one it has, if any.
    pub(super) fn claim(
        &mut self,
        wanted: &str,
        member: MemberId,
        old: Option<&str>,
    ) -> Result<(), Refused> {
        if !is_name(wanted) {
            return Err(Refused::Unfit);
        }
        let (key, looks) = (identity(wanted), looks(wanted));
        if is_reserved(&looks) {
            return Err(Refused::Reserved);
        }
        if self.holders.get(&key).is_some_and(|&holder| holder != member) {
            return Err(Refused::Taken);
        }
        let scripts = AugmentedScriptSet::for_str(wanted);
        if looks.iter().any(|look| self.is_mixed_script_confusable(look, scripts, member)) {
            return Err(Refused::Alike);
        }
        if let Some(old) = old {
            self.release(old, member);
        }
        self.holders.insert(key, member);
        self.looks.extend(looks.map(|look| ((look, member), scripts)));
        Ok(())
    }

    /// Frees the name that `member` has.
    pub(super) fn release(&mut self, name: &str, member: MemberId) {
        self.holders.remove(&identity(name));
        for look in looks(name) {
            self.looks.remove(&(look, member));
        }
    }

    /// Who is called so.
    pub(super) fn holder(&self, name: &str) -> Option<MemberId> {
        is_name(name).then(|| self.holders.get(&identity(name)).copied())?
    }

    /// Everyone who has a name, in the order of their names.
    pub(super) fn members(&self) -> impl Iterator<Item = MemberId> {
        self.holders.values().copied()
    }

    /// Whether another's name looks so and shares no script with these.
    fn is_mixed_script_confusable(
        &self,
        look: &str,
        scripts: AugmentedScriptSet,
        member: MemberId,
    ) -> bool {
        let of = |id| (look.to_owned(), MemberId(id));
        self.looks.range(of(0)..=of(u64::MAX)).any(|((_, other), &theirs)| {
            let mut shared = scripts;
            shared.intersect_with(theirs);
            *other != member && shared.is_empty()
        })
    }
}

/// Letters and digits of any script, combining marks after a letter, `_` and `-`; nothing
/// that is not seen. A name can't hold what a terminal would act on.
fn is_name(text: &str) -> bool {
    if text.chars().nth(MOST_CHARACTERS).is_some() {
        return false;
    }
    let mut last = None;
    let mut marks = 0;
    for character in text.chars() {
        let category = GeneralCategory::for_char(character);
        let is_mark =
            matches!(category, GeneralCategory::NonspacingMark | GeneralCategory::SpacingMark);
        let fit = match category {
            _ if DefaultIgnorableCodePoint::for_char(character) => false,
            // After a letter, or after a mark that is after one, and not after itself.
            _ if is_mark => {
                last.is_some_and(|last| is_letter(last) || marks > 0 && last != character)
            }
            GeneralCategory::DecimalNumber | GeneralCategory::LetterNumber => true,
            _ => is_letter(character) || matches!(character, '_' | '-'),
        };
        marks = if is_mark { marks + 1 } else { 0 };
        if !fit || marks > MOST_MARKS {
            return false;
        }
        last = Some(character);
    }
    (1..=LONGEST_NAME).contains(&text.graphemes(true).count())
}

fn is_letter(character: char) -> bool {
    GeneralCategoryGroup::Letter.contains(GeneralCategory::for_char(character))
}

/// The same for names that are one (D146).
fn identity(name: &str) -> String {
    let folded = fold(&name.nfd().collect::<String>());
    fold(&folded.nfkd().collect::<String>()).nfkc().collect()
}

fn fold(text: &str) -> String {
    CaseMapper::new().fold_string(text).into_owned()
}

/// What a name looks like: capitals may look alike where small letters do not, and the other
/// way round.
fn looks(name: &str) -> [String; 2] {
    [fold(&skeleton(name).collect::<String>()), skeleton(&identity(name)).collect()]
}

/// Whether a reserved name is seen in one of `looks`, whatever is written around it.
fn is_reserved(looks: &[String; 2]) -> bool {
    let plain = |look: &String| look.chars().filter(|&c| is_letter(c)).collect::<String>();
    let seen = looks.each_ref().map(plain);
    RESERVED.iter().flat_map(|name| self::looks(name)).any(|look| seen.contains(&look))
}

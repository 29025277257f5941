//! Member names: [`Names`]. Each identity has one name, and no name can be mistaken for another
//! member's or for the server.
//!
//! Names are compared by compatibility case fold (Unicode 3.13, D146) and by confusable
//! skeleton (UTS 39, section 4). Look-alikes within one script (`user1`, `userl`) are distinct
//! names; of look-alikes across scripts only the first is accepted.

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

/// Maximum name length in grapheme clusters.
const LONGEST_NAME: usize = 32;

/// Maximum name length in characters: a grapheme cluster may have several.
const MOST_CHARACTERS: usize = 4 * LONGEST_NAME;

/// Maximum number of consecutive nonspacing marks (UTS 39, section 5.4).
const MOST_MARKS: usize = 4;

/// Prefixes of server lines, and names that suggest authority.
const RESERVED: [&str; 4] = ["ERROR", "server", "system", "admin"];

/// Why a name was refused.
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
    /// Keyed by identity, which is the order of `/who`.
    holders: BTreeMap<String, MemberId>,
    /// The confusable skeletons of the names, and the scripts that each is entirely written in.
    looks: BTreeMap<(String, MemberId), AugmentedScriptSet>,
}

impl Names {
    /// Gives `member` the name `wanted`, replacing its old one, if any.
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

    /// Releases the name of `member`.
    pub(super) fn release(&mut self, name: &str, member: MemberId) {
        self.holders.remove(&identity(name));
        for look in looks(name) {
            self.looks.remove(&(look, member));
        }
    }

    /// The member with this name.
    pub(super) fn holder(&self, name: &str) -> Option<MemberId> {
        is_name(name).then(|| self.holders.get(&identity(name)).copied())?
    }

    /// All named members, sorted by name.
    pub(super) fn members(&self) -> impl Iterator<Item = MemberId> {
        self.holders.values().copied()
    }

    /// Whether another member's name has this skeleton and shares no script with these.
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

/// Letters and digits of any script, combining marks after a letter, `_` and `-`. No invisible
/// characters, and none that a terminal interprets.
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
            // Only after a letter or after a different mark that follows one.
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

/// The identity of a name: equal for names that are the same (D146).
fn identity(name: &str) -> String {
    let folded = fold(&name.nfd().collect::<String>());
    fold(&folded.nfkd().collect::<String>()).nfkc().collect()
}

fn fold(text: &str) -> String {
    CaseMapper::new().fold_string(text).into_owned()
}

/// The confusable skeletons of a name. Upper-case forms may be confusable where lower-case
/// forms are not, and vice versa.
fn looks(name: &str) -> [String; 2] {
    [fold(&skeleton(name).collect::<String>()), skeleton(&identity(name)).collect()]
}

/// Whether a reserved name appears in one of `looks`, whatever surrounds it.
fn is_reserved(looks: &[String; 2]) -> bool {
    let plain = |look: &String| look.chars().filter(|&c| is_letter(c)).collect::<String>();
    let seen = looks.each_ref().map(plain);
    RESERVED.iter().flat_map(|name| self::looks(name)).any(|look| seen.contains(&look))
}

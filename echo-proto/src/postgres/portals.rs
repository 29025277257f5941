//! What a connection has prepared and bound: [`Prepared`] and [`Portals`]. Both bounded: a
//! client can make the server keep one message's worth of bytes of each, and no more.

use super::statement::Statement;

/// Most prepared statements of a connection.
const MOST_STATEMENTS: usize = 256;

/// Most portals of a series of messages.
const MOST_PORTALS: usize = 64;

/// Most bytes of a text in a prepared statement: each execution answers all of it, so that a
/// few bytes must not ask for a megabyte.
pub(super) const MOST_PREPARED_TEXT: usize = 1024;

/// Bytes of a name or a value above which its memory is not kept for the next one.
const KEPT_CAPACITY: usize = 64 * 1024;

/// What the execution of a prepared statement answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// That there is no statement.
    Empty,
    /// This text.
    Text(Vec<u8>),
    /// This number.
    Integer(i32),
    /// The value of the parameter.
    Parameter,
    /// That it was done.
    Confirmed(&'static str),
}

impl Answer {
    /// Of a statement; none where it is unknown.
    pub(super) fn of(statement: Statement<'_>) -> Option<Self> {
        Some(match statement {
            Statement::Empty => Self::Empty,
            Statement::Text(quoted) => {
                Self::Text(super::statement::unquoted(quoted).flatten().copied().collect())
            }
            Statement::Integer(number) => Self::Integer(number),
            Statement::Parameter => Self::Parameter,
            Statement::Confirmed(tag) => Self::Confirmed(tag),
            Statement::Unknown => return None,
        })
    }

    /// How many parameters it has.
    pub(super) fn parameters(&self) -> u16 {
        (*self == Self::Parameter).into()
    }

    fn size(&self) -> usize {
        if let Self::Text(text) = self { text.len() } else { 0 }
    }
}

/// More than a connection may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

/// Prepared statements by name.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    all: Vec<(Vec<u8>, Answer)>,
    /// Bytes of all names and texts.
    size: usize,
}

impl Prepared {
    /// The statement of this name.
    pub(super) fn find(&self, name: &[u8]) -> Option<&Answer> {
        self.all.iter().find(|(known, _)| known == name).map(|(_, answer)| answer)
    }

    /// Adds a statement, together with the others at most of `limit` bytes.
    pub(super) fn add(
        &mut self,
        name: &[u8],
        answer: Answer,
        limit: usize,
    ) -> Result<(), TooMany> {
        self.remove(name);
        let size = self.size.saturating_add(name.len() + answer.size());
        if self.all.len() >= MOST_STATEMENTS || size > limit {
            return Err(TooMany);
        }
        self.size = size;
        self.all.push((name.to_vec(), answer));
        Ok(())
    }

    /// Removes the statement of this name, if there is one.
    pub(super) fn remove(&mut self, name: &[u8]) {
        if let Some(place) = self.all.iter().position(|(known, _)| known == name) {
            let (name, answer) = self.all.swap_remove(place);
            self.size -= name.len() + answer.size();
        }
    }
}

/// A statement with its parameter, to be executed once.
#[derive(Debug, Default)]
pub(super) struct Portal {
    name: Vec<u8>,
    /// The name of its statement.
    pub(super) statement: Vec<u8>,
    /// The value of its parameter; none: NULL, or it has none.
    value: Option<()>,
    bytes: Vec<u8>,
    /// Whether its result is to be binary.
    pub(super) is_binary: bool,
    /// Whether its row was sent.
    pub(super) is_spent: bool,
}

impl Portal {
    /// The value of its parameter; none: NULL, or it has none.
    pub(super) fn value(&self) -> Option<&[u8]> {
        self.value.map(|()| &self.bytes[..])
    }

    fn size(&self) -> usize {
        self.name.len() + self.statement.len() + self.bytes.len()
    }

    fn capacity(&self) -> usize {
        self.name.capacity() + self.statement.capacity() + self.bytes.capacity()
    }
}

/// What a portal is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound<'a> {
    pub(super) name: &'a [u8],
    pub(super) statement: &'a [u8],
    pub(super) value: Option<&'a [u8]>,
    pub(super) is_binary: bool,
}

/// Portals by name, up to the end of a series of messages. Their memory is used again.
#[derive(Debug, Default)]
pub(super) struct Portals {
    all: Vec<Portal>,
    live: usize,
}

impl Portals {
    /// The portal of this name.
    pub(super) fn find(&mut self, name: &[u8]) -> Option<&mut Portal> {
        self.all[..self.live].iter_mut().find(|portal| portal.name == name)
    }

    /// Adds a portal in place of one of the same name, together with the others at most of
    /// `limit` bytes.
    pub(super) fn bind(&mut self, bound: Bound<'_>, limit: usize) -> Result<(), TooMany> {
        self.remove(bound.name);
        let others: usize = self.all[..self.live].iter().map(Portal::size).sum();
        let value = bound.value.unwrap_or_default();
        let size = bound.name.len() + bound.statement.len() + value.len();
        if self.live >= MOST_PORTALS || others.saturating_add(size) > limit {
            return Err(TooMany);
        }
        if self.all.len() == self.live {
            self.all.push(Portal::default());
        }
        let portal = &mut self.all[self.live];
        self.live += 1;
        for (kept, new) in [
            (&mut portal.name, bound.name),
            (&mut portal.statement, bound.statement),
            (&mut portal.bytes, value),
        ] {
            kept.clear();
            kept.extend_from_slice(new);
        }
        portal.value = bound.value.map(|_| ());
        (portal.is_binary, portal.is_spent) = (bound.is_binary, false);
        Ok(())
    }

    /// Removes the portal of this name, if there is one.
    pub(super) fn remove(&mut self, name: &[u8]) {
        let place = self.all[..self.live].iter().position(|portal| portal.name == name);
        if let Some(place) = place {
            self.live -= 1;
            self.all.swap(place, self.live);
        }
    }

    /// The series of messages is over, and all of them with it.
    pub(super) fn clear(&mut self) {
        self.live = 0;
        self.all.truncate(1);
        if self.all.first().is_some_and(|portal| portal.capacity() > KEPT_CAPACITY) {
            self.all.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound<'a>(name: &'a [u8], value: Option<&'a [u8]>) -> Bound<'a> {
        Bound { name, statement: b"s", value, is_binary: false }
    }

    #[test]
    fn a_connection_keeps_so_many_statements_and_so_many_bytes() {
        let mut prepared = Prepared::default();
        for number in 0..MOST_STATEMENTS {
            let name = number.to_string();
            assert_eq!(prepared.add(name.as_bytes(), Answer::Parameter, 1 << 20), Ok(()));
        }
        assert_eq!(prepared.add(b"more", Answer::Parameter, 1 << 20), Err(TooMany));
        assert_eq!(prepared.add(b"0", Answer::Integer(1), 1 << 20), Ok(()), "in its place");
        prepared.remove(b"1");
        assert_eq!(
            (prepared.find(b"1"), prepared.find(b"0")),
            (None, Some(&Answer::Integer(1)))
        );
        let mut prepared = Prepared::default();
        assert_eq!(prepared.add(b"a", Answer::Text(vec![b'x'; 9]), 10), Ok(()));
        assert_eq!(prepared.add(b"b", Answer::Parameter, 10), Err(TooMany));
        assert_eq!(prepared.add(b"a", Answer::Text(vec![b'x'; 5]), 10), Ok(()));
        assert_eq!(prepared.add(b"b", Answer::Parameter, 10), Ok(()));
    }

    #[test]
    fn portals_last_to_the_end_of_the_series_and_hold_what_was_bound() {
        let mut portals = Portals::default();
        for round in 0..2 {
            assert_eq!(portals.bind(bound(b"", Some(b"one")), 100), Ok(()), "{round}");
            assert_eq!(portals.bind(bound(b"p", None), 100), Ok(()));
            assert_eq!(portals.bind(bound(b"", Some(b"two")), 100), Ok(()));
            assert_eq!(portals.find(b"").unwrap().value(), Some(&b"two"[..]));
            assert_eq!(portals.find(b"p").unwrap().value(), None);
            portals.remove(b"");
            assert!(portals.find(b"").is_none());
            portals.clear();
            assert!(portals.find(b"p").is_none());
        }
        assert_eq!(portals.bind(bound(b"", Some(&[0; 100])), 100), Err(TooMany));
    }
}

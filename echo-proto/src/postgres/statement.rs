//! What a query text asks for: [`Statement`]. Not SQL: the few forms that can be answered
//! without a database.

/// The cast to text that stands after a literal or a parameter.
const CASTS: [&[u8]; 2] = [b"text", b"varchar"];

/// Commands that are confirmed without effect, with the tag that confirms them. Drivers send
/// them on their own.
const CONFIRMED: [(&[u8], &str); 9] = [
    (b"begin", "BEGIN"),
    (b"start", "START TRANSACTION"),
    (b"commit", "COMMIT"),
    (b"end", "COMMIT"),
    (b"rollback", "ROLLBACK"),
    (b"abort", "ROLLBACK"),
    (b"set", "SET"),
    (b"reset", "RESET"),
    (b"discard", "DISCARD ALL"),
];

/// One statement of a query text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statement<'a> {
    /// Nothing, or only a semicolon.
    Empty,
    /// `SELECT '<text>'`: what is between the quotes, where a quote is doubled.
    Text(&'a [u8]),
    /// `SELECT <integer>`.
    Integer(i32),
    /// `SELECT $1`, with or without a cast to text.
    Parameter,
    /// A command that is confirmed with this tag.
    Confirmed(&'static str),
    /// Anything else.
    Unknown,
}

/// The first statement of a query text, and the text after its semicolon.
pub(super) fn first(text: &[u8]) -> (Statement<'_>, &[u8]) {
    let text = text.trim_ascii_start();
    if text.is_empty() {
        return (Statement::Empty, text);
    }
    if let Some(rest) = text.strip_prefix(b";") {
        return (Statement::Empty, rest);
    }
    selected(text)
        .and_then(|(statement, rest)| Some((statement, end(rest)?)))
        .or_else(|| confirmed(text))
        .unwrap_or((Statement::Unknown, b""))
}

/// What is after the end of a statement.
fn end(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii_start();
    if text.is_empty() { Some(text) } else { text.strip_prefix(b";") }
}

/// A word, and what is after it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let length = text.iter().take_while(|byte| is_part(byte)).count();
    text.split_at(length)
}

fn selected(text: &[u8]) -> Option<(Statement<'_>, &[u8])> {
    let (select, rest) = word(text);
    if !select.eq_ignore_ascii_case(b"select") {
        return None;
    }
    let text = rest.trim_ascii_start();
    match text.first()? {
        b'\'' => {
            let (quoted, rest) = quoted(&text[1..])?;
            Some((Statement::Text(quoted), after_cast(rest)?))
        }
        b'$' => {
            let rest = text.strip_prefix(b"$1")?;
            let follows = rest.first().is_none_or(|byte| !byte.is_ascii_alphanumeric());
            follows.then_some(())?;
            Some((Statement::Parameter, after_cast(rest)?))
        }
        _ => {
            let sign = usize::from(matches!(text[0], b'-' | b'+'));
            let (digits, rest) = word(&text[sign..]);
            let number = std::str::from_utf8(&text[..sign + digits.len()]).ok()?;
            Some((Statement::Integer(number.parse().ok()?), rest))
        }
    }
}

/// What is before the closing quote, and after it.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let quote = from + memchr::memchr(b'\'', &text[from..])?;
        if text.get(quote + 1) != Some(&b'\'') {
            return Some((&text[..quote], &text[quote + 1..]));
        }
        from = quote + 2;
    }
}

/// What is after a cast to text, or where none is.
fn after_cast(text: &[u8]) -> Option<&[u8]> {
    let Some(cast) = text.trim_ascii_start().strip_prefix(b"::") else { return Some(text) };
    let (name, rest) = word(cast.trim_ascii_start());
    CASTS.iter().any(|known| name.eq_ignore_ascii_case(known)).then_some(rest)
}

fn confirmed(text: &[u8]) -> Option<(Statement<'_>, &[u8])> {
    let (name, rest) = word(text);
    let known = CONFIRMED.iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
    let (_, tag) = known?;
    let mut within_quotes = false;
    let end = rest.iter().position(|byte| {
        within_quotes ^= matches!(byte, b'\'' | b'"');
        *byte == b';' && !within_quotes
    });
    Some((Statement::Confirmed(tag), end.map_or(&b""[..], |end| &rest[end + 1..])))
}

/// The text that a literal stands for, in pieces: a doubled quote is one.
pub(super) fn unquoted(quoted: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let mut rest = quoted;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\'', rest).map_or(rest.len(), |quote| quote + 1);
        let piece = &rest[..end];
        // The second of two quotes.
        rest = rest.get(end + usize::from(end < rest.len())..).unwrap_or_default();
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unquote(text: &[u8]) -> Vec<u8> {
        unquoted(text).flatten().copied().collect()
    }

    #[test]
    fn the_forms_that_can_be_answered_are_known_in_any_case_and_spacing() {
        for (text, statement) in [
            ("select 'x'", Statement::Text(b"x")),
            (" SELECT\n'x' ; ", Statement::Text(b"x")),
            ("SELECT'x'::text", Statement::Text(b"x")),
            ("SELECT 'x' :: VARCHAR", Statement::Text(b"x")),
            ("select ''", Statement::Text(b"")),
            ("select 'it''s; $1'", Statement::Text(b"it''s; $1")),
            ("select $1", Statement::Parameter),
            ("SELECT $1::text;", Statement::Parameter),
            ("select 1", Statement::Integer(1)),
            ("select -2147483648;", Statement::Integer(i32::MIN)),
            ("BEGIN", Statement::Confirmed("BEGIN")),
            ("set x to 'a;b'", Statement::Confirmed("SET")),
            ("", Statement::Empty),
            (" ; ", Statement::Empty),
            ("select", Statement::Unknown),
            ("select1", Statement::Unknown),
            ("select 'x", Statement::Unknown),
            ("select 'x' from t", Statement::Unknown),
            ("select 'x'::int", Statement::Unknown),
            ("select $12", Statement::Unknown),
            ("select $2", Statement::Unknown),
            ("select 1e3", Statement::Unknown),
            ("select 2147483648", Statement::Unknown),
            ("select -", Statement::Unknown),
            ("select now()", Statement::Unknown),
            ("INSERT INTO t VALUES ('x')", Statement::Unknown),
        ] {
            assert_eq!(first(text.as_bytes()).0, statement, "{text}");
        }
    }

    #[test]
    fn statements_are_taken_one_after_the_other() {
        let mut rest = &b"begin; select 'a;b';select 2 ;; commit"[..];
        let mut seen = Vec::new();
        while !rest.is_empty() {
            let (statement, after) = first(rest);
            seen.push(statement);
            rest = after;
        }
        let expected = [
            Statement::Confirmed("BEGIN"),
            Statement::Text(b"a;b"),
            Statement::Integer(2),
            Statement::Empty,
            Statement::Confirmed("COMMIT"),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_doubled_quote_is_one_quote() {
        for (quoted, text) in
            [("", ""), ("x", "x"), ("it''s", "it's"), ("''", "'"), ("a''''b", "a''b")]
        {
            assert_eq!(unquote(quoted.as_bytes()), text.as_bytes());
        }
    }
}

//! Words of an inline Redis command, with quotes: [`next_word`], by the rules of Redis
//! (`sdssplitargs`). In double quotes `\n \r \t \b \a \xHH` are a byte each, and a backslash
//! escapes any other character; in single quotes `\'` is a quote. Quotes may start within a
//! word, and a closing quote ends the word.

/// Unclosed quotes, or a character other than a space after closing ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unbalanced;

/// Whether a line needs [`next_word`]; otherwise it is split at spaces.
pub(super) fn has_quotes(line: &[u8]) -> bool {
    memchr::memchr2(b'"', b'\'', line).is_some()
}

/// Moves the next word of `rest` to the end of `words`; whether there was one. It never appends
/// more bytes than it consumes.
pub(super) fn next_word(rest: &mut &[u8], words: &mut Vec<u8>) -> Result<bool, Unbalanced> {
    *rest = rest.trim_ascii_start();
    if rest.is_empty() {
        return Ok(false);
    }
    while let Some((&first, after)) = rest.split_first() {
        *rest = after;
        match first {
            _ if first.is_ascii_whitespace() => break,
            b'"' | b'\'' => {
                quoted(first, rest, words)?;
                break;
            }
            _ => words.push(first),
        }
    }
    Ok(true)
}

/// Reads a quoted string after its opening quote.
fn quoted(quote: u8, rest: &mut &[u8], words: &mut Vec<u8>) -> Result<(), Unbalanced> {
    loop {
        let (byte, length) = match **rest {
            [b'\\', b'x', high, low, ..] if quote == b'"' => match hex(high, low) {
                Some(byte) => (byte, 4),
                None => (b'x', 2),
            },
            [b'\\', escaped, ..] if quote == b'"' => (unescaped(escaped), 2),
            [b'\\', b'\'', ..] if quote == b'\'' => (b'\'', 2),
            [byte, ..] if byte != quote => (byte, 1),
            [_, after, ..] if !after.is_ascii_whitespace() => return Err(Unbalanced),
            [_, ..] => {
                *rest = &rest[1..];
                return Ok(());
            }
            [] => return Err(Unbalanced),
        };
        words.push(byte);
        *rest = &rest[length..];
    }
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit =
        |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? * 16 + digit(low)?)
}

fn unescaped(escaped: u8) -> u8 {
    match escaped {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, Unbalanced> {
        let (mut rest, mut words) = (line, Vec::new());
        loop {
            let mut word = Vec::new();
            if !next_word(&mut rest, &mut word)? {
                return Ok(words);
            }
            words.push(word);
        }
    }

    #[test]
    fn words_are_those_that_a_redis_sees() {
        for (line, expected) in [
            (r#"ECHO "a b""#, &[&b"ECHO"[..], b"a b"][..]),
            (r#"  a"b c"   d "#, &[b"ab c", b"d"]),
            (r#""" ''"#, &[b"", b""]),
            (r#""\n\r\t\b\a\x00\xfF\"\\\q\xg1""#, &[b"\n\r\t\x08\x07\x00\xff\"\\qxg1"]),
            (r"'it\'s' '\n\\ '", &[b"it's", br"\n\\ "]),
            (r#"'"' "'""#, &[b"\"", b"'"]),
        ] {
            assert_eq!(words(line.as_bytes()).unwrap(), expected, "{line}");
        }
        for line in
            [r#"""#, r#"a "b"#, r#""a"b"#, r"'a'b", r"'a\'", r#""a\""#, r#""a""b""#, r"'"]
        {
            assert_eq!(words(line.as_bytes()), Err(Unbalanced), "{line}");
        }
    }

    /// As Redis shows a string (`sdscatrepr`).
    fn in_double_quotes(text: &[u8]) -> Vec<u8> {
        let escaped = text.iter().flat_map(|byte| match byte {
            b'"' | b'\\' => vec![b'\\', *byte],
            b'\n' => b"\\n".to_vec(),
            0x07 => b"\\a".to_vec(),
            b' '..=b'~' => vec![*byte],
            _ => format!("\\x{byte:02x}").into_bytes(),
        });
        [b'"'].into_iter().chain(escaped).chain([b'"']).collect()
    }

    proptest! {
        #[test]
        fn any_text_in_quotes_comes_back(
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..5),
        ) {
            let quoted: Vec<Vec<u8>> = texts.iter().map(|text| in_double_quotes(text)).collect();
            prop_assert_eq!(words(&quoted.join(&b' ')), Ok(texts));
        }

        #[test]
        fn no_line_makes_more_than_it_has(line in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(words) = words(&line) {
                prop_assert!(words.concat().len() <= line.len());
            }
        }
    }
}

//! Hides the password of a URL in what an error repeats: [`masked`].

use std::borrow::Cow;

/// `text` with `***` in place of the password in its URL, for an error that repeats what was
/// typed. Covers what is no valid URL, and rather too much than too little: all from the first
/// colon after `://` to the last `@`.
pub fn masked(text: &str) -> Cow<'_, str> {
    match password_in(text) {
        Some((start, end)) => Cow::Owned(format!("{}***{}", &text[..start], &text[end..])),
        None => Cow::Borrowed(text),
    }
}

fn password_in(text: &str) -> Option<(usize, usize)> {
    let from = text.find("://")? + "://".len();
    let end = from + text[from..].rfind('@')?;
    let start = from + text[from..end].find(':')? + 1;
    Some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_left_in_what_an_error_repeats() {
        for (typed, shown) in [
            (
                "invalid 'postgres://me:p,w @'h@host:1/d' for",
                "invalid 'postgres://me:***@host:1/d' for",
            ),
            ("redis://:a/b@h", "redis://:***@h"),
            ("postgre://me:pw@h", "postgre://me:***@h"),
            ("redis://a:p@h,redis://b:q@i", "redis://a:***@i"),
            ("postgres://me@host:1/d", "postgres://me@host:1/d"),
            ("host:1 is no me@there", "host:1 is no me@there"),
        ] {
            assert_eq!(masked(typed), shown);
        }
    }
}

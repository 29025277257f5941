//! Hides the password of a URL in what an error repeats: [`masked`]. Finds one in a command:
//! [`holds_password`].

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

/// Whether a command holds a URL with a password that is written out; one that begins with `$` is
/// a variable of a shell.
pub fn holds_password(command: &str) -> bool {
    const ENDS: [char; 6] = ['/', '?', '#', ' ', '\'', '"'];
    let mut authorities = command.match_indices("://").map(|(at, separator)| {
        let rest = &command[at + separator.len()..];
        &rest[..rest.find(ENDS).unwrap_or(rest.len())]
    });
    authorities.any(|authority| {
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        let password = user.split_once(':').map_or("", |(_, password)| password);
        !password.is_empty() && !password.starts_with('$')
    })
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
            ("postgres://bob:bob@host/bob", "postgres://bob:***@host/bob"),
            ("postgres://a:a@a.example/a", "postgres://a:***@a.example/a"),
            ("postgres://me:pw@[::1]:5432/d", "postgres://me:***@[::1]:5432/d"),
            ("postgres://me@[::1]:5432/d", "postgres://me@[::1]:5432/d"),
            ("redis://[::1]", "redis://[::1]"),
        ] {
            assert_eq!(masked(typed), shown);
        }
    }

    #[test]
    fn a_command_holds_a_password_only_within_a_url() {
        for (command, holds) in [
            ("server --db postgres://me:it@host/d", true),
            ("sh -c 'server redis://:it@host'", true),
            ("sh -c 'server postgres://me:$PGPASSWORD@host'", false),
            ("server http://host:80/ --user me@host", false),
            ("server postgres://me@[::1]:5432/d", false),
            ("server me:it@host", false),
        ] {
            assert_eq!(holds_password(command), holds, "{command}");
        }
    }
}

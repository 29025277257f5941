//! What a client of a Redis says first: [`Opening`]. `HELLO 3` or `AUTH`, then `SELECT`, each of
//! which has a reply.

use std::ops::Range;

use super::login::RespLogin;
use super::requester::REPLY_LINE;
use crate::{Malformed, Secret, decimal};

/// Most elements of a reply, those within others included: the map of `HELLO` has two dozen.
const MOST_ELEMENTS: usize = 4096;

/// Most bytes of a reply.
const MOST_BYTES: usize = 64 * 1024;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Opening {
    is_said: bool,
    /// Replies that are awaited.
    lacking: u32,
}

/// A reply's length, and the text of an error.
type Taken = (usize, Option<Range<usize>>);

impl Opening {
    /// Of a connection for this login; none if nothing is said.
    pub(super) fn of(login: &RespLogin) -> Option<Self> {
        let hello = login.resp3 || login.password.is_some();
        let lacking = u32::from(hello) + u32::from(login.database != 0);
        (!login.is_silent()).then_some(Self { is_said: false, lacking })
    }

    /// Appends what is to be said, once.
    pub(super) fn say(&mut self, login: &RespLogin, wire: &mut Vec<u8>) {
        if std::mem::replace(&mut self.is_said, true) {
            return;
        }
        let password = login.password.as_ref().map(Secret::reveal);
        let user = login.user.as_deref();
        match (login.resp3, password) {
            (true, None) => command(&["HELLO", "3"], wire),
            (true, Some(password)) => {
                command(&["HELLO", "3", "AUTH", user.unwrap_or("default"), password], wire);
            }
            // The form without a user is known to every version.
            (false, Some(password)) => match user {
                None => command(&["AUTH", password], wire),
                Some(user) => command(&["AUTH", user, password], wire),
            },
            (false, None) => {}
        }
        if login.database != 0 {
            command(&["SELECT", &login.database.to_string()], wire);
        }
    }

    /// Takes the first reply in `bytes`, if it is complete.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Option<Taken>, Malformed> {
        let taken = reply(bytes)?;
        self.lacking -= u32::from(taken.is_some());
        Ok(taken)
    }

    /// Whether every reply has come.
    pub(super) fn is_over(&self) -> bool {
        self.lacking == 0
    }
}

fn command(words: &[&str], wire: &mut Vec<u8>) {
    wire.push(b'*');
    decimal::append(words.len(), wire);
    for word in words {
        wire.extend(b"\r\n$");
        decimal::append(word.len(), wire);
        wire.extend(b"\r\n");
        wire.extend(word.as_bytes());
    }
    wire.extend(b"\r\n");
}

/// The first reply in `bytes` of whatever type, with all that is within it.
fn reply(bytes: &[u8]) -> Result<Option<Taken>, Malformed> {
    let (mut position, mut lacking, mut elements) = (0, 1_usize, 0);
    let mut error = None;
    while lacking > 0 {
        let rest = &bytes[position..];
        let Some(end) = memchr::memchr(b'\n', rest) else {
            let too_long = rest.len() > REPLY_LINE || bytes.len() > MOST_BYTES;
            let begins = rest.first().is_none_or(|kind| b"$-+:*%~_#,(!=".contains(kind));
            return match (begins, too_long) {
                (false, _) => Err(Malformed::NotResp),
                (true, true) => Err(Malformed::TooLong(REPLY_LINE)),
                (true, false) => Ok(None),
            };
        };
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        let (kind, text) = line.split_first().ok_or(Malformed::NotResp)?;
        let number = || decimal::parse(text).filter(|number| *number <= MOST_BYTES);
        let is_null = text == b"-1";
        lacking -= 1;
        match kind {
            b'-' if elements == 0 => error = Some(1..line.len()),
            b'-' | b'+' | b':' | b'_' | b'#' | b',' | b'(' => {}
            b'$' | b'*' if is_null => {}
            b'$' | b'!' | b'=' => {
                let length = number().ok_or(Malformed::NotResp)?;
                let after = position + end + 1 + length;
                if after > MOST_BYTES {
                    return Err(Malformed::TooLong(MOST_BYTES));
                }
                match bytes.get(after..after + 2) {
                    None => return Ok(None),
                    Some(b"\r\n") => position += length + 2,
                    Some(_) => return Err(Malformed::NotResp),
                }
            }
            b'*' | b'~' => lacking += number().ok_or(Malformed::NotResp)?,
            b'%' => lacking += 2 * number().ok_or(Malformed::NotResp)?,
            _ => return Err(Malformed::NotResp),
        }
        position += end + 1;
        elements += 1;
        if lacking > MOST_ELEMENTS || elements > MOST_ELEMENTS {
            return Err(Malformed::TooLong(MOST_BYTES));
        }
    }
    Ok(Some((position, error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(login: &RespLogin) -> String {
        let mut wire = Vec::new();
        if let Some(mut opening) = Opening::of(login) {
            opening.say(login, &mut wire);
            opening.say(login, &mut wire);
        }
        String::from_utf8(wire).unwrap().replace("\r\n", " ")
    }

    #[test]
    fn each_login_is_said_once_in_the_words_of_redis() {
        let password = Some(Secret::from("pw".to_owned()));
        let login = RespLogin::default();
        assert_eq!(said(&login), "");
        let login = RespLogin { user: Some("me".into()), ..login };
        assert_eq!(said(&login), "", "a user without a password is nobody");
        let login = RespLogin { password: password.clone(), database: 12, ..login };
        let expected = "*3 $4 AUTH $2 me $2 pw *2 $6 SELECT $2 12 ";
        assert_eq!(said(&login), expected);
        let login = RespLogin { user: None, database: 0, ..login };
        assert_eq!(said(&login), "*2 $4 AUTH $2 pw ");
        let login = RespLogin { resp3: true, ..login };
        assert_eq!(said(&login), "*5 $5 HELLO $1 3 $4 AUTH $7 default $2 pw ");
        let login = RespLogin { password: None, ..login };
        assert_eq!(said(&login), "*2 $5 HELLO $1 3 ");
    }

    #[test]
    fn a_reply_is_taken_whole_with_all_that_is_within_it() {
        let map = b"%2\r\n$1\r\na\r\n*2\r\n:1\r\n_\r\n+b\r\n*0\r\n";
        for (stream, error) in [
            (&map[..], None),
            (b"+OK\r\n", None),
            (b"*-1\r\n", None),
            (b"-WRONGPASS no\r\n", Some(&b"WRONGPASS no"[..])),
            (b"*1\r\n-ERR within\r\n", None),
        ] {
            for length in 0..stream.len() {
                assert_eq!(reply(&stream[..length]), Ok(None));
            }
            let more = [stream, b"+next"].concat();
            let (length, told) = reply(&more).unwrap().unwrap();
            assert_eq!((length, told.map(|told| &stream[told])), (stream.len(), error));
        }
        for nonsense in
            ["HTTP/1.1 400\r\n", "H", "$x\r\n", "*99999\r\n", "$1\r\nabc", "\r\n", ">1\r\n"]
        {
            assert!(reply(nonsense.as_bytes()).is_err(), "{nonsense}");
        }
        let nested = "*1\r\n".repeat(MOST_ELEMENTS + 1);
        assert!(reply(nested.as_bytes()).is_err());
    }
}

//! A password file of libpq: [`PassFile`], lines of `host:port:database:user:password`.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use echo_proto::Secret;

/// Most bytes of a file that are read.
const MOST: u64 = 1 << 20;

/// See the [module](self).
#[derive(Debug, Clone, Default)]
pub(super) struct PassFile(Vec<[Field; 5]>);

/// What one place of a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Any,
    Text(Secret),
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error(
        "password file {0} has group or world access and is ignored; make it u=rw (chmod 600)"
    )]
    Open(PathBuf),
    #[error("password file {0} is not a plain file and is ignored")]
    NotAFile(PathBuf),
    #[error("reading password file {0}: {1}")]
    Unread(PathBuf, io::Error),
}

impl PassFile {
    /// The file at `path`; none if it is not there.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Unusable> {
        let unread = |error| Unusable::Unread(path.to_owned(), error);
        // A pipe would be waited for.
        match std::fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unread(error)),
            Ok(facts) if !facts.is_file() => return Err(Unusable::NotAFile(path.to_owned())),
            Ok(_) => {}
        }
        let file = File::open(path).map_err(unread)?;
        if file.metadata().map_err(unread)?.mode() & 0o077 != 0 {
            return Err(Unusable::Open(path.to_owned()));
        }
        let mut text = String::new();
        file.take(MOST).read_to_string(&mut text).map_err(unread)?;
        Ok(Some(Self::parse(&text)))
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(lines.filter_map(fields).collect())
    }

    /// The password of the first line that fits; an unknown host or port fits only `*`.
    pub(super) fn find(&self, sought: [Option<&str>; 4]) -> Option<&Secret> {
        let fits = |(field, sought): (&Field, Option<&str>)| match field {
            Field::Any => true,
            Field::Text(text) => {
                sought.is_some_and(|sought| *text == Secret::from(sought.to_owned()))
            }
        };
        let line = self.0.iter().find(|line| line.iter().zip(sought).all(fits))?;
        match &line[4] {
            Field::Text(password) => Some(password),
            Field::Any => None,
        }
    }
}

/// The fields of a line: a backslash keeps the next character as it is.
fn fields(line: &str) -> Option<[Field; 5]> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let last = fields.last_mut()?;
        match character {
            '\\' => last.extend(characters.next()),
            // The password is the rest of the line as far as the next colon, as in libpq.
            ':' => fields.push(String::new()),
            other => last.push(other),
        }
    }
    fields.truncate(5);
    let [host, port, database, user, password] = <[String; 5]>::try_from(fields).ok()?;
    let field = |text: String| match text.as_str() {
        "*" => Field::Any,
        _ => Field::Text(text.into()),
    };
    let password = Field::Text(password.into());
    Some([field(host), field(port), field(database), field(user), password])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn find(text: &str, sought: [&str; 4]) -> Option<Secret> {
        PassFile::parse(text).find(sought.map(Some)).cloned()
    }

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let text =
            "# comment\nhost:1:d:me:one\n\nhost:*:*:me:two\n*:*:*:a\\:b:p\\\\q\\:r\nshort:1\n";
        for (sought, password) in [
            (["host", "1", "d", "me"], Some("one")),
            (["host", "2", "d", "me"], Some("two")),
            (["other", "2", "x", "a:b"], Some("p\\q:r")),
            (["other", "1", "d", "me"], None),
        ] {
            let expected = password.map(|text| Secret::from(text.to_owned()));
            assert_eq!(find(text, sought), expected, "{sought:?}");
        }
        let file = PassFile::parse("*:5432:d:me:one\n");
        assert!(
            file.find([None, None, Some("d"), Some("me")]).is_none(),
            "the port is unknown"
        );
    }

    #[test]
    fn a_file_that_others_can_read_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pgpass");
        assert!(PassFile::read(&path).unwrap().is_none());
        std::fs::write(&path, "*:*:*:me:hidden\n").unwrap();
        for (mode, is_used) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let read = PassFile::read(&path);
            assert_eq!(read.is_ok(), is_used, "{mode:o}");
            let told = read.err().map(|reason| reason.to_string()).unwrap_or_default();
            assert!(is_used || told.contains("chmod 600"), "{told}");
        }
        assert!(PassFile::read(folder.path()).is_err());
    }
}

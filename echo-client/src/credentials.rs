//! Who to log in as at a database: [`Credentials`], from the variables and the password file
//! that its own clients use. Nothing here is shown or stored.

use std::env::VarError;
use std::path::PathBuf;

use echo_net::address::Address;
use echo_proto::{InvalidLogin, PostgresLogin, ProtocolKind, Secret};

use crate::Endpoint;

mod pass_file;

use pass_file::PassFile;

/// What the environment says.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// `PGUSER`, or the user of this process.
    postgres_user: Option<String>,
    /// `PGDATABASE`.
    postgres_database: Option<String>,
    /// `PGPASSWORD`.
    postgres_password: Option<Secret>,
    pass_file: PassFile,
    /// `REDISCLI_AUTH`.
    redis_password: Option<Secret>,
    postgres_warnings: Vec<String>,
    redis_warnings: Vec<String>,
}

impl Credentials {
    /// Of this process. Files are read.
    pub fn of_environment() -> Self {
        let mut warnings = Vec::new();
        let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let named = path("PGPASSFILE").map(PathBuf::from);
        let usual = || path("HOME").map(|home| PathBuf::from(home).join(".pgpass"));
        let pass_file = named.or_else(usual).map(|path| PassFile::read(&path));
        let pass_file = match pass_file {
            Some(Ok(file)) => file,
            Some(Err(reason)) => {
                warnings.push(reason.to_string());
                None
            }
            None => None,
        };
        let mut redis_warnings = Vec::new();
        let redis_password = text_of("REDISCLI_AUTH", &mut redis_warnings).map(Secret::from);
        let mut variable = |name| text_of(name, &mut warnings);
        Self {
            postgres_user: variable("PGUSER").or_else(user_of_this_process),
            postgres_database: variable("PGDATABASE"),
            postgres_password: variable("PGPASSWORD").map(Secret::from),
            pass_file: pass_file.unwrap_or_default(),
            redis_password,
            postgres_warnings: warnings,
            redis_warnings,
        }
    }

    /// What the user should know who loads a server of this protocol.
    pub fn warnings(&self, protocol: ProtocolKind) -> &[String] {
        match protocol {
            ProtocolKind::Postgres => &self.postgres_warnings,
            ProtocolKind::Resp => &self.redis_warnings,
            _ => &[],
        }
    }

    /// Who logs in at a PostgreSQL, without the password. What a URL names goes first.
    ///
    /// # Errors
    /// What can't be sent.
    pub fn postgres(&self, server: Option<&Endpoint>) -> Result<PostgresLogin, InvalidLogin> {
        let of_url =
            |part: fn(&Endpoint) -> &Option<String>| server.and_then(|url| part(url).clone());
        let user = of_url(|url| &url.user).or_else(|| self.postgres_user.clone());
        let database = of_url(|url| &url.database).or_else(|| self.postgres_database.clone());
        let user = user.unwrap_or_else(|| PostgresLogin::default().user().to_owned());
        PostgresLogin::new(user, database, None)
    }

    /// The password of a user at a PostgreSQL.
    pub fn postgres_password(
        &self,
        login: &PostgresLogin,
        server: Option<&Address>,
    ) -> Option<Secret> {
        let of_file = || {
            let port = server.and_then(Address::as_tcp).map(|host| host.port().to_string());
            let database = login.database().unwrap_or(login.user());
            let host = server.map(Address::host);
            let sought = [host, port.as_deref(), Some(database), Some(login.user())];
            self.pass_file.find(sought).cloned()
        };
        self.postgres_password.clone().or_else(of_file)
    }

    /// The password at a Redis.
    pub fn redis_password(&self) -> Option<Secret> {
        self.redis_password.clone()
    }
}

/// The text of a variable of this process, unless it is empty.
fn text_of(name: &str, warnings: &mut Vec<String>) -> Option<String> {
    read(name, std::env::var(name), warnings)
}

/// The same of what was found; one that is no text is told.
fn read(
    name: &str,
    value: Result<String, VarError>,
    warnings: &mut Vec<String>,
) -> Option<String> {
    match value {
        Ok(text) => Some(text).filter(|text| !text.is_empty()),
        Err(VarError::NotPresent) => None,
        Err(VarError::NotUnicode(_)) => {
            warnings.push(format!("{name} is ignored: its value is not UTF-8"));
            None
        }
    }
}

/// The name of the user who runs this process, as libpq takes it.
fn user_of_this_process() -> Option<String> {
    let id = rustix::process::geteuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let mut lines = users.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| {
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials {
            postgres_user: Some("os".into()),
            postgres_database: Some("d".into()),
            ..Credentials::default()
        }
    }

    #[test]
    fn what_a_url_names_goes_before_the_environment() {
        let url = |text: &str| text.parse::<Endpoint>().unwrap();
        for (server, user, database) in [
            (Some("postgres://me@host/shop"), "me", "shop"),
            (Some("postgres://host"), "os", "d"),
            (Some("host:1"), "os", "d"),
            (None, "os", "d"),
        ] {
            let server = server.map(url);
            let login = credentials().postgres(server.as_ref()).unwrap();
            assert_eq!((login.user(), login.database()), (user, Some(database)));
        }
        let login = Credentials::default().postgres(None).unwrap();
        assert_eq!((login.user(), login.database()), ("echo", None));
    }

    #[test]
    fn a_variable_that_is_no_text_is_ignored_with_a_warning() {
        use std::os::unix::ffi::OsStringExt as _;
        let odd = std::ffi::OsString::from_vec(vec![0xff]);
        let mut warnings = Vec::new();
        let mut read = |value| read("PGPASSWORD", value, &mut warnings);
        assert_eq!(read(Ok("pw".into())), Some("pw".into()));
        assert_eq!(read(Ok(String::new())), None);
        assert_eq!(read(Err(VarError::NotPresent)), None);
        assert_eq!(read(Err(VarError::NotUnicode(odd))), None);
        assert_eq!(warnings, ["PGPASSWORD is ignored: its value is not UTF-8"]);
    }

    #[test]
    fn a_password_is_that_of_the_environment_or_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pgpass");
        std::fs::write(&path, "host:5432:d:os:of-file\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, mode).unwrap();
        let pass_file = PassFile::read(&path).unwrap().unwrap();
        let found = Credentials { pass_file, ..credentials() };
        let server = "postgres://host".parse::<Endpoint>().unwrap();
        let password = |found: &Credentials, server: Option<&Endpoint>| {
            let login = found.postgres(server).unwrap();
            found.postgres_password(&login, server.map(|server| &server.address))
        };
        let secret = |text: &str| Some(Secret::from(text.to_owned()));
        assert_eq!(password(&found, Some(&server)), secret("of-file"));
        assert_eq!(password(&found, None), None);
        let found = Credentials { postgres_password: secret("set"), ..found };
        assert_eq!(password(&found, Some(&server)), secret("set"));
    }
}

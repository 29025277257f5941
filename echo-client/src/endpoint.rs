//! A server as typed: [`Endpoint`], an address or a URL, whose scheme selects protocol and TLS.
//! Resolves nothing.

use std::borrow::Cow;
use std::str::FromStr;

use echo_net::address::{Address, AddressError};
use echo_proto::{ProtocolKind, Service};
use http::Uri;
use percent_encoding::percent_decode_str;

use crate::mask::masked;

/// A server as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address.
    pub address: Address,
    /// The scheme of a URL; none for an address.
    pub scheme: Option<Scheme>,
    /// The path of an HTTP URL, with its query; at least `/`.
    pub path: Option<String>,
    /// The user that a URL of PostgreSQL or Redis names.
    pub user: Option<String>,
    /// The database that it names; of Redis a number.
    pub database: Option<String>,
}

/// The scheme of a URL.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub enum Scheme {
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// The Redis protocol.
    Redis,
    /// The Redis protocol over TLS.
    Rediss,
    /// The PostgreSQL protocol.
    #[strum(to_string = "postgres", serialize = "postgresql")]
    Postgres,
}

impl Scheme {
    /// The protocol.
    pub fn protocol(self) -> ProtocolKind {
        match self {
            Self::Http | Self::Https => ProtocolKind::Http,
            Self::Redis | Self::Rediss => ProtocolKind::Resp,
            Self::Postgres => ProtocolKind::Postgres,
        }
    }

    /// Whether it uses TLS.
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Https | Self::Rediss)
    }

    fn usual_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Redis | Self::Rediss => 6379,
            Self::Postgres => 5432,
        }
    }

    /// The variable of the environment that holds the password, where one is used.
    pub(crate) fn password_variable(self) -> Option<&'static str> {
        match self {
            Self::Http | Self::Https => None,
            Self::Redis | Self::Rediss => Some("REDISCLI_AUTH"),
            Self::Postgres => Some("PGPASSWORD"),
        }
    }
}

/// Neither an address nor a supported URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Invalid address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Invalid URL.
    #[error("invalid URL `{0}`: {1}")]
    Url(String, String),
    /// Unsupported scheme.
    #[error(
        "`{0}`: the URL scheme `{1}` is not supported (http, https, redis, rediss and postgres \
         are; or use HOST:PORT and --protocol)"
    )]
    Scheme(String, String),
    /// URL and flag contradict each other.
    #[error(
        "the URL implies --protocol {0}, which contradicts --protocol {1} (remove one of them)"
    )]
    Protocol(ProtocolKind, Service),
    /// Unsupported part of a URL.
    #[error("`{0}`: {1} in a URL are not supported")]
    Part(String, &'static str),
    /// A password, which would be stored with the URL.
    #[error("a URL with a password can't be stored: leave the password out and set {0}")]
    Password(&'static str),
    /// A database that Redis does not have.
    #[error("`{0}`: a database of Redis is a number, as in redis://HOST/1")]
    Database(String),
}

impl Endpoint {
    /// The protocol, where `typed` is the value of a flag.
    ///
    /// # Errors
    /// When the scheme implies another protocol.
    pub fn service(&self, typed: Option<Service>) -> Result<Service, EndpointError> {
        match (self.scheme.map(Scheme::protocol), typed) {
            (Some(scheme), Some(typed)) if typed != scheme.into() => {
                Err(EndpointError::Protocol(scheme, typed))
            }
            (Some(scheme), _) => Ok(scheme.into()),
            (None, typed) => Ok(typed.unwrap_or_default()),
        }
    }

    /// Whether the scheme implies TLS.
    pub fn is_secure(&self) -> bool {
        self.scheme.is_some_and(Scheme::is_secure)
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let Some((scheme, _)) = text.split_once("://") else {
            let (scheme, path, user, database) = (None, None, None, None);
            return Ok(Self { address: text.parse()?, scheme, path, user, database });
        };
        // What an error repeats.
        let shown = masked(text);
        let known = scheme.to_ascii_lowercase().parse::<Scheme>();
        let known =
            known.map_err(|_| EndpointError::Scheme(shown.to_string(), scheme.to_owned()))?;
        let invalid = |reason: String| EndpointError::Url(shown.to_string(), reason);
        let authority = text.split(['/', '?', '#']).nth(2).unwrap_or_default();
        let named = authority.rsplit_once('@').map(|(user, _)| user);
        let has_password = match named {
            Some(user) => user.contains(':'),
            // The password holds a `/`, unless a port is before it.
            None => shown != text && !ends_with_port(authority),
        };
        if let Some(variable) = known.password_variable().filter(|_| has_password) {
            return Err(EndpointError::Password(variable));
        }
        let uri: Uri = text.parse().map_err(|error| invalid(format!("{error}")))?;
        let unsupported = |part| EndpointError::Part(shown.to_string(), part);
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') && known.password_variable().is_none() {
            return Err(unsupported("credentials"));
        }
        let authority = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| invalid("no host".to_owned()))?;
        let port = match authority.get(host.len()..).and_then(|rest| rest.strip_prefix(':')) {
            Some(port) => port.to_owned(),
            None => known.usual_port().to_string(),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = match known.protocol() {
            ProtocolKind::Http => Some(path.to_owned()),
            _ if uri.query().is_some() => return Err(unsupported("parameters")),
            _ => None,
        };
        let decoded = |part: &str| {
            let text = percent_decode_str(part).decode_utf8();
            text.map(Cow::into_owned).map_err(|_| invalid("not UTF-8".to_owned()))
        };
        let user = named.filter(|user| !user.is_empty()).map(decoded).transpose()?;
        let database = uri.path().trim_start_matches('/');
        let database = (path.is_none() && !database.is_empty()).then(|| decoded(database));
        let database = database.transpose()?;
        let is_number = |database: &String| database.parse::<u32>().is_ok();
        if known.protocol() == ProtocolKind::Resp && !database.iter().all(is_number) {
            return Err(EndpointError::Database(shown.to_string()));
        }
        let address = format!("{host}:{port}").parse()?;
        Ok(Self { address, scheme: Some(known), path, user, database })
    }
}

/// Whether `HOST:PORT` is said, or there is no colon.
fn ends_with_port(authority: &str) -> bool {
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    port.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_how() {
        use Scheme::{Http, Https, Postgres, Redis, Rediss};
        for (typed, address, scheme, path) in [
            ("localhost:80", "localhost:80", None, None),
            (":80", ":80", None, None),
            ("unix:/run/echo.sock", "unix:/run/echo.sock", None, None),
            ("unix:@echo", "unix:@echo", None, None),
            ("http://localhost:8080/a?b=c", "localhost:8080", Some(Http), Some("/a?b=c")),
            ("http://localhost", "localhost:80", Some(Http), Some("/")),
            ("HTTPS://[::1]/", "[::1]:443", Some(Https), Some("/")),
            ("https://[::1]:8443/x", "[::1]:8443", Some(Https), Some("/x")),
            ("redis://127.0.0.1", "127.0.0.1:6379", Some(Redis), None),
            ("rediss://host:7000/", "host:7000", Some(Rediss), None),
            ("postgres://host", "host:5432", Some(Postgres), None),
            ("postgresql://[::1]:1/d", "[::1]:1", Some(Postgres), None),
        ] {
            let endpoint = typed.parse::<Endpoint>().unwrap();
            assert_eq!(endpoint.address.to_string(), address, "{typed}");
            assert_eq!((endpoint.scheme, endpoint.path.as_deref()), (scheme, path), "{typed}");
        }
        let service = |typed: &str, flag| typed.parse::<Endpoint>().unwrap().service(flag);
        let (http, chat) = (ProtocolKind::Http.into(), Service::Chat);
        assert_eq!(service("https://host", None), Ok(http));
        assert_eq!(service("http://host", Some(http)), Ok(http));
        assert_eq!(service("host:1", Some(chat)), Ok(chat));
        let refused = service("http://host", Some(chat));
        assert_eq!(refused, Err(EndpointError::Protocol(ProtocolKind::Http, chat)));
        let is_secure = |typed: &str| typed.parse::<Endpoint>().unwrap().is_secure();
        assert!(is_secure("https://host") && is_secure("rediss://host"));
        assert!(!is_secure("http://host") && !is_secure("host:443"));
    }

    #[test]
    fn a_url_of_a_database_names_user_and_database() {
        for (typed, address, user, database) in [
            ("postgres://me@host/shop", "host:5432", Some("me"), Some("shop")),
            ("postgres://a%40b@[::1]:9/x%20y", "[::1]:9", Some("a@b"), Some("x y")),
            ("postgres://host/", "host:5432", None, None),
            ("redis://me@host:7/12", "host:7", Some("me"), Some("12")),
            ("redis://host", "host:6379", None, None),
            ("http://host/a", "host:80", None, None),
        ] {
            let endpoint = typed.parse::<Endpoint>().unwrap();
            assert_eq!(endpoint.address.to_string(), address, "{typed}");
            let named = (endpoint.user.as_deref(), endpoint.database.as_deref());
            assert_eq!(named, (user, database), "{typed}");
        }
    }

    #[test]
    fn what_can_t_be_spoken_with_is_refused_by_its_cause() {
        for (typed, cause) in [
            ("ftp://host/", "scheme `ftp` is not supported"),
            ("://host", "scheme `` is not supported"),
            ("http://", "invalid URL"),
            ("http://:80/", "no host"),
            ("http://host:99999/", "port"),
            ("http://host:/", "port"),
            ("http://me:hidden@host/", "credentials"),
            ("redis://host/three", "a database of Redis is a number"),
            ("redis://:hidden@host/", "set REDISCLI_AUTH"),
            ("postgres://me:hidden@host/d", "set PGPASSWORD"),
            ("postgres://me:hid/hidden@host/d", "set PGPASSWORD"),
            ("postgres://me:hidden,' @host/d", "set PGPASSWORD"),
            ("postgre://me:hidden@host/d", "scheme `postgre` is not supported"),
            ("redis://host:7/hidden:x@y", "a database of Redis is a number"),
            ("postgres://host/d?sslmode=disable", "parameters"),
            ("/run/echo.sock", "write unix:/run/echo.sock"),
            ("unix:", "names no socket"),
            ("localhost", "has no port"),
        ] {
            let told = typed.parse::<Endpoint>().unwrap_err().to_string();
            assert!(told.contains(cause), "{typed}: {told}");
            assert!(!told.contains("hidden"), "{typed}: {told}");
        }
    }
}

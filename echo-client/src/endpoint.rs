//! A server as typed: [`Endpoint`], an address or a URL, whose scheme selects protocol and TLS.
//! Resolves nothing.

use std::str::FromStr;

use echo_net::address::{Address, AddressError};
use echo_proto::{ProtocolKind, Service};
use http::Uri;

/// A server as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address.
    pub address: Address,
    /// The scheme of a URL; none for an address.
    pub scheme: Option<Scheme>,
    /// The path of an HTTP URL, with its query; at least `/`.
    pub path: Option<String>,
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
}

impl Scheme {
    /// The protocol.
    pub fn protocol(self) -> ProtocolKind {
        match self {
            Self::Http | Self::Https => ProtocolKind::Http,
            Self::Redis | Self::Rediss => ProtocolKind::Resp,
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
        "`{0}`: the URL scheme `{1}` is not supported (http, https, redis and rediss are; or \
         use HOST:PORT and --protocol)"
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
            return Ok(Self { address: text.parse()?, scheme: None, path: None });
        };
        let known = scheme.to_ascii_lowercase().parse::<Scheme>();
        let known =
            known.map_err(|_| EndpointError::Scheme(text.to_owned(), scheme.to_owned()))?;
        let invalid = |reason: String| EndpointError::Url(text.to_owned(), reason);
        let uri: Uri = text.parse().map_err(|error| invalid(format!("{error}")))?;
        let unsupported = |part| EndpointError::Part(text.to_owned(), part);
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            return Err(unsupported("credentials"));
        }
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| invalid("no host".to_owned()))?;
        let port = match authority.get(host.len()..).and_then(|rest| rest.strip_prefix(':')) {
            Some(port) => port.to_owned(),
            None => known.usual_port().to_string(),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = match known.protocol() {
            ProtocolKind::Http => Some(path.to_owned()),
            _ if matches!(path, "" | "/") => None,
            _ => return Err(unsupported("database numbers")),
        };
        Ok(Self { address: format!("{host}:{port}").parse()?, scheme: Some(known), path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_how() {
        use Scheme::{Http, Https, Redis, Rediss};
        for (typed, address, scheme, path) in [
            ("localhost:80", "localhost:80", None, None),
            (":80", ":80", None, None),
            ("http://localhost:8080/a?b=c", "localhost:8080", Some(Http), Some("/a?b=c")),
            ("http://localhost", "localhost:80", Some(Http), Some("/")),
            ("HTTPS://[::1]/", "[::1]:443", Some(Https), Some("/")),
            ("https://[::1]:8443/x", "[::1]:8443", Some(Https), Some("/x")),
            ("redis://127.0.0.1", "127.0.0.1:6379", Some(Redis), None),
            ("rediss://host:7000/", "host:7000", Some(Rediss), None),
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
    fn what_can_t_be_spoken_with_is_refused_by_its_cause() {
        for (typed, cause) in [
            ("ftp://host/", "scheme `ftp` is not supported"),
            ("://host", "scheme `` is not supported"),
            ("http://", "invalid URL"),
            ("http://:80/", "no host"),
            ("http://host:99999/", "port"),
            ("http://host:/", "port"),
            ("http://me:secret@host/", "credentials"),
            ("redis://host/3", "database numbers"),
            ("unix:/run/echo.sock", "unix-domain sockets are not supported yet"),
            ("localhost", "has no port"),
        ] {
            let told = typed.parse::<Endpoint>().unwrap_err().to_string();
            assert!(told.contains(cause), "{typed}: {told}");
        }
    }
}

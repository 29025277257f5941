//! The value of the `Host` field of HTTP requests: [`HttpHost`]. Resolves nothing.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The `Host` of HTTP requests (RFC 9110 section 7.2). Clones share their text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpHost(Arc<str>);

/// Invalid value of a `Host` field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid HTTP host `{}` (use visible ASCII, at least one character)",
    .0.escape_default()
)]
pub struct InvalidHttpHost(String);

impl HttpHost {
    /// The `Host` for a server at `host` and `port`: an IPv6 address in brackets and without
    /// its zone (RFC 6874); the port is omitted if it is the default of the scheme.
    ///
    /// # Errors
    /// When `host` is not valid in a `Host` field.
    pub fn of(host: &str, port: u16, tls: bool) -> Result<Self, InvalidHttpHost> {
        let name = if host.contains(':') {
            let without_zone = host.split('%').next().unwrap_or(host);
            format!("[{without_zone}]")
        } else {
            host.to_owned()
        };
        let usual = if tls { 443 } else { 80 };
        if name.is_empty() || port == usual { name } else { format!("{name}:{port}") }.parse()
    }

    /// The value as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for HttpHost {
    /// `localhost`.
    fn default() -> Self {
        Self("localhost".into())
    }
}

impl fmt::Display for HttpHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for HttpHost {
    type Err = InvalidHttpHost;

    fn from_str(text: &str) -> Result<Self, InvalidHttpHost> {
        // A line break would inject a header field, and a space may end the value.
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidHttpHost(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_told_unless_it_is_that_of_the_scheme() {
        for (host, port, tls, told) in [
            ("example.org", 8080, false, "example.org:8080"),
            ("example.org", 80, false, "example.org"),
            ("example.org", 80, true, "example.org:80"),
            ("example.org", 443, true, "example.org"),
            ("127.0.0.1", 443, false, "127.0.0.1:443"),
            ("::1", 8080, false, "[::1]:8080"),
            ("fe80::1%eth0", 80, false, "[fe80::1]"),
        ] {
            assert_eq!(HttpHost::of(host, port, tls).unwrap().as_str(), told);
        }
    }

    #[test]
    fn a_host_can_t_begin_another_field() {
        for text in ["", "a\r\nX: y", "a b", "bücher.example", "a\0"] {
            assert!(text.parse::<HttpHost>().is_err(), "{text:?}");
        }
        assert_eq!("a.example:81".parse::<HttpHost>().unwrap().to_string(), "a.example:81");
    }
}

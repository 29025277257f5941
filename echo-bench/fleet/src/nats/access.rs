//! The way into a NATS server, as flags say it: [`Access`].

use std::path::PathBuf;
use std::time::Duration;

use async_nats::{ConnectError, ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;

use super::{BusError, CONNECT_LIMIT};

/// Where the server is, and how it is entered.
#[derive(Clone, Default)]
pub struct Access {
    /// Its URL, which may have a user and a password.
    pub url: String,
    /// The same, without the password.
    pub shown: String,
    /// A file of credentials (JWT and seed).
    pub credentials: Option<PathBuf>,
    /// A file with a token.
    pub token: Option<PathBuf>,
    /// A file with the seed of an `NKey`.
    pub nkey: Option<PathBuf>,
    /// CA certificates that verify the server.
    pub cacert: Option<PathBuf>,
    /// A certificate of this client, and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Shows no password.
impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("url", &self.shown).finish_non_exhaustive()
    }
}

impl Access {
    /// As the client wants it.
    pub(super) async fn options(&self) -> Result<ConnectOptions, BusError> {
        let mut options = ConnectOptions::new()
            .name("echo-bench")
            .connection_timeout(CONNECT_LIMIT)
            .reconnect_delay_callback(|_| Duration::from_millis(250))
            .request_timeout(Some(Duration::from_secs(5)));
        options = match self.user() {
            Some((user, Some(password))) => options.user_and_password(user, password),
            Some((token, None)) => options.token(token),
            None => options,
        };
        if let Some(file) = &self.credentials {
            let read = options.credentials_file(file).await;
            options = read.map_err(|reason| BusError::File { flag: "--nats-creds", reason })?;
        }
        if let Some(file) = &self.token {
            options = options.token(line_of(file, "--nats-token-file")?);
        }
        if let Some(file) = &self.nkey {
            options = options.nkey(line_of(file, "--nats-nkey")?);
        }
        if let Some(file) = &self.cacert {
            readable(file, "--nats-cacert")?;
            options = options.add_root_certificates(file.clone()).require_tls(true);
        }
        if let Some((certificate, key)) = &self.certificate {
            readable(certificate, "--nats-cert")?;
            readable(key, "--nats-key")?;
            options = options
                .add_client_certificate(certificate.clone(), key.clone())
                .require_tls(true);
        }
        Ok(options)
    }

    /// What the URL has before its host, which the client would not send: a user and a password,
    /// or a token alone.
    fn user(&self) -> Option<(String, Option<String>)> {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        // What is no URL is refused when it is connected to.
        let url: ServerAddr = self.url.parse().ok()?;
        Some((decoded(url.username()?), url.password().map(decoded)))
    }
}

/// What a file has on its lines, without the ends of them.
fn line_of(file: &PathBuf, flag: &'static str) -> Result<String, BusError> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|reason| BusError::File { flag, reason })?;
    Ok(text.trim().to_owned())
}

/// Names the flag of a file that can't be read, which the client would not.
fn readable(file: &PathBuf, flag: &'static str) -> Result<(), BusError> {
    let opened = std::fs::File::open(file);
    opened.map(drop).map_err(|reason| BusError::File { flag, reason })
}

/// Why a connection failed, in a line.
pub(super) fn reason(error: &ConnectError) -> String {
    let mut text = error.kind().to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        let said = deeper.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = deeper.source();
    }
    crate::message::printable(&text)
}

//! How connections are made: [`Connector`], and where to: [`Turns`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use echo_net::address::Address;
use echo_net::destinations::Destinations;
use echo_net::socket::SocketOptions;

use super::Exchange;
use crate::connection::Options;
use crate::error::{Attempt, ConnectError, words};
use crate::link::{Link, Tls};

/// Where to connect, and how.
#[derive(Debug, Clone)]
pub struct Connector {
    /// The server. A name is looked up for every connection.
    pub address: Address,
    /// TLS around the protocol, if it is wanted.
    pub tls: Option<Tls>,
    /// How to speak.
    pub options: Options,
    /// How long making a connection may take, TLS included.
    pub connect_timeout: Duration,
    /// Options of the socket.
    pub socket: SocketOptions,
    /// Addresses that connections take in turn, in place of those of the name.
    pub turns: Option<Turns>,
}

/// Addresses that connections take in turn. Clones share the turn.
#[derive(Debug, Clone)]
pub struct Turns(Arc<Mutex<Destinations>>);

impl Turns {
    /// Among these addresses.
    pub fn new(among: Destinations) -> Self {
        Self(Arc::new(Mutex::new(among)))
    }

    /// What came of connecting to them so far.
    pub fn so_far(&self) -> Destinations {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Destinations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connector {
    /// Plaintext, with 5 s for a connection and the usual options.
    pub fn new(address: Address, options: Options) -> Self {
        Self {
            address,
            tls: None,
            options,
            connect_timeout: Duration::from_secs(5),
            socket: SocketOptions::default(),
            turns: None,
        }
    }

    /// A new connection.
    ///
    /// # Errors
    /// When no address answers, or no TLS comes about.
    pub async fn open(&self) -> Result<Exchange, ConnectError> {
        let link = match &self.turns {
            None => self.link(&self.address).await?,
            Some(turns) => self.link_in_turn(turns).await?,
        };
        Ok(Exchange::new(link, self.options.clone()))
    }

    async fn link(&self, address: &Address) -> Result<Link, ConnectError> {
        let Self { tls, connect_timeout, socket, .. } = self;
        Link::open_with(address, tls.as_ref(), *connect_timeout, *socket).await
    }

    /// To the next address, or if that has never answered, to one after it.
    async fn link_in_turn(&self, turns: &Turns) -> Result<Link, ConnectError> {
        loop {
            let target = turns.lock().next_route().target;
            match self.link(&target.into()).await {
                Ok(link) => {
                    turns.lock().made(target);
                    return Ok(link);
                }
                Err(ConnectError::NoneAnswered { attempts, .. })
                    if turns.lock().failed(target, &told(&attempts)) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn told(attempts: &[Attempt]) -> String {
    let failure = attempts.first().and_then(|attempt| attempt.failure.as_ref());
    failure.map_or("no answer".to_owned(), words)
}

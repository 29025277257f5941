//! What connections are for: [`WorkloadPlan`], and what they speak: [`ProtocolPlan`]. Each holds
//! just the settings that it has a use for.

use echo_proto::{
    HttpHost, MuxRequester, PostgresLogin, PostgresRequester, ProtocolKind, Requester,
    RespLogin, RespRequester, Secret, Service,
};

use super::PlanError;

/// What connections are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkloadPlan {
    /// Every connection sends requests for itself.
    Requests {
        /// What is spoken.
        protocol: ProtocolPlan,
        /// Requests after which each connection is closed and reconnected; none: never.
        reconnect_after: Option<u32>,
    },
    /// Requests take their connections from a pool: the plan's connections are callers with one
    /// request at a time.
    Pool {
        /// What is spoken.
        protocol: ProtocolPlan,
        /// Most connections at one time; 0: a new one for each request.
        size: u32,
        /// Requests after which a connection of the pool is replaced; none: never.
        reconnect_after: Option<u32>,
    },
    /// Every connection is a member of one chat room; each message is delivered to all others,
    /// and requests are deliveries.
    Chat {
        /// Slow consumers: members that never read.
        deaf: u32,
    },
}

/// An application protocol, with what it alone has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProtocolPlan {
    /// See [`ProtocolKind::Line`].
    Line,
    /// See [`ProtocolKind::Raw`].
    Raw,
    /// See [`ProtocolKind::Frame`].
    Frame,
    /// See [`ProtocolKind::Command`].
    Command,
    /// See [`ProtocolKind::Mux`].
    Mux {
        /// Streams of a connection, which its requests take in turn.
        streams: u32,
    },
    /// See [`ProtocolKind::Resp`].
    Resp {
        /// Who logs in. The password is part of no document.
        login: RespLogin,
    },
    /// See [`ProtocolKind::Http`].
    Http {
        /// The `Host` header of requests; none: `localhost`.
        host: Option<HttpHost>,
    },
    /// See [`ProtocolKind::Postgres`].
    Postgres {
        /// Who logs in. The password is part of no document.
        login: PostgresLogin,
        /// Whether requests are simple queries.
        simple: bool,
    },
}

/// What chats are spoken in.
static OF_CHAT: ProtocolPlan = ProtocolPlan::Line;

impl WorkloadPlan {
    /// The workload that settings which stand side by side mean, as flags and stored plans have
    /// them: the number of `deaf` members makes it a chat, the size of a `pool` a pool.
    ///
    /// # Errors
    /// Which of them can't be combined.
    pub fn new(
        protocol: ProtocolPlan,
        deaf: Option<u32>,
        pool: Option<u32>,
        reconnect_after: Option<u32>,
    ) -> Result<Self, PlanError> {
        match (deaf, pool) {
            (None, None) => Ok(Self::Requests { protocol, reconnect_after }),
            (None, Some(size)) => Ok(Self::Pool { protocol, size, reconnect_after }),
            (Some(_), Some(_)) => Err(PlanError::NotWithPool("--protocol chat")),
            (Some(_), None) if reconnect_after.is_some() => {
                Err(PlanError::ReconnectWith("--protocol chat"))
            }
            (Some(_), None) if protocol != OF_CHAT => {
                Err(PlanError::ChatProtocol(protocol.kind()))
            }
            (Some(deaf), None) => Ok(Self::Chat { deaf }),
        }
    }

    /// The same, spoken so.
    #[must_use]
    pub fn with_protocol(self, protocol: ProtocolPlan) -> Self {
        match self {
            Self::Requests { reconnect_after, .. } => {
                Self::Requests { protocol, reconnect_after }
            }
            Self::Pool { size, reconnect_after, .. } => {
                Self::Pool { protocol, size, reconnect_after }
            }
            Self::Chat { deaf } => Self::Chat { deaf },
        }
    }

    /// What is spoken.
    pub fn protocol(&self) -> &ProtocolPlan {
        match self {
            Self::Requests { protocol, .. } | Self::Pool { protocol, .. } => protocol,
            Self::Chat { .. } => &OF_CHAT,
        }
    }

    /// What the server is expected to do.
    pub fn service(&self) -> Service {
        match self {
            Self::Requests { protocol, .. } | Self::Pool { protocol, .. } => {
                protocol.kind().into()
            }
            Self::Chat { .. } => Service::Chat,
        }
    }

    /// Requests after which a connection is closed and reconnected; none: never.
    pub fn reconnect_after(&self) -> Option<u32> {
        match *self {
            Self::Requests { reconnect_after, .. } | Self::Pool { reconnect_after, .. } => {
                reconnect_after
            }
            Self::Chat { .. } => None,
        }
    }

    /// The size of the pool, if it is one.
    pub fn pool_size(&self) -> Option<u32> {
        match *self {
            Self::Pool { size, .. } => Some(size),
            _ => None,
        }
    }

    /// The number of slow consumers, if it is a chat.
    pub fn deaf(&self) -> Option<u32> {
        match *self {
            Self::Chat { deaf } => Some(deaf),
            _ => None,
        }
    }
}

impl ProtocolPlan {
    /// The protocol that settings which stand side by side mean.
    ///
    /// # Errors
    /// Which of them needs another protocol.
    pub fn new(
        kind: ProtocolKind,
        streams: u32,
        http_host: Option<HttpHost>,
    ) -> Result<Self, PlanError> {
        match (Self::from(kind), http_host) {
            (Self::Http { .. }, host) if streams == 1 => Ok(Self::Http { host }),
            (_, Some(_)) if kind != ProtocolKind::Http => Err(PlanError::HostWithoutHttp),
            (Self::Mux { .. }, _) => Ok(Self::Mux { streams }),
            (other, _) if streams == 1 => Ok(other),
            _ if streams == 0 => Err(PlanError::Streams),
            _ => Err(PlanError::StreamsWithoutMux(streams)),
        }
    }

    /// Which protocol it is.
    pub fn kind(&self) -> ProtocolKind {
        match self {
            Self::Line => ProtocolKind::Line,
            Self::Raw => ProtocolKind::Raw,
            Self::Frame => ProtocolKind::Frame,
            Self::Command => ProtocolKind::Command,
            Self::Mux { .. } => ProtocolKind::Mux,
            Self::Resp { .. } => ProtocolKind::Resp,
            Self::Http { .. } => ProtocolKind::Http,
            Self::Postgres { .. } => ProtocolKind::Postgres,
        }
    }

    /// Streams of a connection.
    pub fn streams(&self) -> u32 {
        match *self {
            Self::Mux { streams } => streams,
            _ => 1,
        }
    }

    /// The `Host` header of requests.
    pub fn http_host(&self) -> Option<&HttpHost> {
        match self {
            Self::Http { host } => host.as_ref(),
            _ => None,
        }
    }

    /// Whether requests can be sent as soon as there is a connection.
    pub fn is_open_at_once(&self) -> bool {
        match self {
            Self::Postgres { .. } => false,
            Self::Resp { login } => login.is_silent(),
            _ => true,
        }
    }

    /// The same, with the password to log in with; other protocols have no use for one.
    ///
    /// # Errors
    /// When it can't be sent.
    pub fn with_password(self, password: Option<Secret>) -> Result<Self, PlanError> {
        Ok(match self {
            Self::Postgres { login, simple } => {
                Self::Postgres { login: login.with_password(password)?, simple }
            }
            Self::Resp { login } => Self::Resp { login: RespLogin { password, ..login } },
            other => other,
        })
    }

    /// The client's side of a new connection, for replies up to so many bytes.
    pub fn requester(&self, longest_reply: usize) -> Requester {
        match self {
            Self::Mux { streams } => Requester::Mux(MuxRequester::new(longest_reply, *streams)),
            Self::Http { host: Some(host) } => {
                ProtocolKind::Http.requester(longest_reply).for_http_host(host)
            }
            Self::Resp { login } => {
                let requester = RespRequester::new(longest_reply).with_login(login.clone());
                Requester::Resp(requester)
            }
            Self::Postgres { login, simple } => {
                let requester = PostgresRequester::new(longest_reply).with_login(login.clone());
                let requester = if *simple { requester.simple() } else { requester };
                Requester::Postgres(Box::new(requester))
            }
            other => other.kind().requester(longest_reply),
        }
    }
}

impl From<ProtocolKind> for ProtocolPlan {
    fn from(kind: ProtocolKind) -> Self {
        match kind {
            ProtocolKind::Line => Self::Line,
            ProtocolKind::Raw => Self::Raw,
            ProtocolKind::Frame => Self::Frame,
            ProtocolKind::Command => Self::Command,
            ProtocolKind::Mux => Self::Mux { streams: 1 },
            ProtocolKind::Resp => Self::Resp { login: RespLogin::default() },
            ProtocolKind::Http => Self::Http { host: None },
            ProtocolKind::Postgres => {
                Self::Postgres { login: PostgresLogin::default(), simple: false }
            }
        }
    }
}

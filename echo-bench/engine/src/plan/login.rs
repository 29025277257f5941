//! Who connections log in as, as it is stored: [`PostgresDocument`], [`RedisDocument`]. Never with
//! a password.

use echo_proto::{PostgresLogin, RespLogin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PlanError, ProtocolPlan};

/// A session of PostgreSQL.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PostgresPlan")]
pub(super) struct PostgresDocument {
    /// The user.
    user: String,
    /// The database; null: of the user's name.
    #[serde(default)]
    database: Option<String>,
    /// Whether requests are simple queries, and not executions of a prepared statement.
    #[serde(default)]
    simple: bool,
}

impl PostgresDocument {
    /// Of this protocol, if it is the one.
    pub(super) fn of(protocol: &ProtocolPlan) -> Option<Self> {
        let ProtocolPlan::Postgres { login, simple } = protocol else { return None };
        let database = login.database().map(str::to_owned);
        Some(Self { user: login.user().to_owned(), database, simple: *simple })
    }

    /// The protocol that is meant, without a password.
    pub(super) fn protocol(self) -> Result<ProtocolPlan, PlanError> {
        let login = PostgresLogin::new(self.user, self.database, None)?;
        Ok(ProtocolPlan::Postgres { login, simple: self.simple })
    }
}

/// A session of Redis.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RedisPlan")]
pub(super) struct RedisDocument {
    /// The user; null: `default`.
    #[serde(default)]
    user: Option<String>,
    /// The number of the database.
    #[serde(default)]
    database: u32,
    /// Whether RESP3 is spoken.
    #[serde(default)]
    resp3: bool,
}

impl RedisDocument {
    /// Of this protocol, if it is the one and there is something to say.
    pub(super) fn of(protocol: &ProtocolPlan) -> Option<Self> {
        let ProtocolPlan::Resp { login } = protocol else { return None };
        let RespLogin { user, database, resp3, .. } = login.clone();
        let is_usual = user.is_none() && login.is_silent();
        (!is_usual).then_some(Self { user, database, resp3 })
    }

    /// The protocol that is meant, without a password.
    pub(super) fn protocol(self) -> ProtocolPlan {
        let Self { user, database, resp3 } = self;
        ProtocolPlan::Resp { login: RespLogin { user, password: None, database, resp3 } }
    }
}

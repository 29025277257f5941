//! Who logs in at a database: what was typed, with what the [`Credentials`] say. No password is
//! typed, and none is part of a report.

use echo_client::credentials::Credentials;
use echo_proto::{ProtocolKind, RespLogin, Secret};

use super::{RerunArgsError, RunArgs, RunArgsError};
use echo_bench_engine::plan::{Plan, PlanError, ProtocolPlan, Target, WorkloadPlan};

impl RunArgs {
    /// The protocol, with who logs in.
    pub(super) fn logged_in(
        &self,
        protocol: ProtocolPlan,
        credentials: &Credentials,
    ) -> Result<ProtocolPlan, RunArgsError> {
        let (simple, resp3) = (self.messages.pg_simple, self.messages.resp3);
        if simple && protocol.kind() != ProtocolKind::Postgres {
            return Err(RunArgsError::SimpleWithoutPostgres);
        }
        if resp3 && protocol.kind() != ProtocolKind::Resp {
            return Err(RunArgsError::Resp3WithoutResp);
        }
        let url = self.endpoint();
        // The embedded server has no password, and a Redis says so to who gives one.
        let is_other = url.is_some() || self.exec.plan().is_some();
        match protocol {
            ProtocolPlan::Resp { .. } => {
                let password = credentials.redis_password().filter(|_| is_other);
                let user = url.and_then(|url| url.user.clone());
                let database = url.and_then(|url| url.database.as_deref()?.parse().ok());
                let database = database.unwrap_or_default();
                if is_unproven(user.as_deref(), password.as_ref()) {
                    return Err(RunArgsError::UserWithoutPassword);
                }
                Ok(ProtocolPlan::Resp { login: RespLogin { user, password, database, resp3 } })
            }
            ProtocolPlan::Postgres { .. } => {
                let login = credentials.postgres(url).map_err(PlanError::Login)?;
                let password = is_other
                    .then(|| credentials.postgres_password(&login, url.map(|url| &url.address)))
                    .flatten();
                let login = login.with_password(password).map_err(PlanError::Login)?;
                Ok(ProtocolPlan::Postgres { login, simple })
            }
            other => Ok(other),
        }
    }
}

/// Whether a user of a Redis is named who can't log in: without a password nothing is said, and
/// the load would be that of `default`.
fn is_unproven(user: Option<&str>, password: Option<&Secret>) -> bool {
    password.is_none() && user.is_some_and(|user| user != "default")
}

/// The workload of a plan with the password, which no report holds.
pub(super) fn logged_in(
    before: &Plan,
    target: &Target,
    credentials: &Credentials,
) -> Result<WorkloadPlan, RerunArgsError> {
    let workload = before.workload.clone();
    let protocol = workload.protocol().clone();
    let password = match (&protocol, target) {
        (ProtocolPlan::Postgres { login, .. }, Target::Address { address, .. }) => {
            credentials.postgres_password(login, address.parse().ok().as_ref())
        }
        (ProtocolPlan::Postgres { login, .. }, Target::Command(_)) => {
            credentials.postgres_password(login, None)
        }
        (ProtocolPlan::Resp { login }, Target::Address { .. } | Target::Command(_)) => {
            let password = credentials.redis_password();
            if is_unproven(login.user.as_deref(), password.as_ref()) {
                return Err(RerunArgsError::UserWithoutPassword);
            }
            password
        }
        _ => return Ok(workload),
    };
    let protocol = protocol.with_password(password)?;
    Ok(workload.with_protocol(protocol))
}

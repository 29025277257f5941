//! Gets the reports of a run out of the store: [`collect`] by its list of parts alone,
//! [`collect_ends`] as its coordinator knows them.

use super::{Bus, BusError, store};
use crate::coordinator::End;
use crate::message::{MOST_REPORT_BYTES, MOST_ROSTER_BYTES, Member, Message, Roster};
use crate::plan::Digest;
use crate::{RunId, message};

/// A part, and its report.
#[derive(Debug)]
pub struct Part {
    /// Which, and whose.
    pub member: Member,
    /// Its report, or why there is none.
    pub report: Result<Vec<u8>, String>,
}

/// The parts of a run.
#[derive(Debug)]
pub struct Collected {
    /// In order.
    pub parts: Vec<Part>,
    /// What was seen of the server, if an agent was asked to look at it.
    pub server: Option<Part>,
}

/// The parts of a run that is in the store, whatever became of its coordinator.
///
/// # Errors
/// When nothing of it is there, or the store can't be read.
pub async fn collect(bus: &Bus, run: &RunId) -> Result<Collected, BusError> {
    let name = store::roster(run);
    let Some(bytes) = bus.get(&name, MOST_ROSTER_BYTES).await? else {
        return Err(BusError::NoRun(run.clone()));
    };
    let invalid = |error: message::Unreadable| BusError::Object {
        name: name.clone(),
        reason: error.to_string(),
    };
    let roster = Roster::read(&bytes).map_err(invalid)?;
    let mut parts = Vec::new();
    for member in roster.members {
        parts.push(stored(bus, run, member).await?);
    }
    let server = match roster.server {
        Some(member) => Some(stored(bus, run, member).await?),
        None => None,
    };
    Ok(Collected { parts, server })
}

async fn stored(bus: &Bus, run: &RunId, member: Member) -> Result<Part, BusError> {
    let name = store::report(run, member.part);
    let report = match bus.get(&name, MOST_REPORT_BYTES).await? {
        Some(report) => Ok(report),
        None => Err("no report in the store (the agent may be at work still)".to_owned()),
    };
    Ok(Part { member, report })
}

/// The parts of a run as they have ended, and the server as it was seen.
pub async fn collect_ends(
    bus: &Bus,
    run: &RunId,
    ends: Vec<End>,
    server: Option<End>,
) -> Collected {
    let mut parts = Vec::new();
    for end in ends {
        parts.push(ended(bus, run, end).await);
    }
    let server = match server {
        Some(end) => Some(ended(bus, run, end).await),
        None => None,
    };
    Collected { parts, server }
}

async fn ended(bus: &Bus, run: &RunId, End { member, result }: End) -> Part {
    let report = match result {
        Err(reason) => Err(reason),
        Ok(stored) => {
            let name = store::report(run, member.part);
            match bus.get(&name, MOST_REPORT_BYTES).await {
                Ok(Some(report)) if Digest::of(&report) == stored.digest => Ok(report),
                Ok(Some(_)) => Err("its report is not the one that it has stored".to_owned()),
                Ok(None) => Err("its report is not in the store".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        }
    };
    Part { member, report }
}

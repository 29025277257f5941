//! The connections of a run, and the addresses that they were made to: [`Connections`],
//! [`AddressReport`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Connections {
    /// Asked for.
    pub requested: u32,
    /// Made before the load began.
    pub established: u32,
    /// Alive when the run ended.
    pub alive_at_end: u32,
    /// Made again within the measured window (in older reports: during the whole load).
    pub reconnects: u64,
    /// From the first attempt until the last connection was made or had failed.
    pub connect_phase_ns: u64,
}

/// An address of the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddressReport {
    /// The address and the port.
    pub address: String,
    /// Connections that were made to it, before and during the load.
    pub made: u64,
    /// Attempts that failed. One that failed before any was made is left out, and its
    /// connections go to the other addresses.
    pub failed: u64,
    /// Why the first of those failed.
    pub failure: Option<String>,
}

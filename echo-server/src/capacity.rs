//! How many connections can be served at a time, and why no more: [`Capacity`].

/// A limit of the machine on how many connections can be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capacity {
    /// Most connections.
    pub connections: u64,
    /// What sets the limit.
    pub bound_by: String,
}

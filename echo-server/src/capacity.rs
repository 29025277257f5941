//! Maximum number of connections, and its cause: [`Capacity`].

/// A limit of the machine on concurrent connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// Maximum number of connections.
    pub connections: u64,
    /// The cause of the limit.
    pub bound_by: String,
}

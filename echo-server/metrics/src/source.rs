//! Where metrics come from: [`Source`].

use crate::families::Families;

/// A source of metrics.
pub trait Source: Send + Sync {
    /// Adds them, as they are now.
    ///
    /// # Errors
    /// Never: writing to memory can't fail.
    fn collect(&self, families: &mut Families<'_>) -> std::fmt::Result;
}

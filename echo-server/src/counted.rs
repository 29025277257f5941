//! A count with its noun: [`counted`].

/// `1 connection`, `2 connections`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

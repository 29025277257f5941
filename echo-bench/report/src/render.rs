//! Reports for people. Each format is a function of the report alone; nothing here
//! measures, judges or opens a file.

pub mod comparison;
pub mod csv;
pub mod hdr;
pub mod html;
mod latency_table;
pub mod markdown;
pub mod slo;
pub mod sweep;
pub mod text;
pub mod units;

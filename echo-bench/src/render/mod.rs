//! Reports for people. Each format is a function of the report alone; nothing here
//! measures, judges or opens a file.

pub mod text;
pub mod units;

//! Reports for people. Each format is a function of the report alone; nothing here
//! measures, judges or opens a file.

pub mod csv;
mod grid;
pub mod hdr;
pub mod html;
pub mod markdown;
pub mod text;

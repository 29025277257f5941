//! Reports for people. Each format is a function of the report alone; nothing here
//! measures, judges or opens a file.

pub mod bmf;
pub mod csv;
mod fit;
pub mod github;
mod grid;
pub mod hdr;
pub mod html;
pub mod junit;
pub mod markdown;
pub mod openmetrics;
mod screen;
mod spread;
mod styled;
pub mod text;
mod wrap;

pub use screen::Screen;
pub use styled::Styled;
pub use wrap::width;

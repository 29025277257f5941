//! Reports for people. Each format is a function of the report alone; nothing here
//! measures, judges or opens a file.

pub mod csv;
mod fit;
mod grid;
pub mod hdr;
pub mod html;
pub mod markdown;
mod screen;
mod spread;
mod styled;
pub mod text;
mod wrap;

pub use screen::Screen;
pub use styled::Styled;
pub use wrap::width;

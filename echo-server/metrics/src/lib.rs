//! Metrics in the text formats of Prometheus: a [`Source`] adds its [`Families`], [`Pages`] are
//! what an endpoint answers with, and [`page`] is the same for a file. Opens no socket: the HTTP
//! server is that of `echo-server`.

mod families;
mod health;
mod pages;
mod process;
mod source;
mod text_format;

pub use families::{Families, Name, Times, Value, bytes, seconds};
pub use health::{Health, Unready};
pub use pages::{Page, Pages, page};
pub use process::ProcessMetrics;
pub use source::Source;

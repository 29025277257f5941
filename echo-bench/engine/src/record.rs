//! What a run measures while it runs: counts ([`Tally`]), errors ([`Errors`]) and latency
//! histograms ([`Latencies`]), each merged with `+=` and never averaged.

mod errors;
mod histogram;
mod interval;
mod packed;
mod served;
mod span;
mod stage;
mod stamped;
mod tally;

pub use errors::{
    Difference, Errors, FailureKind, Failures, FirstOffender, Phase, difference_in_words,
};
pub use histogram::Latency;
pub use interval::{Interval, Latencies, OpenClocks};
pub use packed::Packed;
pub use served::Served;
pub use span::Span;
pub use stage::StagePart;
pub use stamped::Stamped;
pub use tally::{Ending, Requests, Tally};

//! What a sample allows to be said: intervals of percentiles, effective sample sizes,
//! whether a series has settled, and how sure a difference is. Pure functions of counts; no
//! I/O, no formatting.

pub(crate) mod bootstrap;
pub(crate) mod change_points;
pub(crate) mod contrast;
pub(crate) mod correlation;
pub(crate) mod effective;
pub(crate) mod holm;
pub mod looks;
pub mod order;
pub mod rate;
pub(crate) mod serial;
pub(crate) mod statistic;
pub(crate) mod steady;

//! What a sample allows to be said: intervals of percentiles, effective sample sizes,
//! whether a series has settled, and how sure a difference is. Pure functions of counts; no
//! I/O, no formatting.

pub mod bootstrap;
pub mod contrast;
pub mod correlation;
pub mod effective;
pub mod holm;
pub mod looks;
pub mod order;
pub mod rate;
pub mod serial;
pub mod statistic;
pub mod steady;

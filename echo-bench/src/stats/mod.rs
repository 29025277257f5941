//! What a sample allows to be said: intervals of percentiles, effective sample sizes, and
//! whether a series has settled. Pure functions of counts; no I/O, no formatting.

pub mod order;
pub mod steady;

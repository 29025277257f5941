//! How sweeps are kept: the folder of one ([`folder`]) and which of its runs may be reused
//! ([`reuse`]). How one is typed is the command line's business, what it is and comes to
//! `echo_bench_report::sweep`'s.

pub mod folder;
pub mod reuse;

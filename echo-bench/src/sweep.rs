//! How sweeps are kept: the folder of one ([`folder`]), which of its runs may be reused
//! ([`reuse`]), and the folder of a published one ([`study`]). How one is typed is the command line's business, what it is and comes to
//! `echo_bench_report::sweep`'s.

pub mod folder;
pub mod reuse;
pub mod study;

//! How sweeps are typed and kept: flags with several values ([`typed`]), plan files ([`file`]),
//! the folder of a sweep ([`folder`]) and which of its runs may be reused ([`reuse`]). What a
//! sweep is and comes to is `echo_bench_report::sweep`'s.

pub mod file;
pub mod folder;
pub mod reuse;
#[cfg(test)]
mod tests;
pub mod typed;

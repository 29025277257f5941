//! What must hold whatever arrives and whatever happens: [`targets`], the functions of the fuzz
//! targets in `fuzz/`, and [`chaos`], the simulation of server, generator and network together.
//! Tests replay the committed corpora through the same functions.

pub mod answers;
pub mod chaos;
pub mod targets;

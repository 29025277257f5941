//! Settings as typed on a command line: each type parses, prints and validates itself, so a
//! value that exists is valid. The output of [`Display`](std::fmt::Display) parses back to the
//! same value. Independent of any argument parser.

mod at_least_one;
mod byte_size;
mod count;
mod cpu_list;
mod decimal;
mod on_off;
mod rate;
mod time_span;

pub use at_least_one::{NotAtLeastOne, at_least_one};
pub use byte_size::{ByteSize, InvalidByteSize};
pub use count::{Count, InvalidCount};
pub use cpu_list::{CpuList, InvalidCpuList};
pub use on_off::OnOff;
pub use rate::{InvalidRate, Rate};
pub use time_span::{InvalidTimeSpan, TimeSpan};

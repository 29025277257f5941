//! Settings as typed on a command line: each type parses, prints and validates itself, so a
//! value that exists is valid. The output of [`Display`](std::fmt::Display) parses back to the
//! same value. Independent of any argument parser.

mod at_least_one;
mod bit_rate;
mod byte_size;
mod count;
mod cpu_list;
mod decimal;
mod on_off;
mod percent;
mod rate;
mod time_span;
mod tos;

pub use at_least_one::{NotAtLeastOne, at_least_one};
pub use bit_rate::{BitRate, InvalidBitRate};
pub use byte_size::{ByteSize, InvalidByteSize, MOST_BYTES};
pub use count::{Count, InvalidCount};
pub use cpu_list::{CpuList, InvalidCpuList};
pub use on_off::OnOff;
pub use percent::{InvalidPercent, Percent};
pub use rate::{InvalidRate, Rate};
pub use time_span::{InvalidTimeSpan, TimeSpan};
pub use tos::{InvalidTos, Tos};

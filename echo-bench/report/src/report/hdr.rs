//! A latency histogram as text: HDR V2, deflated, base64. [`encode`] writes it, [`count`] checks
//! it and [`decode`] reads it back.
//!
//! A stored text is untrusted, and the format says by itself how large its range and its
//! payload are. Only the one shape that [`encode`] writes is read, and no length is taken from
//! a header.

use std::io::Read;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{
    Deserializer, Serializer, V2DeflateSerializer, V2Serializer,
};

use super::numbers::LARGEST_COUNT;
use echo_bench_engine::record::Latency;

/// Bytes before what is deflated: what it is, and its length.
const OUTER_HEADER: usize = 8;

/// Bytes before the counts: what they are, their length, and then the range and precision.
const HEADER: usize = 40;

/// Most bytes of a number among the counts.
const LONGEST_NUMBER: usize = 9;

/// What every stored histogram has in common.
struct Shape {
    /// The header of an empty one.
    header: Vec<u8>,
    /// How many counts there are.
    cells: usize,
    /// The greatest value that can be stored.
    greatest: u64,
}

static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    let empty = Latency::default();
    let histogram = empty.histogram();
    let mut header = Vec::new();
    V2Serializer::new()
        .serialize(histogram, &mut header)
        .expect("writing to memory can't fail and there are no counts");
    header.truncate(HEADER);
    Shape {
        header,
        cells: histogram.distinct_values(),
        greatest: histogram.highest_equivalent(histogram.high()),
    }
});

/// Why a text is no stored histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    /// Not base64.
    #[error("not base64")]
    Text,
    /// Not what [`encode`] makes.
    #[error("not a deflated HDR V2 histogram")]
    Format,
    /// Deflated, and far larger than any histogram.
    #[error("inflates to more than a histogram has")]
    Large,
    /// Of another range or precision.
    #[error("not a histogram of 1 ns to 1 h with 3 digits")]
    Range,
    /// A number that is no count of a value in range.
    #[error("holds counts of values that are out of range")]
    Cells,
    /// More values than any run has.
    #[error("holds more than 2^53 values")]
    Count,
}

/// The greatest value that a stored histogram can hold, in nanoseconds.
pub(super) fn greatest_ns() -> u64 {
    SHAPE.greatest
}

/// All counts of `histogram`.
pub(super) fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(histogram, &mut bytes)
        .expect("writing to memory can't fail and the counts are below the format's limit");
    STANDARD.encode(bytes)
}

/// The histogram in `text`.
pub(super) fn decode(text: &str) -> Result<Histogram<u64>, Damage> {
    let bytes = inflate(text)?;
    count_values(&bytes)?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|_| Damage::Format)
}

/// How many values the histogram in `text` holds.
pub(super) fn count(text: &str) -> Result<u64, Damage> {
    count_values(&inflate(text)?)
}

/// The histogram before it was deflated.
fn inflate(text: &str) -> Result<Vec<u8>, Damage> {
    let bytes = STANDARD.decode(text).map_err(|_| Damage::Text)?;
    let (outer, deflated) = bytes.split_at_checked(OUTER_HEADER).ok_or(Damage::Format)?;
    if outer[4..] != u32::try_from(deflated.len()).unwrap_or(0).to_be_bytes() {
        return Err(Damage::Format);
    }
    let most = HEADER + SHAPE.cells * LONGEST_NUMBER;
    let mut inflated = Vec::new();
    ZlibDecoder::new(deflated)
        .take(most as u64 + 1)
        .read_to_end(&mut inflated)
        .map_err(|_| Damage::Format)?;
    if inflated.len() > most { Err(Damage::Large) } else { Ok(inflated) }
}

/// The sum of all counts of a histogram that was inflated, if it is of the one shape.
fn count_values(inflated: &[u8]) -> Result<u64, Damage> {
    let (header, mut rest) = inflated.split_at_checked(HEADER).ok_or(Damage::Format)?;
    let ours = &SHAPE.header;
    let length = u32::try_from(rest.len()).unwrap_or(0).to_be_bytes();
    if header[..4] != ours[..4] || header[4..8] != length {
        return Err(Damage::Format);
    }
    if header[8..] != ours[8..] {
        return Err(Damage::Range);
    }
    let (mut cell, mut sum) = (0_usize, 0_u64);
    while !rest.is_empty() {
        let number = number(&mut rest).ok_or(Damage::Format)?;
        // A negative number stands for so many zeros.
        if number < 0 {
            let zeros = usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
            cell = cell.saturating_add(zeros);
        } else {
            sum = sum.saturating_add(number.unsigned_abs());
            cell += 1;
        }
        if cell > SHAPE.cells {
            return Err(Damage::Cells);
        }
    }
    if sum > LARGEST_COUNT { Err(Damage::Count) } else { Ok(sum) }
}

/// Takes a number off the front: seven bits a byte, the lowest first, all eight of a ninth
/// byte, and the sign in the lowest bit.
fn number(rest: &mut &[u8]) -> Option<i64> {
    let mut bits = 0;
    for place in 0..LONGEST_NUMBER {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        let last = place == LONGEST_NUMBER - 1;
        let own = if last { byte } else { byte & 0x7f };
        bits |= u64::from(own) << (7 * place);
        if last || byte & 0x80 == 0 {
            break;
        }
    }
    Some((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use proptest::prelude::*;

    use super::*;

    fn wrapped(inflated: &[u8]) -> String {
        let mut deflated = ZlibEncoder::new(Vec::new(), Compression::best());
        deflated.write_all(inflated).unwrap();
        let deflated = deflated.finish().unwrap();
        let mut bytes = vec![0x1c, 0x84, 0x93, 0x14];
        bytes.extend(u32::try_from(deflated.len()).unwrap().to_be_bytes());
        bytes.extend(deflated);
        STANDARD.encode(bytes)
    }

    /// The header as it should be, and these bytes of counts.
    fn with_counts(counts: &[u8]) -> String {
        let mut bytes = SHAPE.header.clone();
        bytes[4..8].copy_from_slice(&u32::try_from(counts.len()).unwrap().to_be_bytes());
        bytes.extend(counts);
        wrapped(&bytes)
    }

    fn with_header(place: usize, byte: u8) -> String {
        let mut bytes = SHAPE.header.clone();
        bytes[4..8].copy_from_slice(&[0; 4]);
        bytes[place] = byte;
        wrapped(&bytes)
    }

    #[test]
    fn a_header_that_claims_more_than_there_is_is_refused() {
        assert_eq!(count(&with_counts(&[])), Ok(0));
        assert_eq!(
            decode(&with_header(4, 0xaf)).unwrap_err(),
            Damage::Format,
            "3 GB of counts"
        );
        // Five digits, and a range of 2^63.
        assert_eq!(decode(&with_header(15, 5)).unwrap_err(), Damage::Range);
        assert_eq!(decode(&with_header(24, 0x7f)).unwrap_err(), Damage::Range);
    }

    #[test]
    fn what_inflates_without_end_is_refused_early() {
        let text = wrapped(&vec![0; 64 << 20]);
        assert!(text.len() < 200_000);
        assert_eq!(decode(&text).unwrap_err(), Damage::Large);
    }

    #[test]
    fn counts_out_of_range_are_refused() {
        let most = [0xff; LONGEST_NUMBER];
        for (counts, damage) in [
            // The least of all numbers, which has no positive of its own.
            (&most[..], Damage::Cells),
            (&[0xff, 0xff, 0x7f, 2], Damage::Cells),
            (&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Damage::Count),
            (&[0x80], Damage::Format),
        ] {
            assert_eq!(count(&with_counts(counts)), Err(damage), "{counts:?}");
            assert_eq!(decode(&with_counts(counts)).unwrap_err(), damage, "{counts:?}");
        }
        assert_eq!(count("AAAA"), Err(Damage::Format));
        assert_eq!(count("?"), Err(Damage::Text));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in prop::collection::vec(any::<u64>(), 0..50)) {
            let mut latency = Latency::default();
            for value in values {
                latency.record(value >> (value % 60));
            }
            let text = encode(latency.histogram());
            prop_assert_eq!(count(&text), Ok(latency.count()));
            prop_assert_eq!(&decode(&text).unwrap(), latency.histogram());
        }

        #[test]
        fn any_counts_are_read_or_refused(counts in prop::collection::vec(any::<u8>(), 0..40)) {
            let text = with_counts(&counts);
            prop_assert_eq!(count(&text), decode(&text).map(|histogram| histogram.len()));
        }
    }
}

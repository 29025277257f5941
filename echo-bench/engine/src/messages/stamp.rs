//! The beginning of a generated message: [`stamp`], which says whose it is.

use std::ops::Range;

/// Characters of a stamp: 6 of the request number, 2 of the checksum, 4 of the connection.
pub(super) const STAMP: usize = 12;

/// Digits are the 64 characters from this one on: a digit is made by an addition.
const ZERO: u8 = b'0';

/// Scrambles a number so that neighbours differ in all bits (the finaliser of `SplitMix64`,
/// Steele, Lea and Flood 2014).
pub(super) fn scramble(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The stamp of request `request` of `connection`.
#[inline]
pub(super) fn stamp(connection: u32, request: u64) -> [u8; STAMP] {
    let check = scramble(u64::from(connection) << 36 ^ request);
    let first = digits(request & 0xf_ffff_ffff | (check & 0xfff) << 36).to_le_bytes();
    let [a, b, c, d, ..] = digits(u64::from(connection) & 0xff_ffff).to_le_bytes();
    let mut stamp = [0; STAMP];
    stamp[..8].copy_from_slice(&first);
    stamp[8..].copy_from_slice(&[a, b, c, d]);
    stamp
}

/// Connection and request number of a stamp whose checksum holds.
pub(super) fn read(body: &[u8]) -> Option<(u32, u64)> {
    let read = body.first_chunk::<STAMP>()?;
    let number = |range: Range<usize>| -> Option<u64> {
        read[range].iter().rev().try_fold(0, |number, byte| {
            let digit = byte.checked_sub(ZERO).filter(|digit| *digit < 64)?;
            Some(number << 6 | u64::from(digit))
        })
    };
    let (request, connection) = (number(0..6)?, u32::try_from(number(8..12)?).ok()?);
    (stamp(connection, request) == *read).then_some((connection, request))
}

/// Eight digits of six bits each, lowest first, one to a byte: halves move apart, then
/// quarters, then eighths.
#[inline]
fn digits(number: u64) -> u64 {
    let halves = number & 0xff_ffff | (number & 0xff_ffff << 24) << 8;
    let quarters = halves & 0x0fff_0000_0fff | (halves & 0x0fff_0000_0fff << 12) << 4;
    let eighths =
        quarters & 0x003f_003f_003f_003f | (quarters & 0x003f_003f_003f_003f << 6) << 2;
    eighths + 0x0101_0101_0101_0101 * u64::from(ZERO)
}

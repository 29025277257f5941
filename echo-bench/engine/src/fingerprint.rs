//! The digest that identifies schedules, message sizes and files in a report: [`fingerprint`]. It
//! detects mistakes; it is no cryptographic hash.

/// FNV-1a, 64 bits: <http://www.isthe.com/chongo/tech/comp/fnv/>, spelled out because a
/// hasher of the standard library may change between versions.
pub fn fingerprint(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let mix = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

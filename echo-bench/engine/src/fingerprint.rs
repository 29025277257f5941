//! The digest that identifies schedules, message sizes and files in a report: [`digest`]. It
//! detects mistakes; it is no cryptographic hash.

/// FNV-1a, 64 bits, in hexadecimal: <http://www.isthe.com/chongo/tech/comp/fnv/>, spelled out
/// because a hasher of the standard library may change between versions.
pub fn digest(bytes: impl IntoIterator<Item = u8>) -> String {
    let mix = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, mix))
}

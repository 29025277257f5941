//! Where TLS records end in a stream: [`Records`], by their headers alone (RFC 8446 section 5.1).

/// Type, version and length.
const HEADER: usize = 5;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Records {
    header: [u8; HEADER],
    /// Bytes of the incomplete record so far, header included.
    bytes: usize,
}

impl Records {
    /// Follows `bytes` of the stream.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if let Some(place) = self.header.get_mut(self.bytes) {
                *place = *first;
                self.bytes += 1;
                bytes = rest;
            } else {
                let taken = self.left().min(bytes.len());
                self.bytes += taken;
                bytes = &bytes[taken..];
            }
            if self.bytes >= HEADER && self.left() == 0 {
                self.bytes = 0;
            }
        }
    }

    /// Bytes that the current record lacks, once its header is complete.
    fn left(&self) -> usize {
        let [.., high, low] = self.header;
        (HEADER + usize::from(u16::from_be_bytes([high, low]))).saturating_sub(self.bytes)
    }

    /// Bytes of the incomplete record so far; 0 between records.
    pub(super) fn unfinished(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_ends_however_the_stream_is_cut() {
        let record = |length: u8| [vec![23, 3, 3, 0, length], vec![1; length.into()]].concat();
        let stream = [record(3), record(0), record(200), vec![23, 3]].concat();
        let ends = [0, 8, 13, 218];
        for length in 1..stream.len() {
            let (mut records, mut at) = (Records::default(), 0);
            for piece in stream.chunks(length) {
                records.follow(piece);
                at += piece.len();
                let last = ends.iter().rfind(|end| **end <= at).copied();
                assert_eq!(Some(at - records.unfinished()), last, "pieces of {length}");
            }
        }
    }
}

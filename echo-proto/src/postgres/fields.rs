//! Reads the fields of a message: [`Fields`].

/// The rest of a message's body. Every reader returns `None` where too few bytes are left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    /// A number of 16 bits, which counts something.
    pub(super) fn count(&mut self) -> Option<usize> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*bytes).into())
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    /// Bytes up to a zero byte, which is consumed.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(0, self.0)?;
        let string = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Some(string)
    }

    /// A value after its length; `Some(None)` is NULL.
    #[expect(clippy::option_option, reason = "NULL is a value, and may be missing")]
    pub(super) fn value(&mut self) -> Option<Option<&'a [u8]>> {
        match self.number()? {
            u32::MAX => Some(None),
            length => self.bytes(usize::try_from(length).ok()?).map(Some),
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_over(self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_turn_and_never_past_the_end() {
        let mut fields = Fields(b"P\0\x02a\0\0\0\0\x01x\xff\xff\xff\xff\x7f\xff\xff\xff");
        assert_eq!(fields.byte(), Some(b'P'));
        assert_eq!(fields.count(), Some(2));
        assert_eq!(fields.string(), Some(&b"a"[..]));
        assert_eq!(fields.value(), Some(Some(&b"x"[..])));
        assert_eq!(fields.value(), Some(None));
        assert!(!fields.is_over());
        assert_eq!(fields.value(), None, "the announced bytes are not there");
        assert_eq!((fields.number(), fields.count()), (None, None));
        assert_eq!((fields.string(), fields.byte()), (None, None));
        assert!(fields.is_over());
    }
}

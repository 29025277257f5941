//! Splits a byte stream into length-prefixed frames: [`LengthPrefixSplitter`]. Never allocates
//! by an announced length: memory grows only with bytes that arrived, and a length over the
//! limit is refused before any payload is buffered.

/// A frame whose announced payload is over the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("frame too long (limit {limit} bytes)")]
pub struct FrameTooLong {
    /// The most bytes of payload a frame may have.
    pub limit: usize,
}

/// The error reply to a frame whose end did not arrive in time.
pub(crate) const FRAME_TIMED_OUT: &str = "frame not completed in time";

/// Splits a byte stream into frames: a header of `HEADER` bytes, whose last four are the
/// big-endian payload length, then the payload.
#[derive(Debug)]
pub(crate) struct LengthPrefixSplitter<const HEADER: usize> {
    limit: usize,
    /// The incomplete frame, header included.
    partial: Vec<u8>,
}

/// Capacity above this is freed, so that an idle connection does not hold the memory of a long
/// frame.
const KEPT_CAPACITY: usize = 4096;

impl<const HEADER: usize> LengthPrefixSplitter<HEADER> {
    /// A splitter for payloads of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        const { assert!(HEADER >= 4) };
        Self { limit, partial: Vec::new() }
    }

    /// Consumes all of `input` and calls `each` with header and payload of every completed
    /// frame. The header of a frame over the limit stays in [`partial`](Self::partial).
    pub(crate) fn feed(
        &mut self,
        mut input: &[u8],
        mut each: impl FnMut(&[u8; HEADER], &[u8]),
    ) -> Result<(), FrameTooLong> {
        if !self.partial.is_empty() {
            let Some(rest) = self.complete_partial(input, &mut each)? else {
                return Ok(());
            };
            input = rest;
        }
        while let Some((header, rest)) = input.split_first_chunk::<HEADER>() {
            let length = self.payload_length(header).inspect_err(|_| {
                self.partial.extend_from_slice(header);
            })?;
            let Some((payload, rest)) = rest.split_at_checked(length) else { break };
            each(header, payload);
            input = rest;
        }
        self.partial.extend_from_slice(input);
        Ok(())
    }

    /// The incomplete frame so far, header included.
    pub(crate) fn partial(&self) -> &[u8] {
        &self.partial
    }

    /// Adds the missing bytes to the incomplete frame; returns the rest of the input once the
    /// frame is complete.
    fn complete_partial<'a>(
        &mut self,
        mut input: &'a [u8],
        each: &mut impl FnMut(&[u8; HEADER], &[u8]),
    ) -> Result<Option<&'a [u8]>, FrameTooLong> {
        loop {
            let whole = match self.partial.first_chunk::<HEADER>() {
                None => HEADER,
                Some(header) => HEADER + self.payload_length(header)?,
            };
            let lacking = whole - self.partial.len();
            if lacking == 0 {
                break;
            }
            let taken = lacking.min(input.len());
            self.partial.extend_from_slice(&input[..taken]);
            input = &input[taken..];
            if taken < lacking {
                return Ok(None);
            }
        }
        if let Some((header, payload)) = self.partial.split_first_chunk::<HEADER>() {
            each(header, payload);
        }
        if self.partial.capacity() > KEPT_CAPACITY {
            self.partial = Vec::new();
        }
        self.partial.clear();
        Ok(Some(input))
    }

    fn payload_length(&self, header: &[u8; HEADER]) -> Result<usize, FrameTooLong> {
        let length = header.last_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        match usize::try_from(length) {
            Ok(length) if length <= self.limit => Ok(length),
            _ => Err(FrameTooLong { limit: self.limit }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Frames = Vec<([u8; 4], Vec<u8>)>;

    fn frames(
        splitter: &mut LengthPrefixSplitter<4>,
        input: &[u8],
    ) -> Result<Frames, FrameTooLong> {
        let mut seen = Vec::new();
        splitter.feed(input, |header, payload| seen.push((*header, payload.to_vec())))?;
        Ok(seen)
    }

    #[test]
    fn a_length_over_the_limit_is_refused_as_soon_as_it_is_known() {
        let mut splitter = LengthPrefixSplitter::<4>::new(3);
        assert!(frames(&mut splitter, &[0, 0, 0, 3, 1, 2, 3]).is_ok());
        assert_eq!(frames(&mut splitter, &[0, 0, 0]), Ok(vec![]));
        assert_eq!(frames(&mut splitter, &[4]), Err(FrameTooLong { limit: 3 }));
    }

    #[test]
    fn a_huge_announcement_reserves_nothing() {
        let mut splitter = LengthPrefixSplitter::<4>::new(usize::MAX);
        frames(&mut splitter, &[0xff, 0xff, 0xff, 0xff, 1]).unwrap();
        assert!(splitter.partial.capacity() < 64);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_frames_that_were_encoded(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8),
            cuts in proptest::collection::vec(0usize..400, 0..8),
        ) {
            let mut stream = Vec::new();
            for payload in &payloads {
                stream.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes());
                stream.extend_from_slice(payload);
            }
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let mut splitter = LengthPrefixSplitter::<4>::new(40);
            let mut seen = Vec::new();
            for pair in cuts.windows(2) {
                let whole = frames(&mut splitter, &stream[pair[0]..pair[1]]).unwrap();
                seen.extend(whole.into_iter().map(|(_, payload)| payload));
            }
            prop_assert_eq!(seen, payloads);
            prop_assert!(splitter.partial().is_empty());
        }
    }
}

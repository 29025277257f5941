//! Remarks about refused messages: [`Remarks`] lets a few of them through each minute and counts
//! the others, so that nobody fills a disk by sending nonsense.

use crate::{Nanos, SECOND};

/// Most remarks of a minute.
const MOST: u32 = 10;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Remarks {
    minute_ends: Nanos,
    said: u32,
    kept_back: u64,
}

impl Remarks {
    /// The remark, if there is room for it.
    pub(super) fn add(&mut self, remark: String, now: Nanos) -> Option<String> {
        if now >= self.minute_ends && self.kept_back == 0 {
            (self.minute_ends, self.said) = (now.saturating_add(60 * SECOND), 0);
        }
        if self.said < MOST {
            self.said += 1;
            return Some(remark);
        }
        self.kept_back += 1;
        None
    }

    /// How many were kept back in a minute that is over.
    pub(super) fn tick(&mut self, now: Nanos) -> Option<String> {
        if self.kept_back == 0 || now < self.minute_ends {
            return None;
        }
        let told = format!("refused {} more in the last minute", self.kept_back);
        (self.minute_ends, self.said, self.kept_back) = (now.saturating_add(60 * SECOND), 0, 0);
        Some(told)
    }
}

//! Swaps messages between two connections: [`Exchange`].

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long the other connection is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most texts that are kept; after so many each gets its own back.
const MOST_TEXTS: usize = 1 << 16;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// Texts by connection and message.
    texts: Mutex<HashMap<(usize, u64), Vec<u8>>>,
    deposited: Condvar,
}

impl Exchange {
    /// Stores message `number` of `connection`, and waits for that of the other one of
    /// connections 0 and 1, which it returns; its own if the other never sends one.
    pub(super) fn swap(&self, connection: usize, number: u64, text: &[u8]) -> Vec<u8> {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if texts.len() >= MOST_TEXTS {
            return text.to_vec();
        }
        texts.insert((connection, number), text.to_vec());
        self.deposited.notify_all();
        let other = (1 - connection.min(1), number);
        let wait = self
            .deposited
            .wait_timeout_while(texts, PATIENCE, |texts| !texts.contains_key(&other));
        let (texts, _) = wait.unwrap_or_else(PoisonError::into_inner);
        texts.get(&other).map_or_else(|| text.to_vec(), Clone::clone)
    }
}

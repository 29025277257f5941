//! What a completion refers to: [`Subject`], stored in the 64 bits of user data of a request.

use slotmap::{Key as _, KeyData};

use super::Key;

/// Bits for the slot of a connection; the four above are the kind, the 32 above those the
/// generation of the slot. No machine has that many descriptors.
const PLACE_BITS: u32 = 28;
const PLACE: u64 = (1 << PLACE_BITS) - 1;

/// Purpose of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// Accept on the listener with this number.
    Accept(u32),
    /// Poll of the reactor's waker.
    Waker,
    /// Receive on a connection.
    Receive(Key),
    /// Poll of a connection for room to send and errors.
    Watch(Key),
    /// Cancellation of one of the above, or of a [`Listener`](Self::Listener).
    CancelAccept(u32),
    /// As above.
    CancelReceive(Key),
    /// As above.
    CancelWatch(Key),
    /// Poll of the listener with this number for pending connections.
    Listener(u32),
    /// Nothing but to come after all that was submitted before.
    Fence,
}

impl Subject {
    pub(super) fn to_user_data(self) -> u64 {
        let (kind, key) = match self {
            Self::Accept(number) => (0, u64::from(number)),
            Self::Waker => (1, 0),
            Self::Receive(key) => (2, key.data().as_ffi()),
            Self::Watch(key) => (3, key.data().as_ffi()),
            Self::CancelAccept(number) => (4, u64::from(number)),
            Self::CancelReceive(key) => (5, key.data().as_ffi()),
            Self::CancelWatch(key) => (6, key.data().as_ffi()),
            Self::Listener(number) => (7, u64::from(number)),
            Self::Fence => (8, 0),
        };
        (key & !u64::from(u32::MAX)) | (kind << PLACE_BITS) | (key & PLACE)
    }

    pub(super) fn from_user_data(data: u64) -> Self {
        let key = KeyData::from_ffi((data & !u64::from(u32::MAX)) | (data & PLACE)).into();
        let number = (data & PLACE) as u32;
        match (data >> PLACE_BITS) & 15 {
            0 => Self::Accept(number),
            1 => Self::Waker,
            2 => Self::Receive(key),
            3 => Self::Watch(key),
            4 => Self::CancelAccept(number),
            5 => Self::CancelReceive(key),
            6 => Self::CancelWatch(key),
            7 => Self::Listener(number),
            _ => Self::Fence,
        }
    }

    /// Whether it only cancels another request.
    pub(super) fn is_cancellation(self) -> bool {
        matches!(self, Self::CancelAccept(_) | Self::CancelReceive(_) | Self::CancelWatch(_))
    }

    /// Its cancellation; `None` if it is never cancelled individually.
    pub(super) fn cancelled(self) -> Option<Self> {
        match self {
            Self::Accept(number) | Self::Listener(number) => Some(Self::CancelAccept(number)),
            Self::Receive(key) => Some(Self::CancelReceive(key)),
            Self::Watch(key) => Some(Self::CancelWatch(key)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slotmap::SlotMap;

    #[test]
    fn every_subject_survives_the_way_through_the_kernel() {
        let mut map: SlotMap<Key, ()> = SlotMap::with_key();
        let first = map.insert(());
        map.remove(first);
        // The same slot, one generation later.
        for key in [first, map.insert(()), map.insert(())] {
            for subject in [
                Subject::Accept(0),
                Subject::Accept(7),
                Subject::Waker,
                Subject::Receive(key),
                Subject::Watch(key),
                Subject::CancelAccept(7),
                Subject::CancelReceive(key),
                Subject::CancelWatch(key),
                Subject::Listener(7),
                Subject::Fence,
            ] {
                assert_eq!(Subject::from_user_data(subject.to_user_data()), subject);
            }
        }
    }
}

//! A wait for an instant inside a runtime: [`Alarm`]. A runtime's own timers are rounded to
//! a millisecond; this one is a timer of the kernel (`timerfd_create(2)`), which is not.

#![expect(unsafe_code, reason = "a runtime is told to watch a descriptor")]

use std::io;
use std::os::fd::OwnedFd;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::Nanos;
use crate::clock::{self, SECOND};

/// One waiter's alarm. Takes a descriptor.
#[derive(Debug)]
pub struct Alarm {
    timer: AsyncFd<OwnedFd>,
}

impl Alarm {
    /// Not set.
    ///
    /// # Errors
    /// When no descriptor is to be had.
    ///
    /// # Panics
    /// Outside a runtime with I/O.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // SAFETY: the timer owns its descriptor, which stays the same and open for as long as
        // it is registered.
        let timer = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE)? };
        Ok(Self { timer })
    }

    /// Waits until the instant `at` of [`clock`].
    ///
    /// # Errors
    /// When the kernel refuses the timer.
    pub async fn wait_until(&mut self, at: Nanos) -> io::Result<()> {
        if clock::now() >= at {
            return Ok(());
        }
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec {
                tv_sec: i64::try_from(at / SECOND).unwrap_or(i64::MAX),
                tv_nsec: i64::try_from(at % SECOND).unwrap_or(0),
            },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &once)?;
        loop {
            let mut ready = self.timer.readable().await?;
            let mut expirations = [0; 8];
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut expirations)?));
            match read {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                // Not yet.
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MILLISECOND;

    #[test]
    fn rings_not_before_its_time_and_more_than_once() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let mut alarm = Alarm::new().unwrap();
            alarm.wait_until(0).await.unwrap();
            for _ in 0..3 {
                let at = clock::now() + 2 * MILLISECOND;
                alarm.wait_until(at).await.unwrap();
                assert!(clock::now() >= at);
            }
        });
    }
}

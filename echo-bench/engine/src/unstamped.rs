//! Why no reply of a run has a receive stamp of the kernel: [`why_unstamped`].

use std::io;

use crate::plan::Stamps;
use crate::record::Stamped;

/// Why no reply of a run with so many `ok` ones has a receive stamp, if replies were to have them.
pub(super) fn why_unstamped(
    wanted: Stamps,
    ok: u64,
    stamped: &Stamped,
    probe: impl FnOnce() -> io::Result<()>,
) -> Option<String> {
    let is_wanted = wanted != Stamps::Off && ok > 0;
    if !is_wanted || stamped.path.count() > 0 {
        return None;
    }
    if stamped.implausible > 0 {
        return Some(
            "all lay before their request or after their read: the clock was set".into(),
        );
    }
    let reason = probe().err().map(|reason| reason.to_string());
    Some(reason.unwrap_or_else(|| "no reply came with one on this engine or path".into()))
}

/// Why there are none over a unix-domain socket.
pub(super) fn of_unix() -> io::Error {
    io::Error::other("the kernel has no receive timestamps for unix-domain sockets")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_stamps_says_why() {
        let refused = || Err(io::Error::other("the kernel has none"));
        let mut stamped = Stamped::default();
        let why = |stamped: &Stamped, wanted| why_unstamped(wanted, 1, stamped, refused);
        assert_eq!(why(&stamped, Stamps::All).as_deref(), Some("the kernel has none"));
        assert_eq!(why(&stamped, Stamps::Off), None, "nobody asked for any");
        let found = why_unstamped(Stamps::Sample, 1, &stamped, || Ok(())).unwrap();
        assert!(found.contains("no reply came with one"), "{found}");
        let none = why_unstamped(Stamps::All, 0, &stamped, refused);
        assert_eq!(none, None, "nothing was answered");
        stamped.implausible = 1;
        assert!(why(&stamped, Stamps::All).unwrap().contains("the clock was set"));
        stamped.path.record(5);
        assert_eq!(why(&stamped, Stamps::All), None);
    }
}

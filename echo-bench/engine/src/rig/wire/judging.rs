//! What the links of a [`Wire`] tell of the server: whether it is what the plan says.

use std::sync::atomic::Ordering;

use echo_net::tls::is_alert;

use super::super::loss::{Loss, refused_certificate};
use super::super::misdirected::Misdirected;
use super::{Link, Wire};

impl Wire {
    /// Successful replies came on a link.
    pub(crate) fn prove(&mut self, link: u32) {
        // Nobody's cache line is taken away for what is known already.
        if !self.is_proven() {
            self.proven.store(true, Ordering::Relaxed);
        }
        self.links[link as usize].prove();
    }

    /// Notes what a server says first on a link.
    #[inline]
    pub(in crate::rig) fn hear(&mut self, link: u32, bytes: &[u8]) {
        self.links[link as usize].opening.hear(bytes);
    }

    fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    /// What the first bytes of a link say of a server that never gave a successful reply, if it
    /// is not what is expected.
    #[inline]
    pub(in crate::rig) fn judge(&self, link: u32) -> Option<Misdirected> {
        if self.is_proven() {
            return None;
        }
        let Link { target, opening, .. } = self.links[link as usize];
        Misdirected::other(target, &self.plan, opening)
    }

    /// Why a link is lost, in the light of what its server said first.
    pub(in crate::rig) fn diagnosed(&self, link: u32, loss: Loss) -> Loss {
        let place = &self.links[link as usize];
        let is_plain = place.tls.is_none();
        if is_plain && is_alert(place.opening.bytes()) { Loss::SpeaksTls } else { loss }
    }

    /// What it tells of a server that a link is lost so, if the server is not what is expected.
    pub(in crate::rig) fn judge_loss(&self, link: u32, loss: &Loss) -> Option<Misdirected> {
        if self.is_proven() {
            return None;
        }
        let target = self.links[link as usize].target;
        match loss {
            Loss::SpeaksTls => Some(Misdirected::tls(target)),
            Loss::Broken(error) => {
                refused_certificate(error).map(|refusal| Misdirected::refusing(target, refusal))
            }
            _ => None,
        }
    }
}

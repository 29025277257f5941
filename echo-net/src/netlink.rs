//! Sets up network devices, addresses and neighbours of this network namespace: [`Route`], a few
//! requests of `rtnetlink(7)`.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{recv, send, socket_with};

/// `struct nlmsghdr`.
const HEADER: usize = 16;

/// Longest answer that is read: an error holds the request.
const LONGEST: usize = 4096;

/// A device that is to be one end of a pair of virtual Ethernet devices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Device<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its Ethernet address.
    pub(crate) mac: [u8; 6],
    /// Its namespace.
    pub(crate) namespace: BorrowedFd<'a>,
}

/// A socket to the kernel's routing, of the namespace that it is made in.
#[derive(Debug)]
pub(crate) struct Route(OwnedFd);

impl Route {
    /// For this network namespace.
    ///
    /// # Errors
    /// When there is no such socket.
    pub(crate) fn open() -> io::Result<Self> {
        let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
        // NETLINK_ROUTE is 0, which rustix writes as no protocol.
        Ok(Self(socket_with(family, kind, SocketFlags::CLOEXEC, None)?))
    }

    /// Makes a pair of virtual Ethernet devices.
    ///
    /// # Errors
    /// When the kernel has none, or it is not allowed.
    pub(crate) fn add_pair(
        &self,
        one: &Device<'_>,
        other: &Device<'_>,
        mtu: u32,
    ) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWLINK, CREATE);
        message.device(one, mtu);
        let info = message.open(libc::IFLA_LINKINFO);
        message.attribute(libc::IFLA_INFO_KIND, b"veth");
        let data = message.open(libc::IFLA_INFO_DATA);
        let peer = message.open(VETH_INFO_PEER);
        message.device(other, mtu);
        message.close(peer);
        message.close(data);
        message.close(info);
        self.request(message)
    }

    /// Puts a device up.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) fn put_up(&self, device: u32) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWLINK, 0);
        message.interface(device, libc::IFF_UP as u32);
        self.request(message)
    }

    /// Gives a device an address in a network of so many bits. It is usable at once.
    ///
    /// # Errors
    /// When the kernel lacks its version of IP, or the device is not there.
    pub(crate) fn add_address(&self, device: u32, address: IpAddr, bits: u8) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWADDR, CREATE);
        message.bytes(&[family(address), bits, libc::IFA_F_NODAD as u8, 0]);
        message.bytes(&device.to_ne_bytes());
        message.address(libc::IFA_LOCAL, address);
        message.address(libc::IFA_ADDRESS, address);
        self.request(message)
    }

    /// Says which Ethernet address a neighbour has, for ever: nobody asks him.
    ///
    /// # Errors
    /// When the device is not there.
    pub(crate) fn add_neighbour(
        &self,
        device: u32,
        address: IpAddr,
        mac: [u8; 6],
    ) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWNEIGH, CREATE);
        message.bytes(&[family(address), 0, 0, 0]);
        message.bytes(&device.to_ne_bytes());
        message.bytes(&libc::NUD_PERMANENT.to_ne_bytes());
        message.bytes(&[0, 0]);
        message.address(libc::NDA_DST, address);
        message.attribute(libc::NDA_LLADDR, &mac);
        self.request(message)
    }

    /// Sends a request, and waits for what came of it.
    fn request(&self, message: Message) -> io::Result<()> {
        send(&self.0, &message.finish(), SendFlags::empty())?;
        let mut answer = [0; LONGEST];
        let (_, length) = recv(&self.0, answer.as_mut_slice(), RecvFlags::empty())?;
        error_of(answer.get(..length).unwrap_or_default())
    }
}

/// `VETH_INFO_PEER` of linux/veth.h.
const VETH_INFO_PEER: u16 = 1;

/// Of a request that makes something new.
const CREATE: i32 = libc::NLM_F_CREATE | libc::NLM_F_EXCL;

fn family(address: IpAddr) -> u8 {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    family as u8
}

/// What an answer says: an error number, which is 0 if all went well.
fn error_of(answer: &[u8]) -> io::Result<()> {
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let code = answer.get(HEADER..HEADER + 4).and_then(|bytes| bytes.try_into().ok());
    match (kind.map(i32::from), code.map(i32::from_ne_bytes)) {
        (Some(libc::NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(libc::NLMSG_ERROR), Some(code)) => {
            Err(io::Error::from_raw_os_error(code.wrapping_neg()))
        }
        _ => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "an answer that is none of netlink"))
        }
    }
}

/// A request in the making.
struct Message(Vec<u8>);

/// Where an attribute that is being filled begins.
#[must_use = "it has to be closed"]
struct Open(usize);

impl Message {
    fn new(kind: u16, flags: i32) -> Self {
        let flags = flags | libc::NLM_F_REQUEST | libc::NLM_F_ACK;
        let mut message = Self(vec![0; HEADER]);
        message.0[4..6].copy_from_slice(&kind.to_ne_bytes());
        message.0[6..8].copy_from_slice(&(flags as u16).to_ne_bytes());
        message
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// `struct ifinfomsg`, with the flags that are to be set.
    fn interface(&mut self, index: u32, set: u32) {
        self.bytes(&[0; 4]);
        self.bytes(&index.to_ne_bytes());
        self.bytes(&set.to_ne_bytes());
        self.bytes(&set.to_ne_bytes());
    }

    fn device(&mut self, device: &Device<'_>, mtu: u32) {
        self.interface(0, 0);
        self.attribute(libc::IFLA_IFNAME, &[device.name.as_bytes(), &[0]].concat());
        self.attribute(libc::IFLA_ADDRESS, &device.mac);
        self.attribute(libc::IFLA_MTU, &mtu.to_ne_bytes());
        let namespace = device.namespace.as_raw_fd();
        self.attribute(libc::IFLA_NET_NS_FD, &namespace.to_ne_bytes());
    }

    fn address(&mut self, kind: u16, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.attribute(kind, &address.octets()),
            IpAddr::V6(address) => self.attribute(kind, &address.octets()),
        }
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let open = self.open(kind);
        self.bytes(value);
        self.close(open);
    }

    /// Begins an attribute, which may hold others.
    fn open(&mut self, kind: u16) -> Open {
        let at = self.0.len();
        self.bytes(&[0; 2]);
        self.bytes(&kind.to_ne_bytes());
        Open(at)
    }

    fn close(&mut self, Open(at): Open) {
        let length = (self.0.len() - at) as u16;
        self.0[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        let length = self.0.len() as u32;
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0
    }
}

impl AsFd for Route {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_may_hold_others() {
        let mut message = Message::new(libc::RTM_NEWLINK, CREATE);
        let outer = message.open(7);
        message.attribute(3, b"veth0");
        message.close(outer);
        let bytes = message.finish();
        let word = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        assert_eq!((bytes.len(), word(0), word(4)), (32, 32, libc::RTM_NEWLINK));
        assert_eq!(i32::from(word(6)), CREATE | libc::NLM_F_REQUEST | libc::NLM_F_ACK);
        // The outer one has the padding of the inner one in it.
        assert_eq!([word(16), word(18), word(20), word(22)], [16, 7, 9, 3]);
        assert_eq!(&bytes[24..], b"veth0\0\0\0");
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        let answer = |kind: i32, code: i32| {
            let mut bytes = vec![0; 20];
            bytes[4..6].copy_from_slice(&(kind as u16).to_ne_bytes());
            bytes[16..].copy_from_slice(&code.to_ne_bytes());
            bytes
        };
        assert!(error_of(&answer(libc::NLMSG_ERROR, 0)).is_ok());
        let refused = error_of(&answer(libc::NLMSG_ERROR, -libc::EPERM)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        assert!(error_of(&answer(libc::NLMSG_DONE, 0)).is_err());
        assert!(error_of(&answer(libc::NLMSG_ERROR, 0)[..19]).is_err());
        assert!(error_of(&[]).is_err());
        assert!(error_of(&answer(libc::NLMSG_ERROR, i32::MIN)).is_err());
    }
}

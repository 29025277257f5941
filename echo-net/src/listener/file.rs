//! Listening at a unix-domain socket: [`listen_at`]. Its file outlives a server that was killed, so
//! one that nobody accepts from is replaced; a live one and every other kind of file are left
//! alone. [`SocketFile`] removes it at the end.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::address::{SocketAddress, UnixAddress};

/// Time for a server that has bound its socket and does not listen yet: until then it refuses
/// connections as a dead one does.
const BETWEEN_BIND_AND_LISTEN: Duration = Duration::from_millis(50);

/// Why a server can't listen at a unix-domain socket.
#[derive(Debug, thiserror::Error)]
pub enum UnixBindError {
    /// A server accepts there.
    #[error(
        "binding {0}: another server accepts connections there (stop it, or use another path)"
    )]
    Live(UnixAddress),
    /// Something else than a socket.
    #[error(
        "binding {0}: the file there is not a socket, and is left alone (use another path, or \
         remove it)"
    )]
    OtherFile(UnixAddress),
    /// A socket that can't be tried.
    #[error(
        "binding {address}: a socket is there, and whether it is in use can't be found out: \
         {reason} (remove it if no server uses it, or use another path)"
    )]
    Unknown {
        /// Where.
        address: UnixAddress,
        /// The kernel's error.
        reason: io::Error,
    },
    /// A socket of a dead server that can't be removed.
    #[error("binding {address}: removing the socket of a server that has ended: {reason}")]
    Stale {
        /// Where.
        address: UnixAddress,
        /// The kernel's error.
        reason: io::Error,
    },
    /// The kernel does not want to.
    #[error("binding {address}: {reason}{}", remedy(reason))]
    Bind {
        /// Where.
        address: UnixAddress,
        /// The kernel's error.
        reason: io::Error,
    },
}

fn remedy(reason: &io::Error) -> &'static str {
    match reason.kind() {
        ErrorKind::AddrInUse => " (is another server running? stop it, or use another name)",
        ErrorKind::NotFound => " (does the folder exist?)",
        ErrorKind::PermissionDenied => " (may this user write to the folder?)",
        _ => "",
    }
}

/// The file of a listening socket, which is removed when this is dropped, if it is still the same.
/// A failure to do so is told by [`remove`](Self::remove).
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        let identity = identity(&fs::symlink_metadata(path)?);
        // The working directory may change, and so may what a relative path means.
        Ok(Self { path: std::path::absolute(path)?, identity })
    }

    /// The folder that it is in.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Removes it, unless it is gone, or another one is in its place.
    ///
    /// # Errors
    /// When it is still there and can't be removed.
    pub fn remove(&self) -> io::Result<()> {
        match fs::symlink_metadata(&self.path) {
            Ok(found) if identity(&found) == self.identity => fs::remove_file(&self.path),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Whoever wants to know has asked before.
        let _ = self.remove();
    }
}

/// What makes a file the same one.
fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// A bound, listening, non-blocking socket, and its file if it has one. The file has the mode that
/// the process's umask leaves: who may not write to it can't connect.
///
/// # Errors
/// Why not.
pub fn listen_at(
    address: UnixAddress,
    backlog: u32,
) -> Result<(UnixListener, Option<SocketFile>), UnixBindError> {
    if let Some(path) = address.path() {
        make_way(address, path)?;
    }
    bind(address, backlog).map_err(|reason| UnixBindError::Bind { address, reason })
}

fn bind(address: UnixAddress, backlog: u32) -> io::Result<(UnixListener, Option<SocketFile>)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SocketAddress::Unix(address).to_kernel()?)?;
    let file = address.path().map(SocketFile::at).transpose()?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    Ok((socket.into(), file))
}

/// Removes the socket of a server that is no more.
fn make_way(address: UnixAddress, path: &Path) -> Result<(), UnixBindError> {
    let unknown = |reason| UnixBindError::Unknown { address, reason };
    let stale = |reason| UnixBindError::Stale { address, reason };
    let found = match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => found,
        Ok(_) => return Err(UnixBindError::OtherFile(address)),
        // There is none, or binding will say why not.
        Err(_) => return Ok(()),
    };
    if is_live(address).map_err(unknown)? {
        return Err(UnixBindError::Live(address));
    }
    thread::sleep(BETWEEN_BIND_AND_LISTEN);
    if is_live(address).map_err(unknown)? {
        return Err(UnixBindError::Live(address));
    }
    SocketFile { path: path.to_owned(), identity: identity(&found) }.remove().map_err(stale)
}

/// Whether somebody listens at a socket that is there.
fn is_live(address: UnixAddress) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A full backlog is one of a server.
    socket.set_nonblocking(true)?;
    match socket.connect(&SocketAddress::Unix(address).to_kernel()?) {
        Ok(()) => Ok(true),
        Err(error) => match error.raw_os_error() {
            // Or of another type, like one for datagrams.
            Some(libc::EAGAIN | libc::EPROTOTYPE) => Ok(true),
            Some(libc::ECONNREFUSED | libc::ENOENT) => Ok(false),
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixDatagram, UnixStream};

    fn place(folder: &Path, name: &str) -> (PathBuf, UnixAddress) {
        let path = folder.join(name);
        let address = UnixAddress::at(&path).unwrap();
        (path, address)
    }

    #[test]
    fn the_socket_of_a_dead_server_is_replaced_and_removed_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let (path, address) = place(folder.path(), "echo.sock");
        // Killed: its file stays.
        drop(UnixListener::bind(&path).unwrap());
        let (listener, file) = listen_at(address, 4).unwrap();
        UnixStream::connect(&path).unwrap();
        assert_eq!(SocketAddress::of_local(&listener).unwrap(), address.into());
        file.unwrap().remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_live_server_is_left_alone_also_when_its_backlog_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let (path, address) = place(folder.path(), "echo.sock");
        let (_listener, _file) = listen_at(address, 1).unwrap();
        let mut waiting = Vec::new();
        for _ in 0..3 {
            let told = listen_at(address, 1).unwrap_err();
            assert!(matches!(told, UnixBindError::Live(_)), "{told}");
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&SocketAddress::Unix(address).to_kernel().unwrap());
            waiting.push(socket);
        }
        assert!(path.exists());
        let (_, datagrams) = place(folder.path(), "log");
        let _log = UnixDatagram::bind(folder.path().join("log")).unwrap();
        let told = listen_at(datagrams, 1).unwrap_err();
        assert!(matches!(told, UnixBindError::Live(_)), "{told}");
    }

    #[test]
    fn no_other_kind_of_file_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["file", "folder", "link"] {
            let (path, address) = place(folder.path(), name);
            match name {
                "file" => fs::write(&path, "kept").unwrap(),
                "folder" => fs::create_dir(&path).unwrap(),
                _ => std::os::unix::fs::symlink("nowhere", &path).unwrap(),
            }
            let told = listen_at(address, 1).unwrap_err();
            assert!(matches!(told, UnixBindError::OtherFile(_)), "{name}: {told}");
            assert!(fs::symlink_metadata(&path).is_ok(), "{name}");
        }
    }

    #[test]
    fn another_socket_in_its_place_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, address) = place(folder.path(), "echo.sock");
        let (_old, file) = listen_at(address, 1).unwrap();
        // Kept elsewhere, so that its inode is not given to the next file.
        fs::rename(&path, folder.path().join("old")).unwrap();
        let _new = UnixListener::bind(&path).unwrap();
        file.unwrap().remove().unwrap();
        assert!(path.exists());
    }

    #[test]
    fn an_abstract_name_has_no_file_and_a_free_one_is_found() {
        let any = UnixAddress::named(b"").unwrap();
        let (listener, file) = listen_at(any, 1).unwrap();
        assert!(file.is_none());
        let SocketAddress::Unix(found) = SocketAddress::of_local(&listener).unwrap() else {
            panic!("another family")
        };
        assert!(!found.is_any() && found.path().is_none());
        let told = listen_at(found, 1).unwrap_err().to_string();
        assert!(told.contains("in use") && told.contains("another name"), "{told}");
    }

    #[test]
    fn a_missing_folder_is_named_as_the_cause() {
        let folder = tempfile::tempdir().unwrap();
        let (_, address) = place(folder.path(), "none/echo.sock");
        let told = listen_at(address, 1).unwrap_err().to_string();
        assert!(told.contains("does the folder exist?"), "{told}");
    }
}

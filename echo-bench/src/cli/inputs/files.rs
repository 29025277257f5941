//! Files of messages as bytes: one, or each of a directory.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use echo_bench_engine::messages::MessageFormat;
use echo_bench_report::bounded;

/// The bytes of the file `path` (`-` is stdin), or where a file is a message, of each file of that
/// directory in the order of their names; together at most `limit` bytes.
pub(super) fn read(
    path: &Path,
    format: MessageFormat,
    limit: usize,
) -> io::Result<Vec<Vec<u8>>> {
    if path.as_os_str() == "-" {
        return Ok(vec![bounded::read_bytes(io::stdin(), limit)?]);
    }
    if !path.is_dir() {
        return Ok(vec![bounded::read_bytes(File::open(path)?, limit)?]);
    }
    if format != MessageFormat::Whole {
        return Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "it is a directory (say --message-format whole to send each file in it)",
        ));
    }
    let mut left = limit;
    let mut contents = Vec::new();
    for path in listed(path)? {
        let named = |reason: io::Error| {
            let reason = format!("{}: {reason}", path.display());
            io::Error::new(io::ErrorKind::InvalidData, reason)
        };
        let bytes = File::open(&path).and_then(|file| {
            bounded::read_bytes(file, left).map_err(|reason| match reason.kind() {
                io::ErrorKind::FileTooLarge => bounded::too_large(limit),
                _ => reason,
            })
        });
        let bytes = bytes.map_err(named)?;
        left -= bytes.len();
        contents.push(bytes);
    }
    Ok(contents)
}

/// The files of a directory in the order of their names. Anything else in it is refused rather
/// than left out, or waited for as a pipe would be.
fn listed(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if !path.is_file() {
            let reason = format!("{} is not a file", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        paths.push(path);
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_directory_are_read_in_the_order_of_their_names() {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [("b", "two"), ("a", "one"), ("c", "")] {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let read = |format, limit| read(directory.path(), format, limit);
        let all = read(MessageFormat::Whole, 6).unwrap();
        assert_eq!(all, [&b"one"[..], b"two", b""]);
        let told = read(MessageFormat::Whole, 5).unwrap_err().to_string();
        assert!(told.contains("/b: larger than 5"), "{told}");
        let told = read(MessageFormat::Lines, 6).unwrap_err().to_string();
        assert!(told.contains("--message-format whole"), "{told}");
        fs::create_dir(directory.path().join("d")).unwrap();
        let told = read(MessageFormat::Whole, 6).unwrap_err().to_string();
        assert!(told.contains("/d is not a file"), "{told}");
    }
}

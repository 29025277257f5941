//! The blocks of a PEM file (RFC 7468): [`blocks`]. Lenient about text around blocks; their
//! content is validated by whoever decodes it.

use super::PemFault;

/// A BEGIN/END block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Its label.
    pub(super) label: String,
    /// Line number of its BEGIN line.
    pub(super) line: usize,
    /// Its content, with surrounding spaces removed; an error if there is no END line.
    pub(super) body: Result<String, PemFault>,
}

impl Block {
    /// Whether it has a passphrase: by its label (RFC 5958) or by the header of the traditional
    /// format (RFC 1421).
    pub(super) fn is_encrypted(&self) -> bool {
        let header = self.body.as_ref().is_ok_and(|body| {
            body.lines()
                .any(|line| line.starts_with("Proc-Type:") && line.ends_with("ENCRYPTED"))
        });
        header || self.label.starts_with("ENCRYPTED ")
    }

    /// The block in canonical form under `label`, without headers.
    pub(super) fn normal(&self, label: &str) -> Result<String, PemFault> {
        let body = self.body.as_ref().map_err(Clone::clone)?;
        let data =
            body.lines().filter(|line| !line.contains(':')).collect::<Vec<_>>().join("\n");
        Ok(format!("-----BEGIN {label}-----\n{data}\n-----END {label}-----\n"))
    }
}

/// All blocks of `text`, in order. A byte-order mark, indentation and text between blocks are
/// ignored.
///
/// # Errors
/// When it is not text.
pub(super) fn blocks(text: &[u8]) -> Result<Vec<Block>, PemFault> {
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Err(PemFault::Utf16);
    }
    let lossy = String::from_utf8_lossy(text);
    let text = lossy.strip_prefix('\u{feff}').unwrap_or(&lossy);
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if let Some(label) = label(line, "-----BEGIN ") {
            blocks.extend(open.take().map(unfinished));
            open = Some(Block { label: label.into(), line: number, body: Ok(String::new()) });
        } else if let Some(label) = label(line, "-----END ") {
            blocks.extend(
                open.take().map(
                    |block| {
                        if block.label == label { block } else { unfinished(block) }
                    },
                ),
            );
        } else if let Some(Block { body: Ok(body), .. }) = &mut open {
            body.push_str(line);
            body.push('\n');
        }
    }
    blocks.extend(open.map(unfinished));
    // DER is not valid UTF-8; a comment in another encoding may not be either.
    let is_binary = blocks.is_empty() && text.contains(char::REPLACEMENT_CHARACTER);
    if is_binary { Err(PemFault::Binary) } else { Ok(blocks) }
}

fn unfinished(block: Block) -> Block {
    let fault = PemFault::Unfinished { label: block.label.clone() };
    Block { body: Err(fault), ..block }
}

fn label<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    line.strip_prefix(marker)?.strip_suffix("-----")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: &str = "-----BEGIN CERTIFICATE-----\nAAAA\nBBBB\n-----END CERTIFICATE-----\n";

    #[test]
    fn what_is_around_a_block_is_no_fault() {
        let indented = format!("  \t{}", BLOCK.trim_end().replace('\n', "\r\n  \t"));
        for (text, line) in [
            (BLOCK.to_owned(), 1),
            (format!("\u{feff}{BLOCK}"), 1),
            (format!("Bag Attributes\n  friendlyName: a\n\n{BLOCK}"), 4),
            (indented, 1),
        ] {
            let found = blocks(text.as_bytes()).unwrap();
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(
                (found[0].line, found[0].normal("CERTIFICATE")),
                (line, Ok(BLOCK.into()))
            );
        }
    }

    #[test]
    fn a_block_without_its_end_is_a_fault_of_its_own() {
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        let wrong = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for text in
            [format!("{cut}{BLOCK}"), format!("{wrong}{BLOCK}"), format!("{BLOCK}{cut}")]
        {
            let found = blocks(text.as_bytes()).unwrap();
            let good = found.iter().filter(|block| block.body.is_ok()).count();
            assert_eq!((found.len(), good), (2, 1), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = blocks(&text);
        }
    }
}

//! What people and files say: settings, recorded instants, messages and their sizes, certificates,
//! and text that is shown on a terminal.

use std::fmt::{Debug, Display};
use std::io::Write;
use std::str::FromStr;

use echo_bench_engine::messages::{Histogram, MessageFile, MessageFormat, Size};
use echo_bench_engine::plan::{Think, Until};
use echo_bench_engine::schedule::{Recorded, Stage};
use echo_bench_report::report::Slo;
use echo_client::Endpoint;
use echo_client::ports::PortList;
use echo_net::address::{Address, HostAddress};
use echo_net::settings::{ByteSize, Count, CpuList, Rate, TimeSpan};
use echo_net::tls::{ClientTls, Fingerprint, ServerTls, ServerTrust};
use echo_proto::{HttpHost, Service, terminal};
use strum::VariantArray as _;

/// What is printed parses to the same again; what is refused says why on one line that no
/// terminal obeys.
fn parses<T>(text: &str)
where
    T: FromStr<Err: Display> + Display + PartialEq + Debug,
{
    match text.parse::<T>() {
        Ok(value) => {
            let printed = value.to_string();
            match printed.parse::<T>() {
                Ok(again) => assert_eq!(again, value, "from `{text}` by `{printed}`"),
                Err(error) => panic!("`{printed}` of `{text}` does not parse: {error}"),
            }
        }
        Err(error) => says_why(&error),
    }
}

/// The same of what has no text of its own.
fn refuses<T: FromStr<Err: Display>>(text: &str) {
    if let Err(error) = text.parse::<T>() {
        says_why(&error);
    }
}

fn says_why(error: &impl Display) {
    let shown = terminal::one_line(&error.to_string());
    assert!(!shown.is_empty() && !shown.contains(char::is_control), "{shown:?}");
}

pub(super) fn settings(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let text = text.as_ref();
    parses::<TimeSpan>(text);
    parses::<ByteSize>(text);
    parses::<Count>(text);
    parses::<Rate>(text);
    parses::<CpuList>(text);
    parses::<Address>(text);
    parses::<HostAddress>(text);
    parses::<Think>(text);
    parses::<Until>(text);
    parses::<Stage>(text);
    parses::<Size>(text);
    parses::<Slo>(text);
    parses::<Service>(text);
    refuses::<Endpoint>(text);
    parses::<HttpHost>(text);
    refuses::<PortList>(text);
    refuses::<Fingerprint>(text);
}

pub(super) fn arrivals(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Recorded::read(&text) {
        Ok(recorded) => {
            let instants = recorded.instants().expect("they were just read");
            assert!(instants.is_sorted());
            assert_eq!(recorded.count(), instants.len() as u64);
            assert!(recorded.length_ns() >= instants.last().copied().unwrap_or(0));
            assert!(recorded.rate_per_s() >= 0.0);
        }
        Err(error) => says_why(&error),
    }
}

/// A file of messages in each format, and a histogram of their sizes.
pub(super) fn messages(data: &[u8]) {
    for &format in MessageFormat::VARIANTS {
        match format.messages(vec![data.to_vec()]) {
            Ok(messages) => {
                let kept: usize = messages.iter().map(Vec::len).sum();
                assert!(kept <= data.len());
                let file = MessageFile::of("file".to_owned(), format, &messages);
                assert_eq!(file.count, messages.len() as u64);
            }
            Err(error) => says_why(&error),
        }
    }
    match Histogram::read("file", &String::from_utf8_lossy(data)) {
        Ok(histogram) => {
            let (min, max) = histogram.bounds();
            assert!(min <= max && !histogram.bins().is_empty());
            let stored = serde_json::to_string(&histogram).expect("it can be stored");
            let again: Histogram = serde_json::from_str(&stored).expect("it was just stored");
            assert_eq!(again, histogram);
        }
        Err(error) => says_why(&error),
    }
}

/// What is shown of any bytes is harmless, and escaping what was escaped changes nothing.
pub(super) fn terminal(data: &[u8]) {
    let mut shown = String::new();
    terminal::escape(data, &mut shown);
    let harmless = |character: char| !character.is_control() || "\n\t".contains(character);
    assert!(shown.chars().all(harmless), "{shown:?}");
    assert!(shown.len() <= data.len() * 12 + 16);
    let text = String::from_utf8_lossy(data);
    let printable = terminal::printable(&text);
    assert_eq!(terminal::printable(&printable), printable, "from {text:?}");
    assert!(!terminal::one_line(&text).contains(char::is_control));
}

/// A certificate and its key in one file, or anything else.
pub(super) fn certificates(data: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("there is room for a file");
    file.write_all(data).expect("there is room for a file");
    let path = file.path();
    match ServerTls::from_pem_files(path, path) {
        Ok(server) => {
            assert!(server.accept().is_ok());
            assert!(!server.fingerprint().to_string().is_empty());
        }
        Err(error) => says_why(&error),
    }
    if let Err(error) = ClientTls::new(&ServerTrust::of(Some(path.to_owned()), false), false) {
        says_why(&error);
    }
}

//! A change of a document: [`Mutation`], and the [`text`] of a document that was changed.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// What is done to a value that is picked among all of a document.
#[derive(Debug, Clone)]
pub(crate) struct Mutation {
    place: Index,
    change: Change,
}

#[derive(Debug, Clone)]
enum Change {
    /// Another value in the place of a number.
    Number(Value),
    /// A number moved a little, as an honest mistake would.
    Nudge(i64),
    /// Another string in the place of one.
    Text(&'static str),
    /// An array emptied.
    Empty,
    /// An array with one of its items several times.
    Double(Index, usize),
    /// An array without one of its items.
    Drop(Index),
    /// An object without one of its fields, or null in their place.
    Lose(Index),
    /// A byte of a histogram before it is deflated.
    Histogram(Index, u8),
    /// The range or the precision that a histogram says it has.
    Header(usize, u64),
    /// Counts in the place of those of a histogram, which its summary says too.
    Counts(Vec<u64>),
}

const TEXTS: [&str; 8] = [
    "",
    "\u{1b}]0;owned\u{7}",
    "a\r\nb | `c` \u{202e}",
    "\\x1b",
    "--model",
    "9999-12-31T23:59:59Z",
    "p99<5ms",
    "invalid",
];

/// In the place of a number that is no JSON number in Rust.
pub(crate) const HUGE: &str = "@1e999@";

fn numbers() -> impl Strategy<Value = Value> {
    select(vec![
        json!(-1),
        json!(0),
        json!(1),
        json!(0.5),
        json!(-0.0),
        json!(-1e300),
        json!(1e300),
        json!(1e18),
        json!(5e-324),
        json!(1e-9),
        json!(18_446_744_073.0),
        json!(u32::MAX),
        json!(1_u64 << 53),
        json!((1_u64 << 53) + 1),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(null),
        json!(HUGE),
    ])
}

impl Arbitrary for Mutation {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let index = any::<Index>;
        let change = prop_oneof![
            4 => numbers().prop_map(Change::Number),
            2 => (-2..=2_i64).prop_map(Change::Nudge),
            2 => select(TEXTS.to_vec()).prop_map(Change::Text),
            1 => Just(Change::Empty),
            1 => (index(), 1..5_usize).prop_map(|(item, times)| Change::Double(item, times)),
            1 => index().prop_map(Change::Drop),
            1 => index().prop_map(Change::Lose),
            1 => (index(), any::<u8>()).prop_map(|(place, byte)| Change::Histogram(place, byte)),
            1 => (4..40_usize, any::<u64>()).prop_map(|(place, to)| Change::Header(place, to)),
            1 => prop::collection::vec(0..1_u64 << 50, 1..40).prop_map(Change::Counts),
        ];
        (index(), change).prop_map(|(place, change)| Self { place, change }).boxed()
    }
}

impl Mutation {
    pub(crate) fn apply(&self, document: &mut Value) {
        let mut fitting = 0;
        visit(document, &mut |value| fitting += usize::from(self.change.fits(value)));
        if fitting == 0 {
            return;
        }
        let (chosen, mut seen) = (self.place.index(fitting), 0);
        visit(document, &mut |value| {
            if self.change.fits(value) {
                if seen == chosen {
                    self.change.make(value);
                }
                seen += 1;
            }
        });
    }
}

impl Change {
    fn fits(&self, value: &Value) -> bool {
        match self {
            Self::Number(_) | Self::Nudge(_) => value.is_number(),
            Self::Text(_) => value.is_string(),
            Self::Empty | Self::Double(..) | Self::Drop(_) => {
                value.as_array().is_some_and(|items| !items.is_empty())
            }
            Self::Lose(_) => value.as_object().is_some_and(|fields| !fields.is_empty()),
            Self::Histogram(..) | Self::Header(..) | Self::Counts(_) => {
                value.get("hdr").is_some_and(Value::is_string)
            }
        }
    }

    fn make(&self, value: &mut Value) {
        match (self, value) {
            (Self::Number(number), value) => *value = number.clone(),
            (Self::Nudge(by), value) => {
                *value = match value.as_i64() {
                    Some(whole) => json!(whole.saturating_add(*by)),
                    None => json!(value.as_f64().unwrap_or(0.0) * (1.0 + *by as f64 / 10.0)),
                };
            }
            (Self::Text(text), value) => *value = json!(text),
            (Self::Empty, Value::Array(items)) => items.clear(),
            (Self::Double(item, times), Value::Array(items)) => {
                let item = items[item.index(items.len())].clone();
                items.extend(std::iter::repeat_n(item, *times));
            }
            (Self::Drop(item), Value::Array(items)) => {
                items.remove(item.index(items.len()));
            }
            (Self::Lose(field), Value::Object(fields)) => {
                let name = fields.keys().nth(field.index(fields.len())).unwrap().clone();
                fields.remove(&name);
            }
            (Self::Histogram(place, byte), value) => {
                let mut bytes = inflated(value);
                let place = place.index(bytes.len().max(1));
                if let Some(old) = bytes.get_mut(place) {
                    *old = *byte;
                }
                value["hdr"] = deflated(&bytes);
            }
            (Self::Header(place, to), value) => {
                let mut bytes = inflated(value);
                let to = to.to_be_bytes();
                for (old, new) in bytes.iter_mut().skip(*place).zip(to) {
                    *old = new;
                }
                value["hdr"] = deflated(&bytes);
            }
            (Self::Counts(counts), value) => with_counts(value, counts),
            _ => {}
        }
    }
}

/// Every value within `value`, and itself.
pub(crate) fn visit(value: &mut Value, see: &mut impl FnMut(&mut Value)) {
    see(value);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, see)),
        Value::Object(fields) => fields.values_mut().for_each(|field| visit(field, see)),
        _ => {}
    }
}

fn inflated(summary: &Value) -> Vec<u8> {
    let bytes = STANDARD.decode(summary["hdr"].as_str().unwrap_or("")).unwrap_or_default();
    let mut inflated = Vec::new();
    let deflated = bytes.get(8..).unwrap_or(&[]);
    // Of what another mutation has damaged, as much as there is.
    let _ = ZlibDecoder::new(deflated).take(1 << 20).read_to_end(&mut inflated);
    inflated
}

fn deflated(bytes: &[u8]) -> Value {
    let mut deflated = ZlibEncoder::new(Vec::new(), Compression::fast());
    deflated.write_all(bytes).unwrap();
    let deflated = deflated.finish().unwrap();
    let mut whole = vec![0x1c, 0x84, 0x93, 0x14];
    whole.extend(u32::try_from(deflated.len()).unwrap().to_be_bytes());
    whole.extend(deflated);
    json!(STANDARD.encode(whole))
}

/// A histogram of these counts, and the number of them where it is said.
fn with_counts(summary: &mut Value, counts: &[u64]) {
    let header = inflated(summary);
    if header.len() < 40 {
        return;
    }
    let mut bytes = header[..40].to_vec();
    for &count in counts {
        let mut rest = count << 1;
        for _ in 0..8 {
            if rest < 0x80 {
                break;
            }
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
    }
    let length = u32::try_from(bytes.len() - 40).unwrap();
    bytes[4..8].copy_from_slice(&length.to_be_bytes());
    summary["hdr"] = deflated(&bytes);
    summary["count"] = json!(counts.iter().sum::<u64>());
}

/// The document as it is written to a file.
pub(crate) fn text(document: &Value) -> String {
    document.to_string().replace(&format!("\"{HUGE}\""), "1e999")
}

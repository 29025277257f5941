//! The functions of the fuzz targets: [`ALL`]. Each takes any bytes and panics if something
//! does not hold. What a target draws beside the bytes under test, such as where a stream is
//! cut, comes from the end of its input, so that the beginning stays readable.

mod codecs;
mod connection;
mod documents;
mod fleet;
mod input;
mod room;
mod texts;

pub use documents::seeds as document_seeds;

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// What it does with an input.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($( $name:ident: $run:path, )*) => {
        /// All fuzz targets.
        pub const ALL: &[Target] = &[$( Target { name: stringify!($name), run: $run }, )*];
    };
}

targets! {
    line: codecs::line,
    raw: codecs::raw,
    frame: codecs::frame,
    command: codecs::command,
    mux: codecs::mux,
    resp: codecs::resp,
    http: codecs::http,
    postgres: codecs::postgres,
    chat: room::room,
    connection: connection::connection,
    document: documents::document,
    edited: documents::edited,
    agent: fleet::agent,
    settings: texts::settings,
    arrivals: texts::arrivals,
    messages: texts::messages,
    terminal: texts::terminal,
    certificates: texts::certificates,
}

/// The target of this name.
///
/// # Panics
/// If there is none.
pub fn target(name: &str) -> Target {
    *ALL.iter().find(|target| target.name == name).expect("a target of `ALL`")
}

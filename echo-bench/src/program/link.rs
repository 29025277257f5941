//! The way of a link's forwarder, a process of its own.

use super::Exit;
use crate::cli::ForwardArgs;
use crate::console::print;
use crate::link;

/// Forwards packets until the run ends, and prints what it did.
///
/// # Errors
/// When it can't.
pub fn forward_link(args: &ForwardArgs) -> anyhow::Result<u8> {
    let ends = [args.generator, args.server];
    let counts = link::forward(args.die_with_parent, args.spec, args.seed, ends, args.cpu)?;
    print(&serde_json::to_string(&counts)?)?;
    Ok(Exit::Done as u8)
}

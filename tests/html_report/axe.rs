//! axe-core, which finds what keeps people from using a page, from the npm registry:
//! [`script`]. Tests go on without it where there is no npm or no registry.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use echo_test_support::program::{run, tell_skipped, third_party_or_skip};

/// The release that is asked for, so that a new one fails no test by itself.
const PACKAGE: &str = "axe-core@4.10.3";

const PATIENCE: Duration = Duration::from_mins(1);

/// The text of axe-core; `None` where it is unavailable.
pub(crate) fn script() -> Option<&'static str> {
    static SCRIPT: OnceLock<Option<String>> = OnceLock::new();
    SCRIPT.get_or_init(fetched).as_deref()
}

/// The same, and says that the test is skipped.
pub(crate) fn script_or_skip(test: &str) -> Option<&'static str> {
    third_party_or_skip(test, "npm")?;
    let found = script();
    if found.is_none() {
        tell_skipped(test, format_args!("npm has no {PACKAGE}: is the registry reachable?"));
    }
    found
}

fn fetched() -> Option<String> {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(PACKAGE.replace('@', "-"));
    let script = kept.join("node_modules/axe-core/axe.min.js");
    if !script.is_file() {
        third_party_or_skip("axe-core", "npm")?;
        std::fs::create_dir_all(&kept).ok()?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"]);
        npm.args(["--prefer-offline", PACKAGE]).current_dir(&kept);
        run(&mut npm, b"", PATIENCE);
    }
    std::fs::read_to_string(script).ok()
}

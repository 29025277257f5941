//! The script that builds packages, as far as it can be tried without a release build;
//! `tests/packages.sh` tries the packages themselves.

use std::path::Path;
use std::process::{Command, Output};

use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{run, third_party_or_skip};

const WORKSPACE: &str = env!("CARGO_MANIFEST_DIR");

/// What the script says when it fails, and its exit code.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(Path::new(WORKSPACE).join("dist/build.sh"));
    let output = run(command.args(arguments), b"", PATIENCE);
    (output.status.code(), text(&output.stderr))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it is text")
}

#[test]
fn a_package_that_can_not_be_built_is_refused_with_the_remedy() {
    for (arguments, code, wanted) in [
        (&[][..], 2, "no product is named"),
        (&["rpm"][..], 2, "there is no product or option rpm"),
        (&["static", "--target"], 2, "--target needs a triple"),
        (&["static", "--target", "made-up"], 2, "rustc --print target-list"),
        // rustup has no standard library for it, so that nobody has installed it.
        (
            &["--target=x86_64-unknown-linux-none", "static"],
            1,
            "(remedy: rustup target add x86_64-unknown-linux-none)",
        ),
    ] {
        let (got, told) = refused(arguments);
        assert_eq!(got, Some(code), "{arguments:?}: {told}");
        let last = told.lines().last().unwrap_or_default();
        assert!(last.starts_with("error: ") && last.contains(wanted), "{arguments:?}: {told}");
    }
}

/// Licences and notices that go with one program.
fn notices(python: &mut Command, arguments: &[&str]) -> Output {
    python.current_dir(WORKSPACE).arg("dist/notices.py").args(arguments);
    run(python, b"", PATIENCE)
}

#[test]
fn packages_carry_the_licences_of_all_that_is_linked() {
    let test = "packages_carry_the_licences_of_all_that_is_linked";
    for (target, library) in [
        ("x86_64-unknown-linux-gnu", "GNU C Library (glibc), LGPL-2.1-or-later"),
        ("x86_64-unknown-linux-musl", "musl, MIT"),
    ] {
        for linked_statically in [true, false] {
            let Some(mut python) = third_party_or_skip(test, "python3") else { return };
            let words = ["--static", target, "echo-bench"];
            let output = notices(&mut python, &words[usize::from(!linked_statically)..]);
            let told = text(&output.stderr);
            assert!(output.status.success(), "{told}");
            let pages = text(&output.stdout);
            // A crate, and what its licence is known by.
            assert!(pages.contains("\nring 0."), "{pages}");
            assert!(pages.contains("DISCLAIMS ALL WARRANTIES"), "{pages}");
            assert!(pages.contains("\nrustls 0."), "{pages}");
            assert_eq!(pages.contains(library), linked_statically, "{pages}");
            // Only tests use it.
            assert!(!pages.contains("\nproptest "), "{pages}");
        }
    }
    let Some(mut python) = third_party_or_skip(test, "python3") else { return };
    let output = notices(&mut python, &["x86_64-unknown-linux-gnu", "made-up"]);
    let told = text(&output.stderr);
    assert!(!output.status.success() && told.contains("error: not all of made-up"), "{told}");
}

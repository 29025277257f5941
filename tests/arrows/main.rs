//! Dependencies between modules: the source of each crate listed in ARCHITECTURE.md has exactly
//! the dependencies of that list, and there is no cycle.

mod list;
mod source;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use list::{List, listed};
use source::{Arrows, arrows_of};

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn list() -> List {
    let path = workspace().join("ARCHITECTURE.md");
    List::parse(&std::fs::read_to_string(path).expect("ARCHITECTURE.md is there"))
}

/// Each dependency as a pair.
fn pairs(arrows: &Arrows) -> BTreeSet<(&str, &str)> {
    let each = arrows.iter();
    each.flat_map(|(from, to)| to.iter().map(|to| (from.as_str(), to.as_str()))).collect()
}

/// The modules reachable from `start`.
fn reached<'a>(arrows: &'a Arrows, start: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut to_visit = vec![start];
    while let Some(next) = to_visit.pop() {
        for to in arrows.get(next).into_iter().flatten() {
            if reached.insert(to.as_str()) {
                to_visit.push(to);
            }
        }
    }
    reached
}

/// The sets of modules in a dependency cycle.
fn circles(arrows: &Arrows) -> BTreeSet<BTreeSet<&str>> {
    let in_circle = |&module: &&str| reached(arrows, module).contains(module);
    let modules = arrows.keys().map(String::as_str).filter(in_circle);
    modules
        .map(|module| {
            let others = reached(arrows, module).into_iter();
            others.filter(|other| reached(arrows, other).contains(module)).collect()
        })
        .collect()
}

#[test]
fn modules_name_each_other_as_the_list_says() {
    let mut faults = String::new();
    for (folder, allowed) in list().0 {
        let found = arrows_of(&workspace().join(&folder));
        let (in_source, in_list) = (pairs(&found), pairs(&allowed));
        if in_source == in_list {
            continue;
        }
        for (from, to) in in_source.difference(&in_list) {
            let _ = writeln!(faults, "{folder}: {from} -> {to} is not in the list");
        }
        for (from, to) in in_list.difference(&in_source) {
            let _ = writeln!(faults, "{folder}: {from} -> {to} is not in the source");
        }
        let _ = writeln!(faults, "the source has:\n{}", listed(&folder, &found));
    }
    assert!(faults.is_empty(), "the list of ARCHITECTURE.md and the source differ\n{faults}");
}

#[test]
fn no_modules_name_each_other_in_a_circle() {
    let mut found = String::new();
    for (folder, _) in list().0 {
        let arrows = arrows_of(&workspace().join(&folder));
        for circle in circles(&arrows) {
            let _ = writeln!(found, "{folder}: {circle:?}");
        }
    }
    assert!(found.is_empty(), "modules that name each other in a circle\n{found}");
}

#[test]
fn a_path_is_found_wherever_it_is_written_and_tests_do_not_count() {
    let folder = tempfile::tempdir().expect("there is room for files");
    let write = |name: &str, text: &str| {
        let path = folder.path().join("src").join(name);
        std::fs::create_dir_all(path.parent().expect("src")).expect("made by this test");
        std::fs::write(path, text).expect("made by this test");
    };
    write("lib.rs", "mod a; mod b; mod c; mod d; mod e; pub use self::c::{C, other as D};");
    write(
        "a.rs",
        "mod inner; use super::{b::{self, B}, C}; use std::fmt; mod own { use super::x; }",
    );
    write(
        "a/inner.rs",
        "fn f() { println!(\"{}\", crate::d::g(super::h(), super::super::D)) }",
    );
    write("b/mod.rs", "#[cfg(test)] mod tests { use crate::a; } #[cfg(test)] use crate::c;");
    write("c.rs", "struct C(crate::e::E); impl C { #[cfg(test)] fn f() { crate::a::x() } }");
    write("d.rs", "fn f() { super::root() }");
    write("e.rs", "#[derive(A)] #[a(with = crate::c::f)] struct E;");
    let found = arrows_of(folder.path());
    let expected = "[x]\na -> b, c, d\nc -> e\nd -> crate::root\ne -> c\n";
    assert_eq!(listed("x", &found), expected);
    assert_eq!(
        List::parse(&format!("```arrows\n{expected}```")).0,
        [("x".to_owned(), found.clone())]
    );
    assert_eq!(circles(&found), BTreeSet::from([BTreeSet::from(["c", "e"])]));
}

//! Every committed input of every fuzz target, through the same function. An input that made a
//! target fail once is kept in its corpus.

use std::path::{Path, PathBuf};

use echo_robustness::targets::{ALL, Target, document_seeds, target};

/// The largest corpus, in files: it is replayed without optimisation.
const MOST_FILES: usize = 200;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> =
        entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.sort();
    files
}

#[test]
fn what_fuzzing_found_is_handled() {
    for Target { name, run } in ALL {
        let files = files(&corpora().join(name));
        assert!((1..=MOST_FILES).contains(&files.len()), "{name}: {} inputs", files.len());
        for file in files {
            // Shown if it panics.
            println!("{}", file.display());
            run(&std::fs::read(&file).expect("it can be read"));
        }
        run(b"");
    }
}

#[test]
fn every_target_is_fuzzed_and_every_corpus_is_a_targets() {
    let manifest = corpora().join("../Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).expect("it can be read");
    for Target { name, .. } in ALL {
        let path = format!("path = \"fuzz_targets/{name}.rs\"");
        assert!(manifest.contains(&path), "fuzz/Cargo.toml has no {path}");
        let source = corpora().join(format!("../fuzz_targets/{name}.rs"));
        let source = std::fs::read_to_string(source).expect("it can be read");
        assert!(source.contains(&format!("target(\"{name}\")")), "{name} calls another target");
    }
    for path in files(&corpora()).iter().chain(&files(&corpora().join("../fuzz_targets"))) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        assert!(ALL.iter().any(|target| target.name == name), "{name} is no target");
    }
}

#[test]
fn documents_as_they_are_written_are_read() {
    for (_, text) in document_seeds() {
        (target("document").run)(text.as_bytes());
    }
}

#[test]
#[ignore = "writes into fuzz/corpus, for a changed schema"]
fn documents_to_fuzz_are_written() {
    for (name, text) in document_seeds() {
        std::fs::write(corpora().join("document").join(name), text).expect("it can be written");
    }
}

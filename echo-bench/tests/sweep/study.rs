//! Published studies: what is written of one, and that those in the repository are what their
//! data say.

use std::fs;
use std::process::{Command, Output};

use echo_bench::sweep::study::{Study, readme};

use super::*;

fn clean() -> Tool {
    Tool { revision: Some("c7822c989b49".into()), ..Tool::this() }
}

/// A study's folder with these notes, and a sweep for it.
fn study(notes: &str) -> (tempfile::TempDir, Sweep) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.md"), notes).unwrap();
    let plan = plan();
    let mut cells = cells(&plan, |levels| {
        let base = if levels[0] == "off" { 400 } else { 100 };
        vec![base, base + 1]
    });
    for run in cells.iter_mut().flat_map(|cell| &mut cell.runs) {
        run.tool = clean();
    }
    let analysis = analysis::analyse(&plan, &cells, OPTIONS);
    let (schema, conclusion) = (sweep::SCHEMA.into(), Vec::new());
    (folder, Sweep { schema, tool: clean(), conclusion, plan, cells, analysis })
}

const NOTES: &str = "# Nagle\n\nOff: p50 {{nodelay: on -> off | p50}}.\n";

#[test]
fn a_study_is_its_data_its_page_its_text_and_a_readme_with_numbers_of_the_data() {
    let (folder, sweep) = study(NOTES);
    let path = Study::open(folder.path(), clean()).unwrap().publish(&sweep).unwrap();
    assert_eq!(path, folder.path().join("README.md"));
    let text = fs::read_to_string(path).unwrap();
    assert!(text.starts_with("# Nagle\n\nOff: p50 3.9") && text.contains(" x [3."), "{text}");
    for file in ["sweep.html", "sweep.txt"] {
        assert!(fs::metadata(folder.path().join(file)).unwrap().len() > 1000, "{file}");
    }
    let stored: Sweep =
        store::open(&folder.path().join("sweep.json")).unwrap().parse().unwrap();
    assert_eq!(readme(&stored, &folder.path().join("notes.md")).unwrap(), text);
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-bench"));
    command.arg("report").arg(folder.path().join("sweep.json"));
    let again = command.arg("--study").arg(folder.path().join("notes.md")).output().unwrap();
    assert_eq!(String::from_utf8(again.stdout).unwrap(), text);
}

/// What the script says that shares no code with the program; `None` without Python.
fn recounted(folder: &Path) -> Option<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/recount.py");
    match Command::new("python3").arg(script).arg(folder).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: recounted: no python3");
            None
        }
        output => Some(output.unwrap()),
    }
}

#[test]
fn another_program_computes_the_same_ratios_and_sees_one_that_is_wrong() {
    let (folder, sweep) = study(
        "# Nagle\n\n{{nodelay: on -> off | p50}}, {{nodelay: on -> off | p99 | conns=1}}.\n",
    );
    let path = Study::open(folder.path(), clean()).unwrap().publish(&sweep).unwrap();
    let Some(output) = recounted(folder.path()) else { return };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 2, "{said}");
    let text = fs::read_to_string(&path).unwrap();
    let (before, after) = text.split_once(" x [").unwrap();
    let wrong = format!("{}9.87 x [{after}", before.trim_end_matches(|c: char| c != '\n'));
    fs::write(path, wrong).unwrap();
    assert_eq!(recounted(folder.path()).unwrap().status.code(), Some(1));
}

#[test]
fn notes_that_do_not_fit_are_told_and_the_data_are_kept() {
    let (folder, sweep) = study("# Nagle\n\n{{nagle: on -> off | p50}}\n");
    let told = Study::open(folder.path(), clean()).unwrap().publish(&sweep).unwrap_err();
    let told = told.to_string();
    assert!(told.contains("notes.md, line 3: {{nagle: on -> off | p50}}: no effect"), "{told}");
    assert!(folder.path().join("sweep.json").exists());
    assert!(!folder.path().join("README.md").exists());
}

#[test]
fn runs_of_an_uncommitted_tree_are_not_published() {
    let (folder, mut sweep) = study(NOTES);
    sweep.cells[3].runs[1].tool.revision = Some("c7822c989b49-dirty".into());
    let told = Study::open(folder.path(), clean()).unwrap().publish(&sweep).unwrap_err();
    assert!(
        told.to_string().contains("made by echo-bench 0.1.0 (c7822c989b49-dirty)"),
        "{told}"
    );
    assert!(!folder.path().join("README.md").exists());
}

/// Every study that has notes is exactly what its notes and its data give.
/// The rows of README's table of findings: the folder of the study, and what it found.
fn findings_of_the_project(readme: &str) -> Vec<(&str, &str)> {
    let rows = readme.lines().filter_map(|line| line.strip_suffix(" |"));
    let rows = rows.filter_map(|row| row.split_once("](reports/"));
    rows.filter_map(|(_, rest)| rest.split_once(")) | ")).collect()
}

#[test]
fn the_findings_in_the_readme_of_the_project_are_those_of_its_studies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let findings = findings_of_the_project(&readme);
    assert_eq!(findings.len(), 10, "{findings:?}");
    for (folder, found) in findings {
        let study = fs::read_to_string(root.join("reports").join(folder).join("README.md"));
        let study = study.unwrap_or_else(|error| panic!("{folder}: {error}"));
        let study: Vec<&str> = study.split_whitespace().collect();
        assert!(study.join(" ").contains(found), "{folder}: {found}");
    }
}

#[test]
fn published_studies_are_what_their_data_say() {
    let reports = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports");
    let folders = fs::read_dir(reports).unwrap().map(|entry| entry.unwrap().path());
    for folder in folders.filter(|folder| folder.join("notes.md").exists()) {
        let sweep: Sweep = store::open(&folder.join("sweep.json")).unwrap().parse().unwrap();
        let published = fs::read_to_string(folder.join("README.md")).unwrap();
        let written = readme(&sweep, &folder.join("notes.md")).unwrap();
        assert_eq!(published, written, "{}", folder.display());
    }
}

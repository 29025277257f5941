use std::cell::RefCell;

use echo_bench_engine::messages::{MessageFile, MessageFormat};
use echo_bench_engine::plan::MessagePlan;

use super::*;
use crate::small_plan::plan_with;

/// Runs whose message file holds one text after the other.
struct Runs(RefCell<Vec<&'static str>>);

impl RunFlags for Runs {
    fn is_switch(&self, _: &str) -> bool {
        false
    }

    fn is_repeatable(&self, _: &str) -> bool {
        false
    }

    fn level_names(&self, _: &str, values: &[String]) -> Vec<String> {
        values.to_vec()
    }

    fn plan(&self, _: &[String]) -> Result<Plan, String> {
        Ok(plan_of(self.0.borrow_mut().remove(0)))
    }
}

fn plan_of(text: &str) -> Plan {
    let texts = vec![text.as_bytes().to_vec()];
    let file = Some(MessageFile::of("m.txt".into(), MessageFormat::Lines, &texts));
    plan_with(|plan| plan.messages = MessagePlan::Given { texts, crlf: false, file })
}

/// Two cells.
fn planned(texts: [&'static str; 2]) -> Result<PlannedSweep, SweepPlanError> {
    let level = |name: &str| Level {
        name: name.to_owned(),
        flags: vec![Flag { flag: "conns".to_owned(), value: name.to_owned() }],
    };
    let axis = Axis { name: "conns".to_owned(), levels: ["1", "2"].map(level).to_vec() };
    let plan = SweepPlan { fixed: Vec::new(), axes: vec![axis], repeats: 1, seed: 1 };
    plan.planned(&Runs(RefCell::new(texts.to_vec())))
}

#[test]
fn a_file_that_changes_while_cells_are_planned_is_refused() {
    assert_eq!(planned(["one", "one"]).unwrap().cells.len(), 2);
    let told = planned(["one", "two"]).unwrap_err().to_string();
    assert!(told.contains("--message-file m.txt (lines) was changed while"), "{told}");
}

#[test]
fn a_run_of_a_file_that_was_changed_is_none_of_its_cell() {
    let cell = planned(["one", "one"]).unwrap().cells.remove(0);
    assert_eq!(cell.check(&plan_of("one")), Ok(()));
    let changed = cell.check(&plan_of("two")).unwrap_err();
    let [then, now] = ["one", "two"].map(|text| plan_of(text).files().remove(0).digest);
    let told = changed.to_string();
    assert!(told.contains("--message-file m.txt") && told.contains(&then), "{told}");
    assert!(told.contains(&now), "{told}");
}

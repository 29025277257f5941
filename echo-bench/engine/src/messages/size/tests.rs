use proptest::prelude::*;

use super::*;
use crate::plan::SizePlan;

fn size(text: &str) -> Size {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn what_is_typed_is_shown_so_that_it_reads_back() {
    for (typed, shown) in [
        ("64", "64"),
        ("64-4096", "64-4KiB"),
        ("lognormal:median=300,p99=20K", "lognormal:median=300,p99=20KiB"),
        ("lognormal: p99=20K, median=300,max=1M", "lognormal:median=300,p99=20KiB,max=1MiB"),
        ("zipf:max=64K,exponent=1.10", "zipf:exponent=1.1,max=64KiB"),
        ("zipf:exponent=1,min=12,max=4K", "zipf:exponent=1,min=12,max=4KiB"),
        ("file:a,b:c.txt", "file:a,b:c.txt"),
    ] {
        assert_eq!(size(typed).to_string(), shown);
        assert_eq!(size(shown), size(typed));
    }
}

#[test]
fn what_is_no_size_is_refused_with_what_there_is() {
    for (typed, said) in [
        ("", "like 64, 4K or 1MiB"),
        ("4-x", "like 64, 4K or 1MiB"),
        ("file:", "needs a path"),
        ("normal:median=3", "`normal:` is no distribution"),
        ("lognormal:", "needs median= (median=SIZE,p99=SIZE"),
        ("lognormal:median=300", "needs p99="),
        ("lognormal:median=300,p99=300", "above it"),
        ("lognormal:median=0,p99=300", "at least 1"),
        ("lognormal:median=1,p99=2,p99=3", "`p99=` is there twice"),
        ("lognormal:median=1,p99=2,exponent=1", "`exponent=1` is no setting of lognormal"),
        ("lognormal:median=1,p99=2,SIZE=1", "`SIZE=1` is no setting"),
        ("lognormal:median=300,p99=20K,max=10K", "between min= and max="),
        ("lognormal:median=3,p99=20K,min=10", "between min= and max="),
        ("zipf:max=64K", "needs exponent="),
        ("zipf:exponent=0,max=1K", "`0` is not a number above 0"),
        ("zipf:exponent=nan,max=1K", "`nan` is not a number"),
        ("zipf:exponent=1", "zipf needs max= (exponent=N,max=SIZE[,min=SIZE])"),
        ("zipf:exponent=1,min=12", "zipf needs max="),
        ("zipf:exponent=1,min=0,max=9", "at least 1"),
        ("zipf:exponent=1,min=9,max=8", "not above max="),
        ("zipf:exponent=1,max=2G", "at most 1GiB"),
    ] {
        let told = typed.parse::<Size>().unwrap_err().to_string();
        assert!(told.contains(said), "{typed}: {told}");
    }
}

#[test]
fn the_protocols_limit_holds_unless_a_larger_one_is_typed() {
    let bounds = |typed: &str| typed.parse::<Spread>().unwrap().bounds(64 << 10);
    assert_eq!(bounds("lognormal:median=300,p99=20K"), Ok((1, 64 << 10)));
    assert_eq!(bounds("zipf:exponent=2,min=12,max=1M"), Ok((12, 1 << 20)));
    for typed in ["lognormal:median=300,p99=65K", "lognormal:median=70K,p99=80K,min=65K"] {
        let told = bounds(typed).unwrap_err().to_string();
        assert!(told.contains("=65KiB exceeds 64KiB") && told.contains("max="), "{told}");
    }
}

proptest! {
    /// What a report or a plan file keeps is what the flag takes.
    #[test]
    fn any_size_reads_back(
        median in 1usize..1 << 20, more in 1usize..1 << 28, exponent in 0.001f64..10.0,
        min in prop::option::of(1usize..1 << 20), max in prop::option::of(0usize..1 << 28),
        path in "[a-z,:=./ ]{1,20}",
    ) {
        let min = min.map(|min| min.min(median));
        let greatest = |max: usize| (median + more + max).min(LARGEST);
        let lognormal = Law::Lognormal { median, p99: median + more };
        let zipf = Spread { law: Law::Zipf { exponent }, min, max: max.map(greatest).or(Some(LARGEST)) };
        let (least, most) = (median, median + more);
        for size in [
            Size::Spread(Spread { law: lognormal, min, max: max.map(greatest) }),
            Size::Spread(zipf),
            Size::Even { min: least, max: most },
            Size::Even { min: most, max: most },
            Size::File(path.into()),
        ] {
            let text = size.to_string();
            if let Size::Spread(spec) = size {
                let stored = serde_json::to_string(&SizePlan::Spread { spec }).unwrap();
                prop_assert!(stored.contains(&format!("{text:?}")), "{}", stored);
                let again: SizePlan = serde_json::from_str(&stored).unwrap();
                prop_assert_eq!(again, SizePlan::Spread { spec });
            }
            prop_assert_eq!(text.parse(), Ok(size));
        }
    }

    #[test]
    fn no_text_makes_it_fail(text in "(lognormal:|zipf:|file:)?[a-z0-9=,.:-]{0,30}") {
        if let Ok(size) = text.parse::<Size>() {
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
    }
}

use proptest::prelude::*;

use super::*;

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
        ("zipf:exponent=1,min=12", "zipf:exponent=1,min=12"),
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
        ("zipf:exponent=0", "`0` is not a number above 0"),
        ("zipf:exponent=nan", "`nan` is not a number"),
        ("zipf:exponent=1,min=0", "at least 1"),
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
    for typed in ["lognormal:median=300,p99=65K", "zipf:exponent=2,min=65K"] {
        let told = bounds(typed).unwrap_err().to_string();
        assert!(told.contains("=65KiB exceeds 64KiB") && told.contains("max="), "{told}");
    }
}

proptest! {
    #[test]
    fn any_distribution_reads_back(
        median in 1usize..1 << 20, more in 1usize..1 << 28, exponent in 0.001f64..10.0, max: bool,
    ) {
        let law = Law::Lognormal { median, p99: median + more };
        let max = max.then_some(LARGEST);
        for law in [law, Law::Zipf { exponent }] {
            let size = Size::Spread(Spread { law, min: Some(1), max });
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
    }

    #[test]
    fn no_text_makes_it_fail(text in "(lognormal:|zipf:|file:)?[a-z0-9=,.:-]{0,30}") {
        if let Ok(size) = text.parse::<Size>() {
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
    }
}

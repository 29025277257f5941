use super::*;
use proptest::prelude::*;

const MS: Nanos = 1_000_000;

#[test]
fn reads_what_people_type() {
    let spec: LinkSpec = "rtt=20ms, loss=0.1%,rate=100M,jitter=1ms,queue=256K".parse().unwrap();
    assert_eq!((spec.rtt_ns(), spec.delay_ns(), spec.jitter_ns()), (20 * MS, 10 * MS, MS));
    assert_eq!((spec.loss().billionths(), spec.queue_bytes()), (1_000_000, Some(256 << 10)));
    assert_eq!(spec.rate().map(BitRate::per_second), Some(100_000_000));
    assert_eq!(spec.to_string(), "rtt=20ms,jitter=1ms,loss=0.1%,rate=100M,queue=256KiB");
    let spec: LinkSpec = "rtt=0,ip=6".parse().unwrap();
    assert_eq!((spec.rtt_ns(), spec.rate(), spec.ip()), (0, None, IpVersion::V6));
    assert_eq!(spec.to_string(), "rtt=0s,ip=6");
}

#[test]
fn a_queue_that_is_not_typed_holds_a_round_trip() {
    for (typed, bytes) in [
        ("rtt=600ms,rate=50M", Some(3_750_912)),
        ("rate=1M", Some(256 << 10)),
        ("rtt=1s", None),
    ] {
        assert_eq!(typed.parse::<LinkSpec>().unwrap().queue_bytes(), bytes, "{typed}");
    }
}

#[test]
fn presets_are_links_and_parts_of_them_can_be_replaced() {
    for preset in Preset::ALL {
        let spec: LinkSpec = preset.name().parse().unwrap();
        assert_eq!(spec.preset(), Some(preset));
        assert!(spec.described().starts_with(&format!("{preset}: rtt=")));
    }
    let spec: LinkSpec = "mobile,loss=1%".parse().unwrap();
    assert_eq!((spec.rtt_ns(), spec.loss().billionths()), (50 * MS, 10_000_000));
    assert_eq!((spec.preset(), spec.described()), (None, spec.to_string()));
}

#[test]
fn what_is_no_link_names_the_part_and_the_remedy() {
    for (typed, why) in [
        ("", "it is empty"),
        ("lna", "`lna` is neither a preset (lan, metro, continent, "),
        ("rtt=20ms,delay=3", "`delay=3` is neither"),
        ("rtt=20ms,lan", "the preset `lan` comes first"),
        ("lan,wifi", "the preset `wifi` comes first, and there is one (several links: --link"),
        ("rtt=1ms,rtt=2ms", "`rtt=` is there twice"),
        ("rtt=20x", "rtt=: invalid duration `20x`"),
        ("rtt=1h", "rtt=: exceeds the maximum of 60s"),
        ("loss=2", "loss=: invalid share `2`"),
        ("rate=0", "rate=: invalid speed `0`"),
        ("rate=1M,queue=1", "queue=: must be from 1500 bytes"),
        ("rate=1M,queue=1G", "queue=: must be from 1500 bytes"),
        ("queue=1M", "queue=: needs a rate"),
        ("jitter=1ms", "jitter=: exceeds half of the rtt"),
        ("ip=5", "ip=: must be 4 or 6"),
    ] {
        let told = typed.parse::<LinkSpec>().unwrap_err().to_string();
        assert!(told.starts_with(why), "{typed}: {told}");
    }
}

#[test]
fn it_is_stored_as_typed() {
    let spec: LinkSpec = "wifi".parse().unwrap();
    let stored = serde_json::to_string(&spec).unwrap();
    assert_eq!(stored, r#""rtt=4ms,jitter=1ms,loss=0.1%,rate=100M,queue=256KiB""#);
    assert_eq!(serde_json::from_str::<LinkSpec>(&stored).unwrap(), spec);
    assert!(serde_json::from_str::<LinkSpec>(r#""rtt=?""#).is_err());
}

proptest! {
    #[test]
    fn what_is_shown_is_read_again(
        rtt in 0_u64..60_000_000_000,
        jitter in 0_u64..1000,
        loss in 0_u32..1_000_000_000,
        rate in 1_u64..100_000_000_000,
        with_rate: bool,
        six: bool,
    ) {
        let jitter = rtt / 2 * jitter / 1000;
        let loss_typed = format!("{}.{:07}%", loss / 10_000_000, loss % 10_000_000);
        let rate = if with_rate { format!(",rate={rate}") } else { String::new() };
        let ip = if six { ",ip=6" } else { "" };
        let typed = format!("rtt={rtt}ns,jitter={jitter}ns,loss={loss_typed}{rate}{ip}");
        let spec: LinkSpec = typed.parse().unwrap();
        prop_assert_eq!(spec.loss().billionths(), loss);
        prop_assert_eq!(spec.to_string().parse(), Ok(spec));
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}") {
        let _ = text.parse::<LinkSpec>();
    }
}

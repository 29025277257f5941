#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    (echo_robustness::targets::target("mux").run)(data);
});

//! Parts in any order, some twice: what comes out is what a list of them says.
#![no_main]

#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::assembly(data));

//! What a forwarder may send: decoded, encoded again and decoded, it is the same message.
#![no_main]

#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::wire_to_gate(data));

//! `forwarder doctor` at real ends: each check finds what is wrong at its hop, says the fix, and does not hide the next.

#[path = "../common/mod.rs"]
mod common;
#[path = "../support/mod.rs"]
mod support;

mod clinic;
mod command;
mod endpoint;
mod ports;
mod proxy;
mod service;
mod tips;
mod token;

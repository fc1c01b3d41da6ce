//! The inspector as its users meet it: the real forwarder, its API and its page in a real browser.
//!
//! `tests/setup` installs browser and libraries.

#[allow(dead_code, reason = "the drivers of tests/clients.rs, of which each test uses its part")]
#[path = "../clients/browser.rs"]
mod browser;
#[allow(dead_code, reason = "the drivers of tests/clients.rs, of which each test uses its part")]
#[path = "../clients/process.rs"]
mod process;
#[allow(dead_code, reason = "the drivers of tests/clients.rs, of which each test uses its part")]
#[path = "../clients/service.rs"]
mod service;

mod api;
mod bounds;
mod command;
mod files;
mod foreign;
mod page;
mod stage;
mod tunnels;
mod webhooks;

//! The examples do what their READMEs say: each command in them is run, with the real forwarder.
//!
//! `tests/setup` installs what they need.

#[allow(dead_code, reason = "the drivers of tests/clients.rs, of which each test uses its part")]
#[path = "../clients/browser.rs"]
mod browser;
#[allow(dead_code, reason = "the drivers of tests/clients.rs, of which each test uses its part")]
#[path = "../clients/http.rs"]
mod http;
#[allow(dead_code, reason = "the drivers of tests/clients.rs, of which each test uses its part")]
#[path = "../clients/process.rs"]
mod process;

mod api_flow;
mod chat;
mod mcp_server;
mod readme;
mod static_site;
mod webhooks;

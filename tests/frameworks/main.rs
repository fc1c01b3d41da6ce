//! Real dev servers behind the real programs, called by a public name as visitors call it: what works with nothing to do,
//! what the forwarder and the doctor say where something does not, and that following what they say puts it right.
//!
//! `tests/setup` installs them.

#[allow(dead_code)]
#[path = "../clients/browser.rs"]
mod browser;
mod django;
#[allow(dead_code)]
#[path = "../clients/http.rs"]
mod http;
mod next;
#[allow(dead_code)]
#[path = "../clients/process.rs"]
mod process;
mod rails;
mod stage;
mod vite;
mod webpack;

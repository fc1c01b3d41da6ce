//! Real applications and real clients: what they do through the tunnel is what they do on the service's own address.
//!
//! `tests/setup` installs them. With `FORWARDER=direct` no tunnel is started and every visitor talks to the service itself:
//! the control that shows a failure to be the tunnel's and not the application's. `FORWARDER=path` tests another binary.

// Each test binary is a crate of its own and uses its part of this module.
#[allow(dead_code)]
#[path = "clients/browser.rs"]
mod browser;
#[path = "clients/bulk.rs"]
mod bulk;
#[path = "clients/curl.rs"]
mod curl;
#[path = "clients/django.rs"]
mod django;
#[path = "clients/events.rs"]
mod events;
#[path = "clients/folder.rs"]
mod folder;
#[path = "clients/git.rs"]
mod git;
#[path = "clients/http.rs"]
mod http;
#[path = "clients/lighttpd.rs"]
mod lighttpd;
#[path = "clients/noise.rs"]
mod noise;
#[path = "clients/process.rs"]
mod process;
#[path = "clients/service.rs"]
mod service;
#[path = "clients/tunnel.rs"]
mod tunnel;
#[path = "clients/uploads.rs"]
mod uploads;
#[path = "clients/vite.rs"]
mod vite;
#[path = "clients/webdav.rs"]
mod webdav;
#[path = "clients/websocket.rs"]
mod websocket;

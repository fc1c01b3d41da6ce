//! A relay in the test's own process, on a port of its own.

use http_tunnel::gate::Settings;
use http_tunnel::gate::access::{Access, AccessConfig};
use http_tunnel::limits;
use http_tunnel::relay::config::OperatorLimits;
use http_tunnel::relay::metrics::Metrics;
use http_tunnel::relay::{self, Options, Relay};
use std::net::SocketAddr;
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

pub struct TestRelay {
    pub address: SocketAddr,
    _shutdown: DropGuard,
}

pub struct Setup {
    pub access: AccessConfig,
    pub limits: OperatorLimits,
    pub silence: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        let access = AccessConfig { open: true, ..AccessConfig::default() };
        Self { access, limits: OperatorLimits::default(), silence: limits::LINK_SILENCE }
    }
}

impl Setup {
    pub async fn start(self) -> TestRelay {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let settings = Settings {
            public_url: "http://{tunnel}.tunnel.test".parse().expect("a public URL"),
            head_bytes: self.limits.head_bytes,
            body_bytes: self.limits.body_bytes,
            opening_bytes: http_tunnel::limits::TEXT_MESSAGE,
        };
        let access = Access::new(self.access).expect("the access rules are sound");
        let options = Options { sole: false, trusted_proxies: Vec::new(), limits: self.limits, silence: self.silence };
        let relay = Relay::new(settings, access, options, Metrics::new());
        let shutdown = CancellationToken::new();
        tokio::spawn(relay::serve(relay, listener, shutdown.clone()));
        TestRelay { address, _shutdown: shutdown.drop_guard() }
    }
}

impl TestRelay {
    pub async fn start() -> Self {
        Setup::default().start().await
    }

    pub async fn get(&self, name: &str, path: &str) -> super::http::Answer {
        super::http::get(self.address, &format!("{name}.tunnel.test"), path).await
    }

    pub async fn visit(&self, name: &str, path: &str) -> super::http::Visit {
        super::http::Visit::get(self.address, &format!("{name}.tunnel.test"), path).await
    }
}

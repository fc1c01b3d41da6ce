//! The running forwarder: what it learns from answers that pass, what it says once, and what it does about forms.

use crate::common::{Knobs, TestService, Tunnel};
use http_tunnel::forwarder::config::HostHeader;
use http_tunnel::limits;

const PLAIN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const REFUSAL: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 19\r\n\r\nInvalid Host header";
const RAILS: &str = "HTTP/1.1 200 OK\r\nX-Request-Id: 6de1028f\r\nX-Runtime: 0.031\r\nContent-Length: 2\r\n\r\nok";

/// Asks with the `Origin` and `Referer` of the tunnel's own page; what the service got of them.
async fn origin(tunnel: &Tunnel, service: &TestService, method: &str, path: &str) -> (Option<String>, Option<String>) {
    let naming = "Origin: http://HOST\r\nReferer: http://HOST/page";
    tunnel.ask(format!("{method} {path} HTTP/1.1\r\nHost: HOST\r\n{naming}\r\nContent-Length: 0\r\n\r\n")).await;
    let head = service.last().head;
    (head.get("origin"), head.get("referer"))
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_name_what_the_service_compares_them_with() {
    let service = TestService::answering(|record| {
        let rails = record.head.asked().1 == "/rails";
        (if rails { RAILS } else { PLAIN }).as_bytes().to_vec()
    });
    let service = service.await;
    let tunnel = Tunnel::to(&service).await;
    let (own, public) = (format!("http://{}", service.address), format!("http://{}", tunnel.host));
    let named = |origin: &str| (Some(origin.to_owned()), Some(format!("{origin}/page")));
    assert_eq!(origin(&tunnel, &service, "POST", "/").await, named(&own));

    // From here on the service is known to compare forms with X-Forwarded-Host, and all else with Host.
    assert_eq!(tunnel.get("/rails").await.status(), 200);
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(origin(&tunnel, &service, method, "/").await, named(&public), "{method}");
    }
    assert_eq!(origin(&tunnel, &service, "GET", "/").await, named(&own));
    assert_eq!(origin(&tunnel, &service, "POST", "/__nextjs_original-stack-frames").await, named(&own));
    let host = service.last().head.get("host");
    assert_eq!(host, Some(service.address.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tip_is_given_once() {
    let service = TestService::saying(REFUSAL).await;
    let tunnel = Tunnel::with(Knobs { host_header: HostHeader::Preserve, ..Knobs::default() }, &service).await;
    assert_eq!(tunnel.get("/").await.text(), "Invalid Host header");
    let tip = tunnel.event("notice");
    let expected =
        "tip: webpack-dev-server refuses the host box.localhost; add devServer: { allowedHosts: [\"box.localhost\"] }";
    assert!(tip["text"].as_str().is_some_and(|text| text.starts_with(expected)), "{tip}");
    for _more in 0..3 {
        assert_eq!(tunnel.get("/").await.status(), 403);
    }
    // A tip comes before its request's line.
    for _asked in 0..4 {
        assert_eq!(tunnel.events_to("request").len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_looks_like_none_is_not_watched_for_ever() {
    let service = TestService::answering(|record| {
        let refused = record.head.asked().1 == "/refused";
        (if refused { REFUSAL } else { PLAIN }).as_bytes().to_vec()
    });
    let service = service.await;
    let tunnel = Tunnel::to(&service).await;
    for _ in 0..limits::WATCHED_ANSWERS {
        assert_eq!(tunnel.get("/").await.status(), 200);
    }
    assert_eq!(tunnel.get("/refused").await.status(), 403);
    for _asked in 0..=limits::WATCHED_ANSWERS {
        assert_eq!(tunnel.events_to("request").len(), 1);
    }
}

use super::*;
use http::HeaderName;

fn url(text: &str) -> PublicUrl {
    text.parse().expect(text)
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).expect("legal"))
    };
    lines.iter().map(line).collect()
}

fn names(found: Result<Vec<Candidate>, Fault>) -> Vec<(String, String)> {
    found.unwrap_or_default().into_iter().map(|c| (c.name.to_string(), c.target.to_string())).collect()
}

fn found(public: &str, host: &str, target: &str, lines: &[(&'static str, &str)]) -> Vec<(String, String)> {
    names(url(public).candidates(host, &target.parse().expect(target), &headers(lines), None))
}

fn pair(name: &str, target: &str) -> (String, String) {
    (name.into(), target.into())
}

fn moved(prefix: &str, before: &[(&'static str, &str)]) -> HeaderMap {
    let candidate = Candidate {
        name: "web".parse().expect("a name"),
        target: "/".parse().expect("/"),
        prefix: Some(prefix.into()),
        lacks_slash: false,
    };
    let mut map = headers(before);
    rewrite_answer(&mut map, &candidate, &["localhost:3000", "host.example"], true);
    map
}

#[test]
fn a_public_url_names_its_tunnels() {
    let name: TunnelName = "web".parse().expect("a name");
    for (template, expected) in [
        ("https://{tunnel}.tunnel.example.com", "https://web.tunnel.example.com"),
        ("http://{tunnel}.localhost:8080/", "http://web.localhost:8080"),
        ("https://abc.lambda-url.eu-west-1.on.aws/{tunnel}", "https://abc.lambda-url.eu-west-1.on.aws/web"),
        ("https://host/t/{tunnel}/", "https://host/t/web"),
    ] {
        assert_eq!(url(template).of(&name), expected);
    }
    for bad in [
        "",
        "ftp://{tunnel}.x",
        "https://x",
        "https://{tunnel}",
        "https://{tunnel}.x/y",
        "https://x/{tunnel}/y",
        "https://u@x/{tunnel}",
        "https://x/{a}/{tunnel}",
    ] {
        assert_eq!(bad.parse::<PublicUrl>(), Err(NotPublicUrl), "{bad}");
    }
}

#[test]
fn by_host_the_label_in_front_of_the_domain_is_the_name_and_the_target_is_untouched() {
    let public = "http://{tunnel}.localhost:8080";
    let target = "/a%2Fb//c?x=1&x=%20#";
    let target = &target[..target.len() - 1];
    assert_eq!(found(public, "web.localhost:8080", target, &[]), [pair("web", target)]);
    assert_eq!(found(public, "WEB.LocalHost", "/", &[]), [pair("web", "/")]);
    for host in
        ["localhost:8080", "a.b.localhost", "web.localhost.evil", "weblocalhost", "", "[::1]:8080", "192.168.1.2"]
    {
        assert_eq!(found(public, host, "/", &[]), [], "{host}");
    }
}

#[test]
fn a_relay_with_one_tunnel_takes_any_other_host_for_it() {
    let sole: Option<TunnelName> = "web".parse().ok();
    let public = url("http://{tunnel}.localhost:8080");
    let of = |host: &str| names(public.candidates(host, &"/x".parse().expect("/x"), &HeaderMap::new(), sole.clone()));
    assert_eq!(of("192.168.1.2:8080"), [pair("web", "/x")]);
    assert_eq!(of("other.localhost:8080"), [pair("other", "/x")]);
}

#[test]
fn by_path_the_first_segment_is_the_name() {
    let public = "https://host/{tunnel}";
    assert_eq!(found(public, "host", "/web/a%2Fb?c", &[]), [pair("web", "/a%2Fb?c")]);
    assert_eq!(found(public, "host", "/web?c", &[]), [pair("web", "/?c")]);
    assert_eq!(found("https://host/t/{tunnel}", "host", "/t/web/", &[]), [pair("web", "/")]);
    assert_eq!(found(public, "host", "/", &[]), []);
    let lacks = |target: &str| {
        url(public)
            .candidates("host", &target.parse().expect(target), &HeaderMap::new(), None)
            .map(|c| c[0].lacks_slash)
    };
    assert_eq!((lacks("/web"), lacks("/web/")), (Ok(true), Ok(false)));
}

#[test]
fn a_root_absolute_link_finds_its_tunnel_by_referer_and_then_by_cookie() {
    let public = "https://host/{tunnel}";
    let page = ("referer", "https://host/web/page?x");
    let cookie = ("cookie", "a=1; http-tunnel=api");
    assert_eq!(
        found(public, "host", "/app.js?v", &[("host", "host"), page, cookie]),
        [pair("web", "/app.js?v"), pair("api", "/app.js?v")],
        "app.js itself is no name"
    );
    assert_eq!(found(public, "host", "/app.js", &[("host", "host"), ("referer", "https://evil/web/")]), []);
}

#[test]
fn the_gates_own_cookie_does_not_reach_the_service() {
    let mut map = headers(&[("cookie", "a=1; http-tunnel=web; b=2"), ("cookie", "http-tunnel=web")]);
    strip_cookie(&mut map);
    assert_eq!(map, headers(&[("cookie", "a=1; b=2")]));
}

#[test]
fn locations_on_the_service_get_the_prefix_and_others_stay() {
    for (before, after) in [
        ("/login?next=/", "/web/login?next=/"),
        ("http://localhost:3000/x", "/web/x"),
        ("https://HOST.example", "/web/"),
        ("//host.example/x", "/web/x"),
        ("/web/x", "/web/x"),
        ("/website", "/web/website"),
        ("https://elsewhere.example/x", "https://elsewhere.example/x"),
        ("relative/x", "relative/x"),
        ("?q", "?q"),
    ] {
        assert_eq!(moved("/web", &[("location", before)])["location"], after, "{before}");
    }
}

#[test]
fn cookie_paths_get_the_prefix_and_nothing_else_of_a_cookie_changes() {
    let map = moved(
        "/web",
        &[
            ("set-cookie", "a=1; Path=/; HttpOnly"),
            ("set-cookie", "b=path=/x"),
            ("set-cookie", "c=2;path=/admin;Secure"),
        ],
    );
    let cookies: Vec<_> = map.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1; Path=/web/; HttpOnly", "b=path=/x", "c=2; Path=/web/admin;Secure"]);
}

#[test]
fn only_a_page_is_marked_with_the_gates_cookie() {
    let page = moved("/web", &[("content-type", "text/html; charset=utf-8")]);
    assert_eq!(page["set-cookie"], "http-tunnel=web; Path=/; SameSite=Lax; HttpOnly");
    assert!(!moved("/web", &[("content-type", "application/json")]).contains_key("set-cookie"));
}

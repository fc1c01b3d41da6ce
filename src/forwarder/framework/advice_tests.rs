use super::*;

fn around(told: &str, public: &str) -> Surroundings {
    let public = public.parse().expect("a URL");
    Surroundings { own: "localhost:3000".to_owned(), told: told.to_owned(), public }
}

#[test]
fn an_advice_names_the_setting_its_file_and_the_tunnels_host() {
    let (host, url) = ("app.tunnel.test", "https://app.tunnel.test");
    let (rewrite, preserve) = (around("localhost:3000", url), around(host, url));
    for (framework, trouble, around, expected) in [
        (
            Framework::Vite,
            Trouble::Host,
            &preserve,
            "server: { allowedHosts: [\"app.tunnel.test\"] } to vite.config.js",
        ),
        (Framework::Webpack, Trouble::Host, &preserve, "devServer: { allowedHosts: [\"app.tunnel.test\"] } to webpack"),
        (Framework::Django, Trouble::Host, &preserve, "\"app.tunnel.test\" to ALLOWED_HOSTS in settings.py"),
        (Framework::Rails, Trouble::Host, &rewrite, "config.hosts << \"app.tunnel.test\" to config/environments"),
        (Framework::Rails, Trouble::Host, &preserve, "config.hosts << \"app.tunnel.test\" to config/environments"),
        (Framework::Next, Trouble::LiveReload, &preserve, "allowedDevOrigins: [\"app.tunnel.test\"] to next.config.js"),
        (Framework::Next, Trouble::Form, &rewrite, "serverActions: { allowedOrigins: [\"app.tunnel.test\"] }"),
        (Framework::Django, Trouble::Form, &preserve, "\"https://app.tunnel.test\" to CSRF_TRUSTED_ORIGINS"),
        (Framework::Django, Trouble::Form, &rewrite, "\"http://localhost:3000\" to CSRF_TRUSTED_ORIGINS"),
    ] {
        let advice = advice(framework, &trouble, around);
        assert!(advice.fix.contains(expected), "{advice:?}");
        assert!(advice.finding.contains(&framework.to_string()), "{advice:?}");
    }
}

#[test]
fn where_the_hosts_own_address_would_do_that_is_said() {
    let fix = |told: &str| advice(Framework::Vite, &Trouble::Host, &around(told, "https://app.tunnel.test")).fix;
    assert!(fix("app.tunnel.test").ends_with("or start the forwarder without --host-header"));
    assert!(!fix("localhost:3000").contains("--host-header"));
}

#[test]
fn hosts_without_a_port_are_named() {
    for (authority, host) in
        [("app.test:8080", "app.test"), ("app.test", "app.test"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]")]
    {
        assert_eq!(without_port(authority), host);
    }
    for (host, local) in
        [("localhost", true), ("a.localhost", true), ("[::1]", true), ("10.0.0.7", true), ("a.test", false)]
    {
        assert_eq!(is_local(host), local, "{host}");
    }
}

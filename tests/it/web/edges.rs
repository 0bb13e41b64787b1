//! The pure parts of the portal's edge: who may send a form, where sign-in may lead.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use countersign::web::{cookie, security};

const OURS: &str = "https://countersign.example.com";

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_str(value).expect("a value"),
        )
    };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs.iter().map(pair) {
        headers.append(name, value);
    }
    headers
}

#[test]
fn only_our_own_pages_may_send_a_form() {
    let cases: [(&[(&'static str, &str)], bool); 20] = [
        (&[], false),
        (&[("sec-fetch-site", "same-origin")], true),
        // Typed into the address bar, or another program: never one of our forms.
        (&[("sec-fetch-site", "none")], false),
        (&[("sec-fetch-site", "none"), ("origin", OURS)], false),
        (
            &[
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-site", "cross-site"),
            ],
            false,
        ),
        (
            &[
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-site", "same-origin"),
            ],
            false,
        ),
        (&[("origin", OURS), ("origin", OURS)], false),
        (&[("sec-fetch-site", "same-origin"), ("origin", OURS)], true),
        (
            &[
                ("sec-fetch-site", "same-origin"),
                ("origin", "https://evil.example"),
            ],
            false,
        ),
        (
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            false,
        ),
        (&[("origin", "https://countersign.example.com:444")], false),
        (&[("sec-fetch-site", "same-site")], false),
        (&[("sec-fetch-site", "cross-site")], false),
        (&[("sec-fetch-site", "")], false),
        (&[("sec-fetch-site", "cross-site"), ("origin", OURS)], false),
        (&[("origin", OURS)], true),
        (&[("origin", "http://countersign.example.com")], false),
        (
            &[("origin", "https://countersign.example.com.evil.example")],
            false,
        ),
        (&[("origin", "null")], false),
        (&[("host", "countersign.example.com")], false),
    ];
    for (pairs, allowed) in cases {
        assert_eq!(
            security::is_same_site(&Method::POST, &headers(pairs), OURS),
            allowed,
            "{pairs:?}"
        );
        assert!(
            security::is_same_site(&Method::GET, &headers(pairs), OURS),
            "{pairs:?}"
        );
    }
}

#[test]
fn an_origin_is_ours_however_it_was_configured() {
    let cases = [
        ("https://Countersign.Example.com", OURS, true),
        ("https://countersign.example.com:443", OURS, true),
        ("https://countersign.example.com:8443", OURS, false),
        ("http://127.0.0.1:8080", "http://localhost:8080", true),
        ("http://127.0.0.1:8080", "http://[::1]:8080", true),
        ("http://127.0.0.1:8080", "http://localhost:8081", false),
        ("http://127.0.0.1:8080", "http://127.0.0.2:8080", false),
        ("http://127.0.0.1:8080", "http://evil.example:8080", false),
    ];
    for (configured, sent, allowed) in cases {
        for site in [&[][..], &[("sec-fetch-site", "same-origin")]] {
            let sent = headers(&[site, &[("origin", sent)]].concat());
            let is_ours = security::is_same_site(&Method::POST, &sent, configured);
            assert_eq!(is_ours, allowed, "{configured} {sent:?}");
        }
    }
}

#[test]
fn sign_in_leads_nowhere_but_to_our_own_pages() {
    for ours in [
        "/",
        "/requests/req_01h455vb4pex5vsknk084sn02q",
        "/audit?action=grant.opened&from=2026-11-23T10%3A00",
    ] {
        assert_eq!(cookie::place(ours), ours);
    }
    let others = [
        "",
        "evil",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example",
        "https:/evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        " /requests",
        "/requests#\u{202e}",
        "data:text/html,x",
    ];
    for other in others {
        assert_eq!(cookie::place(other), "/", "{other:?}");
    }
}

#[test]
fn the_cookie_is_read_by_its_exact_name() {
    let sent = headers(&[("cookie", "other=1; countersign=abc; __Host-countersign=def")]);
    assert_eq!(cookie::read(&sent, false), Some("abc"));
    assert_eq!(cookie::read(&sent, true), Some("def"));
    assert_eq!(
        cookie::read(&headers(&[("cookie", "xcountersign=abc")]), false),
        None
    );
    assert_eq!(
        cookie::set("abc", true),
        "__Host-countersign=abc; Path=/; HttpOnly; SameSite=Lax; Secure"
    );
}

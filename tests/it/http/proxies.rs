//! Whose word about the address of a client counts, and whom limits then count.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use countersign::serve::{self, proxies};
use ipnet::IpNet;
use tower::ServiceExt as _;

use crate::support::app::TestApp;

const PROXY: &str = "10.1.2.3";

fn trusted() -> Vec<IpNet> {
    ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8"]
        .map(|it| it.parse().unwrap())
        .to_vec()
}

/// Whom a request of `peer` with these headers comes from.
fn client(peer: &str, headers: &[&[u8]]) -> String {
    let mut all = HeaderMap::new();
    for header in headers {
        all.append("x-forwarded-for", HeaderValue::from_bytes(header).unwrap());
    }
    proxies::client(peer.parse().unwrap(), &all, &trusted()).to_string()
}

#[test]
fn the_last_address_that_is_no_proxy_of_ours_is_the_client() {
    for (peer, headers, meant) in [
        // Nobody but our own proxies is believed.
        ("198.51.100.1", "203.0.113.9", "198.51.100.1"),
        ("192.0.2.8", "203.0.113.9", "192.0.2.8"),
        (PROXY, "203.0.113.9", "203.0.113.9"),
        ("192.0.2.7", "203.0.113.9", "203.0.113.9"),
        ("fd00::1", "2001:db8::9", "2001:db8::9"),
        ("::ffff:10.1.2.3", "203.0.113.9", "203.0.113.9"),
        // What the client has written itself stands before.
        (PROXY, "127.0.0.1, 203.0.113.9", "203.0.113.9"),
        (PROXY, "nonsense, 203.0.113.9", "203.0.113.9"),
        (PROXY, "203.0.113.1,203.0.113.9 , 10.9.9.9", "203.0.113.9"),
        (PROXY, "203.0.113.9, ::ffff:10.9.9.9", "203.0.113.9"),
        // Some proxies write ports.
        (PROXY, "203.0.113.9:4711", "203.0.113.9"),
        (PROXY, "[2001:db8::9]:4711", "2001:db8::9"),
        (PROXY, "[2001:db8::9]", "2001:db8::9"),
        // One of ours asks by itself.
        (PROXY, "10.0.0.5, 10.9.9.9", "10.0.0.5"),
        // Nothing that could be read: the peer itself.
        (PROXY, "", PROXY),
        (PROXY, "nonsense", PROXY),
        (PROXY, "203.0.113.9,", PROXY),
        (PROXY, "203.0.113.9, unknown", PROXY),
        (PROXY, "203.0.113.9, 10.9.9.9, 10.9.9.999", PROXY),
        (PROXY, "[203.0.113.9]", PROXY),
    ] {
        let told = client(peer, &[headers.as_bytes()]);
        assert_eq!(told, meant, "{peer}: {headers}");
    }
    assert_eq!(client(PROXY, &[]), PROXY);
    // Nor does it hide the client behind it if it is no text at all.
    for garbage in [b"\xff".as_slice(), b"\xff\xfe, 203.0.113.1", b"\xc3\xa9"] {
        let line = [garbage, b", 203.0.113.9, 10.9.9.9"].concat();
        assert_eq!(client(PROXY, &[&line]), "203.0.113.9", "{garbage:?}");
        assert_eq!(client(PROXY, &[garbage, b"203.0.113.9"]), "203.0.113.9");
    }
    // Where one of ours has to stand it says nothing.
    assert_eq!(client(PROXY, &[b"203.0.113.9, \xff"]), PROXY);
    // Several headers are one list.
    assert_eq!(
        client(PROXY, &[b"203.0.113.1", b"203.0.113.9"]),
        "203.0.113.9"
    );
    assert_eq!(client(PROXY, &[b"203.0.113.9", b"10.9.9.9"]), "203.0.113.9");
}

/// Behind a proxy that is named each client has the limits of its own address; else the proxy's is
/// everybody's.
#[tokio::test]
async fn limits_count_the_client_behind_a_proxy_that_is_named() {
    for is_named in [true, false] {
        let app = TestApp::new().await.configured(|config| {
            config.limits.peer_per_minute = NonZeroU32::MIN;
            if is_named {
                config.server.trusted_proxies = trusted();
            }
        });
        let router = serve::router(&app.app, &app.config, None, None);
        let ask = async |path: &str, peer: IpAddr, client: &str| {
            let request = Request::get(path)
                .header("authorization", "Bearer nonsense")
                .header("cookie", "countersign=nonsense")
                .header("x-forwarded-for", client);
            let mut request = request.body(Body::empty()).unwrap();
            let peer = ConnectInfo(SocketAddr::new(peer, 4711));
            request.extensions_mut().insert(peer);
            router.clone().oneshot(request).await.unwrap().status()
        };
        let proxy: IpAddr = PROXY.parse().unwrap();
        let api = "/api/v1/people/me";
        for _ in 0..2 {
            let status = ask(api, proxy, "198.51.100.1, 203.0.113.9").await;
            assert_eq!(status, StatusCode::UNAUTHORIZED);
        }
        let shut = StatusCode::TOO_MANY_REQUESTS;
        assert_eq!(ask(api, proxy, "203.0.113.9").await, shut);
        assert_eq!(ask("/requests", proxy, "203.0.113.9").await, shut);
        // Another client of the same proxy, whom the first one had named.
        let other = ask(api, proxy, "198.51.100.1").await;
        let own = if is_named {
            StatusCode::UNAUTHORIZED
        } else {
            shut
        };
        assert_eq!(other, own, "{is_named}");
        // Who comes from elsewhere speaks for nobody.
        let elsewhere = "198.51.100.77".parse().unwrap();
        let status = ask(api, elsewhere, "203.0.113.9").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
}

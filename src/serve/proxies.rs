//! Whose word about where a request comes from counts.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Makes the address that a request comes from that of its client, where our own proxies
/// (`server.trusted_proxies`) have told it.
pub async fn forwarded(
    State(trusted): State<Arc<[IpNet]>>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let mut client = *peer;
        client.set_ip(self::client(peer.ip(), request.headers(), &trusted));
        request.extensions_mut().insert(ConnectInfo(client));
    }
    next.run(request).await
}

/// The client of a request that has come from `peer`: each of our proxies writes at the end of
/// `X-Forwarded-For` from whom it has the request, so that the last address which is none of theirs
/// is the client's. What stands before that the client may have written itself, whatever bytes it
/// is made of. What is no address where one of ours has to stand says nothing: it counts as the
/// peer's.
#[must_use]
pub fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |it: IpAddr| trusted.iter().any(|net| net.contains(&it.to_canonical()));
    if !is_trusted(peer) {
        return peer;
    }
    let mut farthest = peer;
    // Several headers are one list (RFC 9110 §5.3).
    for line in headers.get_all(FORWARDED_FOR).iter().rev() {
        for told in line.as_bytes().rsplit(|byte| *byte == b',') {
            let Some(told) = std::str::from_utf8(told).ok().and_then(address) else {
                return peer;
            };
            if !is_trusted(told) {
                return told;
            }
            farthest = told;
        }
    }
    farthest
}

/// An address, which some proxies write with a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse::<SocketAddr>().ok().map(|it| it.ip());
    let in_brackets = || {
        let text = text.strip_prefix('[')?.strip_suffix(']')?;
        text.parse().ok().filter(IpAddr::is_ipv6)
    };
    text.parse().ok().or_else(with_port).or_else(in_brackets)
}

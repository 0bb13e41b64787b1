//! Every route, once: the router, the OpenAPI document's check and the authorization test are made
//! from this table.

use axum::routing::{MethodRouter, get, post};

use super::{audit, catalog, grants, openapi, people, probes, requests, revocations};
use crate::app::App;
use crate::domain::audit::verb::Verb;

/// One path with its methods.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// Below `/api/v1`.
    pub path: &'static str,
    /// The methods, and for each that changes something its verb.
    pub methods: &'static [(&'static str, Option<Verb>)],
    pub(super) handler: fn() -> MethodRouter<App>,
}

/// All of them.
pub const ROUTES: &[Route] = &[
    Route {
        path: "/requests",
        methods: &[("GET", None), ("POST", Some(Verb::Submit))],
        handler: || get(requests::list).post(requests::submit),
    },
    Route {
        path: "/requests/{id}",
        methods: &[("GET", None)],
        handler: || get(requests::get),
    },
    Route {
        path: "/requests/{id}/approve",
        methods: &[("POST", Some(Verb::Approve))],
        handler: || post(requests::approve),
    },
    Route {
        path: "/requests/{id}/deny",
        methods: &[("POST", Some(Verb::Deny))],
        handler: || post(requests::deny),
    },
    Route {
        path: "/requests/{id}/withdraw",
        methods: &[("POST", Some(Verb::Withdraw))],
        handler: || post(requests::withdraw),
    },
    Route {
        path: "/grants",
        methods: &[("GET", None)],
        handler: || get(grants::list),
    },
    Route {
        path: "/grants/{id}",
        methods: &[("GET", None)],
        handler: || get(grants::get),
    },
    Route {
        path: "/grants/{id}/end",
        methods: &[("POST", Some(Verb::End))],
        handler: || post(grants::end),
    },
    Route {
        path: "/grants/{id}/extend",
        methods: &[("POST", Some(Verb::Extend))],
        handler: || post(grants::extend),
    },
    Route {
        path: "/grants/{id}/credentials",
        methods: &[("POST", Some(Verb::Fetch))],
        handler: || post(grants::credentials),
    },
    Route {
        path: "/grants/{id}/console-link",
        methods: &[("POST", Some(Verb::Fetch))],
        handler: || post(grants::console_link),
    },
    Route {
        path: "/grants/{id}/probe",
        methods: &[("POST", Some(Verb::Probe))],
        handler: || post(probes::probe),
    },
    Route {
        path: "/revocations",
        methods: &[("GET", None), ("POST", Some(Verb::Revoke))],
        handler: || get(revocations::list).post(revocations::revoke),
    },
    Route {
        path: "/revocations/{id}",
        methods: &[("GET", None)],
        handler: || get(revocations::get),
    },
    Route {
        path: "/revocations/{id}/grants",
        methods: &[("GET", None)],
        handler: || get(revocations::grants),
    },
    Route {
        path: "/revocations/{id}/lift",
        methods: &[("POST", Some(Verb::Lift))],
        handler: || post(revocations::lift),
    },
    Route {
        path: "/entitlements",
        methods: &[("GET", None)],
        handler: || get(catalog::entitlements),
    },
    Route {
        path: "/people/me",
        methods: &[("GET", None)],
        handler: || get(catalog::me),
    },
    Route {
        path: "/people/{id}/disable",
        methods: &[("POST", Some(Verb::Disable))],
        handler: || post(people::disable),
    },
    Route {
        path: "/people/{id}/enable",
        methods: &[("POST", Some(Verb::Enable))],
        handler: || post(people::enable),
    },
    Route {
        path: "/audit-events",
        methods: &[("GET", None)],
        handler: || get(audit::list),
    },
    Route {
        path: "/openapi.json",
        methods: &[("GET", None)],
        handler: || get(openapi::get),
    },
];

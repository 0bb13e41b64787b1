//! Every route, once, with the scope that it asks for: the router, the OpenAPI document and the
//! authorization tests are made from this table.

use axum::routing::{MethodRouter, get, post};

use super::methods::Method;
use super::{audit, catalog, grants, openapi, people, probes, requests, revocations, tokens};
use crate::app::App;
use crate::domain::audit::verb::Verb;
use crate::domain::scope::Scope;

/// One path with its methods.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// Below `/api/v1`.
    pub path: &'static str,
    /// The methods.
    pub methods: &'static [Method],
    pub(super) handler: fn() -> MethodRouter<App>,
}

/// All of them.
pub const ROUTES: &[Route] = &[
    Route {
        path: "/requests",
        methods: &[
            ("GET", None, &[Scope::Read]),
            ("POST", Some(Verb::Submit), &[Scope::Create]),
        ],
        handler: || get(requests::list).post(requests::submit),
    },
    Route {
        path: "/requests/{id}",
        methods: &[("GET", None, &[Scope::Read])],
        handler: || get(requests::get),
    },
    Route {
        path: "/requests/{id}/approve",
        methods: &[("POST", Some(Verb::Approve), &[Scope::Decide])],
        handler: || post(requests::approve),
    },
    Route {
        path: "/requests/{id}/deny",
        methods: &[("POST", Some(Verb::Deny), &[Scope::Decide])],
        handler: || post(requests::deny),
    },
    Route {
        path: "/requests/{id}/withdraw",
        methods: &[("POST", Some(Verb::Withdraw), &[Scope::Create])],
        handler: || post(requests::withdraw),
    },
    Route {
        path: "/requests/{id}/withdraw-approval",
        methods: &[("POST", Some(Verb::WithdrawApproval), &[Scope::Decide])],
        handler: || post(requests::withdraw_approval),
    },
    Route {
        path: "/requests/{id}/ask",
        methods: &[("POST", Some(Verb::Ask), &[Scope::Decide])],
        handler: || post(requests::ask),
    },
    Route {
        path: "/requests/{id}/answer",
        methods: &[("POST", Some(Verb::Answer), &[Scope::Create])],
        handler: || post(requests::answer),
    },
    Route {
        path: "/grants",
        methods: &[("GET", None, &[Scope::Read])],
        handler: || get(grants::list),
    },
    Route {
        path: "/grants/{id}",
        methods: &[("GET", None, &[Scope::Read])],
        handler: || get(grants::get),
    },
    Route {
        path: "/grants/{id}/end",
        methods: &[("POST", Some(Verb::End), &[Scope::Create, Scope::Decide])],
        handler: || post(grants::end),
    },
    Route {
        path: "/grants/{id}/extend",
        methods: &[("POST", Some(Verb::Extend), &[Scope::Create])],
        handler: || post(grants::extend),
    },
    Route {
        path: "/grants/{id}/credentials",
        methods: &[("POST", Some(Verb::Fetch), &[Scope::Create])],
        handler: || post(grants::credentials),
    },
    Route {
        path: "/grants/{id}/console-link",
        methods: &[("POST", Some(Verb::Fetch), &[Scope::Create])],
        handler: || post(grants::console_link),
    },
    Route {
        path: "/grants/{id}/probe",
        methods: &[("POST", Some(Verb::Probe), &[Scope::Decide])],
        handler: || post(probes::probe),
    },
    Route {
        path: "/revocations",
        methods: &[
            ("GET", None, &[Scope::Read, Scope::Decide]),
            ("POST", Some(Verb::Revoke), &[Scope::Decide]),
        ],
        handler: || get(revocations::list).post(revocations::revoke),
    },
    Route {
        path: "/revocations/{id}",
        methods: &[("GET", None, &[Scope::Read, Scope::Decide])],
        handler: || get(revocations::get),
    },
    Route {
        path: "/revocations/{id}/grants",
        methods: &[("GET", None, &[Scope::Read, Scope::Decide])],
        handler: || get(revocations::grants),
    },
    Route {
        path: "/revocations/{id}/lift",
        methods: &[("POST", Some(Verb::Lift), &[Scope::Decide])],
        handler: || post(revocations::lift),
    },
    Route {
        path: "/entitlements",
        methods: &[("GET", None, &[Scope::Read])],
        handler: || get(catalog::entitlements),
    },
    Route {
        path: "/people/me",
        methods: &[("GET", None, &[Scope::Read])],
        handler: || get(catalog::me),
    },
    Route {
        path: "/people/{id}/disable",
        methods: &[("POST", Some(Verb::Disable), &[Scope::Admin])],
        handler: || post(people::disable),
    },
    Route {
        path: "/people/{id}/enable",
        methods: &[("POST", Some(Verb::Enable), &[Scope::Admin])],
        handler: || post(people::enable),
    },
    Route {
        path: "/tokens",
        methods: &[("GET", None, &[Scope::Read])],
        handler: || get(tokens::list),
    },
    Route {
        path: "/tokens/{id}/revoke",
        methods: &[(
            "POST",
            Some(Verb::RevokeToken),
            &[Scope::Create, Scope::Admin],
        )],
        handler: || post(tokens::revoke),
    },
    Route {
        path: "/audit-events",
        methods: &[("GET", None, &[Scope::Audit])],
        handler: || get(audit::list),
    },
    Route {
        path: "/openapi.json",
        methods: &[("GET", None, &[])],
        handler: || get(openapi::get),
    },
];

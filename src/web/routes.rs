//! Every page and form, once: the router and the authorization test are made from this table.

use axum::routing::{MethodRouter, get, post};

use super::portal::Portal;
use super::{
    ask, assets, audit, console, delegations, entitlements, grants, home, identities, machines,
    oidc, people, request, requests, revocations, sessions, sign_in, tokens,
};
use crate::authn::oidc::CALLBACK;
use crate::domain::audit::verb::Verb;

/// Where people sign in. What stands there differs: [`BY_PROVIDER`], [`NO_SIGN_IN`], or what the
/// demo brings.
pub const SIGN_IN: &str = "/sign-in";

/// Where the provider says by itself that somebody is signed out.
pub const BACK_CHANNEL_LOGOUT: &str = "/oidc/back-channel-logout";

/// One path with its methods.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// As the router spells it.
    pub path: &'static str,
    /// The methods, and for each that changes something its verb.
    pub methods: &'static [(&'static str, Option<Verb>)],
    /// What answers them.
    pub handler: fn() -> MethodRouter<Portal>,
}

/// All of them but those that stand apart: signing in, and [`ASSETS`].
pub const ROUTES: &[Route] = &[
    Route {
        path: "/",
        methods: &[("GET", None)],
        handler: || get(home::page),
    },
    Route {
        path: "/entitlements/{name}",
        methods: &[("GET", None), ("POST", Some(Verb::Submit))],
        handler: || get(ask::page).post(ask::submit),
    },
    Route {
        path: "/requests",
        methods: &[("GET", None)],
        handler: || get(requests::mine),
    },
    Route {
        path: "/requests/{id}",
        methods: &[("GET", None)],
        handler: || get(request::page),
    },
    // `Verb::Deny` and `Verb::Ask` with the other choices.
    Route {
        path: "/requests/{id}/decide",
        methods: &[("GET", None), ("POST", Some(Verb::Approve))],
        handler: || get(request::back).post(request::decide),
    },
    Route {
        path: "/requests/{id}/withdraw",
        methods: &[("GET", None), ("POST", Some(Verb::Withdraw))],
        handler: || get(request::back).post(request::withdraw),
    },
    Route {
        path: "/requests/{id}/withdraw-approval",
        methods: &[("GET", None), ("POST", Some(Verb::WithdrawApproval))],
        handler: || get(request::back).post(request::withdraw_approval),
    },
    Route {
        path: "/requests/{id}/answer",
        methods: &[("GET", None), ("POST", Some(Verb::Answer))],
        handler: || get(request::back).post(request::answer_question),
    },
    Route {
        path: "/catalog",
        methods: &[("GET", None)],
        handler: || get(entitlements::page),
    },
    Route {
        path: "/waiting",
        methods: &[("GET", None)],
        handler: || get(requests::waiting),
    },
    Route {
        path: "/grants/{id}",
        methods: &[("GET", None)],
        handler: || get(grants::page),
    },
    Route {
        path: "/grants/{id}/end",
        methods: &[("GET", None), ("POST", Some(Verb::End))],
        handler: || get(grants::page).post(grants::end),
    },
    Route {
        path: "/grants/{id}/extend",
        methods: &[("GET", None), ("POST", Some(Verb::Extend))],
        handler: || get(grants::page).post(grants::extend),
    },
    Route {
        path: "/grants/{id}/console-link",
        methods: &[("GET", None), ("POST", Some(Verb::Fetch))],
        handler: || get(grants::page).post(console::link),
    },
    Route {
        path: "/revocations",
        methods: &[("GET", None), ("POST", Some(Verb::Revoke))],
        handler: || get(revocations::page).post(revocations::revoke),
    },
    Route {
        path: "/revocations/{id}",
        methods: &[("GET", None)],
        handler: || get(revocations::one),
    },
    Route {
        path: "/revocations/{id}/lift",
        methods: &[("GET", None), ("POST", Some(Verb::Lift))],
        handler: || get(revocations::back).post(revocations::lift),
    },
    Route {
        path: "/revocations/{id}/probe",
        methods: &[("GET", None), ("POST", Some(Verb::Probe))],
        handler: || get(revocations::back).post(revocations::probe),
    },
    Route {
        path: "/audit",
        methods: &[("GET", None)],
        handler: || get(audit::page),
    },
    Route {
        path: "/admin/people",
        methods: &[("GET", None)],
        handler: || get(people::page),
    },
    Route {
        path: "/admin/people/{id}",
        methods: &[("GET", None)],
        handler: || get(people::one),
    },
    Route {
        path: "/admin/people/{id}/disable",
        methods: &[("GET", None), ("POST", Some(Verb::Disable))],
        handler: || get(people::back).post(people::disable),
    },
    Route {
        path: "/admin/people/{id}/enable",
        methods: &[("GET", None), ("POST", Some(Verb::Enable))],
        handler: || get(people::back).post(people::enable),
    },
    Route {
        path: "/me/delegations",
        methods: &[("GET", None), ("POST", Some(Verb::Delegate))],
        handler: || get(delegations::page).post(delegations::delegate),
    },
    Route {
        path: "/me/delegations/{id}/end",
        methods: &[("GET", None), ("POST", Some(Verb::EndDelegation))],
        handler: || get(delegations::back).post(delegations::end),
    },
    Route {
        path: "/me/identities",
        methods: &[("GET", None), ("POST", Some(Verb::Link))],
        handler: || get(identities::page).post(identities::link),
    },
    Route {
        path: "/me/identities/{id}/end",
        methods: &[("GET", None), ("POST", Some(Verb::Unlink))],
        handler: || get(identities::back).post(identities::end),
    },
    Route {
        path: "/me/sessions",
        methods: &[("GET", None)],
        handler: || get(sessions::page),
    },
    Route {
        path: "/me/sessions/end-all",
        methods: &[("GET", None), ("POST", Some(Verb::SignOut))],
        handler: || get(sessions::back).post(sessions::end_all),
    },
    Route {
        path: "/me/sessions/{id}/end",
        methods: &[("GET", None), ("POST", Some(Verb::SignOut))],
        handler: || get(sessions::back).post(sessions::end),
    },
    // The secret stands on the page that answers: no redirect could carry it.
    Route {
        path: "/me/tokens",
        methods: &[("GET", None), ("POST", Some(Verb::CreateToken))],
        handler: || get(tokens::page).post(tokens::make),
    },
    Route {
        path: "/me/tokens/{id}/revoke",
        methods: &[("GET", None), ("POST", Some(Verb::RevokeToken))],
        handler: || get(tokens::back).post(tokens::revoke),
    },
    Route {
        path: "/admin/machines",
        methods: &[("GET", None), ("POST", Some(Verb::CreateMachine))],
        handler: || get(machines::page).post(machines::create),
    },
    Route {
        path: "/admin/machines/{id}/tokens",
        methods: &[("GET", None), ("POST", Some(Verb::CreateToken))],
        handler: || get(machines::one).post(machines::make_token),
    },
    Route {
        path: "/admin/machines/{id}/owner",
        methods: &[("GET", None), ("POST", Some(Verb::GiveMachine))],
        handler: || get(machines::back).post(machines::give),
    },
    Route {
        path: "/admin/machines/{id}/end",
        methods: &[("GET", None), ("POST", Some(Verb::EndMachine))],
        handler: || get(machines::back).post(machines::end),
    },
    Route {
        // No GET: the address of a picture on another site would sign people out.
        path: "/sign-out",
        methods: &[("POST", Some(Verb::SignOut))],
        handler: || post(sign_in::sign_out),
    },
];

/// Signing in where there is a provider.
pub const BY_PROVIDER: &[Route] = &[
    Route {
        path: SIGN_IN,
        methods: &[("GET", None)],
        handler: || get(oidc::page),
    },
    Route {
        path: "/sign-in/start",
        methods: &[("GET", None)],
        handler: || get(oidc::start),
    },
    Route {
        path: CALLBACK,
        methods: &[("GET", None)],
        handler: || get(oidc::come_back),
    },
    Route {
        path: BACK_CHANNEL_LOGOUT,
        methods: &[("POST", Some(Verb::SignOut))],
        handler: || post(oidc::logged_out),
    },
];

/// Where there is none: a page that says so.
pub const NO_SIGN_IN: &[Route] = &[Route {
    path: SIGN_IN,
    methods: &[("GET", None)],
    handler: || get(sign_in::page),
}];

/// What pages are made up with; open to everybody.
pub const ASSETS: Route = Route {
    path: "/assets/{name}",
    methods: &[("GET", None)],
    handler: || get(assets::get),
};

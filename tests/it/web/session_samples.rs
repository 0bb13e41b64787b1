//! The pages of signing in, and of where somebody is signed in, with made-up facts.

use countersign::app::sessions::ListedSession;
use countersign::ids::SessionId;
use countersign::web::oidc;
use countersign::web::page::{Frame, Here};
use countersign::web::sessions::Sessions;

use super::facts::{minutes, now};
use super::samples::frame;

pub fn oidc(nobody: &Frame, sign_out: Option<&str>) -> oidc::SignIn {
    oidc::SignIn {
        frame: nobody.clone(),
        provider: "login.example.com".into(),
        next: "/requests?state=pending".into(),
        draft: None,
        sign_out: sign_out.map(str::to_owned),
    }
}

pub fn sessions() -> Sessions {
    let session = |user_agent: &str, is_this| ListedSession {
        id: SessionId::from_uuid(uuid::Uuid::nil()),
        user_agent: user_agent.to_owned(),
        created_at: now() - minutes(90),
        last_seen_at: now() - minutes(if is_this { 0 } else { 25 }),
        expires_at: now() + minutes(630),
        is_this,
    };
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
    Sessions {
        frame: frame(Here::Elsewhere, "Alice Archer", 0),
        sessions: vec![
            session(firefox, true),
            session(
                &"A browser that has much to say of itself. ".repeat(4),
                false,
            ),
            session("", false),
        ],
    }
}

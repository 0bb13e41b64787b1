//! AWS identities that are made of what the provider says of a person.

use axum::http::StatusCode;
use countersign::app::disable;
use countersign::domain::identity::Template;
use countersign::ids::PersonId;
use countersign::web::BY_PROVIDER;
use serde_json::{Value, json};

use super::{World, set_cookies};

use crate::support::catalog::user_arn;
use crate::support::portal::{Answer, ORIGIN, Portal};

fn template(text: &str) -> Template {
    Template::try_from(text.to_owned()).unwrap()
}

async fn world(text: &str) -> World {
    World::with(|config| config.oidc.principal_template = Some(template(text))).await
}

const USERS: &str = "arn:aws:iam::111122223333:user/{preferred_username}";

impl World {
    /// The same portal, started anew without a template.
    fn without_template(self) -> Self {
        let app = self.portal.clone();
        let app = app.configured(|it| it.oidc.principal_template = None);
        Self {
            portal: Portal::with(app, ORIGIN, BY_PROVIDER),
            ..self
        }
    }

    /// Somebody signs in of whom the provider says that they are called so.
    async fn signs_in_as(&self, subject: &str, name: &Value) -> Answer {
        let flow = self.start("/").await;
        let mut claims = self.claims(&flow);
        claims["sub"] = json!(subject);
        claims["preferred_username"] = name.clone();
        self.come_back(&flow, &claims).await
    }

    /// Subject, identity and source of those that count.
    async fn identities(&self) -> Vec<String> {
        let sql = "SELECT concat_ws(' ', w.subject, p.arn, p.role_session_name, p.source)
                   FROM principals p JOIN people w ON w.id = p.person
                   WHERE p.ended_at IS NULL AND p.conflict_with IS NULL AND w.subject <> 'alice' ORDER BY w.subject";
        let all = sqlx::query_scalar(sql);
        all.fetch_all(&self.portal.db.pool).await.unwrap()
    }

    /// Outcome, code and details of the events of that action.
    async fn told(&self, action: &str) -> Vec<(String, Option<String>, Value)> {
        let sql = "SELECT outcome, code, details FROM audit_events WHERE action = $1 ORDER BY id";
        let rows = sqlx::query_as(sql).bind(action);
        rows.fetch_all(&self.portal.db.pool).await.unwrap()
    }
}

/// Attack 5: who may edit the claim becomes bob, and is told that bob is somebody else.
#[tokio::test]
async fn an_editable_claim_does_not_make_bobs_identity_somebody_elses() {
    let world = world(USERS).await;
    let bob = world.signs_in_as("bob-1", &json!("bob")).await;
    assert_eq!(bob.status, StatusCode::SEE_OTHER, "{}", bob.body);
    let bobs = [format!("bob-1 {} template", user_arn("bob"))];
    assert_eq!(world.identities().await, bobs);
    // Also in another case, and where it is the catalog's.
    for (nth, name) in ["bob", "BOB", "alice", "Alice"].into_iter().enumerate() {
        let answer = world.signs_in_as("mallory-1", &json!(name)).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.body);
        assert!(answer.body.contains("identity_taken"), "{}", answer.body);
        assert!(!set_cookies(&answer).any(|it| it.starts_with("countersign=")));
        assert_eq!(world.identities().await, bobs);
        let refused = world.told("identity.refused").await;
        assert_eq!(refused.len(), nth + 1);
        let (outcome, code, details) = &refused[nth];
        assert_eq!(
            (outcome.as_str(), code.as_deref()),
            ("refused", Some("identity_taken"))
        );
        assert_eq!(details["arn"], user_arn(name));
        assert_eq!(details["source"], "template");
        assert!(details["owner_id"].as_str().unwrap().starts_with("person_"));
    }
    assert_eq!(world.portal.done("session.started").await, 1);
    // The latest claim is what there is to be looked after.
    let flow = world.start("/").await;
    let mut claims = world.claims(&flow);
    claims["sub"] = json!("ada-1");
    claims["groups"] = json!(["admins"]);
    let ada = world.browser(&world.come_back(&flow, &claims).await);
    let home = ada.get("/").await.body;
    assert_eq!(
        home.matches("Two people are said to be one").count(),
        1,
        "{home}"
    );
    assert!(home.contains("could not sign in"), "{home}");
    // bob signs in as before, and whoever gives the name back is in, and nobody's note is left.
    let bob = world.signs_in_as("bob-1", &json!("bob")).await;
    assert_eq!(bob.status, StatusCode::SEE_OTHER, "{}", bob.body);
    let mallory = world.signs_in_as("mallory-1", &json!("mallory")).await;
    assert_eq!(mallory.status, StatusCode::SEE_OTHER, "{}", mallory.body);
    assert!(!ada.get("/").await.body.contains("Two people are said"));
    assert_eq!(world.identities().await[0], bobs[0]);
}

/// The account that the same human had before is disabled, or joined to the new one.
#[tokio::test]
async fn a_new_account_of_the_same_human_is_kept_out_by_no_old_one() {
    let world = world(USERS).await;
    world.signs_in_as("bob-1", &json!("bob")).await;
    let again = world.signs_in_as("bob-2", &json!("bob")).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.body);
    let person = |subject: &str, more: &str| {
        let issuer = &world.provider.issuer;
        format!(
            "[[people]]\nissuer = '{issuer}'\nsubject = '{subject}'\nname = 'Bob'\nemail = 'bob@example.org'\n{more}\n"
        )
    };
    let same = format!(
        "same_as = {{ issuer = '{}', subject = 'bob-1' }}",
        world.provider.issuer
    );
    let joined = person("bob-2", &same);
    world.portal.apply(&joined).await.unwrap();
    let joined = world.signs_in_as("bob-2", &json!("bob")).await;
    assert_eq!(joined.status, StatusCode::SEE_OTHER, "{}", joined.body);
    let bobs = [format!("bob-1 {} template", user_arn("bob"))];
    assert_eq!(world.identities().await, bobs, "it stays where it was");
    world.portal.apply(&person("bob-2", "")).await.unwrap();
    let parted = world.signs_in_as("bob-2", &json!("bob")).await;
    assert_eq!(parted.status, StatusCode::CONFLICT, "{}", parted.body);

    let id = "SELECT id FROM people WHERE subject = 'bob-1'";
    let id: uuid::Uuid = sqlx::query_scalar(id)
        .fetch_one(&world.portal.db.pool)
        .await
        .unwrap();
    let id = PersonId::from_uuid(id).to_string();
    let left = disable::by_command(&world.portal.admin, "test", &id, None).await;
    left.unwrap();
    let successor = world.signs_in_as("bob-2", &json!("bob")).await;
    assert_eq!(
        successor.status,
        StatusCode::SEE_OTHER,
        "{}",
        successor.body
    );
    let bobs = [format!("bob-2 {} template", user_arn("bob"))];
    assert_eq!(world.identities().await, bobs);
    assert_eq!(world.told("identity.ended").await.len(), 1);
}

/// The configuration says nothing of claims any more.
#[tokio::test]
async fn what_a_template_has_made_ends_with_it_at_the_next_sign_in() {
    let world = world(USERS).await;
    world.signs_in_as("bob-1", &json!("bob")).await;
    assert_eq!(world.identities().await.len(), 1);
    let world = world.without_template();
    let answer = world.signs_in_as("bob-1", &json!("bob")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    assert_eq!(world.identities().await, [""; 0]);
    let ended = world.told("identity.ended").await;
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].2, json!({ "arn": user_arn("bob") }));
}

#[tokio::test]
async fn a_claim_that_is_no_part_of_a_name_makes_no_identity_and_keeps_nobody_out() {
    let world = world(USERS).await;
    for claim in [
        json!("team/bob"),
        json!("b b"),
        json!("bob "),
        json!("b\u{43e}b"),
        json!("*"),
        json!(""),
        json!("b".repeat(65)),
        json!(["bob"]),
        json!(7),
        Value::Null,
    ] {
        let answer = world.signs_in_as("bob-1", &claim).await;
        assert_eq!(
            answer.status,
            StatusCode::SEE_OTHER,
            "{claim}: {}",
            answer.body
        );
        assert_eq!(world.identities().await, [""; 0], "{claim}");
    }
    // The role of an entitlement, and an account that the catalog does not have.
    for text in [
        "arn:aws:sts::111122223333:assumed-role/prod-admin/{preferred_username}",
        "arn:aws:iam::999988887777:user/{preferred_username}",
    ] {
        let world = self::world(text).await;
        let answer = world.signs_in_as("bob-1", &json!("bob")).await;
        assert_eq!(
            answer.status,
            StatusCode::SEE_OTHER,
            "{text}: {}",
            answer.body
        );
        assert_eq!(world.identities().await, [""; 0], "{text}");
    }
}

/// What a claim makes is as the last sign-in has told it.
#[tokio::test]
async fn a_changed_claim_makes_another_identity_and_ends_the_one_before() {
    let world =
        world("arn:aws:sts::111122223333:assumed-role/team/developers/{preferred_username}").await;
    for name in ["bob", "bob", "robert"] {
        let answer = world.signs_in_as("bob-1", &json!(name)).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        let role = "arn:aws:iam::111122223333:role/team/developers";
        assert_eq!(
            world.identities().await,
            [format!("bob-1 {role} {name} template")]
        );
    }
    let answer = world.signs_in_as("bob-1", &Value::Null).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    assert_eq!(world.identities().await, [""; 0]);
    let linked = world.told("identity.linked").await;
    assert_eq!(linked.len(), 2, "once for each that is new");
    assert_eq!(world.told("identity.ended").await.len(), 2);
}

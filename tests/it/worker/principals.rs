//! Who comes as a session of a role: by Identity Center, or of a role whose session names an
//! authority gives. Nobody else's session of that role is let in beside them.

use countersign::app::approve::approve;
use countersign::app::revoke::{NewRevocation, carry_on, revoke};
use countersign::app::submit::submit;
use countersign::ids::GrantId;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::minutes;
use super::switch::policy_name;
use crate::sandbox::{ALLOW_ALL, ROLE};
use crate::support::catalog::{Catalog, Person};
use crate::support::cloud::Keys;
use crate::support::elevation::{Elevation, OWN_NAME, SAML, document};
use crate::support::member::{self, Member};

pub const DEVELOPERS: &str = "arn:aws:iam::111122223333:role/team/Developers";
const OPERATORS: &str = "arn:aws:iam::111122223333:role/Operators";
/// A role of a permission set: in its path there is a region that no session's ARN has.
pub const OF_IDENTITY_CENTER: &str = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Developer_0123456789abcdef";
/// Everything that stands on the two roles.
async fn documents(world: &Elevation, grant: GrantId) -> [Option<String>; 4] {
    let knobs = world.stage.cloud.knobs();
    let name = policy_name(world, grant).await;
    [
        knobs.trust(ROLE),
        knobs.trust(DEVELOPERS),
        knobs.role_policy(DEVELOPERS, &name),
        knobs.role_policy(DEVELOPERS, "own"),
    ]
}

async fn opens(world: &Elevation, minutes: i64) -> GrantId {
    let grant = world.approved(minutes).await;
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "active");
    grant
}

/// Half an hour: sessions of a session last an hour, so that it is not their own end that ends
/// them.
async fn lets_in_her_session_alone(role: &str, method: &str) {
    let world = Elevation::coming_as(role, &document(SAML), method).await;
    let [alice, bob] = ["alice", "bob"].map(|name| world.stage.cloud.session_of(role, name));
    let grant = world.approved(30).await;
    let before = documents(&world, grant).await;
    let own = grant.to_string();
    assert!(alice.assume(&own).await.is_none(), "before");
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "active");
    let session = alice.assume(&own).await.unwrap();
    let console = alice.assume("alice").await.unwrap();
    assert!(session.work().await && console.work().await);
    for name in [own.as_str(), "alice", "bob"] {
        assert!(bob.assume(name).await.is_none(), "bob as {name}");
    }
    assert!(alice.assume("zzz").await.is_none());
    // The service is killed: nothing of ours runs any more.
    world.advance(1_799);
    assert!(session.work().await && console.work().await);
    world.advance(1);
    assert!(!session.work().await && !console.work().await);
    assert!(alice.assume(&own).await.is_none(), "after");
    // It comes back.
    world.stage.work().await;
    for _ in 0..2 {
        world.stage.pass(minutes(6)).await;
    }
    assert_eq!(world.stage.state(grant).await, "ended");
    assert_eq!(documents(&world, grant).await, before, "byte for byte");
}

#[tokio::test]
async fn a_trust_policy_lets_in_her_session_of_a_role_and_nobody_elses() {
    lets_in_her_session_alone(DEVELOPERS, "trust_policy").await;
}

#[tokio::test]
async fn a_trust_policy_lets_in_her_session_of_identity_center_and_nobody_elses() {
    lets_in_her_session_alone(OF_IDENTITY_CENTER, "trust_policy").await;
}

#[tokio::test]
async fn a_switch_lets_in_her_session_of_a_role_and_nobody_elses() {
    lets_in_her_session_alone(DEVELOPERS, "switch").await;
}

#[tokio::test]
async fn what_is_attached_to_a_role_is_allowed_to_her_session_and_nobody_elses() {
    let world = Elevation::coming_as(DEVELOPERS, &document(SAML), "attach").await;
    let [alice, bob] = ["alice", "bob"].map(|name| world.stage.cloud.session_of(DEVELOPERS, name));
    let grant = world.approved(30).await;
    let before = documents(&world, grant).await;
    assert!(!alice.work().await, "before");
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "active");
    assert!(alice.work().await && !bob.work().await);
    world.advance(1_799);
    assert!(alice.work().await && !bob.work().await);
    world.advance(1);
    assert!(!alice.work().await, "with the service killed");
    world.stage.work().await;
    for _ in 0..2 {
        world.stage.pass(minutes(6)).await;
    }
    assert_eq!(world.stage.state(grant).await, "ended");
    assert_eq!(documents(&world, grant).await, before, "byte for byte");
}

/// An early end, by each method.
#[tokio::test]
async fn an_early_end_stops_her_session_and_new_ones() {
    for method in ["trust_policy", "switch", "attach"] {
        let world = Elevation::coming_as(DEVELOPERS, &document(SAML), method).await;
        let alice = world.stage.cloud.session_of(DEVELOPERS, "alice");
        let grant = opens(&world, 60).await;
        let session = match method {
            "attach" => alice.clone(),
            _ => alice.assume(&grant.to_string()).await.unwrap(),
        };
        assert!(session.work().await, "{method}");
        world.end(grant).await;
        world.stage.work().await;
        assert!(!session.work().await, "{method}");
        assert!(alice.assume(&grant.to_string()).await.is_none(), "{method}");
        assert_eq!(world.stage.state(grant).await, "ended", "{method}");
    }
}

/// The account itself says the name: IAM's own, of each user.
#[tokio::test]
async fn users_of_the_account_come_in_under_their_own_names() {
    let world = Elevation::coming_as(DEVELOPERS, &document(OWN_NAME), "trust_policy").await;
    for name in ["alice", "bob"] {
        let arn = world.stage.cloud.create_user(name);
        let allow = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}}"#;
        let knobs = world.stage.cloud.knobs();
        knobs.put_user_policy(&arn, "own", Some(allow)).unwrap();
    }
    let grant = opens(&world, 30).await;
    let [alice, bob] = ["alice", "bob"].map(|name| world.stage.cloud.keys(name));
    assert!(bob.assume_role(DEVELOPERS, "alice").await.is_none());
    let bob = bob.assume_role(DEVELOPERS, "bob").await.unwrap();
    assert!(bob.assume(&grant.to_string()).await.is_none());
    let alice = alice.assume_role(DEVELOPERS, "alice").await.unwrap();
    assert!(alice.assume(&grant.to_string()).await.unwrap().work().await);
}

/// The permission set has to allow it: nothing can be put on a role of Identity Center.
#[tokio::test]
async fn from_another_account_the_permission_set_has_to_allow_it() {
    let world = Member::coming_as(OF_IDENTITY_CENTER).await;
    let error = world.ask(30).await.unwrap_err();
    assert_eq!(error.told_code(), "identity_not_allowed");
    let knobs = world.stage.cloud.knobs();
    let policy = "arn:aws:iam::111122223333:policy/permission-set";
    let allow = |condition: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"{}","Condition":{condition}}}}}"#,
            member::ROLE
        )
    };
    // For somebody else's session of it.
    let id = knobs.unique_id(OF_IDENTITY_CENTER).unwrap();
    let others = allow(&format!(
        r#"{{"StringEquals":{{"aws:userid":"{id}:bob"}}}}"#
    ));
    knobs.put_managed_policy(policy, Some(&others)).unwrap();
    knobs.attach(OF_IDENTITY_CENTER, policy, true);
    let error = world.ask(30).await.unwrap_err();
    assert_eq!(error.told_code(), "identity_not_allowed");
    knobs
        .put_managed_policy(policy, Some(&allow("{}")))
        .unwrap();
    let grant = world.open(30).await;
    let [alice, bob] =
        ["alice", "bob"].map(|name| world.stage.cloud.session_of(OF_IDENTITY_CENTER, name));
    let own = grant.to_string();
    let session = alice.assume_role(member::ROLE, &own).await.unwrap();
    assert!(session.work().await);
    assert!(bob.assume_role(member::ROLE, &own).await.is_none());
    world.stage.advance(minutes(30));
    assert!(!session.work().await);
    assert!(alice.assume_role(member::ROLE, &own).await.is_none());
}

/// Somebody who may ask, as a session of a role of that name.
fn somebody(catalog: &mut Catalog, subject: &str, role: &str, session: &str) {
    catalog.people.push(Person {
        groups: vec!["developers".to_owned()],
        sessions: vec![(role.to_owned(), session.to_owned())],
        ..Person::named(subject)
    });
}

/// Two people of one role are two identities: each has a console name of their own, and neither
/// the other's.
#[tokio::test]
async fn two_people_of_one_role_are_two_identities() {
    let world = Elevation::coming_as(DEVELOPERS, &document(SAML), "trust_policy").await;
    let add = |catalog: &mut Catalog| somebody(catalog, "carla", DEVELOPERS, "carla");
    world.app.change(add).await;
    let first = opens(&world, 60).await;
    let second = approved_for(&world, "carla").await;
    world.stage.work().await;
    assert_eq!(world.stage.state(second).await, "active");
    let [alice, carla] =
        ["alice", "carla"].map(|name| world.stage.cloud.session_of(DEVELOPERS, name));
    assert!(alice.assume("alice").await.is_some() && carla.assume("carla").await.is_some());
    assert!(alice.assume("carla").await.is_none() && carla.assume("alice").await.is_none());
    assert!(carla.assume(&first.to_string()).await.is_none());
    world.end(first).await;
    world.stage.work().await;
    assert!(alice.assume("alice").await.is_none());
    assert!(carla.assume("carla").await.unwrap().work().await);
}

/// C7: of two roles' sessions of one name one has the console's name.
#[tokio::test]
async fn c7_one_session_name_of_two_roles_is_one_persons_at_a_time() {
    let world = Elevation::coming_as(DEVELOPERS, &document(SAML), "trust_policy").await;
    let knobs = world.stage.cloud.knobs();
    knobs.create_role(OPERATORS, &document(SAML)).unwrap();
    let add = |catalog: &mut Catalog| somebody(catalog, "otheralice", OPERATORS, "alice");
    world.app.change(add).await;
    let first = opens(&world, 60).await;
    let second = approved_for(&world, "otheralice").await;
    world.stage.work().await;
    assert_eq!(world.stage.state(second).await, "active");
    let alice = world.stage.cloud.session_of(DEVELOPERS, "alice");
    let other = world.stage.cloud.session_of(OPERATORS, "alice");
    assert!(alice.assume("alice").await.is_some());
    assert!(
        other.assume("alice").await.is_none(),
        "it is the first one's"
    );
    let session = other.assume(&second.to_string()).await.unwrap();
    assert!(alice.assume(&second.to_string()).await.is_none());
    world.end(first).await;
    world.stage.work().await;
    assert!(session.work().await, "the end of one is not the other's");
}

async fn approved_for(world: &Elevation, subject: &str) -> GrantId {
    let person = world.app.ctx(subject).await;
    let asked = submit(&person, Elevation::wish(60)).await.unwrap();
    let shown = approve(&world.bob, asked.request().id, None, None)
        .await
        .unwrap();
    shown.grant.unwrap().id
}

/// C8: whoever has the role's name by then is not whom anybody approved.
#[tokio::test]
async fn c8_a_role_that_is_made_anew_ends_what_was_for_its_sessions() {
    for method in ["trust_policy", "switch", "attach"] {
        let world = Elevation::coming_as(DEVELOPERS, &document(SAML), method).await;
        let knobs = world.stage.cloud.knobs();
        let (open, waiting) = (opens(&world, 60).await, world.approved(61).await);
        knobs.delete_role(DEVELOPERS);
        knobs.create_role(DEVELOPERS, &document(SAML)).unwrap();
        let alice = world.stage.cloud.session_of(DEVELOPERS, "alice");
        for _ in 0..3 {
            world.stage.pass(minutes(1)).await;
            assert!(!alice.work().await, "{method}");
            for grant in [open, waiting] {
                assert!(alice.assume(&grant.to_string()).await.is_none(), "{method}");
            }
        }
        assert_eq!(cause(&world, open).await, "principal_gone", "{method}");
        assert_eq!(cause(&world, waiting).await, "principal_gone", "{method}");
        let trust = knobs.trust(ROLE).unwrap();
        assert!(
            !trust.contains("AROA") && !trust.contains("Developers"),
            "{trust}"
        );
    }
}

async fn cause(world: &Elevation, grant: GrantId) -> String {
    let sql = format!("SELECT cause FROM grants WHERE id = '{}'", grant.uuid());
    let row = world
        .stage
        .rows
        .pool
        .fetch_one(sqlx::raw_sql(AssertSqlSafe(sql)));
    row.await.unwrap().get("cause")
}

/// She could assume it already, by what her role may do.
#[tokio::test]
async fn a_role_that_her_session_may_assume_anyway_is_refused_when_she_asks() {
    let world = Elevation::coming_as(DEVELOPERS, &document(SAML), "switch").await;
    let knobs = world.stage.cloud.knobs();
    let id = knobs.unique_id(DEVELOPERS).unwrap();
    let of = |session: &str| {
        ALLOW_ALL.replace(
            r#""Resource":"*""#,
            &format!(
                r#""Resource":"*","Condition":{{"StringEquals":{{"aws:userid":"{id}:{session}"}}}}"#
            ),
        )
    };
    knobs
        .put_role_policy(DEVELOPERS, "own", Some(&of("alice")))
        .unwrap();
    let error = submit(&world.alice, Elevation::wish(60)).await.unwrap_err();
    assert_eq!(error.told_code(), "role_open_already");
    // What is another's session's is not hers.
    knobs
        .put_role_policy(DEVELOPERS, "own", Some(&of("bob")))
        .unwrap();
    submit(&world.alice, Elevation::wish(60)).await.unwrap();
}

/// What is and what carries is one or the other, whatever SQL is written.
#[tokio::test]
async fn i7_postgres_itself_keeps_what_is_opened_and_what_carries_apart() {
    let world = Elevation::coming_as(DEVELOPERS, &document(SAML), "trust_policy").await;
    let refused = async |sql: &str| {
        let done = world
            .stage
            .rows
            .owner
            .execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())));
        let error = done.await.unwrap_err();
        let database = error.into_database_error().unwrap();
        database.constraint().map(str::to_owned)
    };
    let kind = format!("UPDATE targets SET kind = 'role' WHERE arn = '{DEVELOPERS}'");
    assert_eq!(refused(&kind).await.as_deref(), Some("kind_of_target"));
    // Somebody's role that is a target: her request is approved, and no grant comes of it.
    let request = submit(&world.alice, Elevation::wish(60))
        .await
        .unwrap()
        .request();
    let swap = format!(
        "ALTER TABLE targets DISABLE TRIGGER targets_kind;
         UPDATE targets SET kind = 'role' WHERE arn = '{DEVELOPERS}';
         ALTER TABLE targets ENABLE TRIGGER targets_kind"
    );
    let mut admin = world.app.db.superuser().await;
    admin
        .execute(sqlx::raw_sql(AssertSqlSafe(swap)))
        .await
        .unwrap();
    assert!(approve(&world.bob, request.id, None, None).await.is_err());
}

/// Her keys work, whoever has them; those of the role's other sessions never did.
#[tokio::test]
async fn a_hold_on_the_role_that_she_comes_as_ends_what_lets_her_in() {
    for method in ["trust_policy", "switch", "attach"] {
        let world = Elevation::coming_as(DEVELOPERS, &document(SAML), method).await;
        let alice = world.stage.cloud.session_of(DEVELOPERS, "alice");
        let grant = opens(&world, 60).await;
        let used = |keys: Keys, name: String| async move {
            match method {
                "attach" => keys.work().await,
                _ => keys.assume(&name).await.is_some(),
            }
        };
        assert!(used(alice.clone(), grant.to_string()).await, "{method}");
        let scope = NewRevocation {
            role: Some(DEVELOPERS.to_owned()),
            reason: "She lost her laptop".to_owned(),
            ..Default::default()
        };
        let admin = |catalog: &mut Catalog| catalog.regroup("ada", &["admins"]);
        world.app.change(admin).await;
        let ada = world.app.ctx("ada").await;
        let begun = revoke(&ada, scope).await.unwrap();
        carry_on(&world.app.app, begun.id).await.unwrap();
        world.stage.work().await;
        assert!(!used(alice.clone(), grant.to_string()).await, "{method}");
        assert_eq!(cause(&world, grant).await, "revoked", "{method}");
    }
}

/// A look at every target, as after a restore, asks nothing of Identity Center's role that nobody
/// lets us ask: nothing can be on it.
#[tokio::test]
async fn nothing_is_looked_for_on_a_role_that_only_aws_changes() {
    for (role, lists) in [(OF_IDENTITY_CENTER, false), (DEVELOPERS, true)] {
        let world = Elevation::coming_as(role, &document(SAML), "trust_policy").await;
        world.stage.cloud.take_log();
        let due = format!(
            "UPDATE targets SET due_at = '{}' WHERE kind = 'carrier'",
            world.stage.now()
        );
        let owner = &world.stage.rows.owner;
        let done = owner.execute(sqlx::raw_sql(AssertSqlSafe(due))).await;
        assert_eq!(done.unwrap().rows_affected(), 1);
        world.stage.work().await;
        let log = world.stage.cloud.take_log();
        let has = |action: &str| log.iter().any(|it| it == action);
        assert!(has("GetRole"), "{log:?}");
        assert_eq!(has("ListRolePolicies"), lists, "{log:?}");
    }
}

//! Roles that people come as, in the catalog: which one may be, and whose it is.

use countersign::app::catalog::{CatalogError, check};

use crate::support::app::TestApp;
use crate::support::catalog::{Catalog, Change, Person};

const DEVELOPERS: &str = "arn:aws:iam::111122223333:role/Developers";
const SSO: &str = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Dev_0123456789abcdef";

fn comes_as(catalog: &mut Catalog, subject: &str, role: &str, session: &str) {
    let sessions = &mut catalog.person(subject).sessions;
    sessions.push((role.to_owned(), session.to_owned()));
}

/// What is wrong, in one text.
fn told(error: &CatalogError) -> String {
    error.to_string()
}

#[tokio::test]
async fn sessions_of_roles_are_taken_and_keep_their_owners() {
    let company = TestApp::new().await;
    let mut catalog = company.catalog();
    comes_as(&mut catalog, "alice", DEVELOPERS, "alice@example.com");
    comes_as(&mut catalog, "bob", DEVELOPERS, "bob@example.com");
    comes_as(&mut catalog, "alice", SSO, "alice");
    let applied = company.apply(&catalog.render()).await.unwrap();
    let principal = format!("principal {DEVELOPERS} as bob@example.com of bob@example.com");
    assert!(
        applied.changes.contains(&principal),
        "{:?}",
        applied.changes
    );
    assert!(
        company
            .apply(&catalog.render())
            .await
            .unwrap()
            .changes
            .is_empty()
    );
    // Another name is a change; somebody else's is refused, in whatever case.
    catalog.person("alice").sessions[0].1 = "ALICE@example.com".to_owned();
    let applied = company.apply(&catalog.render()).await.unwrap();
    assert_eq!(applied.changes.len(), 1, "{:?}", applied.changes);
    let rows: [(&str, &str, &str); 4] = [
        (
            DEVELOPERS,
            "alice@EXAMPLE.com",
            "belongs to alice@example.com",
        ),
        (SSO, "Alice", "belongs to alice@example.com"),
        (
            "arn:aws:iam::111122223333:role/developers",
            "carol",
            "is on record as",
        ),
        (DEVELOPERS, "carol", ""),
    ];
    for (role, session, said) in rows {
        let carol = Catalog {
            people: vec![Person {
                sessions: vec![(role.to_owned(), session.to_owned())],
                ..Person::named("carol")
            }],
            ..Catalog::default()
        };
        let applied = company.apply(&carol.render()).await;
        match applied {
            Ok(_) => assert!(said.is_empty(), "{role} {session}"),
            Err(error) => {
                assert!(!said.is_empty() && told(&error).contains(said), "{error}");
            }
        }
    }
}

/// I7, and what no session of a person can be: told without a database.
#[tokio::test]
async fn what_cannot_be_is_refused_by_the_file_alone() {
    let company = TestApp::new().await;
    let rows: [(Change, &str); 11] = [
        (
            |it| comes_as(it, "alice", DEVELOPERS, "grant_01j0000000e008000000000001"),
            "session must be 2 to 64 letters",
        ),
        (
            |it| comes_as(it, "alice", DEVELOPERS, "a"),
            "session must be 2 to 64 letters",
        ),
        (
            |it| comes_as(it, "alice", DEVELOPERS, "al ice"),
            "session must be 2 to 64 letters",
        ),
        (
            |it| comes_as(it, "alice", DEVELOPERS, "\u{e4}lice"),
            "session must be 2 to 64 letters",
        ),
        (
            |it| {
                comes_as(
                    it,
                    "alice",
                    "arn:aws:iam::111122223333:user/alice2",
                    "alice",
                )
            },
            "role must be the ARN of an IAM role",
        ),
        (
            |it| {
                let role = "arn:aws:iam::111122223333:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX";
                comes_as(it, "alice", role, "alice");
            },
            "not one of AWS's services",
        ),
        (
            |it| it.person("alice").principals.push(DEVELOPERS.to_owned()),
            "must say as which session of a role",
        ),
        (
            |it| {
                comes_as(it, "alice", DEVELOPERS, "alice");
                comes_as(it, "bob", DEVELOPERS, "Alice");
            },
            "differs from",
        ),
        (
            |it| {
                comes_as(it, "alice", DEVELOPERS, "alice");
                comes_as(it, "alice", DEVELOPERS, "alice2");
            },
            "a person has one session name on a role",
        ),
        (
            |it| {
                comes_as(
                    it,
                    "alice",
                    "arn:aws:iam::111122223333:role/team/PROD-admin",
                    "alice",
                );
            },
            "is a role that people can ask for",
        ),
        (
            |it| {
                let other = "444455556666";
                it.account(other).manager_role =
                    Some("arn:aws:iam::444455556666:role/manager".to_owned());
                comes_as(
                    it,
                    "alice",
                    "arn:aws:iam::444455556666:role/manager",
                    "alice",
                );
            },
            "Countersign works as, by a manager_role",
        ),
    ];
    for (change, said) in rows {
        let mut catalog = company.catalog();
        change(&mut catalog);
        let wrong = check(&catalog.render(), false).unwrap_err();
        assert_eq!(wrong.len(), 1, "{said}: {wrong:?}");
        assert!(wrong[0].what.contains(said), "{}", wrong[0].what);
    }
}

/// I7: what is opened is nobody's identity, and the other way round, by what an earlier file says.
#[tokio::test]
async fn i7_what_is_on_record_as_one_is_never_the_other() {
    let company = TestApp::new().await;
    let mut mine = Catalog::default();
    comes_as(
        &mut mine,
        "alice",
        "arn:aws:iam::111122223333:role/prod-admin",
        "alice",
    );
    let error = company.apply(&mine.render()).await.unwrap_err();
    assert!(
        told(&error).contains("is a role that people can ask for"),
        "{error}"
    );
    let mut mine = Catalog::default();
    comes_as(&mut mine, "alice", DEVELOPERS, "alice");
    mine.person("alice").groups = vec!["developers".to_owned()];
    company.apply(&mine.render()).await.unwrap();
    for role in [DEVELOPERS, "arn:aws:iam::111122223333:role/team/developers"] {
        let mut opened = Catalog::default();
        role.clone_into(&mut opened.entitlement("developers").role_arn);
        let error = company.apply(&opened.render()).await.unwrap_err();
        assert!(told(&error).contains("which people come as"), "{error}");
        let mut managed = Catalog::default();
        managed.account("111122223333").manager_role = Some(role.to_owned());
        let error = company.apply(&managed.render()).await.unwrap_err();
        assert!(told(&error).contains("which people come as"), "{error}");
    }
}

/// Who can ask for nothing with what they are is told when the catalog is applied.
#[tokio::test]
async fn an_identity_that_does_not_go_with_an_entitlement_counts_as_none() {
    let note = |email: &str, name: &str| format!("{email} can ask for {name} only once");
    let noted = |notes: &[String], name: &str| {
        let told = note("dora@example.com", name);
        notes.iter().any(|it| it.starts_with(&told))
    };
    let company = TestApp::new().await;
    let mut catalog = company.catalog();
    let dora = catalog.person("dora");
    dora.groups = vec!["developers".to_owned()];
    comes_as(&mut catalog, "dora", SSO, "dora");
    let mut more = |name: &str, method: &str, mfa: bool| {
        let entitlement = catalog.entitlement(name);
        method.clone_into(&mut entitlement.method);
        if mfa {
            entitlement.more.insert("mfa".to_owned(), true.into());
        }
    };
    more("by-trust", "trust_policy", false);
    more("with-mfa", "trust_policy", true);
    more("by-switch", "switch", false);
    let by_itself = check(&catalog.render(), false).unwrap().notes;
    let applied = company.apply(&catalog.render()).await.unwrap().notes;
    for notes in [by_itself, applied] {
        assert!(!noted(&notes, "by-trust"), "{notes:?}");
        assert!(
            noted(&notes, "with-mfa") && noted(&notes, "by-switch"),
            "{notes:?}"
        );
    }
}

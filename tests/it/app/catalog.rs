//! What a catalog may not hold: names that show nothing or look like others, and what AWS could not
//! have.

use countersign::app::catalog::CatalogError;

use crate::support::app::TestApp;
use crate::support::catalog::{Catalog, Person, role_arn, user_arn};

fn person(subject: &str, name: &str) -> Person {
    Person {
        name: name.to_owned(),
        ..Person::named(subject)
    }
}

/// Whose AWS identity this is.
fn being(person: Person, arn: &str) -> Person {
    let principals = vec![arn.to_owned()];
    Person {
        principals,
        ..person
    }
}

/// The company, where alice has this identity.
fn of_alice(company: &TestApp, arn: &str) -> Catalog {
    let mut catalog = company.catalog();
    catalog.person("alice").principals = vec![arn.to_owned()];
    catalog
}

/// The company, where `prod-admin` opens this role.
fn of_role(company: &TestApp, arn: &str) -> Catalog {
    let mut catalog = company.catalog();
    catalog.entitlement("prod-admin").role_arn = arn.to_owned();
    catalog
}

/// The company with one more.
fn beside(company: &TestApp, person: Person) -> Catalog {
    let mut catalog = company.catalog();
    catalog.people.push(person);
    catalog
}

fn alone(person: Person) -> Catalog {
    Catalog {
        people: vec![person],
        ..Catalog::default()
    }
}

/// Why the catalog is not applied.
async fn refused(company: &TestApp, catalog: &Catalog) -> String {
    let people = company.count("people").await;
    let text = catalog.render();
    let error = company.apply(&text).await.expect_err(&text);
    assert_eq!(company.count("people").await, people);
    error.to_string()
}

type Of = fn(&TestApp, &str) -> Catalog;

#[tokio::test]
async fn what_iam_could_not_have_is_refused_by_field() {
    let company = TestApp::new().await;
    let (alice, role): (Of, Of) = (of_alice, of_role);
    for (of, arn, told) in [
        (alice, "arn:aws:iam::111122223333:user/al ice", "principals"),
        (alice, "arn:aws:iam::111122223333:user/alice$", "principals"),
        (alice, "arn:aws:iam::111122223333:user/ünal", "principals"),
        (alice, "arn:aws:iam::111122223333:user/", "principals"),
        (alice, "arn:aws:iam::111122223333:role/alice", "principals"),
        (alice, "arn:aws:iam::1111:user/alice", "12 digits"),
        (
            alice,
            "arn:aws-moon:iam::111122223333:user/alice",
            "partition",
        ),
        (
            role,
            "arn:aws-iso:iam::111122223333:role/prod-admin",
            "partition",
        ),
        (role, "arn:aws:iam::111122223333:role/prod/*", "role_arn"),
        (role, "arn:aws:iam::111122223333:role/pröd/admin", "path"),
        (role, "arn:aws:iam::111122223333:roleprod-admin", "role_arn"),
        (
            role,
            "arn:aws:sts::111122223333:role/prod-admin",
            "role_arn",
        ),
    ] {
        let why = refused(&company, &of(&company, arn)).await;
        assert!(why.contains(told), "{arn}: {why}");
    }
    let long = of_alice(&company, &user_arn(&"a".repeat(65)));
    assert!(refused(&company, &long).await.contains("1 to 64"));
    for arn in [
        "arn:aws:iam::111122223333:user/a+=,.@_-9",
        "arn:aws:iam::111122223333:user/team/of two/alice"
            .replace(' ', "-")
            .as_str(),
        "arn:aws-us-gov:iam::444455556666:user/alice-gov",
        "arn:aws-cn:iam::777788889999:user/alice-cn",
    ] {
        let mut catalog = of_alice(&company, arn);
        for account in ["444455556666", "777788889999"] {
            catalog.account(account);
        }
        company.apply(&catalog.render()).await.unwrap();
    }
}

#[tokio::test]
async fn what_stands_there_twice_or_differs_by_case_alone_is_refused() {
    let company = TestApp::new().await;
    let grouped = |person: Person, group: &str| Person {
        groups: vec![group.to_owned()],
        ..person
    };
    let al = || person("al", "Al");
    for (more, told) in [
        (
            person("alice", "Alice"),
            "the person alice of demo is in this file twice",
        ),
        (
            person("ALICE", "Alice"),
            "the person ALICE of demo differs from alice of demo",
        ),
        (being(al(), &user_arn("ALICE")), "/ALICE differs from"),
        (
            being(al(), &user_arn("alice")),
            "/alice is in this file twice",
        ),
        (
            grouped(al(), "Approvers"),
            "group Approvers differs from approvers",
        ),
        (person("bob2", "BOB"), "differs from"),
        (person("bob2", "Ｂob"), "differs from"),
        (person("bob2", "Bob\u{3164}"), "U+3164"),
        (person("bob2", "\u{2800}"), "U+2800"),
        (person("bob2", "..."), "letter or digit"),
        (grouped(person("bob2", "Al"), "approvers\u{fe00}"), "U+FE00"),
    ] {
        let why = refused(&company, &beside(&company, more.clone())).await;
        assert!(why.contains(told), "{more:?}: {why}");
    }
    let mut twice = company.catalog();
    twice.entitlement("prod-root").role_arn = role_arn("PROD-admin");
    assert!(refused(&company, &twice).await.contains("role_arn"));
    // Two people may have one name, letter for letter.
    let namesake = beside(&company, person("bob2", "Bob"));
    company.apply(&namesake.render()).await.unwrap();
}

#[tokio::test]
async fn what_is_on_record_in_another_case_is_refused() {
    let company = TestApp::new().await;
    let arn = user_arn("Alice");
    let other = alone(being(person("al", "Al"), &arn));
    let why = refused(&company, &other).await;
    assert!(why.contains("user/alice of alice@example.com"), "{why}");
    let own = alone(being(person("alice", "Alice"), &arn));
    assert!(refused(&company, &own).await.contains("by case"));
    let why = refused(&company, &alone(person("al", "ALICE"))).await;
    assert!(why.contains("differs from"), "{why}");
    let entitlements = of_role(&company, &role_arn("Prod-Admin")).entitlements;
    let role = Catalog {
        entitlements,
        ..Catalog::default()
    };
    let why = refused(&company, &role).await;
    assert!(
        why.contains("role/prod-admin: IAM does not tell names apart"),
        "{why}"
    );
}

/// What is meant by each mistake, in the order of the text, and what is said of it.
async fn places(company: &TestApp, catalog: &Catalog) -> Vec<(String, String)> {
    let text = catalog.render();
    let applied = company.apply(&text).await;
    let CatalogError::Invalid(wrong) = applied.expect_err(&text) else {
        panic!("the database failed");
    };
    wrong
        .into_iter()
        .map(|it| (text[it.at].to_owned(), it.what))
        .collect()
}

#[tokio::test]
async fn each_mistake_is_told_at_once_and_at_its_place() {
    let company = TestApp::new().await;
    let arn = "arn:aws:iam::111122223333:user/ALICE";
    let al = |group: &str| Person {
        groups: vec!["devs".to_owned(), group.to_owned()],
        ..being(person("al", "ALICE"), arn)
    };
    let role = "arn:aws:iam::111122223333:role/Prod-Admin";

    let in_file = places(&company, &beside(&company, al("Approvers"))).await;
    // The same on record alone.
    let on_record = Catalog {
        people: vec![al("approvers")],
        entitlements: of_role(&company, role).entitlements,
        ..Catalog::default()
    };
    let beside = places(&company, &on_record).await;
    for found in [&in_file, &beside] {
        for (place, said) in [("ALICE", "name ALICE differs from Alice"), (arn, "/ALICE ")] {
            let place = format!("\"{place}\"");
            let mut told = found.iter().filter(|it| it.0 == place);
            assert!(told.any(|it| it.1.contains(said)), "{place}: {found:?}");
        }
    }
    let role = format!("\"{role}\"");
    let mut told = beside.iter().filter(|it| it.0 == role);
    assert!(
        told.any(|it| it.1.contains(": role_arn ")),
        "{role}: {beside:?}"
    );
    let group = (
        "\"Approvers\"".to_owned(),
        "group Approvers differs from approvers by case, width or white space alone".to_owned(),
    );
    assert!(in_file.contains(&group), "{in_file:?}");
    let wordless = places(&company, &alone(person("eve", "..."))).await;
    let said = "eve@example.com: name must contain at least one letter or digit";
    assert_eq!(wordless, [("\"...\"".to_owned(), said.to_owned())]);
}

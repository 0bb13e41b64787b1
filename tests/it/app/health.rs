//! Whether what the catalog offers could be approved by the people that there are.

use countersign::app::find::{self, Health};

use super::staged::stages;
use crate::support::app::{TestApp, code};
use crate::support::catalog::Entitlement;

async fn health(company: &TestApp, name: &str) -> Health {
    let all = find::health(&company.ctx("otto").await).await.unwrap();
    let mut all = all.into_iter();
    all.find(|it| it.entitlement.terms.name == name).unwrap()
}

#[tokio::test]
async fn it_tells_who_approves_and_whether_they_could() {
    let company = TestApp::with(|catalog| {
        stages(1, 1)(catalog);
        catalog.regroup("alice", &["developers", "C"]);
        catalog.regroup("mallory", &["developers"]);
        for (name, stages) in [
            ("nobody-there", [("D", 1)]),
            ("one-too-few", [("C", 2)]),
            ("hers-alone", [("C", 1)]),
        ] {
            let entitlement = Entitlement::staged(name, &[&stages]);
            catalog.entitlements.push(entitlement);
        }
        let late = catalog.entitlement("later");
        late.approver_group = String::new();
        let stages =
            r#"[{ groups = [{ group = "D", escalate_to = "A", escalate_after = "PT1H" }] }]"#;
        let stages = toml::from_str::<toml::Table>(&format!("it = {stages}")).unwrap();
        late.more.insert("stages".to_owned(), stages["it"].clone());
    })
    .await;
    let change = health(&company, "prod-change").await;
    assert_eq!(change.groups, [("A".to_owned(), 2), ("B".to_owned(), 3)]);
    assert_eq!((change.approvers, change.never), (4, false));
    assert!(change.stuck.is_empty(), "{:?}", change.stuck);
    assert!(health(&company, "nobody-there").await.never);
    assert!(health(&company, "one-too-few").await.never);
    // alice could approve it for mallory, and nobody for her.
    let hers = health(&company, "hers-alone").await;
    assert_eq!((hers.never, hers.stuck), (false, vec!["Alice".to_owned()]));
    // In an hour others may.
    assert!(!health(&company, "later").await.never);
    company
        .change(|catalog| catalog.regroup("mallory", &[]))
        .await;
    assert!(health(&company, "hers-alone").await.never);
    for (name, told) in [("ada", "-"), ("bob", "forbidden"), ("alice", "forbidden")] {
        let ctx = company.ctx(name).await;
        assert_eq!(code(find::health(&ctx).await), told, "{name}");
    }
}

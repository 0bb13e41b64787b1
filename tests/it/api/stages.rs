//! Stages, shorter approvals and questions over the wire.

use serde_json::{Value, json};

use crate::app::staged::stages;
use crate::support::api::{Answer, Api, ask};
use crate::support::app::TestApp;

async fn post(service: &Api, who: &str, path: &str, body: &Value) -> Answer {
    let token = service.token(who).await;
    service.call(&token, "POST", path, body).await
}

/// alice asks for an hour.
async fn asked(service: &Api, entitlement: &str) -> String {
    let mut body = ask();
    body["entitlement"] = json!(entitlement);
    body["duration"] = json!("PT1H");
    let asked = post(service, "alice", "/requests", &body).await;
    assert_eq!(asked.status, 201, "{}", asked.body);
    format!("/requests/{}", asked.body["id"].as_str().unwrap())
}

#[tokio::test]
async fn two_stages_are_told_as_they_go() {
    let service = TestApp::with(stages(1, 2)).await.api().await;
    let path = asked(&service, "prod-change").await;
    let approve = format!("{path}/approve");
    let early = post(&service, "dave", &approve, &json!({})).await;
    assert_eq!(
        (early.status.as_u16(), early.code()),
        (409, "stage_not_open")
    );
    post(&service, "bob", &approve, &json!({})).await;
    let half = post(&service, "dave", &approve, &json!({})).await;
    let carol = service.ctx("carol").await.person.id.to_string();
    let erin = service.ctx("erin").await.person.id.to_string();
    let stages = &half.body["stages"];
    assert_eq!(stages[0]["state"], "closed", "{stages}");
    assert_eq!(stages[1]["state"], "open", "{stages}");
    assert_eq!(
        (&stages[1]["have"], &stages[1]["needed"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(stages[1]["groups"], json!([{"group": "B", "needed": 2}]));
    let mut can: Vec<_> = stages[1]["can"].as_array().unwrap().iter().collect();
    can.sort_by_key(|it| it.to_string());
    let mut wanted = [json!(carol), json!(erin)];
    wanted.sort_by_key(ToString::to_string);
    assert_eq!(can, wanted.iter().collect::<Vec<_>>());
    let back = format!("{path}/withdraw-approval");
    let reopened = post(&service, "bob", &back, &json!({"comment": "Wait."})).await;
    assert_eq!(reopened.body["stages"][0]["state"], "open");
    assert_eq!(reopened.body["stages"][1]["state"], "waiting");
    let verdicts = reopened.body["decisions"].as_array().unwrap().iter();
    let verdicts: Vec<_> = verdicts.map(|it| it["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["approve", "approve", "withdraw"]);
    post(&service, "carol", &approve, &json!({})).await;
    let done = post(&service, "erin", &approve, &json!({})).await;
    assert_eq!(done.body["state"], "approved", "{}", done.body);
    assert_eq!(done.body["fillable"], true);
}

#[tokio::test]
async fn a_shorter_approval_is_what_everybody_approves_from_then_on() {
    let service = TestApp::new().await.api().await;
    let path = asked(&service, "prod-root").await;
    let approve = format!("{path}/approve");
    for length in ["PT2H", "PT1S"] {
        let wrong = post(&service, "bob", &approve, &json!({"duration": length})).await;
        let told = (wrong.status.as_u16(), wrong.code());
        assert_eq!(told, (422, "duration_out_of_range"), "{length}");
    }
    let wrong = post(&service, "bob", &approve, &json!({"duration": "a while"})).await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.code()),
        (422, "invalid_field")
    );
    let half = post(&service, "bob", &approve, &json!({"duration": "PT30M"})).await;
    assert_eq!(half.body["effective_duration"], "PT30M", "{}", half.body);
    assert_eq!(
        (&half.body["revision"], &half.body["duration"]),
        (&json!(2), &json!("PT1H"))
    );
    let stale = post(&service, "carol", &approve, &json!({"revision": 1})).await;
    assert_eq!((stale.status.as_u16(), stale.code()), (412, "changed"));
    let no = json!({"comment": "No.", "revision": 1});
    let stale = post(&service, "carol", &format!("{path}/deny"), &no).await;
    assert_eq!((stale.status.as_u16(), stale.code()), (412, "changed"));
    let done = post(&service, "carol", &approve, &json!({"revision": 2})).await;
    assert_eq!(
        done.body["decisions"][1]["duration"], "PT30M",
        "{}",
        done.body
    );
    let grant = format!("/grants/{}", done.body["grant_id"].as_str().unwrap());
    let token = service.token("alice").await;
    let grant = service.call(&token, "GET", &grant, &Value::Null).await;
    let moment = |name: &str| -> chrono::DateTime<chrono::Utc> {
        grant.body[name].as_str().unwrap().parse().unwrap()
    };
    let lasts = moment("deadline") - moment("starts_at");
    assert_eq!(lasts.num_minutes(), 30, "{}", grant.body);
}

#[tokio::test]
async fn a_question_and_its_answer_are_told_with_the_request() {
    let service = TestApp::new().await.api().await;
    let path = asked(&service, "prod-admin").await;
    let (ask, answer) = (format!("{path}/ask"), format!("{path}/answer"));
    let none = post(&service, "alice", &answer, &json!({"text": "Well."})).await;
    assert_eq!((none.status.as_u16(), none.code()), (409, "no_question"));
    let asked = post(&service, "bob", &ask, &json!({"text": "Which queue?"})).await;
    assert_eq!(asked.body["questions"][0]["answer"], Value::Null);
    let again = post(&service, "carol", &ask, &json!({"text": "Why?"})).await;
    assert_eq!(
        (again.status.as_u16(), again.code()),
        (409, "question_open")
    );
    let text = json!({"text": "checkout-dlq"});
    let answered = post(&service, "alice", &answer, &text).await;
    let told = &answered.body["questions"];
    let bob = service.ctx("bob").await.person.id.to_string();
    let at = &asked.body["questions"][0]["at"];
    let wanted = json!([{"asked_by": bob, "name": "Bob", "text": "Which queue?", "at": at,
                         "answer": "checkout-dlq", "answered_at": at}]);
    assert_eq!(told, &wanted);
    assert_eq!(answered.body["revision"], 3);
    let stale = json!({"revision": 2});
    let stale = post(&service, "carol", &format!("{path}/approve"), &stale).await;
    assert_eq!((stale.status.as_u16(), stale.code()), (412, "changed"));
}

#[tokio::test]
async fn what_nobody_could_approve_says_so_at_once() {
    let service = TestApp::with(|catalog| {
        stages(1, 1)(catalog);
        catalog.regroup("bob", &["A"]);
        catalog.regroup("dave", &[]);
        catalog.regroup("erin", &[]);
    })
    .await
    .api()
    .await;
    let mut body = ask();
    body["entitlement"] = json!("prod-change");
    let asked = post(&service, "alice", "/requests", &body).await;
    assert_eq!(asked.status, 201, "{}", asked.body);
    assert_eq!(asked.body["fillable"], false, "{}", asked.body);
}

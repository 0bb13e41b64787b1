//! What the OpenAPI document says is what is enforced: what it forbids is refused, and what it
//! allows goes. (Every answer in these tests is held against it as well: `Api::raw`.)

use countersign::app::disable;
use serde_json::{Value, json};

use super::authorization::asked;
use super::schema::{document, fits, typed};
use crate::support::api::{Api, ask};
use crate::support::app::TestApp;

/// Parameters that take any text: names that may be none.
const FREE: [&str; 3] = ["action", "actor", "subject"];

/// Texts that break a constraint of the schema, and the longest one that keeps all of them, where
/// there is one.
fn texts(schema: &Value) -> (Vec<Value>, Option<Value>) {
    let is_number = schema["type"].to_string().contains("integer");
    let mut bad = vec![if is_number { json!("7") } else { json!(7) }];
    bad.extend(schema.get("pattern").map(|_| json!("!")));
    bad.extend((schema["format"] == "date-time").then(|| json!("tomorrow")));
    bad.extend((schema["minLength"] == 1).then(|| json!("")));
    let longest = schema["maxLength"]
        .as_u64()
        .map(|it| usize::try_from(it).unwrap());
    bad.extend(longest.map(|it| json!("x".repeat(it + 1))));
    (bad, longest.map(|it| json!("x".repeat(it))))
}

fn resolve(schema: &Value) -> &Value {
    if let Some(any) = schema["oneOf"].as_array() {
        return any
            .iter()
            .map(resolve)
            .find(|it| it["type"] != "null")
            .unwrap();
    }
    match schema["$ref"].as_str() {
        Some(name) => document().pointer(name.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// Each operation with its path and method.
fn operations() -> Vec<(&'static str, String, &'static Value)> {
    let paths = document()["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, it)| (path.as_str(), method.to_uppercase(), it))
    });
    all.collect()
}

/// A fresh request or grant of alice's, and who may do something with it.
async fn place(service: &Api, path: &str) -> (String, &'static str) {
    if path == "/requests" {
        return (path.to_owned(), "alice");
    }
    if path.starts_with("/people/") {
        let erin = service.ctx("erin").await.person.id.to_string();
        if path.ends_with("/enable") {
            let done = disable::by_command(&service.admin, "test", &erin, None);
            // The route before may have done it.
            let _ = done.await;
        }
        return (path.replace("{id}", &erin), "ada");
    }
    if path.starts_with("/tokens") {
        let bob = service.token("bob").await;
        let own = service
            .call(&bob, "GET", "/tokens?limit=1", &json!({}))
            .await;
        let id = own.body["items"][0]["id"].as_str().unwrap();
        return (path.replace("{id}", id), "bob");
    }
    let request = asked(service, path).await;
    let of_requester = ["withdraw", "extend", "answer"];
    let who = if of_requester.iter().any(|it| path.ends_with(it)) {
        "alice"
    } else {
        "bob"
    };
    if path.starts_with("/revocations") {
        let account = json!({"account": "111122223333", "reason": "Because."});
        let ada = service.token("ada").await;
        let begun = service.call(&ada, "POST", "/revocations", &account).await;
        let id = begun.body["id"].as_str().unwrap();
        return (path.replace("{id}", id), "ada");
    }
    if !path.starts_with("/grants") {
        return (path.replace("{id}", &request.to_string()), who);
    }
    let approve = format!("/requests/{request}/approve");
    let bob = service.token("bob").await;
    let approved = service.call(&bob, "POST", &approve, &json!({})).await;
    if path.ends_with("extend") {
        service.open_grants().await;
    }
    (
        path.replace("{id}", approved.body["grant_id"].as_str().unwrap()),
        who,
    )
}

#[tokio::test]
async fn bodies_are_taken_and_refused_as_described() {
    let service = TestApp::new().await.api().await;
    let mut tried = 0;
    for (path, method, operation) in operations() {
        let Some(body) = operation["requestBody"].as_object() else {
            continue;
        };
        let schema = resolve(&body["content"]["application/json"]["schema"]);
        assert_eq!(schema["additionalProperties"], false, "{method} {path}");
        let (place, who) = place(&service, path).await;
        let token = service.token(who).await;
        let good = match path {
            "/requests" => ask(),
            "/revocations" => json!({"account": "111122223333", "reason": "Because."}),
            it if it.ends_with("/ask") || it.ends_with("/answer") => json!({"text": "Which?"}),
            it if it.ends_with("/deny") => json!({"comment": "no"}),
            it if it.ends_with("/disable") => json!({"reason": "Because."}),
            it if it.ends_with("/extend") => {
                json!({"duration": "PT1M", "justification": "Because."})
            }
            _ => json!({}),
        };
        let mut bad = vec![json!({"foo": 1}), json!([]), json!(7)];
        for name in schema["required"].as_array().into_iter().flatten() {
            let mut body = good.clone();
            body.as_object_mut().unwrap().remove(name.as_str().unwrap());
            bad.push(body);
        }
        let mut longest = good.clone();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let (wrong, longest_text) = texts(resolve(field));
            for text in wrong {
                let mut body = good.clone();
                body[name] = text;
                bad.push(body);
            }
            // Machines alone send it: see asker.rs.
            if let Some(text) = longest_text.filter(|_| name != "on_behalf_of") {
                longest[name] = text;
            }
        }
        for body in bad {
            let case = format!(
                "{method} {path} {}",
                body.to_string().get(..60).unwrap_or("")
            );
            assert!(fits(schema, &body).is_err(), "{case}");
            let told = service.call(&token, &method, &place, &body).await;
            assert!(told.status.is_client_error(), "{case}: {}", told.body);
            tried += 1;
        }
        // They need another grant, and AWS: see worker/{fetches,console_links,probes}.rs.
        let asks_aws = ["/credentials", "/console-link", "/probe"];
        if asks_aws.iter().any(|it| path.ends_with(it)) {
            continue;
        }
        let told = service.call(&token, &method, &place, &longest).await;
        assert!(told.status.is_success(), "{method} {path}: {}", told.body);
    }
    assert!(tried > 30, "{tried}");
}

#[tokio::test]
async fn parameters_are_taken_and_refused_as_described() {
    let service = TestApp::new().await.api().await;
    let (alice, ada) = (service.token("alice").await, service.token("ada").await);
    let everything = json!({"everything": true, "reason": "Because."});
    let begun = service
        .call(&ada, "POST", "/revocations", &everything)
        .await;
    let revocation = begun.body["id"].as_str().unwrap();
    let mut tried = 0;
    for (path, method, operation) in operations() {
        let of_admins = path.starts_with("/revocations");
        let token = if of_admins { &ada } else { &alice };
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
            let schema = resolve(schema);
            let mut bad = vec!["!".to_owned()];
            bad.extend(schema["minimum"].as_i64().map(|it| (it - 1).to_string()));
            bad.extend(schema["maximum"].as_i64().map(|it| (it + 1).to_string()));
            if FREE.contains(&name) {
                bad.clear();
            }
            for text in bad {
                let call = match name {
                    "id" => path.replace("{id}", &text),
                    _ => format!("{path}?{name}={text}"),
                };
                assert!(fits(schema, &typed(schema, &text)).is_err(), "{call}");
                let told = service
                    .call(token, &method, &call, &json!({"comment": "x"}))
                    .await;
                assert!(
                    [400, 422].contains(&told.status.as_u16()),
                    "{call}: {}",
                    told.body
                );
                tried += 1;
            }
            for good in ["minimum", "maximum"] {
                if let Some(number) = schema[good].as_i64() {
                    let place = path.replace("{id}", revocation);
                    let call = format!("{place}?{name}={number}");
                    let told = service.call(token, &method, &call, &Value::Null).await;
                    assert_eq!(told.status, 200, "{call}: {}", told.body);
                }
            }
        }
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn every_operation_says_what_it_may_answer() {
    for (path, method, operation) in operations() {
        let answers = operation["responses"].as_object().unwrap();
        for (status, answer) in answers {
            assert!(
                answer["description"].is_string(),
                "{method} {path} {status}"
            );
            let kinds: Vec<_> = answer["content"].as_object().unwrap().keys().collect();
            let kind = match status.starts_with('2') {
                true => "application/json",
                false => "application/problem+json",
            };
            assert_eq!(kinds, [kind], "{method} {path} {status}");
            let again = ["429", "503"].contains(&status.as_str());
            assert_eq!(
                answer["headers"]["Retry-After"].is_object(),
                again,
                "{path} {status}"
            );
        }
        // One asks for no token.
        let asks = path != "/openapi.json";
        for status in ["401", "403", "409", "429", "500", "502", "503"] {
            let told = answers.contains_key(status);
            assert_eq!(told, asks, "{method} {path} {status}");
        }
        assert!(answers.contains_key("414"), "{method} {path}");
        let scopes = operation["security"].as_array().unwrap();
        let named = scopes.iter().all(|it| it["bearer"].is_array());
        assert_eq!(named, asks, "{method} {path}");
    }
}

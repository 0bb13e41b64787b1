//! What a token may be used for: route by route, whoever's it is, and wherever the row stands.

use std::fmt::Write as _;

use countersign::api::ROUTES;
use countersign::domain::scope::{Scope, Scopes};
use countersign::ids::MachineId;
use serde_json::{Value, json};

use super::authorization::{body_for, place};
use crate::support::api::{Answer, Api, ask};
use crate::support::app::TestApp;
use crate::support::machines::{self, Machine};

/// alice asks; bob may decide, and so may carol, whose machine has asked for some of the rows; otto
/// is an auditor, mallory nobody, ada an admin.
const PEOPLE: [&str; 6] = ["alice", "bob", "carol", "otto", "mallory", "ada"];

/// Who has asked for the rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// alice herself.
    Alice,
    /// A machine of carol's, on behalf of alice.
    Machine,
}

struct World {
    service: Api,
    /// carol's machine, and another one of hers.
    machine: MachineId,
    other: MachineId,
}

impl World {
    async fn new() -> Self {
        let service = TestApp::new().await.api().await;
        let machine = Machine::of("carol").made(&service).await;
        let other = Machine::of("carol").made(&service).await;
        Self {
            service,
            machine,
            other,
        }
    }

    async fn token(&self, caller: &str, scopes: Scopes) -> String {
        let machine = match caller {
            "machine" => self.machine,
            "other" => self.other,
            person => return self.service.token_with(person, scopes).await,
        };
        machines::token(&self.service, "carol", machine, scopes).await
    }

    /// A path with a fresh row that stands so.
    async fn place(&self, path: &str, state: &str, asked: Asked) -> String {
        let is_row = path.starts_with("/requests/") || path.starts_with("/grants/");
        if !is_row {
            return place(&self.service, path).await;
        }
        let request = match asked {
            Asked::Alice => self.service.ask("prod-admin").await.id.to_string(),
            Asked::Machine => {
                let token = self.token("machine", Scopes::OF_MACHINES).await;
                let mut body = ask();
                body["on_behalf_of"] = json!("alice@example.com");
                let made = self.service.call(&token, "POST", "/requests", &body).await;
                made.body["id"].as_str().unwrap().to_owned()
            }
        };
        let dave = self.service.token("dave").await;
        let decide = async |verb: &str| {
            let path = format!("/requests/{request}/{verb}");
            let body = body_for(&path);
            self.service.call(&dave, "POST", &path, &body).await
        };
        let id = if path.starts_with("/grants/") {
            let granted = decide("approve").await.body["grant_id"].clone();
            let grant = granted.as_str().unwrap().to_owned();
            match state {
                "active" => self.service.open_grants().await,
                "over" => {
                    let end = format!("/grants/{grant}/end");
                    self.service.call(&dave, "POST", &end, &json!({})).await;
                }
                _ => {}
            }
            grant
        } else {
            match state {
                "approved" => drop(decide("approve").await),
                "denied" => drop(decide("deny").await),
                _ => {}
            }
            request
        };
        path.replace("{id}", &id)
    }

    async fn call(&self, caller: &str, scope: Scope, method: &str, path: &str) -> Answer {
        let token = self.token(caller, Scopes::of(&[scope])).await;
        let mut body = body_for(path);
        let is_machine = ["machine", "other"].contains(&caller);
        if is_machine && path == "/requests" {
            body["on_behalf_of"] = json!("alice@example.com");
        }
        self.service.call(&token, method, path, &body).await
    }
}

fn states(path: &str) -> &'static [&'static str] {
    if path.starts_with("/requests/") {
        &["pending", "approved", "denied"]
    } else if path.starts_with("/grants/") {
        &["scheduled", "active", "over"]
    } else {
        &["-"]
    }
}

fn word(answer: &Answer) -> String {
    let code = answer.code();
    let status = answer.status.as_u16();
    match code {
        "-" => status.to_string(),
        code => format!("{status} {code}"),
    }
}

/// Role, action, state, kind of caller and scope: what is not in this table is refused for want of
/// a scope, before any row is looked at.
#[tokio::test]
async fn who_may_do_what_with_which_scope() {
    let mut table = String::new();
    for route in ROUTES {
        for (method, _, needed) in route.methods {
            if needed.is_empty() {
                writeln!(table, "{method} {}  open to everybody", route.path).unwrap();
                continue;
            }
            let rows = if states(route.path).len() > 1 {
                &[Asked::Alice, Asked::Machine][..]
            } else {
                &[Asked::Alice][..]
            };
            for asked in rows {
                let by = match asked {
                    Asked::Alice => "alice's",
                    Asked::Machine => "the machine's",
                };
                // A guard has room for so many grants alone.
                let world = World::new().await;
                for state in states(route.path) {
                    writeln!(table, "{method} {}  {by} {state}", route.path).unwrap();
                    for caller in PEOPLE.into_iter().chain(["machine", "other"]) {
                        let of_machine = ["machine", "other"].contains(&caller);
                        for scope in *needed {
                            if of_machine && !Scopes::OF_MACHINES.has(*scope) {
                                continue;
                            }
                            let path = world.place(route.path, state, *asked).await;
                            let answer = world.call(caller, *scope, method, &path).await;
                            let (scope, told) = (scope.as_str(), word(&answer));
                            writeln!(table, "    {caller:8} {scope:15} {told}").unwrap();
                        }
                    }
                }
            }
        }
    }
    insta::assert_snapshot!("who_may_do_what_with_which_scope", table);
}

/// Whoever's token it is, and whether or not there is a row: for want of a scope all look alike.
#[tokio::test]
async fn a_token_without_the_scope_is_refused_before_any_row() {
    let world = World::new().await;
    let mut tried = 0;
    for route in ROUTES {
        let there = world.place(route.path, "-", Asked::Alice).await;
        let id = there.split('/').nth(2);
        let nowhere = match id.filter(|_| route.path.contains("{id}")) {
            Some(id) => {
                let kind = id.split('_').next().unwrap();
                there.replace(id, &format!("{kind}_00000000000000000000000000"))
            }
            None => there.clone(),
        };
        let unreadable = route.path.replace("{id}", "x");
        for (method, verb, needed) in route.methods {
            for scope in Scope::ALL {
                if needed.is_empty() || needed.contains(&scope) {
                    continue;
                }
                for caller in ["alice", "bob", "ada", "machine"] {
                    if caller == "machine" && !Scopes::OF_MACHINES.has(scope) {
                        continue;
                    }
                    for path in [&there, &nowhere, &unreadable] {
                        let before = world.service.count("audit_events").await;
                        let answer = world.call(caller, scope, method, path).await;
                        let told = (answer.status.as_u16(), answer.code());
                        let case = format!("{method} {path} as {caller} with {}", scope.as_str());
                        assert_eq!(told, (403, "insufficient_scope"), "{case}");
                        let first = needed[0].as_str();
                        assert!(answer.body["detail"].as_str().unwrap().contains(first));
                        // Making the token is an event, and so is the refusal of a verb, until
                        // they are only counted.
                        let events = world.service.count("audit_events").await - before;
                        let most = if verb.is_some() { 3 } else { 2 };
                        assert!((1..=most).contains(&events), "{case}: {events}");
                        tried += 1;
                    }
                }
            }
        }
    }
    assert!(tried > 500, "{tried}");
}

#[tokio::test]
async fn a_refusal_for_want_of_a_scope_is_on_record_as_the_callers() {
    let world = World::new().await;
    let request = world.service.ask("prod-admin").await.id;
    let path = format!("/requests/{request}/approve");
    world.call("bob", Scope::Read, "POST", &path).await;
    let bob = world.service.ctx("bob").await.person.id;
    assert_eq!(
        world
            .service
            .events(bob, "request.approved", "refused")
            .await,
        1
    );
    world.call("machine", Scope::Read, "POST", &path).await;
    let machine = world.machine;
    let told = world.service.events(machine, "request.approved", "refused");
    assert_eq!(told.await, 1);
}

/// The description says of each operation what the table says.
#[test]
fn each_operation_names_its_scopes() {
    let document = serde_json::to_value(countersign::api::document()).unwrap();
    for route in ROUTES {
        for (method, _, needed) in route.methods {
            let operation = &document["paths"][route.path][method.to_lowercase()];
            let told: Vec<Value> = needed
                .iter()
                .map(|it| json!({"bearer": [it.as_str()]}))
                .collect();
            let told = if told.is_empty() {
                vec![json!({})]
            } else {
                told
            };
            assert_eq!(operation["security"], Value::Array(told), "{}", route.path);
        }
    }
}

//! However people and machines belong together, nobody asks and approves: every way to ask, every
//! owner before and after, everybody who tries.

use std::collections::BTreeSet;

use countersign::app::approve::approve;
use countersign::app::asker::Asker;
use countersign::app::ctx::Ctx;
use countersign::app::find;
use countersign::app::submit::submit;
use countersign::domain::machine::Machine;
use countersign::domain::scope::Scopes;
use countersign::ids::{PersonId, RequestId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;

use crate::support::app::{TestApp, ask};
use crate::support::machines;

/// Each may ask, and each may approve.
const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// A company of such people, with one machine of the first.
struct World {
    company: TestApp,
    people: Vec<Ctx>,
    machine: Machine,
}

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    /// A person asks, or with `by` their machine does.
    Ask { person: usize, by_machine: bool },
    /// The machine gets another owner.
    Move { to: usize },
    /// Somebody approves the n-th request that waits.
    Approve { person: usize, nth: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let person = 0..PEOPLE.len();
    prop_oneof![
        2 => (person.clone(), any::<bool>()).prop_map(|(person, by_machine)| Step::Ask { person, by_machine }),
        1 => person.clone().prop_map(|to| Step::Move { to }),
        4 => (person, 0..8_usize).prop_map(|(person, nth)| Step::Approve { person, nth }),
    ]
}

/// A request, and everybody who has asked for it.
struct Asked {
    id: RequestId,
    askers: BTreeSet<PersonId>,
    /// Whether the machine's present owner is one of them.
    by_machine: bool,
    approvals: BTreeSet<PersonId>,
}

impl World {
    async fn new() -> Self {
        let company = TestApp::with(|catalog| {
            for name in PEOPLE {
                let own = crate::support::catalog::user_arn(name);
                catalog.person(name).principals = vec![own];
                catalog.regroup(name, &["developers", "approvers"]);
            }
        })
        .await;
        let mut wanted = machines::Machine::of("alice");
        wanted.0.entitlements = vec!["prod-root".to_owned()];
        let id = wanted.made(&company).await;
        let mut people = Vec::new();
        for name in PEOPLE {
            people.push(company.ctx(name).await);
        }
        let machine = Machine {
            id,
            name: "m".to_owned(),
            owner: people[0].person.id,
            scopes: Scopes::OF_MACHINES,
            entitlements: vec!["prod-root".to_owned()],
        };
        Self {
            company,
            people,
            machine,
        }
    }

    async fn ask(&self, person: usize, by_machine: bool) -> Asked {
        let asked = &self.people[person];
        let ctx = if by_machine {
            let asker = Asker {
                app: self.company.app.clone(),
                machine: self.machine.clone(),
            };
            let named = asked.person.id.to_string();
            asker.on_behalf_of(Some(&named), "prod-root").await.unwrap()
        } else {
            asked.clone()
        };
        let request = submit(&ctx, ask("prod-root")).await.unwrap().request();
        let mut askers = BTreeSet::from([asked.person.id]);
        askers.extend(by_machine.then_some(self.machine.owner));
        Asked {
            id: request.id,
            askers,
            by_machine,
            approvals: BTreeSet::new(),
        }
    }

    async fn give_to(&mut self, person: usize) {
        self.machine.owner = self.people[person].person.id;
        let sql = format!(
            "UPDATE machines SET owner = '{}'",
            self.machine.owner.uuid()
        );
        self.company.as_owner(&sql).await;
    }

    /// Somebody approves: refused as their own exactly if they are one of those who asked.
    async fn approve(&self, asked: &mut Asked, person: usize) {
        let ctx = &self.people[person];
        let id = ctx.person.id;
        let is_own = asked.askers.contains(&id) || (asked.by_machine && self.machine.owner == id);
        let seen = find::request(ctx, asked.id).await.unwrap();
        let is_open = seen.request.state.as_str() == "pending";
        if is_own {
            assert!(!seen.may.approve, "a form is offered to who asked");
        }
        match approve(ctx, asked.id, None, None).await {
            Ok(_) => {
                assert!(!is_own && is_open, "{id} has asked and approved");
                asked.approvals.insert(id);
            }
            Err(error) => {
                let code = error.about().code;
                assert_eq!(code == "self_approval", is_own, "{id}: {code}");
            }
        }
    }

    /// What is approved has two voices, neither of who asked, whoever owns the machine by then.
    async fn judge(&self, asked: &Asked) {
        let seen = find::request(&self.people[0], asked.id).await;
        let seen = seen.unwrap();
        let voices = seen.decisions.iter().map(|it| it.person);
        let voices: BTreeSet<PersonId> = voices.collect();
        assert_eq!(voices, asked.approvals);
        assert!(voices.is_disjoint(&asked.askers), "{voices:?}");
        if seen.request.state.as_str() == "approved" {
            assert!(voices.len() >= 2, "{voices:?}");
        }
    }
}

#[test]
fn no_graph_of_people_and_machines_lets_one_human_ask_and_approve() {
    let runtime = Runtime::new().unwrap();
    let cases = Config::with_cases(6);
    let mut runner = TestRunner::new(cases);
    let steps = prop::collection::vec(step(), 12..24);
    runner
        .run(&steps, |steps| {
            runtime.block_on(async {
                let mut world = World::new().await;
                // At the least one of each kind, so that no case is empty.
                let mut all = vec![world.ask(1, true).await, world.ask(2, false).await];
                for step in steps {
                    match step {
                        Step::Ask { person, by_machine } => {
                            all.push(world.ask(person, by_machine).await);
                        }
                        Step::Move { to } => world.give_to(to).await,
                        Step::Approve { person, nth } => {
                            let nth = nth % all.len();
                            world.approve(&mut all[nth], person).await;
                        }
                    }
                }
                for asked in &mut all {
                    for person in 0..PEOPLE.len() {
                        world.approve(asked, person).await;
                    }
                    world.judge(asked).await;
                }
            });
            Ok(())
        })
        .unwrap();
}

/// A voice of somebody who owns the machine by now counts no more.
#[tokio::test]
async fn whoever_gets_the_machine_loses_their_voice_on_what_it_asked() {
    let mut world = World::new().await;
    let mut asked = world.ask(1, true).await;
    world.approve(&mut asked, 2).await;
    assert_eq!(asked.approvals.len(), 1);
    world.give_to(2).await;
    world.approve(&mut asked, 3).await;
    assert_eq!(asked.approvals.len(), 2, "the second is taken");
    let seen = find::request(&world.people[0], asked.id).await.unwrap();
    assert_eq!(seen.request.state.as_str(), "pending", "one voice of two");
}

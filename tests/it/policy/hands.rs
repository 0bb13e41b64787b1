//! Somebody else's hand on what we wrote: a stale save, an editor, a tool that knows only its own,
//! another installation (docs/guard.md, C11, C12, H10).

use chrono::TimeDelta;
use countersign::domain::demands::Demands;
use countersign::ids::GrantId;
use countersign::policy::guard::Guard;
use countersign::policy::trust::{self, Admitted};
use serde_json::{Value, json};

use super::normal::is_ours;
use super::world::World;

/// A statement of theirs whose Sid has the form of ours.
pub const LOOKS_LIKE_OURS: &str = "Countersign01jzzzzzzzzzzzzzzzzzzzzzzz";

impl World {
    pub(super) fn hand_on_trust(&mut self) {
        if self.role_gone {
            return;
        }
        let (what, text) = match self.dice.between(0, 9) {
            0..4 => ("a stale save", self.stale_save()),
            4..6 => ("our statements deleted", self.without_ours()),
            6..8 => ("our dates moved", self.with_dates_moved()),
            8 => ("a foreign change", self.with_foreign_change()),
            _ => ("one with a Sid like ours", self.with_look_alike()),
        };
        if self.may_be_saved(&text) && self.trust.current().text.as_ref() != Some(&text) {
            self.say(format!("a hand on the trust policy, {what}: {text}"));
            let now = self.now;
            self.trust.by_hand(now, Some(text));
            self.trouble("a hand on the trust policy", now);
        }
    }

    fn stale_save(&mut self) -> String {
        let past = self.trust.past.clone();
        // Mostly a recent one.
        let recent = &past[past.len().saturating_sub(4)..];
        let all = self.dice.chance(30);
        self.dice.one_of(if all { &past } else { recent }).clone()
    }

    fn edited(&self, edit: impl FnOnce(&mut Vec<Value>)) -> String {
        let text = self.trust.current().text.as_deref().unwrap_or_default();
        let mut document: Value = serde_json::from_str(text).expect("a trust policy");
        let mut statements = match document["Statement"].take() {
            Value::Array(statements) => statements,
            one => vec![one],
        };
        edit(&mut statements);
        document["Statement"] = Value::Array(statements);
        document.to_string()
    }

    fn without_ours(&mut self) -> String {
        let all = self.dice.chance(50);
        let mut left = if all { usize::MAX } else { 1 };
        self.edited(|statements| {
            statements.retain(|s| {
                let goes = is_ours(s) && left > 0;
                left -= usize::from(goes);
                !goes
            });
        })
    }

    fn with_dates_moved(&mut self) -> String {
        let by = *self
            .dice
            .one_of(&[-7200, -60, 60, 7200, 30_000_000, i64::MAX]);
        let date = TimeDelta::try_seconds(by).and_then(|by| self.now.checked_add_signed(by));
        self.edited(|statements| {
            for statement in statements.iter_mut().filter(|s| is_ours(s)) {
                match date {
                    Some(date) => {
                        let dates = &mut statement["Condition"]["DateLessThan"];
                        dates["aws:CurrentTime"] = json!(trust::literal(date));
                    }
                    None => drop(
                        statement["Condition"]
                            .as_object_mut()
                            .and_then(|c| c.remove("DateLessThan")),
                    ),
                }
            }
        })
    }

    fn with_foreign_change(&mut self) -> String {
        let nth = self.dice.between(1, 9);
        let more = self.dice.chance(50);
        self.edited(|statements| {
            if more {
                statements.insert(0, service(&format!("Theirs{nth}"), "ecs-tasks"));
            } else if let Some(s) = statements.iter_mut().find(|s| !is_ours(s)) {
                s["Principal"] = json!({"Service": format!("{nth}.amazonaws.com")});
            }
        })
    }

    fn with_look_alike(&mut self) -> String {
        self.edited(|statements| {
            // IAM takes no Sid twice.
            if statements.iter().all(|s| s["Sid"] != LOOKS_LIKE_OURS) {
                statements.push(service(LOOKS_LIKE_OURS, "lambda"));
            }
        })
    }

    pub(super) fn hand_on_guard(&mut self) {
        if self.role_gone {
            return;
        }
        let (what, text) = match self.dice.between(0, 9) {
            0..5 => ("deleted", None),
            5..8 => {
                let past = self.guard.past.clone();
                if past.is_empty() {
                    return;
                }
                ("an older version", Some(self.dice.one_of(&past).clone()))
            }
            _ => ("hostile", Some(self.hostile_guard())),
        };
        if self.guard.current().text != text {
            self.say(format!("a hand on the guard, {what}: {text:?}"));
            let now = self.now;
            self.guard.by_hand(now, text);
            self.trouble("a hand on the guard", now);
        }
    }

    /// Sids of ours, twice or with numbers that no clock and no counter reaches (docs/guard.md,
    /// H10).
    fn hostile_guard(&mut self) -> String {
        let own = self.target.installation.clone();
        let mut statements = Vec::new();
        for _ in 0..2 {
            let sid = match self.dice.between(0, 6) {
                0 => "CountersignKept8210266876799".to_owned(),
                1 => "CountersignKept-8334601228800".to_owned(),
                2 => format!("CountersignKept{}", i64::MAX),
                3 => format!("CountersignRev{}i{own}", i64::MAX),
                4 => format!("CountersignRev{}iffffffff", i64::MAX),
                5 => format!("CountersignRev-1i{own}"),
                _ => format!("CountersignRev{}i{own}", i64::MIN),
            };
            let name = *self.dice.one_of(&["alice", "bob", "zzz"]);
            statements.push(json!({
                "Sid": sid, "Effect": "Deny", "Action": "*", "Resource": "*",
                "Condition": {"StringEquals": {"aws:userid": [format!("{}:{name}", self.role_id)]}},
            }));
        }
        json!({"Version": "2012-10-17", "Statement": statements}).to_string()
    }

    /// A second installation opens a grant of its own on the same role: its guard takes the place
    /// of ours, as there is one name for both.
    pub(super) fn other_installation(&mut self) {
        if self.role_gone {
            return;
        }
        let nth = self.names_of_others.len() as u128 + 1;
        let id = GrantId::from_uuid(uuid::Uuid::from_u128(
            (0x0180_0000_0000_7000_8000_u128 << 48) + nth,
        ));
        let until = self.now + TimeDelta::seconds(self.dice.between(60, 9000));
        let name = id.to_string();
        let guard = Guard {
            until: [(name.clone(), until), ("carol".to_owned(), until)].into(),
            installation: "ffffffff".to_owned(),
            ..Guard::default()
        };
        let revision = self.dice.between(1, 40);
        let guard = guard.render(&self.role_id, super::ROLE_ARN, revision);
        let carol = Admitted {
            arn: "arn:aws:iam::777788889999:user/carol",
            userid: None,
        };
        let statement = trust::statement(id, carol, &["carol", &name], &Demands::default(), until);
        let statement = serde_json::from_str(&statement).expect("a statement");
        let text = self.edited(|statements| statements.push(statement));
        self.say(format!("another installation writes {guard} and {text}"));
        self.names_of_others.extend([name, "carol".to_owned()]);
        let now = self.now;
        self.guard.by_hand(now, Some(guard));
        if self.may_be_saved(&text) {
            self.trust.by_hand(now, Some(text));
        }
        self.trouble("another installation", now);
    }
}

fn service(sid: &str, name: &str) -> Value {
    json!({
        "Sid": sid, "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": format!("{name}.amazonaws.com")},
    })
}

//! What people of ours do in a history: they approve, they end, and they take a role back into
//! service.

use chrono::TimeDelta;
use countersign::ids::GrantId;

use super::life::{Approved, Life};
use super::minutes;

impl Life {
    pub fn some_person(&mut self) -> usize {
        *self.dice.one_of(&[0, 1, 2])
    }

    pub async fn approve(&mut self) {
        let nth = self.some_person();
        let length = minutes(*self.dice.one_of(&[5, 10, 20, 30, 60, 120]));
        let _ = self.approve_for(nth, length).await;
    }

    /// `None` where nobody may ask: there is no such user or role, or enough is open.
    pub async fn approve_for(&mut self, nth: usize, length: TimeDelta) -> Option<GrantId> {
        let rows = self.grants().await;
        let open = rows
            .iter()
            .filter(|(_, row)| row.state != "ended" && row.state != "failed");
        let person = &self.people[nth];
        let (principal, role_id) = (person.unique_id(&self.stage), self.role_id());
        let (Some(principal), Some(role_id), true) = (principal, role_id, open.count() < 4) else {
            return None;
        };
        let now = self.now();
        let id = self
            .stage
            .rows
            .approve(person.id, &person.arn, now, length)
            .await;
        self.say(format!(
            "approved {id} for {nth}, {} min",
            length.num_minutes()
        ));
        self.approved.push(Approved {
            id,
            person: nth,
            principal,
            role_id,
            starts: now,
            deadline: now + length,
            announced: None,
            forgotten: false,
        });
        Some(id)
    }

    pub async fn revoke_one(&mut self) {
        let rows = self.grants().await;
        let open = rows
            .iter()
            .filter(|(_, row)| row.state == "opening" || row.state == "active");
        let open: Vec<GrantId> = open.map(|(id, _)| *id).collect();
        if !open.is_empty() {
            let id = *self.dice.one_of(&open);
            self.revoke(id).await;
        }
    }

    pub async fn revoke(&mut self, id: GrantId) {
        self.say(format!("revoked {id}"));
        self.stage.revoke(id).await;
    }

    /// A person looks at a role that is contested or in safe mode, and takes it back into service.
    pub async fn resume(&mut self) {
        let condition = self.stage.rows.target("condition").await.unwrap();
        if ["contested", "safe_mode"].contains(&condition.as_str()) {
            self.say(format!("resumed from {condition}"));
            let sql = "UPDATE targets SET condition = 'ok', guard_restores = 0";
            self.stage.rows.as_owner(sql).await;
            self.make_due().await;
        }
    }
}

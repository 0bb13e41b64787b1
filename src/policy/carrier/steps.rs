//! The next write on a user: closings first, one document each.

use super::Carrier;
use super::known::Known;
use crate::domain::target::{Condition, DocumentKey};
use crate::ids::GrantId;
use crate::policy::capacity::size;
use crate::policy::inline::{self, ENDED};
use crate::policy::mutations::{Clause, stands};
use crate::policy::{Alarm, Write, fingerprint};

/// A write, and what people should be told of it.
type Told = (Write, Option<Alarm>);

impl Carrier<'_> {
    /// The next write that takes something away. It needs nobody's leave: no list, no room, no
    /// other document.
    pub(super) fn closing(&self) -> Option<Told> {
        let over = || self.grants.iter().filter(|known| !known.live);
        // What may let somebody in comes first, then what only takes room.
        over()
            .find_map(|known| self.ending(known))
            .or_else(|| self.without_unaccounted())
            .or_else(|| over().find_map(|known| self.without_over(known)))
    }

    /// Ends what may still let a grant in that is over, or was approved for another user.
    fn ending(&self, known: &Known<'_>) -> Option<Told> {
        // What is to be opened yet has nothing there: reason_to_close has seen to it.
        if !known.may_allow() || known.grant.state.is_open() || self.is_refused(known.grant.id) {
            return None;
        }
        let text = self.text_of_the_end(known);
        if known.waits_for(text.as_deref().unwrap_or_default()) {
            return None;
        }
        let id = known.grant.id;
        // It was gone already: a late write or a stale save.
        let came_back = known.grant.marks.absent_at.is_some();
        let alarm = came_back.then_some(Alarm::CameBack(id));
        Some((self.write(id, text, known.read), alarm))
    }

    /// [`ENDED`] where it may stand, else nothing: what AWS does not take because of its size is
    /// deleted.
    fn text_of_the_end(&self, known: &Known<'_>) -> Option<String> {
        let beside = self.used() - known.read.map_or(0, size);
        let is_too_much = self.input.ended_refused || beside + size(ENDED) > self.user.quota;
        let stays = known.wants_ended() && !is_too_much && stands(Clause::EndedStands);
        stays.then(|| ENDED.to_owned())
    }

    /// Deletes what no grant at hand accounts for: from a database that was ahead of this one, or
    /// saved by somebody.
    fn without_unaccounted(&self) -> Option<Told> {
        for (id, text) in &self.unaccounted {
            let sent = self.input.target.sent(DocumentKey::Inline(*id));
            let is_deleted = sent.is(&fingerprint("")) && sent.unclear_at.is_none();
            // A read may not show the deletion yet.
            let lags = is_deleted && !self.input.has_settled(sent.written_at());
            if lags || self.is_refused(*id) {
                continue;
            }
            let name = inline::name(&self.input.target.installation, *id);
            let alarm = Alarm::Unaccounted(name);
            return Some((self.write(*id, None, Some(text)), Some(alarm)));
        }
        None
    }

    /// Deletes what is left of a grant when nobody can put its policy back.
    fn without_over(&self, known: &Known<'_>) -> Option<Told> {
        let is_left = known.read.is_some() && !known.wants_ended();
        let stays = known.grant.state.is_open() || self.is_refused(known.grant.id);
        if !is_left || stays || known.waits_for("") {
            return None;
        }
        Some((self.write(known.grant.id, None, known.read), None))
    }

    /// Whether AWS has just refused to take the policy away.
    fn is_refused(&self, id: GrantId) -> bool {
        self.input.refused.contains(&id)
    }

    /// The next write that lets somebody in, or goes on doing so.
    pub(super) fn opening(&self) -> Option<Told> {
        let mut wanted: Vec<&Known<'_>> = Vec::new();
        for known in &self.grants {
            if self.is_to_be_put(known) && self.may_be_put(known) && self.fits(known) {
                wanted.push(known);
            }
        }
        // What somebody changed may let in more than was approved.
        wanted.sort_by_key(|known| !known.is_altered());
        let known = wanted.first()?;
        let id = known.grant.id;
        let is_undone = known.is_altered() || known.is_removed();
        let write = Write {
            opens: if known.stands_as_sent() {
                Vec::new()
            } else {
                vec![id]
            },
            restores: if is_undone { vec![id] } else { Vec::new() },
            sends: vec![(id, known.grant.deadline)],
            ..self.write(id, known.wanted.clone(), known.read)
        };
        Some((write, known.is_altered().then_some(Alarm::Altered(id))))
    }

    /// Whether a live grant's policy is not there as it should be, and no read can lag. A write
    /// without an answer goes again at once: its text is the same.
    pub(super) fn is_to_be_put(&self, known: &Known<'_>) -> bool {
        let wanted = known.wanted.as_deref();
        let is_unanswered = wanted.is_some_and(|it| known.was_sent(it) && !known.waits_for(it));
        let is_known = is_unanswered || !known.lags();
        // What an entitlement allows is put once, also where the answer was lost and a read has
        // shown it since (docs/carrier.md, T4).
        let stays_away = known.is_attached() && known.was_there() && known.read.is_none();
        known.live && !known.is_current() && is_known && !stays_away
    }

    /// Whether a grant may be let in now. Otherwise nothing is written, and what stands there
    /// stands with its own date.
    pub(super) fn may_be_put(&self, known: &Known<'_>) -> bool {
        let margins = self.input.margins;
        let has_time = self.input.now + margins.propagation + margins.clock < known.grant.deadline;
        let is_listed = self.input.listed.contains(&known.grant.id) || !stands(Clause::ListedFirst);
        let is_held = self.input.closings_only || self.input.clocks_differ;
        let is_vouched = self.user.unvouched.is_none();
        let may_open = self.condition == Condition::Ok && !is_held && known.is_its_user;
        may_open && is_vouched && has_time && (is_listed || !known.needs_list())
    }

    /// Whether the policy of a grant has room beside everything that stands there (docs/carrier.md,
    /// T8).
    pub(super) fn fits(&self, known: &Known<'_>) -> bool {
        let beside = self.used() - known.read.map_or(0, size);
        let needed = known.wanted.as_deref().map_or(0, size);
        beside + needed <= self.user.quota
    }

    /// Characters of all inline policies together.
    fn used(&self) -> usize {
        let texts = self.user.policies.values();
        self.user.foreign + texts.map(|text| size(text)).sum::<usize>()
    }

    fn write(&self, id: GrantId, text: Option<String>, replaces: Option<&str>) -> Write {
        Write {
            key: DocumentKey::Inline(id),
            text,
            revision: self.input.target.revision,
            opens: Vec::new(),
            guard_back: false,
            restores: Vec::new(),
            sends: Vec::new(),
            replaces: replaces.map(str::to_owned),
        }
    }
}

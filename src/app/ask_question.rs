//! Asking the requester instead of deciding, and the requester's answer.

use super::ctx::Ctx;
use super::load::{self, Locked, Shown};
use super::seats;
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::domain::text::Words;
use crate::error::{Error, VoteError};
use crate::ids::RequestId;
use crate::{authz, db};

/// Puts a question to the requester. Whoever could approve now may; one question waits at a time,
/// and stops nothing.
///
/// # Errors
/// When the caller may not decide it now, it is not pending, a question waits for its answer
/// already, or the text does not fit.
pub async fn ask(ctx: &Ctx, id: RequestId, text: &str) -> Result<Shown, Error> {
    let text = words(ctx, Verb::Ask, id, text).await?;
    load::on_request(ctx, Verb::Ask, id, async |tx: &mut Tx, locked: Locked| {
        let Locked {
            request,
            caller,
            seats,
            stands_in,
            involved,
            ..
        } = locked;
        let roles = ctx.app.roles();
        let authz::Decidable(request) =
            authz::decide(roles, &caller, request, stands_in, involved)?;
        request.may_be_decided("ask about", &tx.by)?;
        let now = tx.now();
        let may = seats.count(&request, now).may_vote(caller.human());
        may.map_err(seats::refused)?;
        let asked = db::questions::of_request(tx.conn(), id).await?;
        if asked.last().is_some_and(|it| it.answer.is_none()) {
            return Err(VoteError::QuestionOpen.into());
        }
        db::questions::ask(tx.conn(), id, caller.id, &text, now).await?;
        let change = request.questioned(&text, &tx.by)?;
        Ok(db::requests::store(tx.conn(), change).await?.into())
    })
    .await
}

/// Answers the question that is open.
///
/// # Errors
/// When the request is not the caller's, is not pending, no question waits for an answer, or the
/// text does not fit.
pub async fn answer(ctx: &Ctx, id: RequestId, text: &str) -> Result<Shown, Error> {
    let text = words(ctx, Verb::Answer, id, text).await?;
    load::on_request(
        ctx,
        Verb::Answer,
        id,
        async |tx: &mut Tx, locked: Locked| {
            let Locked {
                request,
                caller,
                involved,
                ..
            } = locked;
            let authz::Answerable(request) =
                authz::answer(ctx.app.roles(), &caller, request, involved)?;
            request.may_be_decided("answer for", &tx.by)?;
            let now = tx.now();
            if !db::questions::answer(tx.conn(), id, &text, now).await? {
                return Err(VoteError::NoQuestion.into());
            }
            let change = request.answered(&text, &tx.by)?;
            Ok(db::requests::store(tx.conn(), change).await?.into())
        },
    )
    .await
}

async fn words(ctx: &Ctx, verb: Verb, id: RequestId, text: &str) -> Result<Words, Error> {
    match Words::parse(text) {
        Ok(words) => Ok(words),
        Err(error) => {
            let error = Error::field("text", error.to_string());
            Err(ctx.refused(verb, id, error).await)
        }
    }
}

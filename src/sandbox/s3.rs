//! The one thing that buckets are for here: reading an object, by identity policies or by the
//! bucket's own.

use super::admit::{Ask, Needed, admit};
use super::caller::Caller;
use super::mode::Mode;
use super::state::State;
use super::wire::{Fault, Params, Xml};

/// The text of an object.
pub(super) fn get_object(
    state: &State,
    caller: &Caller,
    params: &Params,
    mode: Mode,
) -> Result<Xml, Fault> {
    let (bucket, key) = (params.need("Bucket")?, params.need("Key")?);
    let found = state.bucket(bucket);
    let (owner, found) = found.ok_or_else(|| {
        let message = "The specified bucket does not exist";
        Fault::new(404, "NoSuchBucket", message)
    })?;
    let context = caller.context(mode.now);
    let (action, resource) = ("s3:GetObject", format!("arn:aws:s3:::{bucket}/{key}"));
    let admitted = admit(&Ask {
        caller,
        action,
        resource: &resource,
        owner,
        policy: found.policy.data(mode.now, mode.delay),
        context: &context,
        own_context: &context,
        needed: Needed::Either,
    });
    admitted.map_err(|why| Fault::denied(&caller.arn, action, &resource, &why))?;
    let object = found.objects.get(key);
    let object =
        object.ok_or_else(|| Fault::new(404, "NoSuchKey", "The specified key does not exist."))?;
    Ok(Xml::raw(object))
}

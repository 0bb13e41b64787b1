-- An account may have a role of its own that Countersign works as there.

ALTER TABLE accounts
    ADD COLUMN manager_role_arn text,
    ADD COLUMN external_id text,
    ADD COLUMN owner text CHECK (owner <> ''),
    ADD CONSTRAINT manager_role CHECK (manager_role_arn ~ ('^arn:aws(-cn|-us-gov)?:iam::' || id || ':role/[!-~]+$')),
    ADD CONSTRAINT external_id CHECK (length(external_id) BETWEEN 2 AND 1224 AND external_id ~ '^[A-Za-z0-9_+=,.@:/-]+$');
COMMENT ON COLUMN accounts.manager_role_arn IS 'ARN of the role of this account that Countersign assumes to work in it; null: it works there with its own identity.';
COMMENT ON COLUMN accounts.external_id IS 'The external ID that we send when we assume the manager role, made by us once and kept: the role''s trust policy names it. No secret.';
COMMENT ON COLUMN accounts.owner IS 'Whom to ask about the account; for people.';

-- Every ARN names its partition, and nothing has ever read this column.
ALTER TABLE accounts DROP COLUMN partition;

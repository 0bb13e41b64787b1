-- Whoever could have decided a request still sees it when it is closed: lists walk along a group's requests, of one state or of any.

CREATE INDEX requests_approvers ON requests (approver_group, id);
CREATE INDEX requests_approvers_state ON requests (approver_group, state, id);

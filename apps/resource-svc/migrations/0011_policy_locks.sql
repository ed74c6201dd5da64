-- Locks decide about access as roles and users do.
drop index es_event_of_policy;
create index es_event_of_policy on es_event (seq)
  where type in ('ResourceUpserted', 'ResourceDeleted')
    and (stream_id like 'role/%' or stream_id like 'user/%' or stream_id like 'lock/%');
comment on index es_event_of_policy is
  'Every change of a role, user or lock, in order: the policy of a moment is found by walking them, however long ago it was.';

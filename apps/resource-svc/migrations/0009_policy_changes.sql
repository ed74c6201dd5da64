create index es_event_of_policy on es_event (seq)
  where type in ('ResourceUpserted', 'ResourceDeleted') and (stream_id like 'role/%' or stream_id like 'user/%');
comment on index es_event_of_policy is
  'Every change of a role or user, in order: the policy of a moment is found by walking them, however long ago it was.';

create table es_event (
  seq            bigint generated always as identity,
  event_id       uuid not null,
  stream_id      text not null,
  version        int not null,
  type           text not null,
  schema_version int not null,
  data           jsonb not null,
  meta           jsonb not null default '{}',
  at             timestamptz not null default clock_timestamp(),
  constraint es_event_pkey primary key (seq),
  constraint es_event_id unique (event_id),
  constraint es_event_stream_version unique (stream_id, version),
  constraint es_event_version_from_one check (version > 0),
  constraint es_event_stream_named check (stream_id ~ '^[a-z_]+/' and length(stream_id) between 3 and 600)
);
comment on table es_event is 'Every recorded fact of this service, for ever. seq is allocation order and no cursor: commits may come later.';
comment on constraint es_event_stream_version on es_event is 'Two writers that loaded the same version both insert version + 1; this refuses the second.';

create table es_outbox (
  seq bigint not null,
  constraint es_outbox_pkey primary key (seq)
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
comment on table es_outbox is 'Events not yet known to be in the JetStream stream. A set, so that a late commit is simply found later.';

create table es_relay (
  name       text not null,
  js_seq     bigint not null default 0,
  js_created text,
  constraint es_relay_pkey primary key (name)
);
comment on table es_relay is 'How far the JetStream stream was when the relay last wrote to it: a lower one lost its tail.';

create table es_inbox (
  consumer text not null,
  event_id uuid not null,
  at       timestamptz not null default now(),
  constraint es_inbox_pkey primary key (consumer, event_id)
);
comment on table es_inbox is 'Events whose side effect was done, for effects that are not rows keyed by stream and version.';

create table es_checkpoint (
  name       text not null,
  stream     text not null,
  js_created text not null,
  js_seq     bigint not null,
  constraint es_checkpoint_pkey primary key (name)
);
comment on table es_checkpoint is 'Place of each asynchronous projection in its JetStream stream, changed in the transaction of its rows.';

create table es_projection (
  name    text not null,
  version int not null,
  constraint es_projection_pkey primary key (name)
);
comment on table es_projection is 'The version of each projection that made its rows; another one in the program means rebuild.';

create table es_applied (
  projection text not null,
  stream_id  text not null,
  version    int not null,
  constraint es_applied_pkey primary key (projection, stream_id)
);
comment on table es_applied is 'The last version of each stream that an asynchronous projection applied: the next one is version + 1.';

create function es_event_refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'recorded events do not change' using errcode = 'restrict_violation', constraint = 'es_event_is_append_only';
end
$$;

create trigger es_event_is_append_only
  before update or delete on es_event
  for each row execute function es_event_refuse_change();

create trigger es_event_is_never_truncated
  before truncate on es_event
  for each statement execute function es_event_refuse_change();

create table es_parked (
  id             uuid not null,
  consumer       text not null,
  stream         text not null,
  stream_created text not null,
  js_seq         bigint not null,
  subject        text not null,
  headers        jsonb not null default '{}',
  body           bytea not null,
  is_whole       boolean not null,
  event_id       text not null default '',
  aggregate      text not null default '',
  deliveries     int not null,
  error_code     text not null,
  error          text not null,
  program        text not null,
  tries          int not null default 0,
  at             timestamptz not null default now(),
  retry_asked_at timestamptz,
  claimed_until  timestamptz,
  constraint es_parked_pkey primary key (id)
);
create index es_parked_by_consumer on es_parked (consumer, js_seq);
create index es_parked_by_aggregate on es_parked (consumer, aggregate) where aggregate <> '';
comment on table es_parked is 'Messages that a consumer of this service could not handle, whole, until they are handled after all or dropped by a person.';
comment on column es_parked.id is 'Derived from the consumer and the message, so that a message that is parked twice has one row.';
comment on column es_parked.program is 'Version of the program that could not handle it: another one may.';
comment on column es_parked.claimed_until is 'A replica is trying it again; when it does not come back, another may after this.';

create table es_skipped (
  consumer text not null,
  event_id uuid not null,
  at       timestamptz not null default now(),
  constraint es_skipped_pkey primary key (consumer, event_id)
);
comment on table es_skipped is 'Events that a person dropped for a consumer: a projection goes on, and is rebuilt, without them.';

create index es_inbox_by_time on es_inbox (at);

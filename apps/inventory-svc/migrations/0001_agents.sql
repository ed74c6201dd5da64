create table agent (
  agent_id        text not null,
  run             text not null,
  started_at      timestamptz not null,
  sequence        bigint not null,
  interval_ms     int not null,
  last_seen       timestamptz not null,
  version         text not null,
  hostname        text not null,
  services        text[] not null,
  address         text not null,
  served_revision bigint not null,
  presence        text not null default 'offline',
  stream_version  int not null default 0,
  left_run        text not null default '',
  left_at         timestamptz not null default '-infinity',
  constraint an_agent_has_one_row primary key (agent_id),
  constraint an_agent_is_online_or_offline check (presence in ('online', 'offline'))
) with (fillfactor = 60);
comment on table agent is
  'The last heartbeat of every agent, and its presence. A heartbeat is a row, not an event: only the change of presence is a fact. No index on last_seen: reading all rows now and then costs less than keeping it.';
comment on column agent.stream_version is 'Version of the stream agent/<agent_id>; changed in the transaction of its events, under the lock of this row.';
comment on column agent.left_run is 'The run of the process that said goodbye last: what it sent before that may arrive late and says nothing.';

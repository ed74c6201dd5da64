create table served_report (
  agent_id    text not null,
  run         text not null,
  started_at  timestamptz not null,
  revision    bigint not null,
  address     text not null,
  reported_at timestamptz not null,
  clusters    jsonb not null,
  constraint an_agent_has_one_report primary key (agent_id)
);
comment on table served_report is 'What each agent says it serves, as it said it last. Whether it is believed is decided where it is read.';

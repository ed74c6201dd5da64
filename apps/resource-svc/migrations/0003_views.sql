create table view (
  hash      text not null,
  selector  jsonb not null,
  opened_at timestamptz not null,
  filled_at timestamptz,
  constraint a_view_has_one_row primary key (hash)
);
comment on table view is 'Label views that are open. filled_at is set when the bus holds everything the view selects.';

create table view_reader (
  hash      text not null,
  agent_id  text not null,
  last_seen timestamptz not null,
  constraint a_reader_has_one_lease_per_view primary key (hash, agent_id),
  constraint a_reader_reads_an_open_view foreign key (hash) references view (hash) on delete cascade
);
comment on table view_reader is 'Leases: when an agent last opened or read a view. A view without a fresh lease is closed.';

create index view_reader_by_agent on view_reader (agent_id);

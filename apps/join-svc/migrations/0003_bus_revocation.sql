create table bus_revocation (
  bus_key text not null,
  agent_id text not null,
  ends_at timestamptz not null,
  constraint a_bus_user_is_revoked_once primary key (bus_key)
);
comment on table bus_revocation is
  'Bus users of revoked agents until the last credential of each has ended. What the bus is told follows from these rows.';

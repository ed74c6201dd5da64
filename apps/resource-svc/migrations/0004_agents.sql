create table agent_roles (
  agent_id text not null,
  roles    jsonb not null,
  joined_at timestamptz not null,
  constraint an_agent_has_one_set_of_roles primary key (agent_id)
);
comment on table agent_roles is
  'System roles of joined agents and services, from AgentJoined: they decide which kinds of resource a view may show them.';

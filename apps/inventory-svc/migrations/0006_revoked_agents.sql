create table revoked_agent (
  agent_id   text not null,
  revoked_at timestamptz not null,
  constraint an_agent_is_revoked_once primary key (agent_id)
);
comment on table revoked_agent is 'Agents and edges that join-svc revoked: their certificates are valid until they end and would let an edge speak for anybody.';

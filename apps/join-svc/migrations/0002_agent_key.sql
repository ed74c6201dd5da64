create table agent_key (
  agent_id text not null,
  key text not null,
  constraint an_agent_has_one_key primary key (agent_id),
  constraint a_key_belongs_to_one_agent unique (key)
);
comment on table agent_key is
  'SHA-256 of the public key that each agent holds a certificate for now. Two agents with one key would be one copied machine.';

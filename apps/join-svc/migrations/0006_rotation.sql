alter table authority drop constraint one_authority_of_each_use;
alter table authority add constraint an_authority_has_one_key primary key (pin);
alter table authority alter column sealed_key drop not null;
alter table authority add column chain text;
alter table authority add column retired_at timestamptz;
alter table authority add constraint who_retired_signs_no_more check (retired_at is null or sealed_key is null);
comment on column authority.chain is
  'Its certificate signed by the authority that it replaced, for whoever knows only that one.';

alter table agent_key add column issuer text not null default '';
alter table agent_key add column not_after timestamptz;
alter table agent_key add column trust_revision int not null default 0;
update agent_key set not_after = (
  select (data ->> 'notAfter')::timestamptz from es_event
  where stream_id = 'agent/' || agent_id and type in ('AgentJoined', 'AgentRenewed')
  order by version desc limit 1
);
update agent_key set issuer = coalesce((select pin from authority where use = 'host'), '');
create index agent_key_not_after on agent_key (not_after);
comment on table agent_key is
  'What each agent holds now: the SHA-256 of its public key, which no other may have, the pin of the authority that certified it and until when, and which revision of the trust it goes by.';
